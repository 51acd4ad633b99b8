"""What Sphinx's e-book lacks: it says which pages hold formulas, and packs the styles it names."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.builders.epub3 import Epub3Builder

STYLES = ("pygments.css", "epub.css", "site.css")


class EBook(Epub3Builder):
    """Sphinx's builder, with the formulas declared in the list of files."""

    def build_content(self) -> None:
        super().build_content()
        path = Path(self.outdir, "content.opf")

        def declared(item: re.Match[str]) -> str:
            page = Path(self.outdir, item[1])
            has = page.suffix == ".xhtml" and "<math" in page.read_text("utf-8")
            return item[0].replace(" />", ' properties="mathml" />') if has else item[0]

        text = path.read_text("utf-8")
        path.write_text(
            re.sub(r'<item id="epub-\d+" href="([^"]+)"[^>]* />', declared, text), "utf-8"
        )


def spare_styles(app, page, template, context, doctree) -> None:
    """Leave out the styles that are for screens."""
    if app.builder.name == "epub":
        context["css_files"] = [f for f in context["css_files"] if str(f.filename).endswith(STYLES)]


def setup(app):
    app.add_builder(EBook, override=True)
    app.connect("html-page-context", spare_styles, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
