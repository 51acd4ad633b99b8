"""Archives and folders of labelled photos, given to `catdog data archive` and `catdog submit`."""

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from functools import partial

from pictures import jpeg, saved
from PIL import Image

from faults.place import Place, Seen
from faults.registry import fault

COUNTS = "data/photos/validation: 4 cats, 4 dogs"
ASIDE = "1 photo could not be read: see set_aside in data/photos/dataset.json"
UNPACK = "Unpack the archive yourself and give the folder."
DAMAGED = "The archive is damaged: get it again."


def labelled(n: int = 20, before: str = "train/", start: int = 0) -> dict[str, bytes]:
    """Photos named as in Kaggle's archive, n of each label."""
    return {
        f"{before}{label}.{i}.jpg": jpeg(2 * i + (label == "dog"))
        for label in ("cat", "dog")
        for i in range(start, start + n)
    }


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, blob in files.items():
            archive.writestr(name, blob)
    return out.getvalue()


def archive(place: Place, *words: str) -> Seen:
    return place.catdog("data", "archive", "mine/train.zip", "--root", "data", *words)


def _patched(blob: bytes, flag: int | None = None, method: int | None = None) -> bytes:
    """An archive whose entries all claim another flag or another method."""
    found = bytearray(blob)
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        entry = found.find(mark)
        while entry >= 0:
            if flag is not None:
                struct.pack_into("<H", found, entry + at, flag)
            if method is not None:
                struct.pack_into("<H", found, entry + at + 2, method)
            entry = found.find(mark, entry + 4)
    return bytes(found)


def _spoilt(method: int) -> bytes:
    """An archive with one entry of which 40 bytes are overwritten."""
    blob = bytearray(zipped(labelled(), method))
    at = blob.index(b"train/cat.7.jpg") + len("train/cat.7.jpg")
    blob[at : at + 40] = b"\xff" * 40
    return bytes(blob)


def _bomb() -> bytes:
    return zipped({"train/cat.1.jpg": bytes(8 * 2**20)}, zipfile.ZIP_DEFLATED)


def _backslashes() -> bytes:
    names = [name.replace("/", "|") for name in labelled()]
    blob = zipped(dict(zip(names, labelled().values(), strict=True)))
    for name in names:
        blob = blob.replace(name.encode(), name.replace("|", "\\").encode())
    return blob


def _of_links() -> bytes:
    """An archive in which one photo is a link to a file of the reader's."""
    out = io.BytesIO(zipped(labelled()))
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo("train/cat.99.jpg")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def _odd_dates() -> bytes:
    """An archive whose entries are of month 0 and day 0, which no calendar has."""
    found = bytearray(zipped(labelled()))
    for mark, at in ((b"PK\3\4", 12), (b"PK\1\2", 14)):
        entry = found.find(mark)
        while entry >= 0:
            struct.pack_into("<H", found, entry + at, 0)
            entry = found.find(mark, entry + 4)
    return bytes(found)


def _overlapping() -> bytes:
    """An archive whose directory names one entry's bytes twice."""
    blob = zipped({"train/cat.1.jpg": jpeg(1), "train/dog.1.jpg": jpeg(2)} | labelled(5, start=5))
    second = blob.rindex(b"train/dog.1.jpg") - 46
    return blob[: second + 42] + bytes(4) + blob[second + 46 :]


def _leaves(name: str) -> tuple[Callable[[], bytes], str]:
    return (
        lambda: zipped(labelled() | {name: b"x"}),
        f"mine/train.zip: the entry '{name}' would leave the folder. This is no archive of photos "
        "that can be trusted; download it again from its own source.",
    )


def _cannot(how: str, **fields: int) -> tuple[Callable[[], bytes], str]:
    return (
        lambda: _patched(zipped(labelled(), zipfile.ZIP_DEFLATED), **fields),
        f"mine/train.zip: the entry 'train/cat.0.jpg' is {how}. {UNPACK}",
    )


def _claims(name: str, source: str) -> str:
    return (
        f"{source}: the entry '{name}' claims 8,388,608 bytes from …. That is no photo or archive "
        "of photos; download it again."
    )


