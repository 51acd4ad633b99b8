"""A headless browser, and the page it looks at."""

import os
import shutil

import pytest

from catdog.core import paths
from catdog.inference import serve
from catdog.inference.classifier import Classifier


@pytest.fixture(scope="session")
def address():
    """The server in this process, with the smaller of the shipped models."""
    model = Classifier(paths.MODELS / "cat_dog_cnn.keras")
    with serve.running(model) as address:
        yield address


@pytest.fixture(scope="session")
def default_address():
    """The same with the model that `catdog serve` uses, and its refusal."""
    with serve.running(Classifier()) as address:
        yield address


@pytest.fixture
def browser(tmp_path):
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium and chromedriver must be installed where CI runs")
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        "--disable-dev-shm-usage --window-size=1100,900"
    ).split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    found.set_page_load_timeout(120)
    yield found
    found.quit()
