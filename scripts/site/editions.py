"""An edition in another language: the words of its PO files, and English where they have none.

Code, outputs and pictures are shared. A message is used where it is finished (not fuzzy) and whole:
with the formulas, code, links and headings of its source.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

TRANSLATIONS = Path(__file__).with_name("translations")
WRONG = "> **What the article got wrong.**"
_FENCE = r"^[ ]*```.*?^[ ]*```[^\n]*"
# What a translation leaves as it is.
PROTECTED = re.compile(
    rf"{_FENCE}|`[^`]+`|\$\$.+?\$\$|\$[^$\n]+\$|<[!/a-z][^>]*>|\]\([^)]*\)|https?://\S+|{{\w+}}|%\(\w+\)s|&\w+;",
    re.M | re.S,
)
_BLOCK = re.compile(rf"(?:(?:{_FENCE}|^[^\n]+)\n?)+", re.M | re.S)
_ANCHOR = re.compile(rf"{_FENCE}|^#{{1,6}} [^\n]+|^> \*\*[^*\n]+\*\*", re.M | re.S)
_TOLD = re.compile(r'(?<=alt=")[^"]+|(?<=<p>)[^<]+')

Say = Callable[..., str]  # a message, and perhaps its context → its words in the language


def slug(title: str) -> str:
    """The name that GitHub gives to a heading, made from the heading or from Jupyter's name."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def translatable(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]", PROTECTED.sub("", text)))


def whole(source: str, translation: str) -> bool:
    """Whether a translation has all that it should have left as it is."""

    def kept(text: str) -> tuple:
        return Counter(PROTECTED.findall(text)), len(_ANCHOR.findall(text))

    return kept(source) == kept(translation)


def anchored(source: str, translation: str) -> str:
    """A translation whose headings say how they are called in English: links lead there."""
    names = iter(_ANCHOR.findall(source))

    def named(found: re.Match[str]) -> str:
        title = re.sub(r"^#+ ", "", next(names))
        fenced = found[0].lstrip().startswith("```")
        return found[0] if fenced else f"{found[0]}<!-- id: {slug(title.strip('> '))} -->"

    return _ANCHOR.sub(named, translation)


def blocks(text: str) -> list[str]:
    """The paragraphs, lists, tables and blocks of code of a page."""
    return [found[0].strip("\n") for found in _BLOCK.finditer(text)]


def translated(text: str, say: Say) -> str:
    """A page in the language, block by block."""

    def block(found: re.Match[str]) -> str:
        source = found[0].strip("\n")
        words = say(source)
        return found[0].replace(source, words if words == source else anchored(source, words))

    return _BLOCK.sub(block, text)


def told(output: str) -> list[str]:
    """What the box of a live figure says where no script runs, if an output is one."""
    if "data-live=" not in output:
        return []
    return [html.unescape(words) for words in _TOLD.findall(output.partition("<script")[0])]


def retold(output: str, say: Say) -> str:
    """An output, its live figure's box in the language."""
    for words in told(output):
        output = output.replace(html.escape(words), html.escape(say(words)))
    return output


def load(file: Path, language: str) -> Catalog:
    """A file of messages; without any where there is no such file."""
    if not file.exists():
        return Catalog(language, header_comment="# Words of the web edition.", fuzzy=False)
    with file.open("rb") as opened:
        return read_po(opened, language)


class Edition:
    """The words of a language; English without one."""

    def __init__(self, language: str = "en", folder: Path = TRANSLATIONS):
        self.language, self.folder = language, folder / language
        if language != "en" and not self.folder.is_dir():
            raise SystemExit(f"There is no translation in {self.folder}: choose another LANGUAGE.")

    def words(self, name: str) -> Say:
        """What turns the messages of one file into words of the language."""
        catalog = load(self.folder / f"{name}.po", self.language)

        def say(text: str, context: str | None = None) -> str:
            message = catalog.get(text, context)
            if not message or not message.string or message.fuzzy:
                return text
            words = str(message.string)
            return words if whole(text, words) else text

        return say
