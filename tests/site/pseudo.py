"""A pseudo-language: every letter of a message accented, every vowel twice, what is code left."""

import sys
from pathlib import Path

import sites  # noqa: F401  (finds the modules of the site)
from editions import PROTECTED

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ACCENTED = "àƀçđèƒĝĥìĵķĺṁñòƥɋŕšţùṽŵẋýžÀƁÇĐÈƑĜĤÌĴĶĹṀÑÒƤɊŔŠŢÙṼŴẊÝŽ"
LETTERS = str.maketrans(
    {a: b * (1 + (a in "aeiou")) for a, b in zip(PLAIN, ACCENTED, strict=True)}
)


def say(text):
    """The message in the pseudo-language."""
    found, at = "", 0
    for kept in PROTECTED.finditer(text):
        found += text[at : kept.start()].translate(LETTERS) + kept[0]
        at = kept.end()
    return found + text[at:].translate(LETTERS)


def write(folder, language, only=lambda name: True):
    """Write the PO files of a whole edition."""
    import translations

    for name, entries in translations.messages().items():
        if only(name):
            catalog = translations.in_step(folder / f"{name}.po", language, entries)
            for message in catalog:
                message.string = say(message.id) if message.id else message.string
            translations.write(folder / language / f"{name}.po", catalog)


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2])
