"""The ONNX file outside Python: other programs make a photo ready by its metadata alone.

They get raw pixels, height × width × RGB in bytes: how a JPEG is decoded is another matter.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import skimage.data
from servers import serving

from catdog import Classifier
from catdog.core import paths
from catdog.evaluation import ood
from catdog.models import export

HERE = Path(__file__).parent
PHOTO = paths.ROOT / "scripts/site/live/lib/photo.js"  # what the web edition uses, too
MODEL = paths.MODELS / "cat_dog_efficientnet.onnx"
SHRUNK, ENLARGED, MIXED = (451, 300), (200, 150), (1000, 200)  # width, height
# The pixels are equal but for ties (x.5), which OpenCV rounds otherwise; the rest is float32.
TOLERANCE = 1e-3


def resize(pixels, size, how=cv2.INTER_AREA):
    return cv2.resize(pixels, size, interpolation=how)


@pytest.fixture(scope="module")
def classifier():
    return Classifier(MODEL)


@pytest.fixture(scope="module")
def other(classifier):
    """The picture of no cat that the model takes for a dog more than any other."""
    return max(ood.packaged().values(), key=lambda x: classifier.predict(x).dog)


@pytest.fixture(params=[SHRUNK, ENLARGED, MIXED], ids=lambda size: "{}x{}".format(*size))
def photo(request, classifier, other, tmp_path):
    """A photo that the model is unsure of, as a file, and the probability of dog in Python.

    A cat fades into another picture; where the model changes its mind, pixels that are a little
    wrong show.
    """
    cat, other = (resize(x, request.param).astype(float) for x in (skimage.data.chelsea(), other))

    def mixed(part):
        return np.round(cat + part * (other - cat)).astype(np.uint8)

    middle = np.mean([classifier.predict(mixed(part)).dog for part in (0, 1)])
    least, most = 0.0, 1.0
    for _ in range(10):
        part = (least + most) / 2
        found = classifier.predict(mixed(part)).dog
        least, most = (part, most) if found < middle else (least, part)
    pixels = mixed(part)
    nearest = resize(pixels, 2 * (classifier.size,), cv2.INTER_NEAREST)
    assert abs(classifier.predict(nearest).dog - found) > 10 * TOLERANCE  # another way is noticed
    pixels.tofile(tmp_path / "photo.rgb")
    return tmp_path / "photo.rgb", *request.param, found


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """This folder's JavaScript with what its lock names, which npm installs."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    wanted = "onnxruntime-web@{onnxruntime-web}".format(**package()["dependencies"])
    if subprocess.run(["npm", "view", wanted, "version"], capture_output=True).returncode:
        pytest.skip("no npm registry answers")
    made = tmp_path_factory.mktemp("outside")
    for file in (*HERE.glob("*.js*"), HERE / "page.html", PHOTO, MODEL):
        shutil.copy(file, made)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=made)
    yield made
    shutil.rmtree(made)


def test_shipped_file_has_the_words_that_are_tested_here(classifier):
    said = onnxruntime.InferenceSession(MODEL).get_modelmeta().custom_metadata_map
    meant = export._metadata(classifier.size, None)
    assert all(said[key] == meant[key] for key in ("labels", "photo", "preprocessing"))


def package(name="package.json"):
    return json.loads((HERE / name).read_text("utf-8"))


def test_lock_has_hashes_and_no_host():
    locked = package("package-lock.json")["packages"]
    assert locked.pop("")["dependencies"] == package()["dependencies"]
    assert "node_modules/onnxruntime-web" in locked
    assert all(one["integrity"].startswith("sha512-") for one in locked.values())
    assert "://" not in (HERE / "package-lock.json").read_text("utf-8")


def test_node(folder, photo):
    file, width, height, wanted = photo
    said = run("node", "predict.js", MODEL.name, file, width, height, cwd=folder)
    assert float(said) == pytest.approx(wanted, abs=TOLERANCE)


@pytest.fixture
def site(folder):
    with serving(folder) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("photo", [SHRUNK], indirect=True)
def test_browser(browser, site, folder, photo):
    file, width, height, wanted = photo
    shutil.copy(file, folder)
    browser.set_script_timeout(120)
    browser.get(f"{site}/page.html")
    ask = "const [done, ...rest] = [arguments[4], ...arguments]; dog(...rest).then(done, done);"
    found = browser.execute_async_script(ask, MODEL.name, file.name, width, height)
    assert found == pytest.approx(wanted, abs=TOLERANCE)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C++ program, with the headers of the system and the library that Python has."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    (library, *_) = [*Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"), None]
    if not compiler or not library:
        pytest.skip("there is no C++ compiler, or no libonnxruntime.so in onnxruntime's wheel")
    headers = "-I/usr/include/onnxruntime"  # where Debian has them
    look = [compiler, headers, "-fsyntax-only", "-include", "onnxruntime_cxx_api.h", "-xc++"]
    if subprocess.run([*look, os.devnull], capture_output=True).returncode:
        pytest.skip("no headers of onnxruntime: apt-get install libonnxruntime-dev (Debian 13)")
    out = tmp_path_factory.mktemp("program") / "predict"
    (out.parent / "libonnxruntime.so.1").symlink_to(library)  # by this name the program wants it
    where = f"-Wl,-rpath,{out.parent}"
    run(compiler, "-std=c++17", "-O2", headers, HERE / "predict.cpp", library, where, "-o", out)
    return out


@pytest.mark.parametrize("photo", [SHRUNK, (777, 521)], indirect=True)
def test_cpp(program, photo):
    file, width, height, wanted = photo
    with open(file, "rb") as stream:
        said = run(program, MODEL, width, height, stdin=stream)
    assert float(said) == pytest.approx(wanted, abs=TOLERANCE)
