"""A pseudo-language: every letter of a message accented, every vowel twice, what is code left."""

from editions import PROTECTED

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ACCENTED = "àƀçđèƒĝĥìĵķĺṁñòƥɋŕšţùṽŵẋýžÀƁÇĐÈƑĜĤÌĴĶĹṀÑÒƤɊŔŠŢÙṼŴẊÝŽ"
LETTERS = str.maketrans({a: b * (1 + (a in "aeiou")) for a, b in zip(PLAIN, ACCENTED, strict=True)})


def say(text):
    """The message in the pseudo-language."""
    found, at = "", 0
    for kept in PROTECTED.finditer(text):
        found += text[at : kept.start()].translate(LETTERS) + kept[0]
        at = kept.end()
    return found + text[at:].translate(LETTERS)


def write(folder, language, only):
    """Write those PO files of an edition that are named."""
    import translations

    for name, entries in translations.messages().items():
        if name in only:
            file = folder / language / f"{name}.po"
            catalog = translations.in_step(file, language, entries)
            for message in catalog:
                message.string = say(message.id) if message.id else message.string
            translations.write(file, catalog)
