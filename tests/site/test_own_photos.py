"""How a live figure takes photos: chosen, dropped with their folder, pasted, from the camera."""

import pytest
from PIL import Image
from servers import serving
from sites import SITE, wait

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Photos</title>
<link rel="icon" href="data:,"><body>
<div id="figure" style="height: 300px"></div><input id="outside"><script type="module">
import { words } from "./live/parts/page.js";
import { decoded, photoButtons } from "./live/parts/photos.js";
const root = document.querySelector("#figure");
const take = (files) => files.forEach(async (file) => {
  const { pixels, width, height } = await decoded(file);
  taken.push([file.name, width, height, [...pixels.slice(0, 3)]]);
});
window.taken = [];
const { signal } = new AbortController();
photoButtons(root, root, { say: await words({}), signal, take, many: true });
window.ready = true;
</script></body></html>"""
PASTE = """const data = new DataTransfer();
const red = await (await fetch("red.png")).blob();
data.items.add(new File([red], "pasted.png", { type: "image/png" }));
document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));"""


@pytest.fixture
def page(browser, tmp_path):
    """A page with the buttons and nothing else; `taken` lists what came, and its first pixel."""
    (tmp_path / "live").symlink_to(SITE / "live")
    (tmp_path / "page.html").write_text(PAGE, "utf-8")
    Image.new("RGB", (30, 20), (255, 0, 0)).save(tmp_path / "red.png")
    with serving(tmp_path) as server:
        browser.get(f"http://127.0.0.1:{server.server_port}/page.html")
        wait(browser, "return window.ready")
        yield browser
    assert [x for x in browser.get_log("browser") if x["level"] == "SEVERE"] == []


def taken(page, n):
    wait(page, "return taken.length >= arguments[0]", n)
    return sorted(page.execute_script("return taken"))


def test_dropped_folder_gives_its_photos(page, tmp_path):
    (tmp_path / "album" / "more").mkdir(parents=True)
    for name, colour in (("a.png", "lime"), ("more/b.png", "blue")):
        Image.new("RGB", (12, 8), colour).save(tmp_path / "album" / name)
    (tmp_path / "album" / "notes.txt").write_text("no photo")
    data = {"items": [], "files": [str(tmp_path / "album")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 100, "y": 200, "data": data}
        page.execute_cdp_cmd("Input.dispatchDragEvent", event)
    green, blue = [0, 255, 0], [0, 0, 255]
    assert taken(page, 2) == [["a.png", 12, 8, green], ["b.png", 12, 8, blue]]


def test_photo_is_pasted_where_the_reader_is(page):
    page.execute_script("document.querySelector('#outside').focus()")
    page.execute_script(f"return (async () => {{ {PASTE} }})()")
    page.execute_script("document.querySelector('#figure input').focus()")
    page.execute_script(f"return (async () => {{ {PASTE} }})()")
    assert taken(page, 1) == [["pasted.png", 30, 20, [255, 0, 0]]]


def button(page, words):
    return page.find_element("xpath", f"//button[. = '{words}']")


def test_camera_gives_a_photo_and_is_switched_off(page):
    camera = button(page, "Camera")
    camera.click()
    wait(page, "return document.querySelector('video').videoWidth")
    page.execute_script("window.stream = document.querySelector('video').srcObject")
    button(page, "Take the photo").click()
    ((name, width, height, _),) = taken(page, 1)
    assert name == "camera" and min(width, height) > 100
    assert page.execute_script("return stream.getTracks().map((track) => track.readyState)") == [
        "ended"
    ]
    assert not page.find_element("tag name", "video").is_displayed()
    assert page.switch_to.active_element == camera


def test_camera_that_is_refused_says_what_to_do(page):
    page.execute_script("navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error())")
    button(page, "Camera").click()
    wait(page, "return document.querySelector('.live-camera p').textContent")
    said = page.find_element("css selector", ".live-camera p").text
    assert said == "The camera cannot be used: allow it, or choose a file."