NOT_WHOLE = "not a whole zip archive (a download that broke off?). Get it again."
NONE = (
    "mine/train.zip: no photo named like cat.12.jpg or dog.12.jpg in it. Kaggle's train.zip and "
    "the PetImages archive are what is expected here."
)
REFUSED: dict[str, tuple[str, Callable[[], bytes], str]] = {  # id: what, its bytes, why
    "archive-truncated": (
        "an archive without its last 1,000 bytes",
        lambda: zipped(labelled())[:-1000],
        f"mine/train.zip: {NOT_WHOLE}",
    ),
    "archive-page": (
        "a web page named train.zip",
        lambda: b"<!doctype html><title>Sign in</title>",
        f"mine/train.zip: {NOT_WHOLE}",
    ),
    "archive-0-bytes": ("an archive of 0 bytes", lambda: b"", f"mine/train.zip: {NOT_WHOLE}"),
    "archive-nothing": ("an archive of no entry", lambda: zipped({}), NONE),
    "archive-no-photos": ("an archive of texts", lambda: zipped({"a.txt": b"x"}), NONE),
    "archive-encrypted": ("an encrypted archive", *_cannot("encrypted", flag=1)),
    "archive-deflate64": (
        "an archive packed with Deflate64, as Windows does",
        *_cannot("packed with Deflate64, which Python cannot unpack", method=9),
    ),
    "archive-unknown-method": (
        "an archive packed in a way that there is not",
        *_cannot("packed with method 77, which Python cannot unpack", method=77),
    ),
    "archive-climbs": ("an entry that climbs out", *_leaves("../cat.1.jpg")),
    "archive-climbs-later": ("an entry that climbs out later", *_leaves("a/../../cat.1.jpg")),
    "archive-absolute": ("an entry with an absolute path", *_leaves("/etc/cat.1.jpg")),
    "archive-drive": ("an entry with a drive", *_leaves("C:cat.1.jpg")),
    "archive-bomb": (
        "a photo of 8 MB of zeros, packed",
        _bomb,
        _claims("train/cat.1.jpg", "mine/train.zip"),
    ),
    "archive-inner-bomb": (
        "the same in an archive in the archive",
        lambda: zipped({"train.zip": _bomb()}),
        _claims("train/cat.1.jpg", "train.zip in mine/train.zip"),
    ),
    "archive-inner-truncated": (
        'Kaggle\'s "Download all" with half a train.zip',
        lambda: zipped({"train.zip": zipped(labelled())[:-1000], "test1.zip": b""}),
        f"train.zip in mine/train.zip: {NOT_WHOLE}",
    ),
    "archive-three-deep": (
        "an archive in an archive in the archive",
        lambda: zipped({"train.zip": zipped({"train.zip": zipped(labelled())})}),
        NONE,
    ),
    "archive-twins": (
        "two photos of one name",
        lambda: zipped(labelled() | {"backup/cat.1.jpg": b"x"}),
        "mine/train.zip: two photos are named cat.1.jpg. Keep one of them.",
    ),
    "archive-cats-alone": (
        "one class only",
        lambda: zipped({name: b for name, b in labelled().items() if "cat" in name}),
        "train.zip: 20 cats and 0 dogs can be used, but training needs both. Name the photos "
        "cat.1.jpg, cat.2.jpg, … and dog.1.jpg, dog.2.jpg, …",
    ),
    "archive-dogs-unreadable": (
        "two classes, of which one cannot be read",
        lambda: zipped({name: b * ("cat" in name) for name, b in labelled().items()}),
        "train.zip: 20 cats and 0 dogs can be used, but training needs both. Name the photos "
        "cat.1.jpg, cat.2.jpg, … and dog.1.jpg, dog.2.jpg, …",
    ),
    "archive-all-unreadable": (
        "photos of which none can be read",
        lambda: zipped(dict.fromkeys(labelled(), b"x")),
        "train.zip: none of its 40 photos can be read: get them again. The first, cat.0.jpg: "
        "cannot be decoded: it is no picture.",
    ),
    "archive-copies": (
        "20 copies of one cat",
        lambda: zipped(labelled() | {f"train/cat.{i}.jpg": jpeg(0) for i in range(20)}),
        "train.zip: validation would get 0 cats and 4 dogs, because copies of a photo stay on one "
        "side. Add photos that differ.",
    ),
    "archive-four": (
        "four photos",
        lambda: zipped(labelled(2)),
        "train.zip: 4 photos are too few to put a part of 0.2 of both cats and dogs into "
        "validation: at least 6 are needed, as the source has 2 cats and 2 dogs. Add photos, or "
        "change the ratio.",
    ),
}
SURVIVED: dict[str, tuple[str, Callable[[], bytes], str]] = {  # id: what, its bytes, what is seen
    "archive-download-all": (
        'Kaggle\'s "Download all", archives in an archive',
        lambda: zipped({"test1.zip": b"x", "train.zip": zipped(labelled()), "s.csv": b""}),
        COUNTS,
    ),
    "archive-backslashes": ("entries with backslashes", _backslashes, COUNTS),
    "archive-mac": (
        "an archive of a Mac: __MACOSX and ._ files",
        lambda: zipped(labelled() | {"__MACOSX/train/._cat.1.jpg": b"\0\5\x16\7"}),
        COUNTS,
    ),
    "archive-table": (
        "a table of 8 MB of zeros beside the photos",
        lambda: zipped(labelled() | {"a.csv": bytes(8 * 2**20)}, zipfile.ZIP_DEFLATED),
        COUNTS,
    ),
    "archive-dates": ("entries of month 0 and day 0", _odd_dates, COUNTS),
    "archive-deflate-damaged": (
        "a damaged entry, Deflate",
        partial(_spoilt, zipfile.ZIP_DEFLATED),
        ASIDE,
    ),
    "archive-bzip2-damaged": (
        "a damaged entry, bzip2",
        partial(_spoilt, zipfile.ZIP_BZIP2),
        ASIDE,
    ),
    "archive-lzma-damaged": ("a damaged entry, LZMA", partial(_spoilt, zipfile.ZIP_LZMA), ASIDE),
    "archive-link": ("an entry that is a link to a file of the reader's", _of_links, ASIDE),
    "archive-overlapping": ("an entry that lies in another", _overlapping, ASIDE),
    "archive-photo-empty": (
        "a photo of 0 bytes among the others",
        lambda: zipped(labelled() | {"train/cat.99.jpg": b""}),
        ASIDE,
    ),
    "archive-photo-truncated": (
        "half a photo among the others",
        lambda: zipped(labelled() | {"train/cat.99.jpg": jpeg(1, (99, 99))[:3000]}),
        ASIDE,
    ),
    "archive-photo-gif": (
        "a GIF named .jpg among the others",
        lambda: zipped(labelled() | {"train/cat.99.jpg": saved(Image.new("L", (9, 9)), "GIF")}),
        ASIDE,
    ),
}


