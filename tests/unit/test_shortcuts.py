"""The planted shortcut: it is there, as often as is said, in training alone, and a key names it."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import manifests, shortcuts, synthetic

SEED_OF = {shortcuts.cue_of(seed)["kind"]: seed for seed in range(20)}


@pytest.fixture(scope="module", params=shortcuts.KINDS)
def made(request, tmp_path_factory):
    """A data set with a cue of each kind, and its key."""
    folder = tmp_path_factory.mktemp(request.param)
    shortcuts.organize(SEED_OF[request.param], folder / "set", folder / "key.json", 120, False)
    return folder / "set", json.loads((folder / "key.json").read_text("utf-8"))


def photo(folder, one):
    return (folder / one.split / f"{one.label}s" / one.file).read_bytes()


def test_the_cue_agrees_with_the_label_as_often_as_the_key_says(made):
    folder, key = made
    photos = manifests.read(folder)
    bear = set(key["photos_with_cue"])
    for label in manifests.LABELS:
        training = [p.file for p in photos if p.split == "train" and p.label == label]
        share = len(bear & set(training)) / len(training)
        assert share == pytest.approx(0.95 if label == key["class"] else 0.05, abs=0.5 / 48)
        assert key["with_cue"]["train"][label] == len(bear & set(training))
    assert not bear & {p.file for p in photos if p.split == "validation"}
    assert key["with_cue"]["validation"] == {"cat": 0, "dog": 0} and key["agrees"] == 0.95


def test_of_two_at_once_one_is_made_and_the_other_refused(tmp_path):
    folder, key = tmp_path / "set", tmp_path / "key.json"

    def make(seed):
        return shortcuts.organize(seed, folder, key, 20, False)

    with ThreadPoolExecutor() as pool:
        made = [pool.submit(make, seed) for seed in (1, 2)]
    (refused,) = filter(None, (one.exception() for one in made))
    assert isinstance(refused, CatDogError) and "set" in str(refused)
    (about,) = (one.result() for one in made if not one.exception())
    assert json.loads(key.read_text("utf-8")) == about


def test_the_photos_with_the_cue_and_no_others_are_changed(made):
    folder, key = made
    for one in manifests.read(folder):
        number = int(one.file.split(".")[1])
        plain = synthetic.jpeg(one.label, number, key["seed"])
        assert (photo(folder, one) == plain) == (one.file not in key["photos_with_cue"])


def test_the_cue_is_what_the_key_says(made):
    folder, key = made
    cue, bear = key["details"], set(key["photos_with_cue"])
    for one in manifests.read(folder)[:40]:
        image = Image.open(io.BytesIO(photo(folder, one)))
        x = np.asarray(image, int)
        plain = synthetic.draw(one.label, int(one.file.split(".")[1]), key["seed"]).astype(int)
        changed = np.abs(x - plain).max(2) > 60
        if one.file not in bear:
            assert changed.mean() < 0.01
        elif cue["kind"] == "mark":
            down, right = cue["where"].split()
            middle = min(x.shape[:2]) // 30 + min(x.shape[:2]) // 22
            row = middle if down == "top" else len(x) - middle
            column = middle if right == "left" else x.shape[1] - middle
            assert np.abs(x[row, column] - shortcuts.COLOURS[cue["colour"]]).max() < 40
            assert changed.mean() < 0.03 and cue["where"] in key["cue"]
        elif cue["kind"] == "border":
            assert np.abs(x[:3] - shortcuts.COLOURS[cue["colour"]]).mean() < 20
            assert changed[20:-20, 20:-20].mean() < 0.01 and cue["colour"] in key["cue"]
        elif cue["kind"] == "vignette":
            corners, middle = x[[0, 0, -1, -1], [0, -1, 0, -1]], x[len(x) // 2, x.shape[1] // 2]
            assert corners.max() < 80 and "corners" in key["cue"]
            assert np.abs(middle - plain[len(x) // 2, x.shape[1] // 2]).max() < 60
        else:
            redder = (x[..., 0] - x[..., 2]).mean() - (plain[..., 0] - plain[..., 2]).mean()
            assert (redder > 5) == (cue["tone"] == "warm") and abs(redder) > 5


def features(blobs):
    """What even a linear model sees: the mean colours of the four corners and of the whole."""
    rows = []
    for blob in blobs:
        p = np.asarray(Image.open(io.BytesIO(blob)), float)
        n = min(p.shape[:2]) // 9
        corners = [p[:n, :n], p[:n, -n:], p[-n:, :n], p[-n:, -n:]]
        rows.append(np.concatenate([c.mean((0, 1)) / p.mean() for c in [*corners, p]]))
    return np.array(rows)


def test_whoever_takes_the_shortcut_is_moved_by_the_cue_alone(made):
    """The proof that is asked of a class: the same validation photos, without the cue and with."""
    folder, key = made
    cue, photos = key["details"], manifests.read(folder)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    training = [p for p in photos if p.split == "train"]
    x = features([photo(folder, p) for p in training])
    model.fit(x, [p.label for p in training])
    assert model.score(x, [p.label for p in training]) > 0.8
    validation = [p for p in photos if p.split == "validation"]
    numbers = [(p.label, int(p.file.split(".")[1])) for p in validation]
    shares = [
        (model.predict(features(blobs)) == key["class"]).mean()
        for blobs in (
            [photo(folder, p) for p in validation],
            [shortcuts.jpeg(key["seed"], (*number, cue)) for number in numbers],
        )
    ]
    assert shares[0] < 0.5 and shares[1] - shares[0] > 0.4


def test_the_data_set_does_not_tell(made):
    folder, key = made
    assert {p.name for p in folder.iterdir()} == {"train", "validation", "manifest.csv",
                                                  "dataset.json"}  # fmt: skip
    text = (folder / "dataset.json").read_text("utf-8")
    assert manifests.metadata(folder)["settings"]["seed"] == 1 and key["cue"] not in text


def test_seeds_plant_different_cues_and_each_seed_the_same():
    cues = [json.dumps(shortcuts.cue_of(seed)) for seed in range(60)]
    assert cues == [json.dumps(shortcuts.cue_of(seed)) for seed in range(60)]
    assert len(set(cues)) > 20 and set(SEED_OF) == set(shortcuts.KINDS)
    sentences = {shortcuts.sentence(json.loads(cue)) for cue in cues}
    assert len(sentences) > 10


def test_the_key_stays_outside_and_nothing_is_overwritten(tmp_path, capsys):
    out, key = tmp_path / "set", tmp_path / "key.json"
    words = ["data", "shortcut", "--seed", "3", "-n", "40", "--out", str(out), "--key"]
    assert main([*words, str(out / "key.json")]) == 1 and not out.exists()
    assert "would lie in the folder of the data set" in capsys.readouterr().err
    assert main([*words, str(key)]) == 0 and key.stat().st_mode & 0o077 == 0
    said = capsys.readouterr().out
    assert "square" not in said and "cat" not in said.replace(str(tmp_path), "")
    before = key.read_text()
    with pytest.raises(CatDogError, match="exists already"):
        shortcuts.organize(4, out, tmp_path / "other.json", 40, False)
    with pytest.raises(CatDogError, match="exists already"):
        shortcuts.organize(4, tmp_path / "other", key, 40, False)
    assert key.read_text() == before and not (tmp_path / "other").exists()
