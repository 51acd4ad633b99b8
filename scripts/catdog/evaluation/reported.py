"""What the records of runs say, in one form for all of them."""

from __future__ import annotations

from catdog.core import files, paths
from catdog.evaluation import statistics


def calibration(measured: dict) -> tuple[str, float]:
    """Return the name and the value of what a record says of calibration.

    Older records hold another quantity, from which this one does not follow: in ten bins, how far
    the probability of dog is from the share of dogs.
    """
    if "ece" in measured:
        return "expected calibration error", measured["ece"]
    return "calibration error of P(dog)", measured["calibration_error"]


def article_2017(network: str) -> dict:
    """Return what the article of 2017 reports of its "cnn" or its "vgg16_head".

    That is accuracy and epochs, as its text states them, n (the validation photos that its 156
    batches of 32 reached: 8 of 5,000 are left out), Wilson's interval, and its history as read off
    its pictures.
    """
    path = paths.MODELS / "records" / "article-2017.json"
    found = files.read_json(path)["networks"][network]
    return {
        **found,
        "interval": statistics.wilson(round(found["accuracy"] * found["n"]), found["n"]),
    }


def runs_of(record: dict, photos: int | None = None) -> list[dict]:
    """Return the runs of a record that joins several seeds; a record of one run is its only one.

    Args:
        photos: only runs that were trained on so many, where there are such.
    """
    runs = record.get("runs", [record])
    if photos is None:
        return runs
    same = [run for run in runs if sum(run["dataset"]["counts"]["train"].values()) == photos]
    return same or runs


def accuracy_of(record: dict) -> dict:
    """Return the validation accuracy of a record as {"mean", "low", "high"}.

    Of several runs these are the mean and its interval over their seeds, as the record has them; of
    one, its accuracy, and the interval for the choice of its photos.
    """
    if "accuracy" in record:
        return record["accuracy"]
    low, high = record["validation"]["interval"]
    return {"mean": record["validation"]["accuracy"], "low": low, "high": high}
