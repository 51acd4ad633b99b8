"""A live figure in a chapter's cell: one script that needs nothing else, and a static picture."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image

from catdog import CatDogError
from catdog.book import live
from catdog.core import paths

HERE = ["connections", "gradient-descent", "kernel-editor"]
HERE += ["pooling-and-receptive-field", "sliding-window"]
ENGLISH = json.loads((live.FOLDER / "messages" / "en.json").read_text("utf-8"))


class Page(HTMLParser):
    """The elements of a page: (name, attributes)."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


def page(figure):
    return figure._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("name", HERE)
def test_show_gives_a_box_and_one_script(name):
    options = {"words": 'a "b" <c>', "n": 2}
    elements = Page(page(live.show(name, **options))).elements
    (_, box), *rest = elements
    assert (box["class"], box["data-live"]) == ("live-figure", name)
    assert json.loads(box["data-options"]) == options
    assert [tag for tag, _ in rest] == ["p", "script"]
    assert rest[-1][1] == {"type": "module"}


@pytest.mark.parametrize("name", HERE)
def test_script_holds_all_that_it_needs_and_little_else(name):
    script = live.script(name)
    assert len(script) < 30_000
    assert "\nimport " not in script and "\nexport " not in script
    assert not re.search(r"^\s*(//|/\*)|^ ", script, re.M)
    assert script.count("<script") == script.count("</script") == 1
    sent = json.loads(re.search(r"^const messages = (\{.*\});$", script, re.M)[1])
    asked = re.findall(r"say\(\s*[\"']([^\"']+)[\"']", script)
    assert asked and set(asked) <= sent.keys()
    own = {key.split(".")[0] for key in asked}
    assert {key.split(".")[0] for key in sent} == own
    assert sent == {key: text for key, text in ENGLISH.items() if key.split(".")[0] in own}


def test_every_message_of_these_figures_is_used():
    code = "".join(path.read_text("utf-8") for path in live.FOLDER.rglob("*.js"))
    for name in ("connections", "gradient-descent", "kernel-editor", "pooling", "sliding-window"):
        keys = [key for key in ENGLISH if key.startswith(f"{name}.")]
        assert len(keys) > 10
        made = [re.escape(m[1]) for m in re.finditer(rf"`({name}\.[\w-]*)\$\{{", code)]
        for key in keys:
            assert f'"{key}"' in code or any(re.match(start, key) for start in made), key


def test_styles_are_those_of_the_classes_in_use():
    styles = {name: live.script(name) for name in HERE}
    for name, script in styles.items():
        assert ".live-try{" in script
        assert (".live-contour{" in script) == (name == "gradient-descent")
        assert (".live-wiring{" in script) == (name == "connections")
        assert ".live-cards" not in script
        css = json.loads(re.search(r"^style\.textContent = (.*);$", script, re.M)[1])
        assert css.count("{") == css.count("}") > 20


def test_modules_are_joined_in_order_without_their_comments(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "en.json").write_text('{"a.b": "yes </script>", "c.d": "no"}')
    (tmp_path / "live.css").write_text(
        "/* x */\n.live-a, .live-b { color: red; }\n.live-c { top: 0; }"
    )
    (tmp_path / "lib" / "one.js").write_text(
        "// a comment\nexport const address = 'http://a';\n"
        "/** Two\n * lines. */\nexport async function f() {\n  return 1; // one\n}\n"
    )
    (tmp_path / "fig.js").write_text(
        'import { address, f } from "./lib/one.js";\n\n'
        'export function mount(root) {\n  say("a.b", f, address, "live-b");\n}\n'
    )
    monkeypatch.setattr(live, "FOLDER", tmp_path)
    assert live.script("fig").startswith(
        '<script type="module">\n'
        "const m0 = (() => {\nconst address = 'http://a';async function f() {return 1;}\n"
        "return { address, f };\n})();\n"
        "const m1 = (() => {\nconst { address, f } = m0;"
        'function mount(root) {say("a.b", f, address, "live-b");}\nreturn { mount };\n})();\n'
        'const messages = {"a.b":"yes <\\/script>"};\n'
    )
    assert 'style.textContent = ".live-b{color: red;}";' in live.script("fig")
    assert "m1.mount(box, " in live.script("fig")


@pytest.mark.parametrize(
    "code",
    [
        'import lib from "./lib.js";\n',
        'import { f } from "elsewhere";\n',
        "export default 1;\n",
        'new Worker("w.js");\n',
        'import { assets } from "./page.js";\nassets(options);\n',
    ],
)
def test_figure_that_needs_more_has_its_picture_alone(code, tmp_path, monkeypatch):
    (tmp_path / "fig.js").write_text(code)
    (tmp_path / "page.js").write_text("export function assets(options) {}\n")
    monkeypatch.setattr(live, "FOLDER", tmp_path)
    assert live.script("fig") == ""
    elements = Page(page(live.show("fig", np.zeros((4, 4)), alt="Black."))).elements
    assert [tag for tag, _ in elements] == ["div", "img", "p"]


def test_array_becomes_a_small_picture():
    levels = np.full((20, 30), 300.0)
    levels[:, :15] = -5
    (_, image) = Page(page(live.show("sliding-window", levels, alt='Dark, "bright".'))).elements[1]
    assert image["alt"] == 'Dark, "bright".'
    kind, content = re.fullmatch(r"data:image/(\w+);base64,(.*)", image["src"]).groups()
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert kind == "jpeg" and picture.shape == levels.shape
    assert picture[:, :10].max() < 10 and picture[:, 20:].min() > 245


def test_figure_of_matplotlib_becomes_a_small_picture_and_is_closed():
    figure, axis = plt.subplots(figsize=(4, 2))
    axis.plot([1, 2, 3])
    (_, image) = Page(page(live.show("connections", figure, alt="A line."))).elements[1]
    assert image["src"].startswith("data:image/png;base64,")
    assert not plt.fignum_exists(figure.number)


def test_show_says_what_is_wrong():
    with pytest.raises(
        CatDogError, match="no live figure 'slide'. Choose one of: .*sliding-window"
    ):
        live.show("slide")
    with pytest.raises(CatDogError, match="Say what the picture of 'connections' shows"):
        live.show("connections", np.zeros((4, 4)))
    noise = np.random.default_rng(0).integers(0, 256, (200, 200))
    with pytest.raises(
        CatDogError, match=r"has \d\d,\d{3} bytes, more than 10,000: take a smaller"
    ):
        live.show("connections", noise, alt="Noise.")


def test_figure_is_the_same_at_each_run():
    first, second = (live.show("kernel-editor", np.eye(9), alt="A line.") for _ in range(2))
    assert first._repr_mimebundle_() == second._repr_mimebundle_()
    assert first._repr_mimebundle_()["text/plain"] == "the live figure 'kernel-editor'"


def test_renewed_changes_the_script_alone():
    now = page(live.show("connections", k=5))
    old = now[: now.index("<script")] + '<script type="module">\nold\n</script>'
    assert live.renewed(old) == now
    assert live.renewed("<table><tr></table>") == "<table><tr></table>"


def test_committed_chapters_have_todays_scripts():
    """If not: python -m catdog.book.live."""
    shown = []
    for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb")):
        for cell in nbformat.read(path, 4).cells:
            for output in cell.get("outputs", ()):
                text = output.get("data", {}).get("text/html", "")
                shown += re.findall(r'^<div class="live-figure" data-live="([a-z-]+)"', text)
                assert live.renewed(text) == text, (path.stem, cell.id)
    assert set(HERE) <= set(shown)
