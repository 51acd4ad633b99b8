"""Small work to disturb: a network that trains in a second, and photos to decode.

They run in the child that a `Place` starts, as a chapter calls them.
"""

import hashlib
from pathlib import Path


def model(path: str) -> None:
    """Save an untrained network of the article's kind for photos of 24×24 pixels, as ONNX, too."""
    import keras

    from catdog.models import export, networks

    keras.utils.set_random_seed(1)
    network = networks.article_cnn(24)
    network.save(path)
    export.export(network, Path(path).with_suffix(".onnx"), of=path)


def weights_hash(model) -> str:
    """A hash of a network's weights."""
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:16]


def trained(run: str, epochs: int = 3, rate: float = 0.01, seed: int = 1) -> str:
    """Train on 64 random photos of 24×24 pixels in the folder `run`; return the weights' hash."""
    import numpy as np

    from catdog.training import loop, recipes

    rng = np.random.default_rng(1)
    photos = (
        rng.integers(0, 256, (64, 24, 24, 3), dtype=np.uint8),
        np.arange(64, dtype=np.int32) % 2,
    )
    recipe = recipes.Recipe(epochs=epochs, batch_size=16, learning_rate=rate)
    model, _ = loop.train(
        lambda: recipe.build(24), recipe, photos, photos, run, seed, progress=False
    )
    return weights_hash(model)


def pixels_of(folder: str, root: str) -> str:
    """Decode a data set's 32 training photos into the cache; return their hash."""
    from catdog.data import pixel_cache

    images, _, _ = pixel_cache.load(folder, "train", 96, root, progress=False)
    return hashlib.sha256(images.tobytes()).hexdigest()[:16]


def records_of(folder: str) -> list[str]:
    """Read the records of a folder, as chapters do."""
    from catdog.core import recording

    return sorted(recording.read_all(folder))


def studied(path: str) -> dict:
    """Do a part of a study, or read what it left."""
    from catdog.training import bottleneck

    return bottleneck.kept(Path(path), {}, dict)


def downloaded(url: str, path: str, sha256: str, **constants: float) -> Path:
    """Download a file, with constants of the module set to others."""
    from catdog.data import download

    for name, value in constants.items():
        setattr(download, name, value)
    return download.download(url, path, sha256, attempts=2, progress=False)
