"""The live figures with a network in them, in Chromium: served as the site serves them."""

import json

import assets
import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from servers import Pages, serving
from sites import resize, show

from catdog import Classifier
from catdog.data import imaging, synthetic
from catdog.evaluation import ood

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="live/live.css"><title>A figure</title>
<body><div class="live-figure" data-live="NAME"></div><script type="module">
import { mount } from "./live/NAME.js";
window.figure = mount(document.querySelector("[data-live]"));
</script></body></html>"""


@pytest.fixture(scope="module")
def folder(html, tmp_path_factory):
    """The built site, and beside it a page for each figure."""
    made = tmp_path_factory.mktemp("live")
    (made / "live").symlink_to(html / "_static/live")
    for part in html.iterdir():
        (made / part.name).symlink_to(part)
    for name in ("inside-network", "cat-or-dog", "train-here"):
        (made / f"{name}.html").write_text(PAGE.replace("NAME", name), "utf-8")
    return made


class Strict(Pages):
    """Serves files by which a page, or a worker, can ask nobody else for anything."""

    sources = "'self' blob: data: 'unsafe-inline' 'wasm-unsafe-eval'"

    def end_headers(self):
        self.send_header("Content-Security-Policy", f"default-src {self.sources}")
        super().end_headers()

    def translate_path(self, path):
        name = path.split("?")[0].split("/")[-1]
        return str(self.server.instead.get(name) or super().translate_path(path))

    def log_message(self, _, request, *__):
        self.server.asked.append(request)


@pytest.fixture
def site(folder):
    """A server of the figures; `asked` lists what it was asked for, `instead` has other files."""
    with serving(folder, Strict) as server:
        server.asked, server.instead = [], {}
        yield server


@pytest.fixture
def figure(browser, site):
    """Open a figure; `wait` for what JavaScript says. At the end nothing was refused."""

    def wait(condition, seconds=60):
        return WebDriverWait(browser, seconds).until(
            lambda _: browser.execute_script(f"return {condition}")
        )

    def open_(name, width=1100):
        resize(browser, width, 900)
        browser.get(f"http://127.0.0.1:{site.server_port}/{name}.html")
        show(browser, browser.find_element(By.CSS_SELECTOR, "[data-live]"))
        return wait

    yield open_
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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Files of all kinds, in the order of their names."""
    made = tmp_path_factory.mktemp("pictures")
    cat = Image.fromarray(skimage.data.chelsea())
    cat.save(made / "cat.jpg")
    cat.resize((1353, 900)).save(made / "cat_large.jpg")
    cat.resize((120, 200)).save(made / "cat_small.png")
    turned = cat.getexif()
    turned[0x0112] = 6
    cat.rotate(90, expand=True).save(made / "cat_turned.jpg", exif=turned)
    clear = cat.convert("RGBA")
    clear.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 451).astype(np.uint8), (300, 1))))
    clear.save(made / "cat_half_clear.png")
    for label in ("cat", "dog"):
        for number in range(2):
            (made / f"drawn_{label}_{number}.jpg").write_bytes(synthetic.jpeg(label, number))
    Image.fromarray(ood.draw("noise", 1)).save(made / "noise.png")
    Image.fromarray(skimage.data.coffee()).save(made / "coffee.webp", quality=90)
    return sorted(made.iterdir())


def answers(browser):
    cards = browser.find_elements(By.CSS_SELECTOR, ".live-cards li")
    return [(card.get_attribute("data-label"), card.get_attribute("data-dog")) for card in cards]


def click(browser, words):
    browser.find_element(By.XPATH, f"//button[starts-with(., '{words}')]").click()


