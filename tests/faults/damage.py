"""Files of the project's own that were cut short, edited or mixed up, and training that fails."""

import json
import os
import shutil
from pathlib import Path

from pictures import jpeg

from catdog.core import paths
from faults import small
from faults.archives import labelled, zipped
from faults.photos import predict
from faults.place import Place, Seen
from faults.registry import fault


def cut(path: Path, part: float = 0.5) -> None:
    """Leave a part of a file."""
    blob = path.read_bytes()
    path.write_bytes(blob[: int(len(blob) * part)])


def _with_model(place: Place, spoil) -> Seen:
    """Ask the reader's own model, which something has happened to, about a photo."""
    photo, model = place.put("a.jpg", jpeg(1)), place.put("m.keras", place.model.read_bytes())
    place.put("m.onnx", place.model.with_suffix(".onnx").read_bytes())
    spoil(model)
    return place.catdog("-q", "predict", photo, "--model", "mine/m.keras")


REFUSAL = paths.MODELS / "cat_dog_efficientnet.refusal.npz"
NO_MODEL = "catdog: mine/m.keras is not a whole .keras file (a copy that broke off?). Get it again."


@fault("model-cut", "half a model file", NO_MODEL)
def _(place: Place) -> Seen:
    return _with_model(place, cut)


@fault("model-empty", "a model file of 0 bytes", NO_MODEL)
def _(place: Place) -> Seen:
    return _with_model(place, lambda path: path.write_bytes(b""))


@fault("model-page", "a web page named m.keras", NO_MODEL)
def _(place: Place) -> Seen:
    return _with_model(place, lambda path: path.write_bytes(b"<!doctype html>"))


@fault(
    "model-not-a-model",
    "an archive of photos named m.keras",
    "catdog: mine/m.keras is not a Keras model that can be read (…).",
)
def _(place: Place) -> Seen:
    return _with_model(place, lambda path: path.write_bytes(zipped(labelled())))


@fault(
    "model-missing",
    "a model that is not there",
    "catdog: mine/m.keras: no such model. Name a .keras file, or leave --model out.",
)
def _(place: Place) -> Seen:
    return _with_model(place, os.remove)


@fault(
    "refusal-cut",
    "half a refusal file beside its model",
    "catdog: mine/m.refusal.npz is damaged (…): get it again, or move it away.",
)
def _(place: Place) -> Seen:
    shutil.copy(REFUSAL, place.mine / "m.refusal.npz")
    return _with_model(place, lambda model: cut(model.with_name("m.refusal.npz")))


@fault(
    "refusal-other",
    "the refusal file of another model",
    "catdog: mine/m.refusal.npz belongs to another model than mine/m.keras. Move it away, or make "
    "one for this model: catdog evaluate --model … --refusal …",
)
def _(place: Place) -> Seen:
    shutil.copy(REFUSAL, place.mine / "m.refusal.npz")
    return _with_model(place, lambda model: None)


def _data_set(place: Place) -> Path:
    place.put("train.zip", zipped(labelled()))
    assert place.catdog("data", "archive", "mine/train.zip", "--root", "data").code == 0
    return place.path / "data" / "photos"


def _train(place: Place) -> Seen:
    return place.catdog("train", "article", "--data", "data/photos", "--run", "run")


def _damaged(name: str, why: str = "…") -> str:
    return (
        f"catdog: data/photos/{name} is damaged ({why}): move data/photos away, and organize the "
        "photos again."
    )


@fault("dataset-empty", "an empty dataset.json", _damaged("dataset.json"))
def _(place: Place) -> Seen:
    (_data_set(place) / "dataset.json").write_bytes(b"")
    again = place.catdog("data", "archive", "mine/train.zip", "--root", "data")
    seen = _train(place)
    assert again == seen
    return seen


@fault(
    "dataset-lacks",
    "a dataset.json without its counts",
    _damaged("dataset.json", "it lacks counts"),
)
def _(place: Place) -> Seen:
    path = _data_set(place) / "dataset.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps({name: made[name] for name in made if name != "counts"}))
    return _train(place)


@fault(
    "manifest-cut",
    "a manifest that was cut off after a line",
    _damaged("manifest.csv", "it is not as it was made"),
)
def _(place: Place) -> Seen:
    path = _data_set(place) / "manifest.csv"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    return _train(place)


@fault(
    "manifest-missing",
    "a data set without its manifest",
    _damaged("manifest.csv", "No such file or directory"),
)
def _(place: Place) -> Seen:
    (_data_set(place) / "manifest.csv").unlink()
    return _train(place)


@fault(
    "dataset-photo-missing",
    "a data set of which a photo was taken away",
    "…cat.….jpg…",
)
def _(place: Place) -> Seen:
    folder = _data_set(place)
    next((folder / "train" / "cats").iterdir()).unlink()
    return place.call(small.pixels_of, "data/photos", "f")


