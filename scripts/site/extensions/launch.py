"""Above a chapter: links that open it elsewhere, if the setting `repository` is one of GitHub's."""

from __future__ import annotations

from urllib.parse import quote


def links(repository: str, document: str) -> list[tuple[str, str]]:
    """The name and address of each place where a chapter can be opened."""
    host, _, name = repository.removeprefix("https://").partition("/")
    file = f"{document}.ipynb"
    if host != "github.com" or not name:
        return []
    return [
        ("Colab", f"https://colab.research.google.com/github/{name}/blob/HEAD/{file}"),
        ("Kaggle", f"https://kaggle.com/kernels/welcome?src={repository}/blob/HEAD/{file}"),
        ("Binder", f"https://mybinder.org/v2/gh/{name}/HEAD?labpath={quote(file, safe='')}"),
        ("GitHub", f"{repository}/blob/HEAD/{file}"),
    ]


def add(app, page, template, context, doctree) -> None:
    """Hand the links of a chapter to the page's template."""
    if page in app.env.found_docs and str(app.env.doc2path(page)).endswith(".ipynb"):
        context["launch"] = links(app.config.repository, page)


def setup(app):
    app.connect("html-page-context", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
