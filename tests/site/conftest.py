"""One build of the web edition for all tests of a run, its server, a visit to each page."""

import contextlib
import json
import os
import resource
import subprocess
import sys

import chromium
import pytest
from bs4 import BeautifulSoup
from filelock import FileLock
from servers import serving
from sites import SITE, WATCH, resize, show, wait


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of the build, and what it cost: one for all processes of the tests."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder, cost = shared / "site", shared / "site.json"
    with FileLock(shared / "site.lock"):
        if not cost.exists():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, str(SITE / "build.py"), "--out", str(folder)]
            settings = {**os.environ, "REPOSITORY": "https://github.com/reader/series"}
            done = subprocess.run(command, capture_output=True, text=True, env=settings)
            assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            cost.write_text(json.dumps({"processor": spent, "said": done.stdout}))
    return folder, json.loads(cost.read_text())


@pytest.fixture(scope="session")
def html(built):
    return built[0] / "html"


@pytest.fixture(scope="session")
def searchable(html):
    """Skip where Node is missing, and fail where CI should have it."""
    if not (html / "pagefind").exists():
        reason = "Node, or the registry of its packages, is missing"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture(scope="session")
def pages(html):
    """Path from the top → the page, read."""
    files = sorted(html.rglob("*.html"))
    return {
        f.relative_to(html).as_posix(): BeautifulSoup(f.read_text("utf-8"), "html.parser")
        for f in files
    }


@pytest.fixture(scope="session")
def address(html):
    with serving(html) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="session")
def chrome(tmp_path_factory):
    """One Chromium for all tests of the site."""
    started = chromium.start(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()


# a network is still to be fetched when its figure is there
FILLED = """return arguments[0].querySelector(arguments[0].dataset.live == "inside-network"
  ? ".live-grid button" : ".live")"""
# how high a live figure is, and how high its place was before it came
ROOM = """return [arguments[0].querySelector(".live").offsetHeight,
  parseFloat(getComputedStyle(arguments[0]).minHeight)]"""


@contextlib.contextmanager
def opened(chrome):
    """A page of its own, as if the browser had just been started; its site's data go at the end."""
    first = chrome.current_window_handle
    chrome.switch_to.new_window("tab")
    chrome.get_log("browser"), chrome.get_log("performance")
    yield chrome
    site = {"origin": chrome.execute_script("return location.origin"), "storageTypes": "all"}
    if site["origin"].startswith("http"):
        chrome.execute_cdp_cmd("Storage.clearDataForOrigin", site)
    chrome.close()
    chrome.switch_to.window(first)


@pytest.fixture
def browser(chrome):
    with opened(chrome) as page:
        yield page


@pytest.fixture(scope="session")
def visits(address, html, pages, chrome):
    """Page → what opening it asked for, weighed, moved and said, and how wide it is on phones."""
    with opened(chrome) as browser:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        return {page: visit(browser, address, html, page) for page in pages}


def visit(browser, address, html, page):
    resize(browser, 320)
    browser.get(f"{address}/{page}")
    seen = {"requests": [], "wide": {}, "room": []}
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        asked = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            if asked["documentURL"] == f"{address}/{page}":  # not of the page before
                seen["requests"].append(asked["request"]["url"])
    own = {url.split("?")[0].removeprefix(address) for url in seen["requests"]}
    files = [html / path.lstrip("/") for path in own if path.startswith("/")]
    seen["bytes"] = sum(file.stat().st_size for file in files)
    seen["shift"] = browser.execute_script("return window.shift")
    seen["said"] = [entry["message"] for entry in browser.get_log("browser")]
    for width in (320, 768):
        resize(browser, width)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        seen["wide"][width] = wide
    for figure in browser.find_elements("css selector", "[data-live]"):
        show(browser, figure)
        wait(browser, FILLED, figure, seconds=120)
        for width in (320, 768):
            resize(browser, width)
            room = browser.execute_script(ROOM, figure)
            seen["room"].append([figure.get_attribute("data-live"), width, *room])
    return seen
