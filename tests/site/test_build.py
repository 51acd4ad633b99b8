"""The build of the web edition: cheap, the same again, and a change stays where it is made."""

import json
import os

import gather
import numpy as np
import pytest
from sites import SITE, made


def test_build_is_cheap(built):
    assert built[1]["processor"] < 120  # two cores have 180 s in a minute and a half


def test_page_that_went_is_no_source_any_more(tmp_path):
    gather.gather(tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    (tmp_path / "old.md").write_text("a page that went")
    (tmp_path / "index.md").write_text("something else")
    gather.gather(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*")} == before


def test_text_alternatives_reach_their_cells(tmp_path):
    cell = {"cell_type": "code", "id": "b", "source": [], "metadata": {}, "outputs": []}
    chapter = tmp_path / "01.ipynb"
    chapter.write_text(json.dumps({"cells": [{**cell, "id": "a"}, cell]}))
    assert "alternatives" not in gather.described(chapter)
    (tmp_path / "alternatives").mkdir()
    (tmp_path / "alternatives" / "01.yaml").write_text("b: {source: x, pictures: [a cat]}")
    found = json.loads(gather.described(chapter))["cells"]
    assert [one["metadata"] for one in found] == [{}, {"alternatives": ["a cat"]}]


@pytest.mark.parametrize("noise, wanted", [(False, "lossless"), (True, "lossy")])
def test_pictures_become_the_smaller_file(noise, wanted):
    import io

    import figures
    from PIL import Image

    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[20:40, 20:40] = (0, 114, 178)
    if noise:
        pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    content, ending = figures.compressed(file.getvalue())
    assert ending == ".webp" and len(content) < len(file.getvalue())
    again = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(again, pixels) == (wanted == "lossless")


def test_lock_of_the_packages_has_hashes_and_no_host():
    package = json.loads((SITE / "package.json").read_text("utf-8"))
    text = (SITE / "package-lock.json").read_text("utf-8")
    locked = json.loads(text)["packages"]
    top = locked.pop("")
    assert top["dependencies"] == package["dependencies"]
    assert top["devDependencies"] == package["devDependencies"]
    assert all(one["integrity"].startswith("sha512-") for one in locked.values())
    assert "://" not in text


def test_without_node_formulas_stay_text_and_the_search_is_sphinx_s(tmp_path):
    """A small site, built where no program of Node's is found."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text("# Title\n\nIt is $x^2 < y$.\n")
    done = made(tmp_path, {**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "Node or its packages are missing: formulas stay text, the search is Sphinx's own."
    ]
    page = (tmp_path / "html" / "index.html").read_text("utf-8")
    assert '<code class="math">x^2 &lt; y</code>' in page
    assert not (tmp_path / "html" / "pagefind").exists()


def test_picture_of_a_live_figure_becomes_a_file_and_no_link(tmp_path):
    import base64
    import io
    from types import SimpleNamespace

    import figures
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(file, "PNG")
    drawn = tmp_path / "drawn.png"
    drawn.write_bytes(file.getvalue())
    builder = SimpleNamespace(name="html", images={"drawn.png": "drawn.png"})
    app = SimpleNamespace(srcdir=tmp_path, outdir=tmp_path / "out", builder=builder)
    app.outdir.mkdir()
    embedded = (
        f'<img alt="a" src="data:image/png;base64,{base64.b64encode(drawn.read_bytes()).decode()}">'
    )
    context = {
        "body": f'<div data-live="x">{embedded}</div><img alt="b" src="../_images/drawn.png" />'
    }
    figures.finish(app, "notebooks/01", None, context, None)
    live, plain = context["body"].split("</div>")
    assert 'width="30" height="20"' in live and "<a" not in live and "base64" not in live
    assert plain.startswith('<a class="enlarge" href="../_images/drawn.png"') and "lazy" in plain
    (name,) = [path.name for path in (app.outdir / "_images").iterdir()]
    assert f'src="../_images/{name}"' in live
