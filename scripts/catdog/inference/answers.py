"""What a classifier says of a photo: in words, as JSON, and as a row of a table."""

from __future__ import annotations

from dataclasses import dataclass

CLIP = 5e-4  # of a submission: after 1,600 photos without a sure mistake; see chapter 17
FIELDS = ("photo", "label", "probability_of_dog", "error")


@dataclass(frozen=True)
class Answer:
    """What the model says of a photo.

    Attributes:
        label: "cat", "dog", "neither", or "" if the photo could not be read.
        dog: the probability of dog, None if the photo could not be read.
        likelier: "cat" or "dog", for a picture that is neither too.
        error: why the photo could not be read, or "".
    """

    photo: str
    label: str = ""
    dog: float | None = None
    likelier: str = ""
    error: str = ""

    @classmethod
    def of(cls, photo: str, dog: float, strange: bool, threshold: float = 0.5) -> Answer:
        """Make one of a probability of dog; dog is said from the threshold on."""
        likelier = "dog" if dog >= threshold else "cat"
        return cls(photo, "neither" if strange else likelier, dog, likelier)

    def __str__(self) -> str:
        if self.dog is None:
            return f"not read  {self.photo}: {self.error}"
        chance = self.dog if self.likelier == "dog" else 1 - self.dog
        if self.label == "neither":
            must = f"(if it must be one: {self.likelier}, {chance:.1%})"
            return f"neither, it seems  {must}  {self.photo}"
        return f"{self.label}  {chance:6.1%}  (probability of dog: {self.dog:.4f})  {self.photo}"

    def row(self) -> tuple[str, str, str, str]:
        """Return it as a row of the CSV file, in the order of FIELDS."""
        dog = "" if self.dog is None else f"{self.dog:.6f}"
        return self.photo, self.label, dog, self.error

    def document(self) -> dict:
        """Return it for JSON, with None for what there is not."""
        dog = None if self.dog is None else round(self.dog, 6)
        values = self.photo, self.label or None, dog, self.error or None
        return dict(zip(FIELDS, values, strict=True))
