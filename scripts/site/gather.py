"""Gather what the site is made of in one folder, as Sphinx wants it: pages, chapters, their order.

Names and folders stay as they are in the repository, so that links between files still hold; only
the README becomes `index`, the front page. An edition in another language has its words here.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

from babel.messages.mofile import write_mo
from editions import WRONG, Edition, Say, anchored, load, retold, translated

from catdog.book import alternatives

TITLE = "Cats, Dogs & Convolutions"
ROOT = Path(__file__).resolve().parents[2]
# The pages beside the chapters: a part's name in the navigation, and its pages.
PARTS: dict[str, list[str]] = {
    "Look up": [
        "notebooks/GLOSSARY.md",
        "notebooks/STYLE.md",
        "notebooks/README.md",
        "notebooks/got_wrong.md",  # made here
    ],
    "Teaching": [
        "notebooks/teaching/README.md",
        "notebooks/teaching/plans.md",
        "notebooks/teaching/in_class.md",
        "notebooks/teaching/capstones.md",
    ],
    "The project": [
        "data/README.md",
        "models/cat_dog_efficientnet.md",
        "models/cat_dog_residual.md",
        "models/cat_dog_cnn.md",
        "scripts/benchmarks/README.md",
        "scripts/aws/README.md",
        "scripts/aws/FIRST_TIME.md",
        "scripts/machines/README.md",
        "scripts/site/README.md",
        "requirements/README.md",
        "notebooks/pictures/README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ],
}
NAMES = {  # in the navigation, where the page's own would not do
    "notebooks/README.md": "The article, part by part",
    "notebooks/teaching/README.md": "Teaching this",
    "notebooks/teaching/in_class.md": "In class",
    "scripts/aws/README.md": "A GPU machine",
}
MADE = "notebooks/got_wrong.md"
# The same in each language: there, as in `editions.anchored`, a comment has the English words.
QUOTE = re.compile(
    rf"^(?:{re.escape(WRONG)}|> \*\*[^*\n]+\*\*<!-- id: what-the-article-got-wrong -->)"
    r"(.*(?:\n>.*)*)",
    re.M,
)


def chapters() -> dict[str, list[str]]:
    """The parts of the series and the chapters of each, as the README lists them."""
    text = (ROOT / "README.md").read_text("utf-8")
    block = text.split("<!-- chapters -->")[1].split("<!-- end of chapters -->")[0]
    parts: dict[str, list[str]] = {}
    for line in block.splitlines():
        if part := re.fullmatch(r"\*\*(.+)\*\*", line):
            parts[part[1]] = []
        elif chapter := re.match(r"- \[[^]]+\]\(([^)]+\.ipynb)\)", line):
            list(parts.values())[-1].append(chapter[1])
    return parts


def all_chapters() -> list[str]:
    """The chapters' files, in their order."""
    return [name for part in chapters().values() for name in part]


def document(path: str) -> str:
    """What Sphinx calls a file of the repository."""
    return "index" if path == "README.md" else Path(path).with_suffix("").as_posix()


def front_page(edition: Edition) -> str:
    """The README, and behind it the order of all pages, which the navigation shows."""
    say = edition.words("interface")
    text = translated((ROOT / "README.md").read_text("utf-8"), edition.words("index"))
    for part, pages in {**chapters(), **PARTS}.items():
        lines = "\n".join(
            f"{say(NAMES[p])} <{document(p)}>" if p in NAMES else document(p) for p in pages
        )
        text += f"\n```{{toctree}}\n:hidden:\n:caption: {say(part)}\n\n{lines}\n```\n"
    return text


def live_messages() -> dict[str, str]:
    """What the live figures say, in English."""
    return json.loads((ROOT / "scripts/site/live/messages/en.json").read_text("utf-8"))


def wrong_page(edition: Edition, notebooks: dict[str, str]) -> str:
    """What the article got wrong, as the chapters say it, each with a link to its place.

    Args:
        notebooks: the chapters' files as `described` gives them, by their names.
    """
    _ = edition.words("interface")
    text = "# " + _("What the article got wrong") + "\n\n"
    text += _(
        "Most of the [article](README.md) is right. What is not is collected here, in the words of "
        "the chapters."
    )
    for name, notebook in notebooks.items():
        cells = json.loads(notebook)["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        section = ""
        quotes: list[str] = []
        for source in sources:
            if heading := re.match(r"#+ ([^\n]+?)(?:<!--.*)?$", source, re.M):
                section = heading[1]
            for quote in QUOTE.findall(source):
                again = f"-{len(quotes)}" if quotes else ""
                place = f"{Path(name).name}#what-the-article-got-wrong{again}"
                quotes.append(f"**[{section}]({place}).**" + quote.replace("\n>", "\n"))
        if quotes:
            heading_line = sources[0].splitlines()[0].lstrip("# ")
            text += f"\n\n## {heading_line}\n\n" + "\n\n".join(quotes)
    return text + "\n"


def described(path: Path, say: Say = str) -> str:
    """A chapter's file in the words of a language; a cell that draws carries the alternatives."""
    notebook = json.loads(path.read_text("utf-8"))
    texts = alternatives.read(path)
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and (words := say(source)) != source:
            cell["source"] = anchored(source, words)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = retold("".join(data["text/html"]), say)
        if cell.get("id") in texts:
            cell["metadata"]["alternatives"] = [say(t) for t in texts[cell["id"]]["pictures"]]
    return json.dumps(notebook, ensure_ascii=False)


def interface(edition: Edition) -> dict[str, bytes]:
    """Where Sphinx, its scripts and the live figures look for the words of a language."""
    folder = f"locales/{edition.language}/LC_MESSAGES/sphinx"
    catalog, compiled = load(edition.folder / "interface.po", edition.language), io.BytesIO()
    write_mo(compiled, catalog)
    words = {m.id: m.string for m in catalog if m.id and m.string and not m.fuzzy}
    script = {"locale": edition.language, "plural_expr": "n == 1 ? 0 : 1", "messages": words}
    live, say = live_messages(), edition.words("live")
    return {
        f"{folder}.mo": compiled.getvalue(),
        f"{folder}.js": f"Documentation.addTranslations({json.dumps(script)});".encode(),
        "locales/live.json": json.dumps({key: say(live[key], key) for key in live}).encode(),
    }


def gather(folder: Path, edition: Edition | None = None) -> None:
    """Write all sources into a folder of their own, and take away what is no source any more."""
    edition = edition or Edition()
    notebooks = {
        name: described(ROOT / name, edition.words(document(name))) for name in all_chapters()
    }
    texts = {"index.md": front_page(edition), MADE: wrong_page(edition, notebooks), **notebooks}
    for name in [page for pages in PARTS.values() for page in pages if page != MADE]:
        text = (ROOT / name).read_text("utf-8")
        texts[name] = translated(text, edition.words(document(name)))
    files = {name: text.encode() for name, text in texts.items()}
    for picture in (ROOT / "notebooks" / "pictures").glob("*.jpg"):
        files[picture.relative_to(ROOT).as_posix()] = picture.read_bytes()
    if edition.language != "en":
        files |= interface(edition)
    for old in [path for path in folder.rglob("*") if path.is_file()]:
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
