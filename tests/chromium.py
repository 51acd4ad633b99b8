"""A headless Chromium, for the tests that look at pages."""

import os
import shutil

import pytest


def start(profile):
    """Start it with a profile of its own, or skip the test where it is missing."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium and chromedriver must be installed where CI runs")
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        "--disable-dev-shm-usage --window-size=1100,900 "
        "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
    ).split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})

    class Browser(webdriver.Chrome):
        def get(self, url):
            """Open a page, and wait until it is there: a busy browser may return with the last."""
            same = self.current_url.split("#")[0] == url.split("#")[0]
            self.execute_script("window.before = true")
            super().get(url)
            gone = "return !window.before && document.readyState === 'complete'"
            if not same or "#" not in url:
                WebDriverWait(self, 120).until(lambda _: self.execute_script(gone))

    found = Browser(options=options, service=Service(driver))
    found.set_page_load_timeout(120)
    return found