def _given(make: Callable[[], bytes], made: bool):
    """Return how to inject an archive of these bytes, and whether a data set is made of it."""

    def inject(place: Place) -> Seen:
        place.put("train.zip", make())
        seen = archive(place)
        assert (place.path / "data" / "photos").exists() == made
        return seen

    return inject


for id, (what, make, why) in REFUSED.items():
    fault(id, what, f"catdog: {why}")(_given(make, made=False))
for id, (what, make, shown) in SURVIVED.items():
    fault(id, what, shown, 0)(_given(make, made=True))


@fault(
    "archive-missing",
    "a name that is nothing",
    "catdog: mine/train.zip: no such file or folder. Give the path of your train.zip.",
)
def _(place: Place) -> Seen:
    return archive(place)


@fault("folder-fifo", "a folder with a fifo, a link to nothing and ._ files", COUNTS, 0)
def _(place: Place) -> Seen:
    for name, blob in labelled(before="train.zip/").items():
        place.put(name, blob)
    place.put("train.zip/._cat.1.jpg", b"\0\5\x16\7")
    os.mkfifo(place.mine / "train.zip" / "cat.50.jpg")
    os.symlink("gone", place.mine / "train.zip" / "dog.50.jpg")
    return archive(place)


@fault("folder-100-gb", "a folder with a photo of 100 GB", ASIDE, 0)
def _(place: Place) -> Seen:
    for name, blob in labelled(before="train.zip/").items():
        place.put(name, blob)
    with open(place.put("train.zip/cat.99.jpg"), "wb") as stream:
        stream.truncate(10**11)
    seen = archive(place)
    (item,) = json.loads((place.path / "data/photos/dataset.json").read_text())["set_aside"]
    assert item["reason"].endswith("(100,000,000,000 bytes, more than any photo has).")
    return seen


@fault(
    "archive-other",
    "other photos under the name of a data set",
    "catdog: data/photos exists already and was made from other photos, with other settings or by "
    "hand. Nothing was changed. Choose another name with --name, or move that folder away "
    "yourself.",
)
def _(place: Place) -> Seen:
    place.put("train.zip", zipped(labelled()))
    place.put("more.zip", zipped(labelled(21)))
    assert archive(place).code == 0
    made = (place.path / "data/photos/manifest.csv").read_bytes()
    seen = place.catdog("data", "archive", "mine/more.zip", "--root", "data")
    assert (place.path / "data/photos/manifest.csv").read_bytes() == made
    return seen


def submit(place: Place, files: dict[str, bytes], spoil=lambda blob: blob) -> Seen:
    place.put("test1.zip", spoil(zipped(files, zipfile.ZIP_DEFLATED)))
    seen = place.catdog("submit", "mine/test1.zip", "--out", "out.csv", "--model", place.model)
    assert (place.path / "out.csv").exists() == ("got 0.5" in seen.err)
    return seen


TEST = {f"test1/{i}.jpg": jpeg(i) for i in range(1, 7)}


@fault(
    "submit-twins",
    "two test photos of one number",
    "catdog: mine/test1.zip: two photos have the number 1. Keep one of them.",
)
def _(place: Place) -> Seen:
    return submit(place, TEST | {"more/01.jpg": b"x"})


@fault(
    "submit-encrypted",
    "an encrypted test archive",
    f"catdog: mine/test1.zip: the entry 'test1/1.jpg' is encrypted. {UNPACK}",
)
def _(place: Place) -> Seen:
    return submit(place, TEST, partial(_patched, flag=1))


@fault(
    "submit-unreadable",
    "a test archive of which no photo can be read",
    "catdog: not one photo could be read: out.csv is not written. test1/1.jpg is no photo that can "
    "be read (JPEG, PNG, WebP…).",
)
def _(place: Place) -> Seen:
    return submit(place, dict.fromkeys(TEST, b"x"))


@fault(
    "submit-one-unreadable",
    "a test archive of which one photo cannot be read",
    "catdog: test1/3.jpg is no photo that can be read (JPEG, PNG, WebP…). It got 0.5.",
)
def _(place: Place) -> Seen:
    seen = submit(place, TEST | {"test1/3.jpg": b"x"})
    assert (place.path / "out.csv").read_text().splitlines()[3] == "3,0.5"
    return seen
