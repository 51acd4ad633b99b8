"""What Sphinx builds the web edition by. `build.py` calls it, with the folder of gathered sources.

Two settings come from the environment:

SITE_URL    where the site will stand, for canonical addresses
REPOSITORY  where the project stands: links to its other files, and to Colab, Kaggle and Binder
"""

import os
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "extensions")]

import gather  # noqa: E402

project = gather.TITLE
version = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"][
    "version"
]
copyright = "the authors, under CC BY 4.0 (the prose) and MIT (the code)"
author = "the authors of Cats, Dogs & Convolutions"
html_title = project
language = "en"
smartquotes_action = "qe"  # no dashes: two hyphens begin an option
highlight_language = "text"  # of blocks that name none: commands, what they print
extensions = ["myst_nb", "sphinx_copybutton", "structure", "links", "formulas"]
extensions += ["figures", "live_figures", "launch", "ebook"]
templates_path = [str(HERE / "templates")]
exclude_patterns: list[str] = []
nitpicky = True

repository = os.environ.get("REPOSITORY", "").rstrip("/")
html_baseurl = os.environ.get("SITE_URL", "")

nb_execution_mode = "off"  # the chapters are committed as executed
myst_enable_extensions = ["dollarmath"]
myst_all_links_external = True  # links.py resolves them
suppress_warnings = ["myst.header"]  # a card's first heading is its own

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": [], "navigation_with_keys": True}
html_math_renderer = "katex"
html_static_path = [str(HERE / "static")]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = str(HERE / "static" / "favicon.svg")
html_copy_source = False
html_show_search_summary = False  # Sphinx would fetch each page, which a file may not
html_show_copyright = False
html_use_index = False
html_permalinks_icon = "#"
copybutton_selector = "div.cell_input div.highlight pre, div[class*=highlight-] > .highlight > pre"
copybutton_exclude = ".linenos, .gp"

epub_basename = "cats-dogs-convolutions"
epub_scheme = "URL"
epub_identifier = epub_uid = html_baseurl or "cats-dogs-convolutions"
epub_show_urls = "no"
epub_author = author
epub_tocdepth = 2
