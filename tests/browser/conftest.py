"""The page that the browser looks at."""

import pytest

from catdog.core import paths
from catdog.inference import serve
from catdog.inference.classifier import Classifier


@pytest.fixture(scope="session")
def address():
    """The server in this process, with the smaller of the shipped models."""
    model = Classifier(paths.MODELS / "cat_dog_cnn.keras")
    with serve.running(model) as address:
        yield address


@pytest.fixture(scope="session")
def default_address():
    """The same with the model that `catdog serve` uses, and its refusal."""
    with serve.running(Classifier()) as address:
        yield address