def test_cat_or_dog_answers_in_its_chapter_as_catdog_predict(
    browser, figure, site, pictures, tmp_path
):
    wait = figure("notebooks/17_using_the_model")
    wait("document.querySelector('.live button')")
    assert not any("classifier.onnx" in request for request in site.asked)  # not before the click
    click(browser, "Load the model (24 MB)")
    wait("document.querySelector('.live-cards')", 120)
    assert any("classifier.onnx" in request for request in site.asked)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(pictures[0].read_bytes()[:200])
    chosen = "\n".join(map(str, [*pictures, broken]))
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(chosen)
    wait("document.querySelector('.live-status').textContent.includes('1 of them could not')", 180)
    *found, (label, _) = answers(browser)
    assert label is None
    classifier = Classifier()
    wanted = [classifier.predict(picture) for picture in pictures]
    assert {answer.label for answer in wanted} == {"cat", "dog", "neither"}
    for answer, (label, dog) in zip(wanted, found, strict=True):
        assert abs(float(dog) - answer.dog) < 0.04, answer
        assert label == answer.label, answer


def test_cat_or_dog_is_there_offline_the_second_time(browser, figure):
    wait = figure("cat-or-dog", 320)
    wait("document.querySelector('.live button')")
    click(browser, "Load the model")
    wait("document.querySelector('.live-cards')", 120)
    wait = figure("cat-or-dog", 320)
    wait("document.querySelector('.live button')")
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    click(browser, "Start")
    wait("document.querySelector('.live-cards')", 120)
    click(browser, "A cat, and noise")
    wait("document.querySelectorAll('.live-cards .live-meter').length === 2")
    assert [label for label, _ in answers(browser)] == ["cat", "neither"]
    assert browser.execute_script("return document.documentElement.scrollWidth") == 320


@pytest.mark.parametrize("name", ["classifier.onnx", "known.bin", "classifier-worker.js"])
def test_cat_or_dog_says_what_to_do_where_the_model_does_not_come(
    browser, figure, site, folder, name
):
    # nothing, or, as where the site is made anew, another file
    site.instead[name] = folder / "cat-or-dog.html" if name == "known.bin" else "/nowhere"
    wait = figure("cat-or-dog")
    wait("document.querySelector('.live button')")
    click(browser, "Load the model")
    wait("document.querySelector('.live-status').textContent.includes('could not be loaded')")
    browser.get_log("browser")  # it says 404, too
    site.instead.clear()
    click(browser, "Load the model")
    wait("document.querySelector('.live-cards')", 120)


def test_figure_that_does_not_come_says_so_and_its_picture_stays(browser, figure, site):
    site.instead["classifier.json"] = "/nowhere"
    wait = figure("cat-or-dog")
    wait("document.querySelector('[role=status]')?.textContent.includes('could not be loaded')")
    browser.get_log("browser")


def test_train_here_learns_pauses_and_begins_anew(browser, figure, site, tmp_path):
    assets.drawings(tmp_path, n=80, held=40)
    site.instead |= {path.name: path for path in tmp_path.iterdir()}
    wait = figure("train-here", 320)
    wait("document.querySelector('.live-drawings')")
    status = "document.querySelector('.live-status').textContent"
    wait(f"{status}.startsWith('Not trained yet')")
    kernels = "return document.querySelector('.live-kernels canvas').toDataURL()"
    drawn = browser.execute_script(kernels)
    click(browser, "Start")
    wait(f"{status}.startsWith('Epoch 2')", 120)
    assert browser.execute_script(kernels) != drawn
    assert browser.execute_script("return document.documentElement.scrollWidth") == 320
    click(browser, "Pause")
    curve = "document.querySelector('.live-chart svg').ariaLabel"
    said, drawn = browser.execute_script(f"return [{status}, {curve}]")
    losses = [
        float(x.split("validation ")[1].split(",")[0]) for x in (drawn, said.replace("loss ", ""))
    ]
    assert losses[0] == pytest.approx(losses[1], abs=0.006)
    select = Select(browser.find_elements(By.TAG_NAME, "select")[1])
    select.select_by_visible_text("4")
    wait(f"{status}.startsWith('Not trained yet')")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".live-kernels canvas")) == 4
