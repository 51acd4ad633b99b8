"""The live figures with a network in them, in Chromium: served as the site serves them."""

import functools
import http.server
import json
import shutil
import sys
import threading

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from catdog.core import paths
from catdog.data import imaging

SITE = paths.ROOT / "scripts/site"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="live/live.css"><title>A figure</title>
<body><div class="live-figure" data-live="NAME"></div><script type="module">
import { mount } from "./live/NAME.js";
window.figure = mount(document.querySelector("[data-live]"));
</script></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The figures with all that they load, and a page for each."""
    sys.path.insert(0, str(SITE))
    import assets

    made = tmp_path_factory.mktemp("live")
    shutil.copytree(SITE / "live", made / "live")
    assets.main(made / "live/assets")
    for name in ("inside-network", "cat-or-dog", "train-here"):
        (made / f"{name}.html").write_text(PAGE.replace("NAME", name), "utf-8")
    yield made
    sys.path.remove(str(SITE))


class Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_):
        pass


@pytest.fixture
def site(folder):
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def figure(browser, site):
    """Open a figure; `wait` for what JavaScript says. At the end nothing foreign was asked for."""

    def wait(condition, seconds=60):
        return WebDriverWait(browser, seconds).until(
            lambda _: browser.execute_script(f"return {condition}")
        )

    def open_(name, width=1100):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(f"{site}/{name}.html")
        return wait

    yield open_
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    addresses = [
        message["params"]["request"]["url"]
        for message in asked
        if message["method"] == "Network.requestWillBeSent"
    ]
    addresses = [x for x in addresses if x.startswith(("http", "ws"))]
    assert addresses and [x for x in addresses if not x.startswith(site)] == []
    assert [x for x in browser.get_log("browser") if x["level"] == "SEVERE"] == []


def test_inside_network_follows_a_number_back(browser, figure):
    """From a probability to the photo, by keyboard, each number again where it came from."""
    wait = figure("inside-network", 320)
    wait("document.querySelector('.live-grid button')")
    assert browser.execute_script("return document.documentElement.scrollWidth") == 320

    def value():
        return browser.find_element(By.CSS_SELECTOR, ".live-numbers output").text

    layers = browser.find_elements(By.CSS_SELECTOR, ".live-layers input")
    browser.execute_script("arguments[0].focus()", layers[2])
    for _ in layers[3:]:
        browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert layers[-1].is_selected()
    places = []
    for _ in layers[1:]:
        cells = browser.find_elements(By.CSS_SELECTOR, ".live-grid button:enabled")
        cell = max(cells, key=lambda x: float(x.text.split("\n")[0].replace("−", "-")))
        number = cell.text.split("\n")[0]
        cell.send_keys(Keys.ENTER)
        assert value() == number
        places.append(browser.find_element(By.CSS_SELECTOR, ".live-numbers strong").text)
    y, x = (int(word.split(" ")[1]) for word in places[-1].split(", ")[-2:])
    colour = ("red", "green", "blue").index(places[-1].split(", ")[1])
    cat = imaging.resize(skimage.data.chelsea(), 150)
    assert float(value()) == cat[y, x, colour]
    browser.find_element(By.CSS_SELECTOR, ".live-numbers button").send_keys(Keys.ENTER)
    assert browser.find_element(By.CSS_SELECTOR, ".live-numbers strong").text == places[-2]


def test_inside_network_moves_over_a_map_of_ones_own_photo(browser, figure, tmp_path):
    wait = figure("inside-network")
    wait("document.querySelector('.live-grid button')")
    before = browser.find_element(By.CSS_SELECTOR, ".live-meter").get_attribute("aria-label")
    pixels = cv2.resize(skimage.data.coffee(), (400, 300), interpolation=cv2.INTER_AREA)
    Image.fromarray(pixels).save(tmp_path / "coffee.png")
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(
        str(tmp_path / "coffee.png")
    )
    wait(f"document.querySelector('.live-meter').ariaLabel !== {json.dumps(before)}")
    browser.execute_script("document.querySelectorAll('.live-layers input')[0].click()")
    frame = browser.find_element(By.CSS_SELECTOR, "[role=application]")
    frame.send_keys(Keys.ARROW_UP * 200 + Keys.ARROW_LEFT * 200 + Keys.ARROW_RIGHT * 3)
    words = browser.find_element(By.CSS_SELECTOR, ".live-numbers").text
    photo = imaging.resize(pixels, 150)
    assert words.startswith("photo, ") and "row 0, column 3" in words
    colour = ("red", "green", "blue").index(words.split(", ")[1])
    assert float(words.split("\n")[-1]) == photo[0, 3, colour]
    assert np.ptp(photo[0, :4]) > 0
