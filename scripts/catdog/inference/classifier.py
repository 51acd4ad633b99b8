"""Cat, dog or neither: a trained model with all that an answer needs, in three lines of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from catdog import CatDogError
from catdog.core import parallel
from catdog.evaluation import ood
from catdog.inference import prediction, web
from catdog.inference.answers import Answer
from catdog.models import runtime

T = TypeVar("T")


class Classifier:
    """A trained model, ready to be asked. It runs in onnxruntime; TensorFlow is not loaded.

    >>> from catdog import Classifier
    >>> classifier = Classifier()
    >>> answer = classifier.predict("cat.jpg")  # doctest: +SKIP
    >>> answer.label, answer.dog  # doctest: +SKIP
    ('cat', 0.0002)

    Attributes:
        runtime: the model that is asked, see `runtime.Runtime`.
        detector: what recognizes pictures of something else; None: every picture is a cat or a dog.
        mirror: whether the answer is the mean of those to the photo and to its mirror image.
        threshold: the probability of dog from which dog is said.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        reject: bool = True,
        mirror: bool = False,
        threshold: float = 0.5,
    ):
        """Open a `.keras` or `.onnx` file, by default the model that ships.

        Args:
            reject: say "neither" to pictures that look like no photo of a cat or a dog, where a
                file beside the model, NAME.refusal.npz, says what they look like.
            mirror: twice the work: it helps a network from scratch, and not the one that ships.

        Raises:
            CatDogError: a file is missing, damaged, or of another kind.
        """
        self.runtime = runtime.load(model)
        self.detector = ood.load(self.runtime.path, self.runtime.sha256) if reject else None
        self.mirror, self.threshold = mirror, threshold

    @property
    def size(self) -> int:
        """The side of the square that photos are stretched to, in pixels."""
        return self.runtime.size

    def ask(self, photos: np.ndarray) -> runtime.Output:
        """Return the bare numbers for photos that are read already, uint8 (n, size, size, 3)."""
        return self.runtime(photos, self.mirror)

    def is_strange(self, found: runtime.Output) -> np.ndarray:
        """Return which photos look like neither cat nor dog: bool (n,)."""
        if self.detector is None or found.features is None:
            return np.zeros(len(found.dog), bool)
        return self.detector.is_ood(found.features)

    def predict(self, photo: str | Path | bytes | np.ndarray) -> Answer:
        """Say what one photo shows.

        Args:
            photo: a file, a web address, the bytes of either, or pixels, uint8 (h, w, 3).

        Raises:
            CatDogError: it cannot be read.
        """
        name = "" if isinstance(photo, bytes | np.ndarray) else web.shown(str(photo))
        found = self.ask(prediction.read_photo(photo, self.size)[None])
        strange = bool(self.is_strange(found)[0])
        return Answer.of(name, float(found.dog[0]), strange, self.threshold)

    def stream(self, photos: Iterable[str | Path], batch_size: int = 16) -> Iterator[Answer]:
        """Yield an answer for each photo, in their order, or what is wrong with it.

        Memory does not grow with the number of photos. The files are only read.

        Args:
            photos: paths or web addresses.
        """

        def read(name: str | Path) -> np.ndarray:
            return prediction.read_photo(name, self.size)

        for name, found in self.each(photos, read, batch_size):
            shown = web.shown(str(name))
            if isinstance(found, CatDogError):
                yield Answer(shown, error=str(found))
            else:
                yield Answer.of(shown, *found, self.threshold)

    def each(
        self, items: Iterable[T], read: Callable[[T], np.ndarray], batch_size: int = 16
    ) -> Iterator[tuple[T, tuple[float, bool] | CatDogError]]:
        """Yield each item with the probability of dog of its photo and whether it looks strange.

        While the model is asked about a batch, threads read the next one.

        Args:
            read: returns an item's photo, uint8 (size, size, 3), or raises a CatDogError, which
                then stands in the place of the answer.
        """

        def attempt(item: T) -> tuple[T, np.ndarray | CatDogError]:
            try:
                return item, read(item)
            except CatDogError as error:
                return item, error

        ready = parallel.parallel_map(attempt, items, batch_size)
        while photos := list(islice(ready, batch_size)):
            whole = [photo for _, photo in photos if not isinstance(photo, CatDogError)]
            found = self.ask(np.stack(whole)) if whole else runtime.Output(np.zeros(0))
            answers = iter(zip(found.dog, self.is_strange(found), strict=True))
            for item, photo in photos:
                if isinstance(photo, CatDogError):
                    yield item, photo
                else:
                    dog, strange = next(answers)
                    yield item, (float(dog), bool(strange))
