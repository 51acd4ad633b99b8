"""Shared fixtures."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

import chromium
import pytest
from pictures import jpeg

# each takes three quarters of a minute or more
LONGEST = (
    "notebooks processors devices bench faults fast features reading failures bottleneck grading "
    "experiments training transfer explanation remote live_networks kernels shortcuts machine"
).split()


def pytest_configure(config):
    """Keep what tests compute out of the reader's features/: one folder for all their processes."""
    if "CATDOG_FEATURES" not in os.environ:
        os.environ["CATDOG_FEATURES"] = config.made_features = tempfile.mkdtemp("-features")


def pytest_unconfigure(config):
    if made := getattr(config, "made_features", None):
        shutil.rmtree(made, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """Begin with the longest files: else one of them runs alone at the end."""
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem.removeprefix("test_"), len(place)))


@pytest.fixture
def photos() -> dict[str, bytes]:
    """40 photos named as in Kaggle's archive."""
    return {
        f"train/{label}.{i}.jpg": jpeg(2 * i + (label == "dog"))
        for label in ("cat", "dog")
        for i in range(20)
    }


@pytest.fixture
def make_zip(tmp_path):
    """Write a zip of name → bytes and return its path."""

    def make(files, name="train.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w") as archive:
            for file, blob in files.items():
                archive.writestr(file, blob)
        return path

    return make


@pytest.fixture(scope="session")
def small_model(tmp_path_factory):
    """A saved, untrained network of the article's kind for photos of 24×24 pixels."""
    import keras

    from catdog.models import networks

    keras.utils.set_random_seed(1)
    path = tmp_path_factory.mktemp("model") / "small.keras"
    networks.article_cnn(24).save(path)
    return path


@pytest.fixture
def photos_on_disk(make_zip, tmp_path):
    """An organized data set of 40 photos, of which 32 are to train on."""
    from catdog.data import manifests, organizing

    files = {
        f"{label}.{i}.jpg": jpeg(i + 100 * (label == "dog"), (160, 150))
        for label in manifests.LABELS
        for i in range(20)
    }
    return organizing.organize(make_zip(files), tmp_path / "data", progress=False)


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium."""
    found = chromium.start(tmp_path / "profile")
    yield found
    found.quit()


@pytest.fixture
def features_elsewhere(tmp_path, monkeypatch):
    """A cache of the test's own, for this process and those it starts."""
    from catdog.core import paths

    monkeypatch.setattr(paths, "FEATURES", tmp_path / "features")
    monkeypatch.setenv("CATDOG_FEATURES", str(tmp_path / "features"))


@pytest.fixture
def few_blocks(monkeypatch):
    """EfficientNet-Lite with five of its blocks and random weights: exported in a second."""
    import small

    from catdog.models import backbones

    monkeypatch.setattr(backbones, "_STAGES", small.stages())
    monkeypatch.setattr(backbones, "_load_lite", lambda *_: None)


@pytest.fixture
def break_off(monkeypatch):
    """Interrupt a function that trains before it has saved an epoch (the first is 0)."""
    from catdog.training import loop

    on_epoch_end = loop._State.on_epoch_end

    def call(train, epoch):
        def broken(self, now, logs=None):
            if now == epoch:
                raise KeyboardInterrupt
            on_epoch_end(self, now, logs)

        with monkeypatch.context() as patch:
            patch.setattr(loop._State, "on_epoch_end", broken)
            with pytest.raises(KeyboardInterrupt):
                train()

    return call


@pytest.fixture
def kill_when():
    """Run code in a process of its own, and kill it once something is so."""

    def call(code, *arguments, so):
        line = [sys.executable, "-c", code, *map(str, arguments)]
        run = subprocess.Popen(line, stderr=subprocess.DEVNULL)
        while not so() and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()

    return call
