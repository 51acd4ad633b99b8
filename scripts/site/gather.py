"""Gather what the site is made of in one folder, as Sphinx wants it: pages, chapters, their order.

Names and folders stay as they are in the repository, so that links between files still hold; only
the README becomes `index`, the front page.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

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
        "scripts/site/README.md",
        "requirements/README.md",
        "notebooks/pictures/README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ],
}
NAMES = {  # in the navigation, where the page's own would not do
    "notebooks/STYLE.md": "Notation and style",
    "notebooks/README.md": "The article, part by part",
    "notebooks/teaching/README.md": "Teaching this",
    "notebooks/teaching/in_class.md": "In class",
    "scripts/aws/README.md": "A GPU machine",
    "notebooks/pictures/README.md": "Pictures by others",
}
MADE = "notebooks/got_wrong.md"
WRONG = "> **What the article got wrong.**"


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


def document(path: str) -> str:
    """What Sphinx calls a file of the repository."""
    return "index" if path == "README.md" else str(Path(path).with_suffix(""))


def front_page() -> str:
    """The README, and behind it the order of all pages, which the navigation shows."""
    text = (ROOT / "README.md").read_text("utf-8")
    for part, pages in {**chapters(), **PARTS}.items():
        lines = "\n".join(
            f"{NAMES[p]} <{document(p)}>" if p in NAMES else document(p) for p in pages
        )
        text += f"\n```{{toctree}}\n:hidden:\n:caption: {part}\n\n{lines}\n```\n"
    return text


def wrong_page() -> str:
    """What the article got wrong, as the chapters say it, each with a link to its place."""
    text = (
        "# What the article got wrong\n\nMost of the [article](README.md) is right. What is not is "
        "collected here, in the words of the chapters.\n"
    )
    for name in [chapter for part in chapters().values() for chapter in part]:
        cells = json.loads((ROOT / name).read_text("utf-8"))["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        section = ""
        quotes: list[str] = []
        for source in sources:
            if heading := re.match(r"#+ (.+)", source):
                section = heading[1]
            for quote in re.findall(rf"^{re.escape(WRONG)}(.*(?:\n>.*)*)", source, re.M):
                again = f"-{len(quotes)}" if quotes else ""
                place = f"{Path(name).name}#what-the-article-got-wrong{again}"
                quotes.append(f"**[{section}]({place}).**" + quote.replace("\n>", "\n"))
        if quotes:
            text += (
                f"\n## {sources[0].splitlines()[0].lstrip('# ')}\n\n" + "\n\n".join(quotes) + "\n"
            )
    return text


def described(path: Path) -> str:
    """A chapter's file, in which each cell that draws carries the text alternatives."""
    notebook = json.loads(path.read_text("utf-8"))
    beside = path.parent / "alternatives" / f"{path.stem}.yaml"
    if beside.exists():
        texts = yaml.safe_load(beside.read_text("utf-8"))
        for cell in notebook["cells"]:
            if cell.get("id") in texts:
                cell["metadata"]["alternatives"] = texts[cell["id"]]["pictures"]
    return json.dumps(notebook, ensure_ascii=False)


def gather(folder: Path) -> None:
    """Write all sources into a folder of their own, and take away what is no source any more."""
    files = {"index.md": front_page().encode(), MADE: wrong_page().encode()}
    for name in [page for pages in PARTS.values() for page in pages if page != MADE]:
        files[name] = (ROOT / name).read_bytes()
    for name in [chapter for part in chapters().values() for chapter in part]:
        files[name] = described(ROOT / name).encode()
    for picture in (ROOT / "notebooks" / "pictures").glob("*.jpg"):
        files[picture.relative_to(ROOT).as_posix()] = picture.read_bytes()
    for old in [path for path in folder.rglob("*") if path.is_file()]:
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
