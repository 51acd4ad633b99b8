"""Live figures in Chromium, from a file that holds what `live.show` gives and nothing else."""

import base64
import io
import json
import re
import time

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from sites import resize

from catdog.book import live

CHELSEA = skimage.data.chelsea()
GREY = cv2.cvtColor(CHELSEA, cv2.COLOR_RGB2GRAY)
CAT = cv2.resize(GREY, (240, 160), interpolation=cv2.INTER_AREA)
PICTURES = {
    "kernel-editor": CAT,
    "pooling-and-receptive-field": cv2.resize(CHELSEA, (150, 150), interpolation=cv2.INTER_AREA),
}
NAMES = ["connections", "gradient-descent", "sliding-window", *PICTURES]
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A figure</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<body style="margin: 8px">{}</body></html>"""


@pytest.fixture
def figure(browser, tmp_path):
    """Open what `live.show` gives; at the end nobody was asked for anything, and no error said."""

    def open_(name, width=1000, **options):
        picture = PICTURES.get(name)
        alt = "The cat." if picture is not None else None
        shown = live.show(name, picture, alt, **options)._repr_mimebundle_()["text/html"]
        page = tmp_path / f"{name}.html"
        page.write_text(PAGE.format(shown), "utf-8")
        resize(browser, width, 900)
        browser.get_log("performance")
        browser.get(page.as_uri())
        WebDriverWait(browser, 30).until(lambda _: find(browser, ".live-try"))

    yield open_
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    asked = [p["request"]["url"] for p in sent if p["documentURL"].startswith("file:")]
    assert asked and {url.split(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert len([url for url in asked if url.startswith("file:")]) <= 2  # the pages alone
    assert [x for x in browser.get_log("browser") if x["level"] == "SEVERE"] == []


def find(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def numbers(text):
    return [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))]


def table(browser, label):
    """The numbers of a table, row by row; None where a cell is empty."""
    (element,) = find(browser, f'.live-table[aria-label^="{label}"]')
    read = """return [arguments[0].style.getPropertyValue("--live-columns"),
        ...[...arguments[0].children].map((x) => x.value ?? x.textContent)]"""
    columns, *words = browser.execute_script(read, element)
    cells, k = [numbers(word)[0] if word else None for word in words], int(columns)
    return [cells[i : i + k] for i in range(0, len(cells), k)]


def choose(browser, label, value):
    (element,) = browser.find_elements(
        By.XPATH, f"//label[starts-with(normalize-space(), '{label}')]/select"
    )
    Select(element).select_by_value(str(value))


def click(browser, words):
    browser.find_element(By.XPATH, f"//button[starts-with(normalize-space(), '{words}')]").click()


def result(browser):
    return numbers(find(browser, ".live-sum output")[0].text)[0]


def point(browser, element, down, across):
    """Move the pointer to a share of an element's height and width."""
    left, top = (across - 0.5) * element.size["width"], (down - 0.5) * element.size["height"]
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", element)
    ActionChains(browser, 0).move_to_element_with_offset(element, left, top).perform()


@pytest.mark.parametrize("name", NAMES)
def test_fits_a_phone_and_is_used_by_keyboard(browser, figure, name):
    figure(name, 320)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 320
    wide = """return [...document.querySelectorAll(".live :not(svg *)")].filter((x) =>
        x.getBoundingClientRect().right > 313).length"""
    assert browser.execute_script(wide) == 0  # nothing stands over the figure's right edge
    unnamed = """
        return [...document.querySelectorAll("[tabindex], button, select, input, canvas, svg")]
          .filter((x) => !x.closest("label") && !x.ariaLabel && !x.textContent.trim())
          .map((x) => x.outerHTML.slice(0, 100));
    """
    assert [x for x in browser.execute_script(unnamed) if "<canvas" not in x] == []
    browser.execute_script("document.onkeydown = () => document.body.append('a key of the page')")
    said = browser.find_element(By.CSS_SELECTOR, ".live [role=status]").text
    tools = find(browser, ".live [role=application]")
    assert tools
    for tool in tools:
        tool.send_keys(Keys.ARROW_RIGHT + Keys.ARROW_DOWN)
    now = " ".join(x.text for x in find(browser, ".live [role=status]"))
    assert said and said not in now
    assert "a key of the page" not in browser.find_element(By.TAG_NAME, "body").text