@fault(
    "dataset-photo-cut",
    "a data set of which a photo was cut in half",
    "…cat.….jpg…",
)
def _(place: Place) -> Seen:
    folder = _data_set(place)
    cut(next((folder / "train" / "cats").iterdir()))
    return place.call(small.pixels_of, "data/photos", "f")


@fault(
    "pixels-cut",
    "half a file of decoded photos",
    "f/…/pixels.npy is damaged (…). Delete its folder and run again.",
)
def _(place: Place) -> Seen:
    _data_set(place)
    assert place.call(small.pixels_of, "data/photos", "f").code == 0
    cut(next(place.path.glob("f/*/pixels.npy")))
    return place.call(small.pixels_of, "data/photos", "f")


@fault(
    "pixels-about",
    "an empty note beside the decoded photos",
    "f/…/pixels.npy is damaged (…). Delete its folder and run again.",
)
def _(place: Place) -> Seen:
    _data_set(place)
    assert place.call(small.pixels_of, "data/photos", "f").code == 0
    next(place.path.glob("f/*/about.json")).write_bytes(b"")
    return place.call(small.pixels_of, "data/photos", "f")


@fault(
    "train-nan",
    "a learning rate at which the loss is no number",
    "the loss is … in epoch 1: the weights grew without bound. Train with a smaller learning rate "
    "or with precision float32, in another folder. None is kept.",
)
def _(place: Place) -> Seen:
    return place.call(small.trained, "run", 2, rate=1e9)


@fault(
    "train-settings",
    "an empty settings.json in a run",
    "run/settings.json is broken: delete the folder run to train anew.",
)
def _(place: Place) -> Seen:
    (place.path / "run").mkdir()
    (place.path / "run" / "settings.json").write_bytes(b"")
    return place.call(small.trained, "run")


@fault(
    "train-other",
    "a run that was begun with other settings",
    "run holds a run with other settings. Name another folder for this.",
)
def _(place: Place) -> Seen:
    (place.path / "run").mkdir()
    (place.path / "run" / "settings.json").write_text("{}")
    return place.call(small.trained, "run")


@fault(
    "train-epoch-cut",
    "the newest epoch's model cut in half, and then every epoch's",
    "run/epoch-0003/model.keras is broken (…): delete the folder run to train anew.",
)
def _(place: Place) -> Seen:
    whole = place.call(small.trained, "run")
    model = place.path / "run" / "epoch-0003" / "model.keras"
    cut(model)
    again = place.call(small.trained, "run")
    assert again.out == whole.out and "going on from epoch-0002" in again.err
    for path in place.path.glob("run/epoch-*/model.keras"):
        cut(path)
    return place.call(small.trained, "run")


@fault(
    "record-cut",
    "half a record",
    "records/a.json is damaged (…): get it again, or move it away, then run again.",
)
def _(place: Place) -> Seen:
    (place.path / "records").mkdir()
    (place.path / "records" / "a.json").write_text('{"what": "catdog tr')
    return place.call(small.records_of, "records")


@fault(
    "study-cut",
    "half of what a part of a study left",
    "part.json is damaged (…): get it again, or move it away, then run again.",
)
def _(place: Place) -> Seen:
    assert place.call(small.studied, "part.json").code == 0
    cut(place.path / "part.json")
    return place.call(small.studied, "part.json")


@fault(
    "csv-part-other",
    "a .part of `predict --csv` that was begun with other photos",
    "catdog: mine/a.csv.part was begun with other photos, another model or another threshold: move "
    "it away to begin anew, or name another file.",
)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    head = "photo,label,probability_of_dog,error\r\n"
    place.put("a.csv.part", f"{head}b.jpg,dog,0.600000,\r\nc.jpg,dog,0.600000,\r\n".encode())
    return predict(place, "mine/a.jpg", "--csv", "mine/a.csv")


@fault(
    "csv-mine",
    "a file of the reader's where `predict --csv` would write",
    "catdog: mine/a.csv exists already and is left as it is: name another file.",
)
def _(place: Place) -> Seen:
    place.put("a.jpg", jpeg(1))
    place.put("a.csv", b"mine")
    return predict(place, "mine/a.jpg", "--csv", "mine/a.csv")


@fault(
    "submit-mine",
    "a file of the reader's where `submit` would write",
    "catdog: mine/a.csv exists already and is left as it is: name another file.",
)
def _(place: Place) -> Seen:
    place.put("a.csv", b"mine")
    place.put("test1.zip", zipped({"1.jpg": jpeg(1)}))
    words = ("--out", "mine/a.csv", "--model", place.model)
    return place.catdog("submit", "mine/test1.zip", *words)


@fault(
    "export-mine",
    "a file of the reader's where `export` would write",
    "catdog: mine/a.onnx exists already and is left as it is: name another file.",
)
def _(place: Place) -> Seen:
    place.put("a.onnx", b"mine")
    return place.catdog("export", "mine/a.onnx", "--model", place.model)
