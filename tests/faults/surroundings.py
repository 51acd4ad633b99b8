"""Names, letters, clocks and settings that a reader's computer may have."""

import json
import os
from pathlib import Path
from unittest import SkipTest

from pictures import jpeg

from faults.archives import COUNTS, archive, labelled, zipped
from faults.photos import predict
from faults.place import Place, Seen
from faults.registry import fault

NO_HOME = dict.fromkeys(("HOME", "KERAS_HOME", "HF_HOME"), "/proc/nowhere")
RUN_ARCHIVE = ("data", "archive", "mine/train.zip", "--root", "data")


def _archive(place: Place) -> None:
    place.put("train.zip", zipped(labelled()))


@fault(
    "letters-c",
    "LC_ALL=C, and a data set in a folder with umlauts",
    "Pl…tze/photos/validation: 4 cats, 4 dogs",
    0,
)
def _(place: Place) -> Seen:
    _archive(place)
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    return place.command("-q", *RUN_ARCHIVE[:-1], "Plätze", env=env)


@fault(
    "letters-cp1252",
    "stdout in cp1252, and a folder with Chinese letters",
    "\\u732b/photos/validation: 4 cats, 4 dogs",
    0,
)
def _(place: Place) -> Seen:
    _archive(place)
    return place.command("-q", *RUN_ARCHIVE[:-1], "猫", env={"PYTHONIOENCODING": "cp1252"})


@fault(
    "letters-latin-1",
    "a photo's name in Latin-1",
    "… (probability of dog: …)  mine/\ufffd.jpg",
    0,
)
def _(place: Place) -> Seen:
    path = os.fsencode(place.mine) + b"/\xe9.jpg"
    try:
        Path(os.fsdecode(path)).write_bytes(jpeg(1))
    except OSError:
        raise SkipTest("this disk takes UTF-8 only") from None
    return predict(place, "mine")


NAMES = [
    "-cat.jpg",
    "--csv.jpg",
    "two\nlines.jpg",
    "100%_{cat}[1].jpg",
    " space.jpg",
    "=cmd.jpg",
    "猫 😺.jpg",
]


@fault("names-odd", "names with dashes, line ends, brackets, spaces, Chinese", "7 names", 0)
def _(place: Place) -> Seen:
    for i, name in enumerate(NAMES):
        place.put(name, jpeg(i))
    seen = place.catdog("-q", "predict", "mine", "--model", place.model, "--json")
    found = {Path(json.loads(line)["photo"]).name for line in seen.out.splitlines()}
    assert found == set(NAMES)
    seen.out = f"{len(found)} names"
    return seen


@fault("names-dash", "a folder named -n", f"../{COUNTS}", 0)
def _(place: Place) -> Seen:
    for name, blob in labelled(before="-n/").items():
        place.put(name, blob)
    return place.command("-q", "data", "archive", "--root", "../data", "--", "-n", cwd=place.mine)


@fault(
    "place-spaces",
    "a path with a space and an umlaut",
    "Öde Plätze/photos/validation: 4 cats, 4 dogs",
    0,
)
def _(place: Place) -> Seen:
    place.put("meine Fotos/train.zip", zipped(labelled()))
    words = ("data", "archive", "mine/meine Fotos/train.zip", "--root", "Öde Plätze")
    return place.catdog(*words)


@fault("clock-1970", "photos of 1970", COUNTS, 0)
def _(place: Place) -> Seen:
    return _dated(place, 0)


@fault("clock-2100", "photos, and a lock, of the year 2100", COUNTS, 0)
def _(place: Place) -> Seen:
    (place.path / "data").mkdir()
    (place.path / "data" / ".photos.lock").touch()
    os.utime(place.path / "data" / ".photos.lock", (4_102_444_800,) * 2)
    return _dated(place, 4_102_444_800)


def _dated(place: Place, when: int) -> Seen:
    """Organize photos of a date twice: the second time there is nothing to do."""
    for name, blob in labelled(before="train.zip/").items():
        path = place.put(name, blob)
        os.utime(path, (when, when))
    first, again = archive(place), archive(place)
    assert first == again
    return again


@fault("pipe-closed", "`catdog aws types | true`", "", 1)
def _(place: Place) -> Seen:
    line = '{ sleep 0.2; "$@"; echo $? > code; } | true'
    seen = place.command("aws", "types", shell=line)
    seen.code = int((place.path / "code").read_text())
    return seen


@fault("pipe-head", "`catdog data archive … | head -1`", "data/photos/train: 16 cats, 16 dogs", 0)
def _(place: Place) -> Seen:
    _archive(place)
    return place.command("-q", *RUN_ARCHIVE, shell='"$@" | head -1')


@fault("home-missing", "a home folder that cannot be written to, and organizing", COUNTS, 0)
def _(place: Place) -> Seen:
    _archive(place)
    return place.command("-q", *RUN_ARCHIVE, env=NO_HOME)


@fault(
    "home-missing-predict", "the same, and a prediction", "… (probability of dog: …)  mine/a.jpg", 0
)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    words = ("predict", "mine/a.jpg", "--model", str(place.model))
    return place.command("-q", *words, env=NO_HOME)


@fault(
    "catdog-home",
    "CATDOG_HOME that leads nowhere",
    "catdog: nowhere/models/cat_dog_efficientnet.keras: the model that ships is not there. Set "
    "CATDOG_HOME to the project's folder, the one that holds models/, or name a model with "
    "--model.",
)
def _(place: Place) -> Seen:
    photo = place.put("a.jpg", jpeg(1))
    return place.command("predict", photo, env={"CATDOG_HOME": str(place.path / "nowhere")})


@fault(
    "keras-json",
    "a keras.json of the days of Theano",
    'catdog: Keras does not start (…). Write "backend": "tensorflow" in keras.json, or remove that '
    "file.",
)
def _(place: Place) -> Seen:
    (place.path / "keras.json").write_text('{"backend": "theano", "image_data_format": "th"}')
    env = {"KERAS_HOME": str(place.path), "KERAS_BACKEND": ""}
    return place.command("-q", "export", "a.onnx", "--model", place.model, env=env)


@fault("program", "a chapter's lines in a program, with no guard of __main__", "data/sample", 0)
def _(place: Place) -> Seen:
    lines = (
        "from catdog.data import synthetic\nprint(synthetic.organize('data', n=40, progress=False))"
    )
    (place.path / "program.py").write_text(lines)
    return place.command(program=["program.py"])


@fault("elsewhere", "a program of the reader's, run in another folder", "True", 0)
def _(place: Place) -> Seen:
    code = "from catdog import paths; print((paths.NOTEBOOKS / 'STYLE.md').is_file())"
    return place.command(program=["-c", code])