@pytest.mark.parametrize("name", NAMES)
def test_words_and_colours_follow_the_reader(browser, figure, name):
    """Dark by the system's wish, and in other words than English, where the page has them."""
    english = json.loads((live.FOLDER / "messages" / "en.json").read_text("utf-8"))
    other = {key: f"~{text}" for key, text in english.items()}
    paper = "return getComputedStyle(document.querySelector('.live')).backgroundColor"
    found = set()
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        figure(name, messages=other)
        found.add(browser.execute_script(paper))
        assert find(browser, ".live-try")[0].text.startswith("~")
    assert len(found) == 2


def test_sliding_window_steps_through_all_places(browser, figure):
    figure("sliding-window")
    picture, kernel = (np.array(table(browser, name)) for name in ("picture", "kernel"))
    wanted = cv2.filter2D(picture, -1, kernel)[1:-1, 1:-1]
    assert table(browser, "result")[0] == [wanted[0, 0], None, None, None]
    for at in range(16):
        words = find(browser, ".live-sum")[0].text
        row, column = at // 4, at % 4
        assert words.startswith(f"Row {row}, column {column}:")
        window = picture[row : row + 3, column : column + 3]
        products = [numbers(x.text)[0] for x in find(browser, ".live-products b")]
        assert products == (window * kernel).ravel().tolist()
        assert result(browser) == wanted[row, column]
        click(browser, "Step")
    assert table(browser, "result") == wanted.tolist()
    click(browser, "Back")
    assert find(browser, ".live-sum")[0].text.startswith("Row 3, column 2:")


def test_sliding_window_takes_other_settings_and_weights(browser, figure):
    figure("sliding-window", padding=1, stride=2)
    picture = np.array(table(browser, "picture"))
    assert picture.shape == (8, 8) and not picture[0].any()
    weight = find(browser, '.live-table[aria-label^="kernel"] input')[0]
    weight.send_keys(Keys.BACKSPACE * 5 + "1/4")
    kernel = np.array([[0.25, 0, 1], [-1, 0, 1], [-1, 0, 1]])
    element = find(browser, '.live-table[aria-label^="result"]')[0]
    point(browser, element, 0.9, 0.9)
    wanted = (picture[4:7, 4:7] * kernel).sum()
    assert result(browser) == wanted
    for name in ("padding", "dilation"):
        choose(browser, name, 2)
    assert "⌊(6 + 2·2 − 2·2 − 1) / 2⌋ + 1 = 3" in find(browser, ".live-formula")[0].text
    point(browser, element, 0.5, 0.5)
    padded = np.pad(picture[1:-1, 1:-1], 2)
    assert result(browser) == (padded[2:7:2, 2:7:2] * kernel).sum()
    point(browser, find(browser, '.live-table[aria-label^="picture"]')[0], 0.2, 0.25)
    assert find(browser, ".live-sum")[0].text.startswith("Row 0, column 0:")


def test_sliding_window_plays_until_the_end(browser, figure):
    figure("sliding-window", stride=3)
    click(browser, "Play")
    last = "Row 1, column 1:"
    WebDriverWait(browser, 20).until(lambda _: last in find(browser, ".live-sum")[0].text)
    WebDriverWait(browser, 5).until(lambda _: find(browser, ".live-bar button")[2].text == "Play")


