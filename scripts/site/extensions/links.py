"""Links between files become links between pages.

What has no page here leads to the repository, if the setting `repository` says where it stands;
else its words stay, without a link.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

from docutils import nodes
from editions import slug


def target(app, builder, docname: str, uri: str) -> str | None:
    """The address of what a link between two files of the repository leads to, or None."""
    path, _, anchor = unquote(uri).partition("#")
    if not path:
        return "#" + slug(anchor)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(docname), path))
    document = "index" if path in ("README.md", ".") else re.sub(r"\.(md|ipynb)$", "", path)
    if document in app.env.found_docs and document != path:
        return builder.get_relative_uri(docname, document) + (anchor and "#" + slug(anchor))
    repository = app.config.repository
    return f"{repository}/blob/HEAD/{path}" if repository else None


def resolve(app, doctree: nodes.document, docname: str) -> None:
    """Resolve all links of a page."""
    for link in list(doctree.findall(nodes.reference)):
        uri = link.get("refuri", "")
        if link.get("internal") or not uri or re.match(r"[a-z]+:", uri):
            continue
        if found := target(app, app.builder, docname, uri):
            link["refuri"] = found
            link["internal"] = not re.match("[a-z]+:", found)
        else:
            link.replace_self(link.children)


def setup(app):
    app.add_config_value("repository", "", "env", str)
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
