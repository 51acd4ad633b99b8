"""Render the tables of the README and of the model card from the records of the reference runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from benchmarks import scaling, time_to_accuracy, ways
from catdog.book import forecast
from catdog.core import hardware, paths, recording
from catdog.evaluation import reported
from catdog.models import saving


def results() -> str:
    """Accuracy and cost of the recipes, next to the article's."""
    lines = [
        "| network and recipe | photos | accuracy (95 % interval) | log loss | training |",
        "| --- | --- | --- | --- | --- |",
    ]
    then = reported.article_2017("cnn")
    low, high = then["interval"]
    lines.append(
        f"| CNN from scratch, the article (2017) | {then['n']:,} validation photos of its own "
        f"| {then['accuracy']:.1%} ({low:.1%} to {high:.1%}) | | {then['epochs']} epochs |"
    )
    records = recording.read_all()
    for key, text in (
        ("article", "the same, its recipe run here"),
        ("improved", "the same network, a better recipe"),
    ):
        if key not in records:
            continue
        r = records[key]
        lines.append(_recipe_row(text, r))
        if key == "improved":
            v = r["validation_flip"]
            lines.append(
                f"| … and asked about the mirror image too | {v['n']:,} validation photos "
                f"| {v['accuracy']:.1%} ({v['interval'][0]:.1%} to {v['interval'][1]:.1%}) "
                f"| {v['log_loss']:.3f} | |"
            )
    if r := records.get("bench"):
        fast = r["accuracy"]
        middle = sorted(fast["runs"], key=lambda run: run["accuracy"])[len(fast["runs"]) // 2]
        lines.append(
            "| a small residual network, made to learn fast (chapter 14), mirror image too "
            f"| 4,000 validation photos | {middle['accuracy']:.1%} "
            f"({middle['interval'][0]:.1%} to {middle['interval'][1]:.1%}), the middle one of "
            f"{len(fast['runs'])} seeds | | {fast['seconds']['median'] / 60:.1f} min with all that "
            f"goes before and after, on {r['hardware']['cores']} cores |"
        )
    if r := records.get("best"):
        v = r["validation_flip"]
        lines.append(
            "| a deeper one, trained for longer and on larger photos (chapter 14), mirror image "
            f"too | {v['n']:,} validation photos | {v['accuracy']:.1%} ({v['interval'][0]:.1%} to "
            f"{v['interval'][1]:.1%}) | {v['log_loss']:.3f} | {r['epochs']} epochs, "
            f"{r['seconds'] / 60:.0f} min on {r['hardware']['cores']} cores |"
        )
    lines += _pretrained_rows(records)
    r = records["improved"]
    lines.append(
        f"\n{r['dataset']['counts']['train']['cat']:,} cats and "
        f"{r['dataset']['counts']['train']['dog']:,} dogs to train on, "
        f"photos of {_pixels(records['bench'])}, {_machine(r)}"
    )
    return "\n".join(lines)


def _pretrained_rows(records: dict) -> list[str]:
    """The lines of the results for networks that stand on a pretrained one."""
    then, vgg = reported.article_2017("vgg16_head"), records["vgg16-article"]
    (low, high), (least, most) = then["interval"], vgg["accuracy"]["interval"]
    n, epochs = vgg["runs"][0]["validation"]["n"], vgg["recipe"]["epochs"]
    lines = [
        f"| VGG16's features, the article (2017) | {then['n']:,} validation photos of its own "
        f"| {then['accuracy']:.1%} ({low:.1%} to {high:.1%}) | "
        f"| {then['epochs']} epochs of the head |",
        f"| the same, its recipe run here | {n:,} validation photos "
        f"| {vgg['accuracy']['mean']:.1%} ({least:.1%} to {most:.1%}), the mean of "
        f"{len(vgg['runs'])} seeds | {vgg['log_loss']['mean']:.3f} | {epochs} epochs of the head |",
    ]
    for key, text in (
        ("frozen-efficientnet-lite2", "EfficientNet-Lite2, frozen, a linear head"),
        ("fine-tuned-efficientnet-lite2", "EfficientNet-Lite2, fine-tuned"),
    ):
        r = records[key]
        v = r["validation_flip"]
        cost = f"{r['epochs']} epochs, " if "epochs" in r else ""
        seconds = r.get("seconds", r.get("seconds_of_the_head"))
        cost += f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s for the head"
        lines.append(
            f"| {text}, mirror image too | {v['n']:,} validation photos | {v['accuracy']:.1%} "
            f"({v['interval'][0]:.1%} to {v['interval'][1]:.1%}) | {v['log_loss']:.3f} "
            f"| {cost} on {r['hardware']['cores']} cores |"
        )
    return lines


def _recipe_row(text: str, record: dict) -> str:
    """A line of the results for a recipe that was trained once, or with several seeds."""
    runs, accuracy = reported.runs_of(record), reported.accuracy_of(record)
    number = f", the mean of {len(runs)} seeds" if len(runs) > 1 else ""
    epochs, seconds, processor, log_loss = (
        np.median([value(run) for run in runs])
        for value in (
            lambda run: run["epochs"],
            lambda run: run["seconds"],
            lambda run: run.get("processor_seconds", 0),  # other work does not lengthen these
            lambda run: run["validation"]["log_loss"],
        )
    )
    if processor:
        cost = f"{processor / 60:.0f} min of processor time"
    else:
        cost = f"{seconds / 60:.0f} min on {record['hardware']['cores']} cores"
    return (
        f"| {text} | {runs[0]['validation']['n']:,} validation photos | {accuracy['mean']:.1%} "
        f"({accuracy['low']:.1%} to {accuracy['high']:.1%}){number} | {log_loss:.3f} "
        f"| {epochs:g} epochs, {cost}, {runs[0]['recipe']['precision']} |"
    )


def _pixels(record: dict) -> str:
    """How large the photos of a record are."""
    return "{}×{} pixels".format(*record["dataset"]["photo_size"])


def speed() -> str:
    """The whole way and the input pipeline beside the article's, features, and growth."""
    records = recording.read_all()
    lines = []
    if r := records.get("bench"):
        lines += [_race(r, records["article"]), *_markdown(ways.rows(r)), ""]
        rates = ", ".join(f"{rate:,.0f} in {dtype}" for dtype, rate in r["gflops"].items())
        lines.append(
            "The first two columns train the same network on photos of the same size; the third "
            "trains another one, on smaller photos, which learns more from each: compare it by the "
            f"race. Ratios to the article's way, median of {r['rounds']} rounds, and the lowest "
            f"and highest. A matrix product does {rates} (10⁹ operations a second). "
            f"{_machine(r)}\n"
        )
    r = records["bench-pipeline"]
    lines += [
        "The input pipeline alone, without training, beside Keras's legacy `ImageDataGenerator`, "
        f"from the same files ({_pixels(r)}) to the same kind of batches:\n",
        "| way | images/s, median of rounds |",
        "| --- | --- |",
    ]
    for name, way in r["images_per_second"].items():
        lines.append(f"| {name} | {way['median']:,.0f} |")
    ratio, later = r["ratio_augmented"], ""
    if "ratio_later" in r:
        later = f", and {r['ratio_later']['median']:.0f} times in the passes after the first"
    lines.append(
        f"\nWith augmentation {ratio['median']:.1f} times the old generator "
        f"({ratio['low']:.1f} to {ratio['high']:.1f}){later}; {r['n']:,} photos, {_machine(r)}"
    )
    r = records["bench-features"]
    lines += [
        "\nFeatures of a pretrained backbone, from the files, beside the article's way (the legacy "
        "generator in its thread, then `predict`):\n",
        "| backbone | images/s here | the article's way | ratio | peak memory |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in r["backbones"].items():
        old, new = (way["median"] for way in one["images_per_second"].values())
        ratio = one["ratio"]
        lines.append(
            f"| {name}, {one['size']} pixels | {new:.0f} | {old:.0f} | {ratio['median']:.1f} "
            f"({ratio['low']:.1f} to {ratio['high']:.1f}) | {one['peak_memory_gb']:.1f} GB |"
        )
    lines.append(
        f"\n{r['n']:,} photos a round, {r['rounds']} rounds. For all {r['n_of_all']:,} photos, at "
        "64×64 pixels, the smallest of these backbones takes "
        f"{r['peak_memory_gb_of_all']:.1f} GB at its peak. {_machine(r)}"
    )
    if r := records.get("bench-growth"):
        lines += [_growth(r)]
    return "\n".join(lines)


def _race(record: dict, article: dict) -> str:
    """The race to the article's accuracy in words."""
    found = record["accuracy"]
    other, ours, n = time_to_accuracy.against(found, article), found["seconds"], len(found["runs"])
    plain = sum(run["without_mirror"] >= found["target"] for run in found["runs"])
    ratio = other["ratio"]
    return (
        f"From the photos on the disk ({_pixels(record)}) to the article's {found['target']:.1%}, "
        f"everything included: **{ours['median']:.0f} s** in the median of {n} seeds, "
        f"{ours['high']:.0f} s at worst; {found['reached']} of {n} reach it, {plain} without "
        "asking about the mirror image too. The article's recipe, in its own way (Keras's legacy "
        "generator, in a thread beside the training, as its Keras did it), takes "
        f"{other['seconds_an_epoch']:.0f} s an epoch here, {other['seconds']:,.0f} s for the "
        f"{other['epochs']:g} epochs of its run, starting and validating not counted: "
        f"**{ratio['median']:.0f} times** our time, {ratio['worst']:.0f} times at worst. It ends "
        f"at {time_to_accuracy.article_says(other, found['target'])}.\n"
    )


def _growth(record: dict) -> str:
    """Time and memory for more and more photos."""
    memory = scaling.memory_a_photo(record)
    each = ", ".join(f"{step} {kilobytes:.1f} kB" for step, kilobytes in memory.items())
    lines = [
        "\nMore and more photos, the same ones under new names: organized, decoded once to "
        f"{record['size']}×{record['size']} pixels, made to augmented batches, and their features "
        f"by {record['backbone']} at that size; seconds, and the peak memory of the process (of "
        "the batches, without the pages of the decoded file):\n",
        *_markdown(scaling.rows(record)),
        f"\nMemory that each further photo takes: {each}. Its pixels would be "
        f"{3 * record['size'] ** 2 / 1000:.1f} kB. {_machine(record)}",
    ]
    return "\n".join(lines)


def _markdown(table: list[list[str]]) -> list[str]:
    """The lines of a table whose first row names the columns."""
    head, *rows = [f"| {' | '.join(row)} |" for row in table]
    return [head, f"|{' --- |' * len(table[0])}", *rows]


def _machine(r: dict) -> str:
    """Where and when a record was made."""
    return f"{hardware.label(r['hardware'])}, {r['date']}."


def chapters() -> str:
    """One line a chapter: its title, and the line in italics below it."""
    from catdog.book import execute

    lines = ["| chapter | what it is about |", "| --- | --- |"]
    for path in execute.chapters():
        first = json.loads(path.read_text("utf-8"))["cells"][0]["source"]
        text = first if isinstance(first, str) else "".join(first)
        title = text.splitlines()[0].removeprefix("# ")
        about = re.search(r"^\*(.+?)\*$", text, re.M)[1]
        lines.append(f"| [{title}](notebooks/{path.name}) | {about} |")
    return "\n".join(lines)


def card(key: str = "improved") -> str:
    """How a recipe did on photos it was not trained on."""
    r = recording.read_all()[key]
    lines = ["| | the photo alone | and its mirror image |", "| --- | --- | --- |"]
    both = r["validation"], r["validation_flip"]
    for name, text in (
        (
            "accuracy (95 % interval)",
            lambda v: "{:.1%} ({:.1%} to {:.1%})".format(v["accuracy"], *v["interval"]),
        ),
        ("log loss", lambda v: f"{v['log_loss']:.3f}"),
        ("AUC", lambda v: f"{v['auc']:.4f}"),
        (reported.calibration(both[0])[0], lambda v: f"{reported.calibration(v)[1]:.3f}"),
        (
            "cats called dogs",
            lambda v: "{:,} of {:,}".format(v["confusion"][0][1], sum(v["confusion"][0])),
        ),
        (
            "dogs called cats",
            lambda v: "{:,} of {:,}".format(v["confusion"][1][0], sum(v["confusion"][1])),
        ),
    ):
        lines.append(f"| {name} | {text(both[0])} | {text(both[1])} |")
    lines.append(f"\n{_machine(r)}")
    return "\n".join(lines)


def _size(path: Path) -> str:
    """How large a file is that ships; a little more than when it was trained (`provenance`)."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def card_of_the_residual() -> str:
    """The same for the largest network that was trained from scratch, and its file."""
    r = recording.read_all()["best"]
    return card("best") + (
        f"\n\nMeasured with the file of {_size(paths.MODELS / 'cat_dog_residual.keras')}; "
        f"{r['model']['parameters']:,} parameters. Trained for {r['epochs']} epochs, "
        f"{r['seconds'] / 60:.0f} minutes on {r['hardware']['cores']} cores."
    )


def card_of_the_default() -> str:
    """The same for the model that `catdog predict` uses, and for its file as it is read."""
    r = json.loads(saving.DEFAULT.with_suffix(".json").read_text("utf-8"))
    v = r["file"]["validation_flip"]
    return card(DEFAULT_RECORD) + (
        f"\n\nThe file, {_size(saving.DEFAULT)}, read back and asked about both: "
        f"{v['accuracy']:.2%}, log loss {v['log_loss']:.4f}, "
        f"{r['file']['images_per_second']:.0f} photos a second."
    )


def examined() -> str:
    """Calibration, slices and refusal of the model that `catdog predict` uses."""
    r = recording.read_all()["evaluate-efficientnet"]
    refusal, t = r["refusal"], r["temperature"]
    ends = [row for row in r["reliability"] if row["low"] == 0 or row["high"] == 1]
    lines = ["| stated probability of dog | photos | mean stated | share of dogs |"]
    lines.append("| --- | --- | --- | --- |")
    for row in r["reliability"]:
        lines.append(
            f"| {row['low']:.0%} to {row['high']:.0%} | {row['n']:,} | {row['stated']:.2%} "
            f"| {row['dogs']:.2%} ({row['interval'][0]:.1%} to {row['interval'][1]:.1%}) |"
        )
    share = sum(row["n"] for row in ends) / r["validation_flip"]["n"]
    name, error = reported.calibration(r["validation_flip"])
    lines.append(
        f"\n{share:.1%} of the answers are in the first or the last group. "
        f"{name[0].upper() + name[1:]} {error:.4f}; another temperature, fitted on "
        f"{t['chosen_on']:,} training photos, would be {t['t']:.2f} and would change the log loss "
        f"from {r['validation_flip']['log_loss']:.4f} to {t['log_loss']:.4f}.\n"
    )
    lines += ["| slice | photos | wrong | accuracy (95 % interval) |", "| --- | --- | --- | --- |"]
    for row in r["slices"]:
        lines.append(
            f"| {row['slice']} | {row['n']:,} | {row['wrong']} | {row['accuracy']:.1%} "
            f"({row['interval'][0]:.1%} to {row['interval'][1]:.1%}) |"
        )
    low, high = refusal["kept_interval"]
    lines.append(
        f"\nBeyond the threshold of the refusal it says *neither, it seems*. That keeps "
        f"{refusal['kept']:.1%} ({low:.1%} to {high:.1%}) of the validation photos.\n"
    )
    lines += ["| pictures | of them | refused | AUROC |", "| --- | --- | --- | --- |"]
    for row in refusal["strangers"]:
        lines.append(f"| {row['kind']} | {row['n']} | {row['refused']:.1%} | {row['auroc']:.3f} |")
    lines.append(f"\n{_machine(r)}")
    return "\n".join(lines)


def times() -> str:
    """How long all chapters take at sample scale, on two kinds of processor."""
    parts = []
    records = recording.read_all()
    for r in (records[name] for name in forecast.RECORDS.values()):
        rate = f"{r['hardware']['matrix_gflops']['float32']:.0f} GFLOP/s"
        minutes = f"{r['seconds'] / 60:.1f} min"
        parts.append(f"{minutes} on an {hardware.label(r['hardware'])} ({rate} in float32)")
    return (
        f"After the installation all chapters take {parts[0]}, {parts[1]}, each quiet "
        f"({r['date']}). `make run` says at its start about how long it will take on yours."
    )


DEFAULT_RECORD = "fine-tuned-efficientnet-lite2"
PARTS = {
    "card": card,
    "card of the default": card_of_the_default,
    "card of the residual": card_of_the_residual,
    "examined": examined,
    "chapters": chapters,
    "results": results,
    "speed": speed,
    "times": times,
}


PAGES = (
    paths.ROOT / "README.md",
    paths.ROOT / "scripts" / "benchmarks" / "README.md",
    *sorted(paths.MODELS.glob("*.md")),
)


def rendered(text: str) -> str:
    """Return a page with what stands between its markers rendered anew."""
    for name, render in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, b=begin, e=end, r=render: f"{b}\n{r()}\n{e}",
            text,
            flags=re.S,
        )
    return text


def update() -> None:
    """Write the tables into the README and the model card."""
    for path in PAGES:
        path.write_text(rendered(path.read_text("utf-8")), "utf-8")
