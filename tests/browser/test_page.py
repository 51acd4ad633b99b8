"""The page of `catdog serve`, in a real browser."""

import base64
import io
import json
import re

import numpy as np
import pytest
import skimage.data
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], arguments[1], {type: "image/jpeg"}));
const drop = new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
document.getElementById("drop").dispatchEvent(drop);
"""


def cat(turned: bool = False) -> bytes:
    """The cat as a JPEG; turned on its side, with the EXIF note that says so."""
    image, out = Image.fromarray(skimage.data.chelsea()), io.BytesIO()
    exif = Image.Exif()
    if turned:
        image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
    image.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def cards(browser, n):
    def ready(_):
        found = browser.find_elements(By.CSS_SELECTOR, "#results .card h2")
        return found if len(found) >= n else False

    WebDriverWait(browser, 120).until(ready)
    return browser.find_elements(By.CSS_SELECTOR, "#results .card")


def requests_of(browser):
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    urls = [one["request"]["url"] for one in sent]
    own = "chrome://", "chrome-untrusted://"  # the browser's first, empty page
    return [url for url in urls if not url.startswith(own)]


def choose(browser, *files):
    browser.find_element(By.ID, "files").send_keys("\n".join(map(str, files)))


def test_photos_chosen_and_dropped_are_answered_here_and_nowhere_else(browser, address, tmp_path):
    (tmp_path / "upright.jpg").write_bytes(cat())
    (tmp_path / "turned.jpg").write_bytes(cat(turned=True))
    (tmp_path / "broken.jpg").write_bytes(cat()[:3000])
    browser.get(address)
    assert "Cat or dog?" in browser.title
    choose(browser, tmp_path / "upright.jpg", tmp_path / "turned.jpg", tmp_path / "broken.jpg")
    upright, turned, broken = cards(browser, 3)
    browser.execute_script(DROP, base64.b64encode(cat()).decode(), "dropped.jpg")
    dropped = cards(browser, 4)[3]
    said = [card.find_element(By.TAG_NAME, "h2").text for card in (upright, turned, dropped)]
    assert all(text.startswith("Cat, ") for text in said)
    assert said[0] == said[2]
    chances = [float(re.search(r"[\d.]+", text)[0]) for text in said]
    assert abs(chances[0] - chances[1]) < 3  # only the compression differs
    assert broken.find_element(By.TAG_NAME, "h2").text == "Not read"
    assert "no photo that can be read" in broken.text
    for card, size in ((upright, (451, 300)), (turned, (451, 300))):
        photo, heat = card.find_elements(By.CSS_SELECTOR, ".frame img")
        natural = browser.execute_script(
            "return [arguments[0].naturalWidth, arguments[0].naturalHeight]", photo
        )
        assert tuple(natural) == size
        assert heat.get_attribute("alt") == "bright where the network looked"
        assert heat.rect == photo.rect and heat.rect["width"] > 100
        blob = base64.b64decode(heat.get_attribute("src").split(",")[1])
        clear = np.array(Image.open(io.BytesIO(blob)))
        assert clear.shape == (150, 150, 4) and clear[..., 3].min() == 0
        assert clear[..., 3].max() > 150
    assert "s for the network" in upright.text
    assert browser.find_element(By.ID, "status").text == "3 photos answered, 1 could not be read"
    urls = requests_of(browser)
    foreign = [u for u in urls if not u.startswith((address, "data:", f"blob:{address}"))]
    assert urls and not foreign, [u[:200] for u in foreign]
    severe = [e for e in browser.get_log("browser") if "Content Security" in e["message"]]
    assert severe == []


def drop(browser, *paths):
    """Drop files and folders as a person does: the browser itself reads them."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 200, "y": 200, "data": data}
        browser.execute_cdp_cmd("Input.dispatchDragEvent", event)


