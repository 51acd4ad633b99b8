"""Anchors as code hosts make them, and places for what the article got wrong.

A link that works on a code host (`page.md#two-words`) or in Jupyter (`chapter.ipynb#Two-words`)
works here, in every language: a translated heading says in a comment how it is called in English.
In the HTML an id stands on its heading, not on the section around it: there the search
finds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from editions import WRONG, slug

SCOPED = re.compile(r"<style scoped>.*?</style>\s*", re.S)  # of pandas, which browsers ignore
EMPTY = re.compile(r"<th[^>]*>(?:<p></p>)?</th>")
ENGLISH = re.compile(r"<!-- id: (.*) -->")
PRINTED = re.compile(
    r'<div class="(output [^"]*highlight[^"]*)">(<div class="highlight"><pre>)(.*?)(?=</pre>)', re.S
)
COLUMNS = re.compile(r"\S {2}|[│┃]")  # what is printed in columns
SUM = re.compile(r"(?<=[\w)²³%] [−+×·=≈]) (?=[\w(√−])")
CHAPTER = re.compile(r"(?<=\b[Cc]hapter) (?=\d)")
RANGE = re.compile(r"(?<=[\d%]) to (?=\d)")
AS_IT_IS = (nodes.literal, nodes.literal_block, nodes.raw, nodes.math, nodes.math_block)
# a short word of code, and the signs at it
SIGNS = re.compile(
    r'([(“]*)(<code class="docutils literal notranslate">'
    r'<span class="pre">(?:[^<&]|&#?\w+;){1,24}</span></code>)([)”.,;:?!]*)'
)
HEADING = re.compile(r'<section id="([^"]+)">\n<h([1-6])>')


def name_sections(app, doctree: nodes.document) -> None:
    """Give each section, and each quote on what the article got wrong, its id."""
    taken: set[str] = set()
    wrong = slug(WRONG.strip("> "))

    def called(heading: nodes.Element) -> str:
        for raw in list(heading.findall(nodes.raw)):
            if found := ENGLISH.fullmatch(raw.astext()):
                raw.parent.remove(raw)
                return found[1]
        return slug(heading.astext().strip())

    def name(node: nodes.Element, first: str) -> None:
        again = 0
        found = first
        while found in taken:
            again += 1
            found = f"{first}-{again}"
        taken.add(found)
        node["ids"] = [found]

    for section in doctree.findall(nodes.section):
        name(section, called(section.next_node(nodes.title)))
    for quote in doctree.findall(nodes.block_quote):
        if called(quote).startswith(wrong):
            name(quote, wrong)
            quote["classes"].append("wrong")


def keep_together(app, doctree: nodes.document, page: str) -> None:
    """Let no line end after the sign of a sum or the word chapter, nor in a range in a table."""
    for text in list(doctree.findall(nodes.Text)):
        if isinstance(text.parent, AS_IT_IS):
            continue
        kept = CHAPTER.sub("\u00a0", SUM.sub("\u00a0", text))
        if any(isinstance(node, nodes.entry) for node in _around(text)):
            kept = RANGE.sub("\u00a0to\u00a0", kept)
        if kept != text:
            text.parent.replace(text, nodes.Text(kept))


def _around(node: nodes.Node) -> Iterator[nodes.Node]:
    while node := node.parent:
        yield node


def _sentences(found: re.Match) -> str:
    kind, before, text = found.groups()
    kind = kind if COLUMNS.search(text) else f"{kind} sentences"
    return f'<div class="{kind}">{before}{text}'


def _together(found: re.Match) -> str:
    before, code, after = found.groups()
    return f'<span class="together">{found[0]}</span>' if before or after else code


def mend(app, page, template, context, doctree) -> None:
    """Move the ids of sections to their headings; an empty head of a table is none.

    What code prints may be broken into lines where it does not stand in columns. No line ends
    between a short word of code and a sign at it.
    """
    if "body" in context:
        body = HEADING.sub(r'<section>\n<h\2 id="\1">', context["body"])
        body = SIGNS.sub(_together, PRINTED.sub(_sentences, body))
        context["body"] = EMPTY.sub("<td></td>", SCOPED.sub("", body))


def setup(app):
    app.connect("doctree-read", name_sections, priority=100)  # before the tables of contents
    app.connect("doctree-resolved", keep_together)
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
