"""Live figures in a chapter: one cell shows one, and its output needs nothing else.

The modules stand in scripts/site/live. The few that load files of their own, as a network's
weights, are live in the web edition alone: their output is the static picture.

python -m catdog.book.live      writes today's modules into the outputs of the committed chapters
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import sys
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from catdog import CatDogError
from catdog.book import images
from catdog.core import paths

FOLDER = paths.ROOT / "scripts" / "site" / "live"
LARGEST = 10_000  # bytes of a static picture
IMPORT = re.compile(r'^import \{ ([^}]*) \} from "(\.[^"]*)";\n', re.M)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) (\w+))", re.M)
NEEDS_MORE = re.compile(
    r"^import\b|^export (?:default|\{|\*)|new Worker\(|(?<!function )\bassets\(", re.M
)
COMMENT = re.compile(r"^\s*(?://.*|/\*\*(?s:.*?)\*/)\n|\s+// [^\"'`\n]*$", re.M)
RULE = re.compile(r"([^{}]*)\{([^{}]*)\}")
START = Template("""\
const messages = $messages;
if (!document.getElementById("live-$name")) {
const style = document.createElement("style");
style.id = "live-$name";
style.textContent = $styles;
document.head.append(style);
}
for (const box of document.querySelectorAll('[data-live="$name"]:not([data-filled])')) {
box.dataset.filled = "";
m$last.mount(box, { messages, ...JSON.parse(box.dataset.options) });
}
""")
OUTPUT = re.compile(
    r'<div class="live-figure" data-live="([a-z-]+)".*?(<script type="module">.*)', re.S
)


class _NeedsMore(CatDogError):
    """A module loads files of its own."""


def names() -> list[str]:
    """Return the names of all live figures."""
    return sorted(path.stem for path in FOLDER.glob("*.js"))


def _small(code: str) -> str:
    """Return JavaScript without its comments, its indentation and most ends of lines."""
    return re.sub(r"(?<=[;,({])\n", "", re.sub(r"\n\s+", "\n", COMMENT.sub("", code)))


def _modules(path: Path, found: dict[Path, str]) -> None:
    """Add a module, after all that it imports, to path → code which makes it a constant."""
    if path in found:
        return
    code = path.read_text("utf-8")
    head = ""
    for imported, where in IMPORT.findall(code):
        source = (path.parent / where).resolve()
        _modules(source, found)
        head += f"const {{ {imported} }} = m{list(found).index(source)};\n"
    code = IMPORT.sub("", code)
    if NEEDS_MORE.search(code):
        raise _NeedsMore(path.name)
    exported = ", ".join(EXPORT.findall(code))
    body = f"{head}{EXPORT.sub('', code)}return {{ {exported} }};"
    found[path] = f"(() => {{\n{_small(body)}\n}})();"


def _styles(code: str) -> str:
    """Return the styles of all classes that occur in some JavaScript, and no more."""
    css = re.sub(r"/\*.*?\*/", "", (FOLDER / "live.css").read_text("utf-8"), flags=re.S)

    def kept(rule: re.Match) -> str:
        wanted = [
            selector
            for selector in re.split(r",(?![^(]*\))", rule[1])
            if all(name in code for name in re.findall(r"\.(live-[\w-]+)", selector))
        ]
        return f"{','.join(wanted)}{{{rule[2]}}}" if wanted else ""

    return re.sub(r"\s*([{};,])\s*|\s+", lambda gap: gap[1] or " ", RULE.sub(kept, css)).strip()


def script(name: str) -> str:
    """Return one inline script that fills each box of this figure on the page.

    It is "" where the figure loads files of its own, which a notebook does not have.

    Raises:
        CatDogError: there is no such figure.
    """
    if name not in names():
        raise CatDogError(f"There is no live figure {name!r}. Choose one of: {', '.join(names())}.")
    modules: dict[Path, str] = {}
    try:
        _modules(FOLDER / f"{name}.js", modules)
    except _NeedsMore:
        return ""
    code = "".join(f"const m{i} = {text}\n" for i, text in enumerate(modules.values()))
    english = json.loads((FOLDER / "messages" / "en.json").read_text("utf-8"))
    asked = set(re.findall(r"[\"'`]([a-z-]+)\.", code))
    messages = {key: text for key, text in english.items() if key.split(".")[0] in asked}
    code += START.substitute(
        name=name,
        messages=json.dumps(messages, ensure_ascii=False, separators=(",", ":")),
        styles=json.dumps(_styles(code)),
        last=len(modules) - 1,
    ).replace("</script", "<\\/script")
    return f'<script type="module">\n{code}</script>'


def _encoded(picture) -> tuple[str, bytes]:
    """Return the MIME type and bytes of an array (h, w) or (h, w, 3), or of a Matplotlib figure."""
    if hasattr(picture, "savefig"):
        import matplotlib.pyplot as plt

        file = io.BytesIO()
        picture.savefig(file, format="png", dpi=50)
        plt.close(picture)  # else the notebook shows it a second time
        return images.smaller(file.getvalue())
    levels = np.clip(np.round(np.asarray(picture, float)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=images.QUALITY, optimize=True)
    return "image/jpeg", file.getvalue()


class Figure:
    """A live figure for a notebook: the static picture, and the script that brings it to life."""

    def __init__(self, name: str, output: str):
        self.name, self._output = name, output

    def __repr__(self) -> str:
        return f"the live figure {self.name!r}"

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self._output, "text/plain": repr(self)}


def show(name: str, picture=None, alt: str | None = None, **options) -> Figure:
    """Show a live figure.

    Args:
        name: of a module in scripts/site/live.
        picture: what stands there where no script runs, and what some figures work on: an array
            (h, w) or (h, w, 3) with values from 0 to 255, or a Matplotlib figure.
        alt: the picture in words, for who cannot see it; needed with a picture.
        options: of the figure; they must fit into JSON.

    Raises:
        CatDogError: there is no such figure, or the picture has no words or is too large.
    """
    code = script(name)
    where = "JupyterLab and in the web edition" if code else "the web edition (make site)"
    inside = f"<p>Live in {where}.</p>"
    if picture is not None:
        if not alt:
            raise CatDogError(f"Say what the picture of {name!r} shows: alt='…'.")
        kind, content = _encoded(picture)
        if len(content) > LARGEST:
            raise CatDogError(
                f"The picture of {name!r} has {len(content):,} bytes, more than {LARGEST:,}: "
                "take a smaller one."
            )
        source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        inside = f'<img alt="{html.escape(alt)}" src="{source}">{inside}'
    said = html.escape(json.dumps(options, ensure_ascii=False))
    box = f'<div class="live-figure" data-live="{name}" data-options="{said}">{inside}</div>\n'
    return Figure(name, box + code)


def renewed(output: str) -> str:
    """Return a cell's HTML with the script as the modules stand now; other HTML as it is."""
    found = OUTPUT.fullmatch(output)
    return output[: found.start(2)] + script(found[1]) if found else output


def main() -> int:
    """Write today's scripts into the committed chapters."""
    for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb")):
        chapter = json.loads(path.read_text("utf-8"))
        for cell in chapter["cells"]:
            for output in cell.get("outputs", ()):
                data = output.get("data", {})
                if "text/html" in data:
                    new = renewed("".join(data["text/html"]))
                    data["text/html"] = new.splitlines(keepends=True)
        written = json.dumps(chapter, indent=1, ensure_ascii=False) + "\n"
        if written != path.read_text("utf-8"):
            path.write_text(written, "utf-8", newline="\n")
            print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