def test_a_dropped_folder_gives_its_photos(browser, address, tmp_path):
    album, empty = tmp_path / "album", tmp_path / "empty"
    (album / "more").mkdir(parents=True)
    empty.mkdir()
    for name in ("b.JPG", "a.jpg", "more/c.jpeg"):
        (album / name).write_bytes(cat())
    for name in ("._a.jpg", "notes.txt", "more/clip.mp4"):
        (album / name).write_bytes(b"other")
    (tmp_path / "alone.jpg").write_bytes(cat())
    browser.get(address)
    drop(browser, album, empty, tmp_path / "alone.jpg")
    found = cards(browser, 5)
    said = {
        card.find_element(By.CLASS_NAME, "name").text: card.find_element(By.TAG_NAME, "h2").text
        for card in found
    }
    assert said.keys() == {"alone.jpg", "a.jpg", "b.JPG", "c.jpeg", "empty"}
    assert said.pop("empty") == "Not read"
    assert any("There is no photo in this folder." in card.text for card in found)
    assert all(text.startswith("Cat, ") for text in said.values())
    status = browser.find_element(By.ID, "status").text
    assert status == "4 photos answered, 1 could not be read, 3 other files left out"


LATE = """
const now = window.fetch;
window.fetch = async (path, ...rest) => {
  if (path === "/limits") await new Promise((go, fail) => setTimeout(WHAT, 1500));
  return now(path, ...rest);
};
"""


@pytest.mark.parametrize(
    ("what", "said"),
    [("go", "Cat, "), ("() => fail(new TypeError())", "Is it still running?")],
    ids=["late", "never"],
)
def test_a_folder_dropped_before_the_limits_came(browser, address, tmp_path, what, said):
    (tmp_path / "album").mkdir()
    (tmp_path / "album/a.jpg").write_bytes(cat())
    script = browser.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": LATE.replace("WHAT", what)}
    )
    try:
        browser.get(address)
        drop(browser, tmp_path / "album")
        (card,) = cards(browser, 1)
        assert said in card.text
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_a_file_that_is_gone_is_said_so(browser, address, tmp_path):
    path = tmp_path / "gone.jpg"
    path.write_bytes(cat())
    browser.get(address)
    browser.execute_script(
        "addEventListener('change', (event) => {"
        "  event.stopPropagation();"
        "  window.kept = event.target.files;"
        "}, { capture: true, once: true });"
    )
    choose(browser, path)
    path.unlink()
    browser.execute_script(
        "const input = document.getElementById('files');"
        "input.files = window.kept;"
        "input.dispatchEvent(new Event('change'));"
    )
    (card,) = cards(browser, 1)
    assert "This file is gone, or cannot be read." in card.text


def test_the_keyboard_reaches_everything(browser, address, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(cat())
    browser.get(address)
    choose(browser, tmp_path / "cat.jpg")
    cards(browser, 1)
    reached = []
    browser.execute_script("document.activeElement.blur()")
    for _ in range(3):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.switch_to.active_element.get_attribute("id"))
    assert sorted(reached) == ["clear", "files", "heat"]
    box = browser.find_element(By.ID, "heat")
    box.send_keys(Keys.SPACE)
    assert not browser.find_element(By.CSS_SELECTOR, "img.heat").is_displayed()
    browser.find_element(By.ID, "clear").send_keys(Keys.ENTER)
    assert browser.find_elements(By.CSS_SELECTOR, ".card") == []


@pytest.mark.parametrize("width", [320, 390, 1100])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_fits_any_window_and_any_light(browser, address, tmp_path, width, mode):
    (tmp_path / "a photo with a very long name indeed, as telephones make them.jpg").write_bytes(
        cat()
    )
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    media = {"features": [{"name": "prefers-color-scheme", "value": mode}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(address)
    choose(browser, *tmp_path.glob("*.jpg"))
    cards(browser, 2)
    browser.save_screenshot(str(tmp_path / f"{mode}-{width}.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    red = int(paper.removeprefix("rgb(").split(",")[0])
    assert (red < 60) == (mode == "dark")


def test_what_is_neither_is_said_so(browser, default_address, tmp_path):
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "coffee.png")
    (tmp_path / "cat.jpg").write_bytes(cat())
    browser.get(default_address)
    choose(browser, tmp_path / "coffee.png", tmp_path / "cat.jpg")
    coffee, one = cards(browser, 2)
    assert coffee.find_element(By.TAG_NAME, "h2").text == "Neither, it seems"
    assert one.find_element(By.TAG_NAME, "h2").text.startswith("Cat, over 9")
