"""The files at the top agree with each other."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.M))


def test_every_lock_pins_the_same_versions():
    cpu, gpu, dev, serve = pins("cpu"), pins("gpu"), pins("dev"), pins("serve")
    assert len(cpu) > 50 and len(serve) > 20
    assert serve.items() <= cpu.items() <= dev.items()
    shared = cpu.keys() & gpu.keys()
    assert {k: cpu[k] for k in shared} == {k: gpu[k] for k in shared}


@pytest.mark.parametrize("name", ["cpu", "gpu", "dev", "serve"])
def test_lock_has_hashes_and_no_host(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text and "--index-url" not in text
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert "--hash=sha256:" in block, block


def tracked():
    """The files that git knows, by their paths from the top."""
    command = ["git", "ls-files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")


def test_no_photo_is_committed():
    assert "pyproject.toml" in tracked()
    assert not [f for f in tracked() if re.search(r"(cat|dog)\.\d+\.jpe?g$", f)]


def test_percent_sign_stands_beside_its_number():
    """Of chapters the twins are read; records stay as they were written."""
    spaced = re.compile(r"[\d}]\s%(?![\d(=}])")
    names = [f for f in tracked() if re.search(r"\.(md|py|js|html|yaml|json)$", f)]
    names = [f for f in names if not f.startswith("models/records/")]
    assert "notebooks/text/01_cats_and_dogs.md" in names
    texts = {name: (ROOT / name).read_text("utf-8") for name in names}
    assert not {name: spaced.findall(t) for name, t in texts.items() if spaced.search(t)}


def test_conda_environment_is_the_lock():
    import yaml

    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    assert f'requires-python = ">={python.removeprefix("python=")}' in (
        (ROOT / "pyproject.toml").read_text()
    )
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["-r requirements/cpu.txt"]


def test_version_is_one_everywhere():
    import tomllib

    import yaml

    import catdog

    heading = r"^## ([\d.]+) - (\d{4}-\d\d-\d\d)$"
    version, date = re.search(heading, (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M).groups()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert (citation["version"], str(citation["date-released"])) == (version, date)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == catdog.__version__ == version


def test_tables_of_the_pages_are_those_of_the_records():
    from benchmarks import tables

    for page in tables.PAGES:
        text = page.read_text("utf-8")
        assert tables.rendered(text) == text
    pages = {ROOT / name for name in tracked() if name.endswith(".md")}
    assert {p for p in pages if "<!-- end of " in p.read_text("utf-8")} == set(tables.PAGES)


@pytest.mark.parametrize(("page", "most"), [("README.md", 900), ("CONTRIBUTING.md", 400)])
def test_first_pages_are_short(page, most):
    text = re.sub(r"<!--.*?-->", "", (ROOT / page).read_text())
    text = re.sub(r"\]\([^)]*\)", "]", text)  # an address is no word
    assert len([word for word in text.split() if re.search(r"\w", word)]) < most


def test_shipped_models_are_small_and_have_card_and_record():
    models = list((ROOT / "models").glob("*.keras"))
    assert models
    for model in models:
        assert model.stat().st_size < 20e6
        assert model.with_suffix(".json").exists() and model.with_suffix(".md").exists()


@pytest.mark.parametrize(
    "name, split, trained, chosen",
    [
        ("cat_dog_cnn", "all", 20_000, 0),
        ("cat_dog_residual", "train", 16_000, 3997),
        ("cat_dog_efficientnet", "train minus held back", 14_400, 1600),
    ],
)
def test_shipped_models_say_which_photos_they_were_trained_on(name, split, trained, chosen):
    import json

    from catdog.models import provenance

    about = provenance.read(ROOT / "models" / f"{name}.keras")
    record = json.loads((ROOT / "models" / f"{name}.json").read_text("utf-8"))
    assert about["dataset"]["manifest_sha256"] == record["dataset"]["manifest_sha256"]
    assert about["split"] == split
    assert trained - 5 <= len(about["trained"]) <= trained  # some photos are there twice
    assert len(about["chosen"]) == chosen and not set(about["chosen"]) & set(about["trained"])
    # how many an epoch took, by the rate in the record
    seen = record["images_per_second"] * record["seconds"] / record["epochs"]
    assert seen == pytest.approx(trained, rel=0.02)


@pytest.mark.parametrize("name", ["cat_dog_cnn", "cat_dog_residual", "cat_dog_efficientnet"])
def test_shipped_models_know_the_cat_of_scikit_image(name):
    import numpy as np
    import skimage.data

    from catdog.inference import prediction
    from catdog.models import saving

    model = saving.load_model(ROOT / "models" / f"{name}.keras")
    size = model.inputs[0].shape[1]
    photo = prediction.read_photo(skimage.data.chelsea(), size)
    assert photo.shape == (size, size, 3) and photo.dtype == np.uint8
    assert prediction.predict(model, [photo])[0] < 0.2


def test_what_the_card_calls_looked_at_are_the_mistakes_of_this_model():
    from catdog.core import recording

    records = recording.read_all()
    mistakes = {row["photo"] for row in records["evaluate-efficientnet"]["mistakes"]}
    assert mistakes == set(records["undecided"]["looked_at"])
    assert records["undecided"]["photos"].keys() < mistakes
