"""An edition in another language, proven by one that nobody speaks: each letter has an accent."""

import json
import os
import re
import shutil
from collections import Counter

import gather
import pseudo
import pytest
import translations
from bs4 import BeautifulSoup, Comment
from editions import Edition
from servers import serving
from sites import made, show, wait

LANGUAGE = "eo"  # a language that Sphinx, docutils and Pagefind know
CHAPTERS = ["notebooks/03_dense_or_convolutional.ipynb", "notebooks/04_convolution_by_hand.ipynb"]
PAGES = {"Look up": ["notebooks/GLOSSARY.md", gather.MADE]}
SETTINGS = {**os.environ, "REPOSITORY": "https://github.com/reader/series"}
ENGLISH = re.compile(r"[A-Za-z]{2,}")
# names, and what Sphinx itself says in each of its languages
NAMES = {"Colab", "Kaggle", "Binder", "GitHub", "@pradyunsg", "Link to this heading"}
SHARED = "script, style, code, pre, .katex, .cell_output, [data-live]"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translations")
    names = {gather.document(name) for name in (*CHAPTERS, *PAGES["Look up"], "README.md")}
    pseudo.write(folder, LANGUAGE, {*names, "live", "interface"})
    return folder


@pytest.fixture(scope="module")
def foreign(words, tmp_path_factory):
    """The folder of a small site in the language: two chapters and what all chapters lead to."""
    site = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "chapters", lambda: {"Ideas": CHAPTERS})
        patch.setattr(gather, "PARTS", PAGES)
        gather.gather(site / "source", Edition(LANGUAGE, words))
    done = made(site, SETTINGS, LANGUAGE)
    assert done.returncode == 0, done.stderr[-2000:]
    return site / "html"


def read(path):
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def left(page):
    """What a page says in English, outside of code, formulas and outputs."""
    for shared in page.select(SHARED):
        shared.decompose()
    texts = [text for text in page.find_all(string=True) if not isinstance(text, Comment)]
    for tag in page.find_all(True):
        texts += [tag.get(name, "") for name in ("alt", "title", "aria-label", "placeholder")]
    said = {str(text).strip() for text in texts if ENGLISH.search(text)}
    return said - NAMES - {"html"}


def test_nothing_is_left_in_english(foreign):
    pages = sorted(foreign.rglob("*.html"))
    assert len(pages) == 6  # with the front page and the search
    for file in pages:
        page = read(file)
        assert page.html["lang"] == LANGUAGE
        for picture in page.select(".cell_output img[alt]"):
            assert not ENGLISH.search(picture["alt"])
        assert not [box for box in page.select("[data-live]") if ENGLISH.search(box.get_text())]
        assert not left(page), file.name
    assert left(BeautifulSoup("<p>word</p>", "html.parser"))


def test_formulas_links_code_and_anchors_are_those_of_the_english_edition(foreign, html):
    same = {
        "annotation": lambda tag: tag.get_text(),
        "pre": lambda tag: tag.get_text(),
        "img": lambda tag: tag["src"],
        "[id]": lambda tag: (tag.name, tag["id"]),
        # what is no page of this small site leads to the repository
        "a[href]": lambda tag: re.sub(r"\.(ipynb|md|html)", "", tag["href"].split("/")[-1]),
    }
    seen = Counter()
    for name in CHAPTERS:
        file = f"{gather.document(name)}.html"
        ours, theirs = read(html / file).article, read(foreign / file).article
        for selector, of in same.items():
            wanted, found = [[of(tag) for tag in p.select(selector)] for p in (ours, theirs)]
            assert found == wanted, (file, selector)
            seen[selector] += len(found)
    assert min(seen[selector] for selector in same) > 3


def test_live_figures_and_dialogs_speak_the_language(foreign, browser):
    english = json.loads((foreign / "_static/live/messages/en.json").read_text("utf-8"))
    with serving(foreign) as server:
        page = f"{gather.document(CHAPTERS[1])}.html"
        browser.get(f"http://127.0.0.1:{server.server_port}/{page}")
        figure = browser.find_element("css selector", "[data-live=sliding-window]")
        show(browser, figure)
        wait(browser, "return document.querySelector('[data-live=sliding-window] .live button')")
        assert pseudo.say(english["sliding-window.play"]) in figure.text
        assert not ENGLISH.search(figure.text)
        link = browser.find_element("css selector", "a.enlarge")
        show(browser, link)
        link.click()
        assert browser.find_element("css selector", "dialog button").text == pseudo.say("Close")


