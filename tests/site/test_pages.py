"""What is in the files of the web edition: pages, links, formulas, figures, solutions."""

import gzip
import json
import re
from urllib.parse import unquote, urlsplit

import gather
import pytest
import yaml
from sites import ROOT

CHAPTERS = gather.all_chapters()


def page_of(name):
    return f"{gather.document(name)}.html"


def cells(name, kind):
    found = json.loads((ROOT / name).read_text("utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == kind]


def sources(name):
    return ["".join(cell["source"]) for cell in cells(name, "markdown")]


def test_chapters_stand_in_five_parts_in_the_navigation(pages):
    on_disk = sorted(p.name for p in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    assert [name.removeprefix("notebooks/") for name in CHAPTERS] == on_disk
    tree = pages["index.html"].select_one(".sidebar-tree")
    captions = [c.get_text() for c in tree.select(".caption")]
    assert len(gather.chapters()) == 5 and captions[:5] == list(gather.chapters())
    shown = [a["href"] for a in tree.select("li > a")]
    assert shown[: len(CHAPTERS)] == [page_of(name) for name in CHAPTERS]


def test_next_leads_through_all_chapters_and_previous_back(pages):
    order = ["index.html", *map(page_of, CHAPTERS)]
    for page, after in zip(order, order[1:], strict=False):
        (following,) = pages[page].select("a.next-page")
        (before,) = pages[after].select("a.prev-page")
        assert resolve(page, following["href"]) == (after, "")
        assert resolve(after, before["href"])[0] == page


def resolve(page, uri):
    """The page, or file, and the place in it that a link on a page leads to."""
    path, _, anchor = unquote(uri).partition("#")
    parts = page.split("/")[:-1]
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return ("/".join(parts) if path else page), anchor


def broken(pages, html):
    """Each link, picture, style and script of ours that leads nowhere."""
    places = {name: {tag["id"] for tag in page.select("[id]")} for name, page in pages.items()}
    for name, page in pages.items():
        for tag in page.select("[href], [src]"):
            uri = tag.get("href") or tag.get("src") or "#"
            if urlsplit(uri).scheme or uri == "#":
                continue
            file, anchor = resolve(name, uri.split("?")[0])
            if not (html / file).is_file() or (anchor and anchor not in places.get(file, [])):
                yield name, uri
            elif file.endswith((".ipynb", ".md")):
                yield name, uri


def test_every_link_leads_somewhere(pages, html):
    assert not list(broken(pages, html))
    # and these are all of them: a chapter's own links are on its page
    for name in CHAPTERS:
        wanted = re.findall(r"\]\(([^)\s]+\.(?:ipynb|md)[^)\s]*)\)", "\n".join(sources(name)))
        shown = {
            resolve(page_of(name), a["href"])[0] for a in pages[page_of(name)].select("a[href]")
        }
        for uri in wanted:
            file = resolve(name, uri)[0]
            assert page_of(file) in shown or page_of(file) not in pages


def test_link_that_leads_nowhere_is_found(pages, html):
    from bs4 import BeautifulSoup

    text = '<a href="no.html">x</a><a href="index.html#no">y</a><a href="index.html">z</a>'
    more = {**pages, "new.html": BeautifulSoup(text, "html.parser")}
    assert list(broken(more, html)) == [("new.html", "no.html"), ("new.html", "index.html#no")]


def test_nothing_is_loaded_from_elsewhere(pages, html):
    loaded = "img, script, iframe, source, video, audio, link:not([rel=canonical])"
    for name, page in pages.items():
        for tag in page.select(loaded):
            uri = tag.get("src") or tag.get("href") or ""
            assert not urlsplit(uri).netloc and not uri.startswith("data:"), (name, uri[:80])
    for styles in html.rglob("*.css"):
        for uri in re.findall(r"(?:url\(|@import )['\"]?([^'\")]+)", styles.read_text("utf-8")):
            assert not urlsplit(uri).netloc, (styles, uri)


def test_every_formula_is_set(pages, searchable):
    total = 0
    for name in CHAPTERS:
        page = pages[page_of(name)]
        text = re.sub(r"```.*?```|`[^`]*`", "", "\n".join(sources(name)), flags=re.S)
        wanted = len(
            re.findall(r"\$\$.+?\$\$|(?<![\\$\w])\$(?! )[^$\n]+?(?<! )\$(?!\d)", text, re.S)
        )
        assert len(page.select("span.katex")) == wanted, name
        assert not page.select(".katex-error, .math, script[type^=math]")
        total += wanted
    assert total > 30


def test_figures_are_small_have_a_size_and_wait(pages, html):
    for name in CHAPTERS:
        drawn = sum(
            kind.startswith("image/")
            for cell in cells(name, "code")
            for output in cell["outputs"]
            for kind in output.get("data", {})
        )
        figures = pages[page_of(name)].select(".cell_output img")
        assert len(figures) >= drawn > 0
        for n, figure in enumerate(pages[page_of(name)].select("article img")):
            assert int(figure["width"]) > 0 and int(figure["height"]) > 0
            assert figure.get("loading") == ("lazy" if n else None)
    assert "base64," not in "".join(map(str, pages.values()))
    endings = {file.suffix for file in (html / "_images").iterdir()}
    assert endings == {".webp", ".jpg"}  # PNG stays at home


def test_figures_say_what_is_to_be_seen(pages):
    folder = ROOT / "notebooks" / "alternatives"
    if not folder.exists():
        pytest.skip("no text alternatives yet")
    for name in CHAPTERS:
        page = pages[page_of(name)]
        texts = yaml.safe_load((folder / f"{name[10:-6]}.yaml").read_text("utf-8"))
        wanted = [text for cell in texts.values() for text in cell["pictures"]]
        shown = [figure["alt"] for figure in page.select(".cell_output img")]
        assert not [text for text in wanted if text not in shown], name
        assert all(shown), name


def test_pages_are_light(html):
    models = html / "_static" / "live" / "assets"  # are loaded on a click
    files = [f for f in html.rglob("*") if f.is_file() and models not in f.parents]
    sent = sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)
    assert sent < 6e6


def test_lines_are_broken_where_they_may_be(pages):
    """Printed sentences anywhere, columns and ranges nowhere, sums before a sign."""
    printed = [p for name in CHAPTERS for p in pages[page_of(name)].select(".cell_output .output")]
    sentences = [p for p in printed if "sentences" in p["class"]]
    assert 100 < len(sentences) < len(printed) - 20
    assert not [p for p in sentences if re.search(r"\S {2}|│", p.get_text())]
    prose = [
        p.get_text()
        for name in CHAPTERS
        for p in pages[page_of(name)].select("article p")
        if not p.find(True)  # all in one piece
    ]
    assert len([text for text in prose if re.search(r"\d [−=]\u00a0\d", text)]) > 5
    assert not [text for text in prose if re.search(r"\d [−+×·=] \d", text)]
    assert not [text for text in prose if re.search(r"[Cc]hapter \d", text)]
    tables = [td.get_text() for page in pages.values() for td in page.select(".docutils td")]
    assert len([text for text in tables if re.search(r"\d\u00a0to\u00a0\d", text)]) > 5
    assert not [text for text in tables if re.search(r"\d to \d", text)]


def test_no_line_ends_between_a_short_word_of_code_and_a_sign_at_it(pages):
    short = [
        code
        for page in pages.values()
        for code in page.select("article code.literal")
        if len(code.get_text()) <= 24 and len(code.select("span.pre")) == 1
    ]

    def signs(code):
        before, after = (
            str(one) if isinstance(one, str) else ""
            for one in (code.previous_sibling, code.next_sibling)
        )
        return bool(re.search(r"[(“]$", before) or re.match(r"[)”.,;:?!]", after))

    with_signs = [code for code in short if signs(code)]
    assert len(with_signs) > 200 and any("(" in code.parent.get_text() for code in with_signs)
    assert not [c for c in with_signs if "together" not in (c.parent.get("class") or [])]


def test_solutions_are_closed(pages):
    for name in CHAPTERS:
        wanted = "\n".join(sources(name)).count("<details>")
        shown = pages[page_of(name)].select("details")
        assert len(shown) == wanted > 5
        assert not [one for one in shown if one.has_attr("open")]
        assert all(one.summary.get_text().strip() for one in shown)


def test_what_the_article_got_wrong_is_an_index(pages):
    index = pages["notebooks/got_wrong.html"]
    quotes = {name: "\n".join(sources(name)).count(gather.WRONG) for name in CHAPTERS}
    links = [
        resolve("notebooks/got_wrong.html", a["href"])
        for a in index.select("article p > strong > a")
    ]
    links = [(page, place) for page, place in links if place.startswith("what-the-article")]
    assert len(set(links)) == sum(quotes.values()) > 10
    for page, place in links:
        quote = pages[page].find(id=place)
        assert quote.name == "blockquote"
        # its words stand in the index, too
        words = quote.get_text(" ", strip=True).removeprefix("What the article got wrong.").split()
        assert " ".join(words[:6]) in " ".join(index.article.get_text(" ", strip=True).split())


def test_chapter_opens_elsewhere(pages):
    for name in CHAPTERS:
        found = {a.get_text(): a["href"] for a in pages[page_of(name)].select(".launch a")}
        assert list(found) == ["Colab", "Kaggle", "Binder", "GitHub"]
        assert found["GitHub"] == f"https://github.com/reader/series/blob/HEAD/{name}"
        assert found["Colab"].endswith(f"/github/reader/series/blob/HEAD/{name}")
    assert not pages["notebooks/GLOSSARY.html"].select(".launch")


@pytest.mark.parametrize(
    "repository, address", [("", None), ("https://x.org/y", "https://x.org/y/")]
)
def test_link_to_another_file_leads_to_the_repository_or_stays_text(repository, address):
    from types import SimpleNamespace

    import launch
    import links

    environment = SimpleNamespace(found_docs={"index", "notebooks/GLOSSARY"})
    app = SimpleNamespace(env=environment, config=SimpleNamespace(repository=repository))
    builder = SimpleNamespace(get_relative_uri=lambda here, there: f"<{there}>")

    def found(uri):
        return links.target(app, builder, "notebooks/04", uri)

    assert found("GLOSSARY.md#95--interval") == "<notebooks/GLOSSARY>#95--interval"
    assert found("../README.md#the-chapters") == "<index>#the-chapters"
    assert found("#Two-(words)") == "#two-words"
    assert found("../scripts/a.py") == (address and address + "blob/HEAD/scripts/a.py")
    assert launch.links(repository, "notebooks/04") == []


def test_code_can_be_copied_and_the_theme_is_set_before_the_page_is_drawn(pages):
    for name in CHAPTERS:
        page = pages[page_of(name)]
        assert page.select("script[src*=copybutton]")
        assert "localStorage" in page.body.find(True).get_text()  # no flash of the other theme