def shown(browser, index):
    """The grey levels of a canvas."""
    code = "return document.querySelectorAll('.live canvas')[arguments[0]].toDataURL()"
    content = base64.b64decode(browser.execute_script(code, index).split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[:, :, 0]


@pytest.mark.parametrize("name", ["box8", "gaussian", "sharpen", "laplacian", "magnitude"])
def test_kernel_editor_shows_what_filter2d_gives(browser, figure, name):
    figure("kernel-editor")
    choose(browser, "kernel", name)
    cat = shown(browser, 0)
    assert cat.shape == CAT.shape and np.abs(cat.astype(int) - CAT).mean() < 3
    kernel = np.array(table(browser, "× kernel"))
    kernel = {"box8": np.full((8, 8), 1 / 64)}.get(name, kernel)
    if name == "gaussian":
        kernel = cv2.getGaussianKernel(5, 1) @ cv2.getGaussianKernel(5, 1).T
    if name == "magnitude":
        gx, gy = (cv2.filter2D(cat.astype(np.float32), -1, k) for k in (kernel, kernel.T))
        wanted = np.clip(np.round(np.hypot(gx, gy)), 0, 255)
    else:
        choose(browser, "show", "cut")
        wanted = cv2.filter2D(cat, -1, kernel.astype(np.float32))
    assert wanted.std() > 2
    assert (shown(browser, 1) == wanted).all()
    frame = find(browser, ".live-frame")[1]
    point(browser, frame, 0.4, 0.6)
    row, column = numbers(find(browser, ".live-sum")[0].text)[:2]
    assert abs(row - 0.4 * 160) <= 2 and abs(column - 0.6 * 240) <= 2
    assert result(browser) == wanted[int(row), int(column)]
    k = len(kernel)
    border = np.pad(cat, k // 2, mode="reflect")
    window = border[int(row) : int(row) + k, int(column) : int(column) + k]
    assert table(browser, "window") == window.tolist()
    assert np.abs(np.array(table(browser, "= products")) - window * kernel).max() <= 0.05 + 1e-9


def test_kernel_editor_takes_typed_numbers_and_ones_own_photo(browser, figure, tmp_path):
    figure("kernel-editor")
    coffee = cv2.resize(skimage.data.coffee(), (300, 200), interpolation=cv2.INTER_AREA)
    Image.fromarray(coffee).save(tmp_path / "coffee.png")
    find(browser, "input[type=file]")[0].send_keys(str(tmp_path / "coffee.png"))
    WebDriverWait(browser, 20).until(lambda _: shown(browser, 0).shape == (200, 300))
    photo = cv2.cvtColor(coffee, cv2.COLOR_RGB2GRAY)
    assert (shown(browser, 0) == photo).all()
    choose(browser, "size", 5)
    corner = find(browser, '.live-table[aria-label^="×"] input')[0]
    corner.send_keys(Keys.BACKSPACE * 5 + "-1/")
    assert corner.get_attribute("aria-invalid") == "true"
    corner.send_keys("8")
    kernel = np.zeros((5, 5), np.float32)
    kernel[1:4, 1:4] = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    kernel[0, 0] = -1 / 8
    choose(browser, "show", "cut")
    assert (shown(browser, 1) == cv2.filter2D(photo, -1, kernel)).all()
    frame = find(browser, ".live-frame")[0]
    frame.send_keys(Keys.ARROW_LEFT * 300 + Keys.ARROW_UP * 200)
    assert find(browser, ".live-sum")[0].text.startswith("Row 0, column 0:")
    border = np.pad(photo, 2, mode="reflect")
    assert table(browser, "window") == border[:5, :5].tolist()


def test_pooling_shows_areas_and_numbers(browser, figure):
    figure("pooling-and-receptive-field")
    names = [x.text.split("\n") for x in find(browser, ".live-strip .live-name")]
    sizes = [150, 150, 75, 75, 37, 37, 18]
    assert [size for _, size in names] == [f"{n}×{n}" for n in sizes]
    for layer, field in ((2, 4), (4, 10), (6, 22)):
        point(browser, find(browser, ".live-strip .live-frame")[layer], 0.5, 0.5)
        words = find(browser, ".live-wide [role=status]")[0].text
        assert words.startswith(f"pool {layer // 2}, row ")
        assert f"It has seen {field}×{field} pixels" in words
        assert find(browser, ".live-small .live-name")[0].text == f"of the photo: {field}×{field}"
        four = table(browser, "the numbers it is made from")
        assert round(max(max(four)), 2) == round(numbers(words.split(" is ")[1])[0], 2)
    corner = find(browser, ".live-strip .live-frame")[6]
    corner.send_keys(Keys.ARROW_UP * 20 + Keys.ARROW_LEFT * 20)
    words = find(browser, ".live-wide [role=status]")[0].text
    assert "would see 22×22 pixels; at the border there are 15×15" in words


def test_convolution_in_the_network_is_a_sum_of_its_window(browser, figure):
    figure("pooling-and-receptive-field")
    point(browser, find(browser, ".live-strip .live-frame")[3], 0.55, 0.6)
    words = find(browser, ".live-wide [role=status]")[0].text
    window = np.array(table(browser, "the numbers it is made from"))
    smooth = np.outer([1, 2, 1], [1, 2, 1]) / 16
    assert words.startswith("conv 2, ") and window.max() > 0
    assert abs((window * smooth).sum() - numbers(words.split(" is ")[1])[0]) < 0.006


@pytest.mark.parametrize("kind, size, stride", [("max", 2, 2), ("average", 2, 2), ("max", 3, 1)])
def test_pooling_by_numbers(browser, figure, kind, size, stride):
    figure("pooling-and-receptive-field")
    choose(browser, "keep", kind)
    choose(browser, "squares of", size)
    choose(browser, "stride", stride)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.array(table(browser, "map")), (size, size)
    )
    wanted = {"max": np.max, "average": np.mean}[kind](windows, (2, 3))[::stride, ::stride]
    found = table(browser, "pooled")
    assert found == wanted.round(2).tolist()
    point(browser, find(browser, '.live-table[aria-label^="pooled"]')[0], 0.9, 0.1)
    assert find(browser, ".live-sum")[1].text.endswith(f"= {wanted[-1, 0]:g}")


def test_connections_of_three_kinds(browser, figure):
    figure("connections")
    pixels = np.array([1, 1, 1, 8, 8, 8, 1, 1])
    for kind, many in (("dense", 48), ("local", 18), ("shared", 3)):
        click(browser, kind)
        assert f"{many} weights" in find(browser, "[data-kind][aria-pressed=true]")[0].text
        (sees,) = find(browser, ".live-choice select")  # a window, which dense has none of
        assert sees.is_enabled() == ("windows" in find(browser, ".live-note")[0].text)
        assert sees.is_enabled() == (kind != "dense")
        matrix = np.array(table(browser, "matrix"), object)
        there = {at: weight for at, weight in np.ndenumerate(matrix) if weight is not None}
        assert len(set(there.values()) if kind == "shared" else there) == many
        activations = [numbers(x.text)[0] for x in find(browser, ".live-node")][8:]
        weights = np.array([[w or 0 for w in row] for row in matrix], float)
        assert np.abs(activations - weights @ pixels).max() < 0.051
        element = find(browser, '.live-table[aria-label^="matrix"]')[0]
        point(browser, element, 0.92, 0.93)
        words = find(browser, ".live [role=status]")[0].text
        assert "from pixel 8 to neuron 6" in words
        assert numbers(words.split("from")[0])[0] == matrix[5, 7]
        assert result(browser) == pytest.approx(weights[5] @ pixels)
    click(browser, "Move the picture by one")
    after = [numbers(x.text)[0] for x in find(browser, ".live-node")][8:]
    assert after[1:] == activations[:-1]


def test_connections_say_the_weight_of_a_line(browser, figure):
    figure("connections", kind="local")
    matrix = table(browser, "matrix")
    hit = find(browser, '[data-link="3,4"]')[0]
    move = "arguments[0].dispatchEvent(new PointerEvent('pointerover', { bubbles: true }))"
    browser.execute_script(move, hit)
    words = find(browser, ".live [role=status]")[0].text
    assert "from pixel 5 to neuron 4" in words
    assert numbers(words.split("from")[0])[0] == matrix[3][4]
    svg = find(browser, ".live-wiring")[0]
    svg.send_keys(Keys.ARROW_RIGHT + Keys.ARROW_UP)
    assert "from pixel 6 to neuron 5" in find(browser, ".live [role=status]")[0].text


def walk(rate, steps, start=(0.5, -0.5)):
    """The weights and the losses of the chapter's neuron."""
    ears, noses = [3, 2.5, 3.5, 1.5, 1, 0.5, 1.5, 2.5], [1, 1, 1.5, 1.5, 2, 1.5, 3, 1.5]
    x = np.transpose([ears, noses])
    y = np.arange(8) > 3
    w, losses = np.array(start), []
    for _ in range(steps + 1):
        p = 1 / (1 + np.exp(-x @ w))
        losses.append(-np.log(np.where(y, p, 1 - p)).mean())
        slopes = x.T @ (p - y) / 8
        before, w = w, w - rate * slopes
    return before, slopes, losses


@pytest.mark.parametrize("name, rate", [("too small", 0.02), ("right", 0.5), ("too large", 6.0)])
def test_gradient_descent_shows_the_numbers_of_each_step(browser, figure, name, rate):
    figure("gradient-descent")
    click(browser, name)
    for _ in range(3):
        click(browser, "Step")
    weights, slopes, losses = walk(rate, 3)
    lines = find(browser, ".live [role=status] p")
    assert lines[0].text.startswith(f"After 3 steps the loss is {round(losses[-1], 3):g}.")
    for line, weight, slope in zip(lines[1:], weights, slopes, strict=True):
        old, eta, gradient, new = numbers(line.text.split(": ")[1].replace(" − ", " "))
        assert (eta, old, gradient) == (rate, round(weight, 3), round(slope, 3))
        assert new == round(weight - rate * slope, 3)
    foot = [numbers(x.text)[0] for x in find(browser, "tfoot td")]
    assert foot == slopes.round(3).tolist()
    rows = [
        [numbers(x.text)[0] for x in row.find_elements(By.TAG_NAME, "td")]
        for row in find(browser, "tbody tr")
    ]
    assert np.abs(np.mean(rows, axis=0)[3:] - slopes).max() < 1e-3
    find(browser, "tbody button")[7].send_keys(Keys.ENTER)
    assert find(browser, "details .live-formula")[0].text.startswith("Animal 8: z = ")


def test_gradient_descent_plays_and_starts_where_one_points(browser, figure):
    figure("gradient-descent")
    click(browser, "Play")
    status = find(browser, ".live [role=status]")[0]
    WebDriverWait(browser, 20).until(lambda _: numbers(status.text)[0] >= 4)
    click(browser, "Pause")
    now = status.text
    time.sleep(0.5)
    assert status.text == now
    steps, loss = numbers(now)[:2]
    assert loss == round(walk(0.5, int(steps))[2][-1], 3)
    land = find(browser, ".live-plot")[0]
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", land)
    size = land.size
    corner = (0.9 - 0.5) * size["width"], (0.1 - 0.5) * size["height"]
    ActionChains(browser, 0).move_to_element_with_offset(land, *corner).click().perform()
    lines = find(browser, ".live [role=status] p")
    start = [numbers(line.text.split(": ")[1])[0] for line in lines[1:]]
    assert np.abs(np.array(start) - (1.3, 4.3)).max() < 0.1
    assert numbers(lines[0].text)[1] == round(walk(0.5, 0, start)[2][-1], 3)
    land.send_keys(Keys.ARROW_LEFT)
    moved = [numbers(x.text.split(": ")[1])[0] for x in find(browser, ".live-step")]
    assert moved == pytest.approx([start[0] - 0.25, start[1]])