def contents(html):
    """Path → bytes of all files that a reader gets, but for those of the search."""
    files = {f.relative_to(html).as_posix(): f.read_bytes() for f in html.rglob("*") if f.is_file()}
    return {name: blob for name, blob in files.items() if not name.startswith("pagefind/")}


def test_building_again_gives_the_same_and_a_changed_chapter_changes_its_page_alone(
    foreign, tmp_path
):
    for part in ("source", "pictures"):
        shutil.copytree(foreign.parent / part, tmp_path / part)
    path = tmp_path / "source" / CHAPTERS[0]
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"][-1]["source"] = "A word more."
    path.write_text(json.dumps(notebook), "utf-8")
    done = made(tmp_path, SETTINGS, LANGUAGE)
    assert done.returncode == 0, done.stderr[-2000:]
    before, after = contents(foreign), contents(tmp_path / "html")
    assert before.keys() == after.keys()
    different = {name for name in before if before[name] != after[name]}
    assert different == {f"{gather.document(CHAPTERS[0])}.html", "searchindex.js"}


@pytest.fixture
def status(words, tmp_path, monkeypatch, capsys):
    """Say what is the matter with chapter 3, whose messages now are others."""
    pseudo.write(tmp_path, LANGUAGE, {name := "notebooks/03_dense_or_convolutional"})
    entries = translations.messages()[name]

    def call(change, *options):
        now = list(entries)
        change(now)
        monkeypatch.setattr(translations, "messages", lambda: {name: now})
        code = translations.main([LANGUAGE, "--folder", str(tmp_path), *options])
        return code, capsys.readouterr().out.removeprefix(f"{name}: ").strip()

    call.words = lambda: Edition(LANGUAGE, tmp_path).words(name)
    call.file = tmp_path / LANGUAGE / f"{name}.po"
    return call


def test_cell_edited_one_added_and_one_removed_are_told(status):
    assert status(lambda now: None) == (0, "")

    def change(now):
        edited = f"{now[4][0]} And a word more."
        now[4] = (edited, *now[4][1:])
        now.append(("Zebras graze quietly behind seventeen mountains.", None, "new"))
        del now[9]

    assert status(change, "--update") == (1, "fuzzy 1, missing 1, obsolete 1")
    written = status.file.read_bytes()
    assert status(change, "--update") == (1, "fuzzy 1, missing 1, obsolete 1")
    assert status.file.read_bytes() == written
    # what is not sure stays English
    (now,) = translations.messages().values()
    assert status.words()(now[4][0]) == now[4][0]
    assert status.words()(now[5][0]) == pseudo.say(now[5][0]) != now[5][0]


def test_translation_that_lost_a_formula_is_told_and_not_used(status):
    text = "Its *n* inputs give $n^2$ weights: see [chapter 4](04_convolution_by_hand.ipynb)."
    status(lambda now: now.append((text, None, "new")), "--update")
    for words, good in [("Ñ $n^2$ [4](04_convolution_by_hand.ipynb).", True), ("Ñ n², 4.", False)]:
        catalog = translations.editions.load(status.file, LANGUAGE)
        catalog[text].string = words
        translations.write(status.file, catalog)
        told = status(lambda now: now.append((text, None, "new")))
        assert told == ((0, "") if good else (1, "broken 1"))
        assert status.words()(text) == (words if good else text)


def test_file_whose_page_is_gone_is_told(status):
    status.file.with_name("99_gone.po").write_bytes(status.file.read_bytes())
    told = status(lambda now: None)
    assert told == (1, "notebooks/99_gone: its page is gone; take the file out")


def test_unknown_language_says_what_to_do(tmp_path):
    with pytest.raises(SystemExit, match="choose another LANGUAGE"):
        Edition("xx", tmp_path)
