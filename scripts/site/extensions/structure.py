"""Anchors as code hosts make them, and places for what the article got wrong.

A link that works on a code host (`page.md#two-words`) or in Jupyter (`chapter.ipynb#Two-words`)
works here. In the HTML an id stands on its heading, not on the section around it: there the search
finds it.
"""

from __future__ import annotations

import re

from docutils import nodes

WRONG = "What the article got wrong."
SCOPED = re.compile(r"<style scoped>.*?</style>\s*", re.S)  # of pandas, which browsers ignore
EMPTY = re.compile(r"<th[^>]*>(?:<p></p>)?</th>")
HEADING = re.compile(r'<section id="([^"]+)">\n<h([1-6])>')


def slug(title: str) -> str:
    """The name that GitHub gives to a heading, made from the heading or from Jupyter's name."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def name_sections(app, doctree: nodes.document) -> None:
    """Give each section, and each quote on what the article got wrong, its id."""
    taken: set[str] = set()

    def name(node: nodes.Element, text: str) -> None:
        first, again = slug(text), 0
        found = first
        while found in taken:
            again += 1
            found = f"{first}-{again}"
        taken.add(found)
        node["ids"] = [found]

    for section in doctree.findall(nodes.section):
        name(section, section.next_node(nodes.title).astext().strip())
    for quote in doctree.findall(nodes.block_quote):
        if quote.astext().startswith(WRONG):
            name(quote, WRONG)
            quote["classes"].append("wrong")


def mend(app, page, template, context, doctree) -> None:
    """Move the ids of sections to their headings; an empty head of a table is none."""
    if "body" in context:
        body = HEADING.sub(r'<section>\n<h\2 id="\1">', context["body"])
        context["body"] = EMPTY.sub("<td></td>", SCOPED.sub("", body))


def setup(app):
    app.connect("doctree-read", name_sections, priority=100)  # before the tables of contents
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
