"""How work grows with the number of photos: its time, and its memory."""

from __future__ import annotations

import json
import tempfile
import time
from functools import partial
from pathlib import Path

from tqdm.auto import tqdm

from benchmarks import isolation
from catdog import CatDogError
from catdog.core import resources
from catdog.data import manifests, organizing, sources

NUMBERS = (1000, 5000, 20_000, 200_000)
STEPS = ("organize", "cache", "batches", "features")
SIZE = 64  # pixels
BACKBONE = "efficientnet-lite0"


def growth(
    folder: str | Path,
    numbers: tuple[int, ...] = NUMBERS,
    steps: tuple[str, ...] = STEPS,
    longest: float = 240,
) -> dict:
    """Measure the steps that meet every photo, for more and more photos.

    They are organizing, decoding once, making the batches of an epoch from what was decoded (with
    the fast recipe's augmentation), and extracting features.

    Where more photos are asked for than the data set has, they are repeated under new names, each
    with a number in a JPEG comment, so that no two files are equal. They are made as they are
    read, and organized in a temporary folder. Each step has a process of its own.

    Args:
        folder: the organized photos.
        longest: what would take longer, in seconds, judged by the numbers before, is left out.

    Returns:
        steps {step: [{n, seconds, images_per_second, peak_memory_gb}]}, one for each number, from
        the second on with more_images_per_second, the rate of the photos that were added; or
        {n, left_out}, the seconds it would have taken. The memory of "batches" leaves out the pages
        of the decoded file, of which as many are in memory as there is room for.

    Raises:
        CatDogError: a step failed.
    """
    found: dict[str, list[dict]] = {step: [] for step in steps}
    with tqdm(total=len(numbers) * len(steps), desc="growth", unit="step") as bar:
        for n in numbers:
            with tempfile.TemporaryDirectory() as root:
                for step in ("organize", *(step for step in steps if step != "organize")):
                    bar.set_postfix_str(f"{step}, {n:,} photos")
                    before = found.get(step, [])
                    expected = _expected(before, n)
                    if expected > longest:
                        before.append({"n": n, "left_out": round(expected)})
                        if step == "organize":
                            break
                    else:
                        before.append(_measured(step, folder, root, n, before))
                    bar.update()
    return {
        "what": "catdog bench growth",
        "size": SIZE,
        "backbone": BACKBONE,
        "numbers": list(numbers),
        "longest": longest,
        "steps": found,
    }


def _expected(before: list[dict], n: int) -> float:
    """Seconds that n photos will take, by the rate of those that were added last."""
    known = [row for row in before if "seconds" in row]
    if not known:
        return 0.0
    rate = known[-1].get("more_images_per_second") or known[-1]["images_per_second"]
    return known[-1]["seconds"] + (n - known[-1]["n"]) / rate


def _measured(step: str, folder: str | Path, root: str, n: int, before: list[dict]) -> dict:
    code = "import sys; from benchmarks import scaling; scaling.run(*sys.argv[1:])"
    said = isolation.run_in_subprocess(code, step, folder, root, n, what=f"{step} of {n:,} photos")
    row = {"n": n, **json.loads(said)}
    row["images_per_second"] = round(n / row["seconds"], 1)
    if before and "seconds" in before[-1]:
        more, longer = n - before[-1]["n"], row["seconds"] - before[-1]["seconds"]
        row["more_images_per_second"] = round(more / longer, 1) if longer > 0 else None
    return row


def run(step: str, folder: str, root: str, n: str) -> None:
    """Do one step in this process, and print its seconds and peak memory as JSON."""
    organized = Path(root) / "photos"
    if step == "organize":
        source = sources.Source("repeated", None, partial(repeated, folder, int(n)))

        def work():
            organizing.organize(source, root, "photos", progress=False)

    elif step == "cache":
        from catdog.data import pixel_cache

        def work():
            pixel_cache.load(organized, None, SIZE, root, progress=False)

    elif step == "batches":
        from catdog.data import batching, pixel_cache
        from catdog.training import recipes

        images, labels, _ = pixel_cache.load(organized, None, SIZE, root, progress=False)
        recipe, each = recipes.FAST, recipes.FAST.batch_size
        how = {"augmentation": recipe.augmentation, "sizes": lambda epoch: SIZE}

        def work():
            batches = batching.training_batches(images, labels, each, **how)
            return max(isolation.own_memory_gb() for _ in batches.take(-(-len(labels) // each)))

    elif step == "features":
        from catdog.models import features

        def work():
            features.extract(organized, None, BACKBONE, SIZE, root=root, progress=False)

    else:
        raise CatDogError(f"no step is called {step!r}. The steps: {', '.join(STEPS)}.")
    started = time.perf_counter()
    peak = work()
    seconds = time.perf_counter() - started
    peak = peak or resources.peak_memory_gb()
    print(json.dumps({"seconds": seconds, "peak_memory_gb": round(peak, 3)}))


def repeated(folder: str | Path, n: int) -> list[sources.Entry]:
    """List n photos: those of an organized data set, again and again, each with its number."""
    photos = manifests.read(folder)
    photos = photos[:: max(1, len(photos) // n)]  # of both labels
    photos = [(photo.label, str(manifests.path_of(folder, photo))) for photo in photos]
    entries = []
    for i in range(n):
        label, path = photos[i % len(photos)]
        entries.append(sources.Entry(f"{label}.{i}.jpg", label, partial(_numbered, path, i)))
    return entries


def _numbered(path: str, number: int) -> bytes:
    """Read a JPEG and put a number into it, as a comment (ITU-T T.81, B.2.4.5)."""
    blob, text = Path(path).read_bytes(), str(number).encode()
    return blob[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + blob[2:]


def memory_a_photo(record: dict) -> dict[str, float]:
    """Return the kilobytes (10³ bytes) by which each step's peak memory grows for a further photo.

    That is between the fewest and the most photos of a record of `growth`.
    """
    found = {}
    for step, measured in record["steps"].items():
        first, *_, last = [row for row in measured if "seconds" in row]
        more = last["peak_memory_gb"] - first["peak_memory_gb"]
        found[step] = 1e6 * more / (last["n"] - first["n"])
    return found


def rows(record: dict) -> list[list[str]]:
    """Return the table of a record of `growth`, the names of the columns first."""
    steps = record["steps"]
    table = [["photos", *steps]]
    for i, first in enumerate(next(iter(steps.values()))):
        cells = []
        for found in steps.values():
            row = found[i] if i < len(found) else {}
            if "seconds" in row:
                rate = f"{row['images_per_second']:,.0f} images/s"
                cells.append(f"{row['seconds']:.1f} s, {rate}, {row['peak_memory_gb']:.2f} GB")
            else:
                cells.append("left out")
        table.append([f"{first['n']:,}", *cells])
    return table
