"""Photos as telephones, cameras, browsers and discs leave them: what is read, and what is not."""

import io
import os
import struct
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import CAT, HEIC, SIDEWAYS, of_size, saved, with_exif
from PIL import Image, ImageFile, ImageOps

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import imaging, manifests, organizing, sources
from catdog.inference import folders, prediction


def test_ordinary_jpegs_have_the_pixels_that_opencv_gives():
    import cv2

    reduced = {1: cv2.IMREAD_COLOR_RGB, 2: cv2.IMREAD_REDUCED_COLOR_2}
    for grey in (False, True):
        for progressive in (False, True):
            image = Image.fromarray(CAT).convert("L" if grey else "RGB")
            blob = saved(image, quality=88, progressive=progressive)
            for factor, flag in reduced.items():
                wanted = cv2.imdecode(np.frombuffer(blob, np.uint8), flag)
                if factor == 2:
                    wanted = cv2.cvtColor(wanted, cv2.COLOR_BGR2RGB)
                assert np.array_equal(imaging.pixels_of(blob, 300 // factor), wanted)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_of_16_bits_is_scaled(kind):
    grey = np.asarray(Image.fromarray(CAT).convert("L"))
    blob = saved(grey.astype(np.uint16) * 257, kind)
    assert np.array_equal(imaging.pixels_of(blob), np.dstack([grey] * 3))


def test_floating_point_is_refused():
    with pytest.raises(CatDogError, match="of 32 bits"):
        imaging.pixels_of(saved(CAT[..., 0].astype(np.float32), "TIFF"))


@pytest.mark.parametrize("hidden", [0, 255])
def test_what_is_transparent_is_white_whatever_it_hides(hidden):
    pixels = np.full((40, 60, 4), hidden, np.uint8)
    pixels[..., 3] = 0
    pixels[10:30, 20:40] = (200, 100, 50, 255)
    wanted = np.full((40, 60, 3), 255, np.uint8)
    wanted[10:30, 20:40] = (200, 100, 50)
    assert np.array_equal(imaging.pixels_of(saved(pixels, "PNG")), wanted)


def test_a_palette_with_transparency_is_over_white():
    image = Image.fromarray(np.repeat([[0, 1, 2]], 4, 0).astype(np.uint8)).convert("P")
    image.putpalette([10, 10, 10, 20, 20, 20, 30, 30, 30])
    png = saved(image, "PNG", transparency=bytes([0, 255, 255]))
    gif = saved(image, "GIF", transparency=0)
    for blob in (png, gif):
        assert imaging.pixels_of(blob)[0, :, 0].tolist() == [255, 20, 30]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_its_first_picture(kind):
    first, second = Image.new("RGB", (32, 24), "red"), Image.new("RGB", (32, 24), "blue")
    found = imaging.pixels_of(saved(first, kind, save_all=True, append_images=[second]))
    assert found[..., 0].min() > 240 and found[..., 2].max() < 15


def test_cmyk_looks_as_it_should():
    found = imaging.pixels_of(saved(Image.fromarray(CAT).convert("CMYK"), quality=95), 300)
    assert np.abs(found.astype(int) - CAT).mean() < 3


def test_the_jpegs_of_telephones_are_organized(photos, make_zip, tmp_path):
    small = Image.fromarray(CAT).resize((64, 48))
    mpo = saved(small, "MPO", save_all=True, append_images=[small.resize((16, 12))])
    photos["train/cat.100.jpg"] = mpo
    folder = organizing.organize(make_zip(photos), tmp_path / "data", progress=False)
    (photo,) = [p for p in manifests.read(folder) if p.file == "cat.100.jpg"]
    assert (photo.width, photo.height) == (64, 48)
    assert manifests.path_of(folder, photo).read_bytes() == mpo


TURNED = saved(np.rot90(CAT, 1), quality=95)
TEXT = (0x0100, 2, 3, b"10\0\0")  # text for ImageWidth
MAKER = (0x010F, 2, 30, struct.pack("<I", 60_000))  # 30 letters, behind the file's end
BEYOND = (0x8769, 4, 1, struct.pack("<I", 50_000))  # more EXIF, behind the file's end


@pytest.mark.parametrize(
    "blob",
    [
        with_exif(TURNED, SIDEWAYS),
        with_exif(TURNED, TEXT, SIDEWAYS),
        with_exif(TURNED, SIDEWAYS, BEYOND),
        with_exif(TURNED, MAKER, SIDEWAYS),
        with_exif(TURNED, MAKER, SIDEWAYS, before=b"Exif\0\0"),
        with_exif(TURNED, SIDEWAYS, before=b"Exif\0\0"),
    ],
    ids=["plain", "text in ImageWidth", "offset behind the end", "maker behind the end"]
    + ["maker behind the end, doubled header", "doubled header"],
)
def test_orientation_is_honoured_beside_odd_tags(blob):
    for read in (imaging.decode, prediction.read_photo):
        found = read(blob, 100).astype(int)
        assert np.abs(found - imaging.resize(CAT, 100)).mean() < 4
    assert sources.check_photo(blob) == (300, 451)


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_that_of_pillow(kind, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    blob = saved(CAT, kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(blob))).convert("RGB")
    assert np.array_equal(imaging.pixels_of(blob, 300), upright)


def test_damaged_exif_leaves_the_photo_as_it_is():
    found = imaging.pixels_of(with_exif(TURNED, before=bytes(range(40))), 300)
    assert found.shape == (451, 300, 3)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("end", [b"", b"\xff", bytes(50)])
def test_a_missing_end_marker_is_put_back(progressive, end):
    blob = saved(CAT, quality=90, progressive=progressive)
    cut = blob[:-2] + end
    assert np.array_equal(imaging.pixels_of(cut), imaging.pixels_of(blob))
    assert np.array_equal(prediction.read_photo(cut, 64), prediction.read_photo(blob, 64))
    assert sources.check_photo(cut) == (451, 300)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [20, 200, 0.3, 0.5, 0.9, 0.995])
def test_a_truncated_jpeg_is_refused(lost, progressive):
    blob = saved(CAT, quality=90, progressive=progressive)
    cut = blob[: -int(lost if lost >= 1 else lost * len(blob))]
    with pytest.raises(CatDogError, match="cannot be decoded"):
        sources.check_photo(cut)
    with pytest.raises(CatDogError, match="is no photo that can be read"):
        prediction.read_photo(cut, 64)


def test_threads_beside_a_missing_end_marker_still_refuse_what_is_truncated():
    whole = saved(CAT)

    def refused(blob):
        try:
            return imaging.pixels_of(blob) is None
        except CatDogError:
            return True

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(refused, [whole[:-2], whole[: len(whole) // 2]] * 20))
    assert found == [False, True] * 20
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_large_jpeg_is_decoded_at_a_fraction():
    blob = saved(Image.new("L", (8192, 6144), 90), quality=50)
    assert imaging.pixels_of(blob, 150).shape == (768, 1024, 3)
    assert imaging.pixels_of(blob, None).shape == (3072, 4096, 3)
    assert (prediction.read_photo(blob, 24) == 90).all()
    assert sources.check_photo(blob) == (8192, 6144)


@pytest.mark.parametrize(
    "blob, said",
    [
        (of_size(20_000, 10_001, saved(CAT)), "more than 200,000,000 pixels: make it smaller"),
        (
            of_size(8192, 6144, saved(CAT, progressive=True)),
            "more than 50,000,000 pixels: save it as a JPEG that is not progressive",
        ),
        (saved(Image.new("1", (8000, 4001)), "PNG"), "more than 32,000,000 pixels: make it"),
        (saved(Image.new("1", (20_000, 20_000)), "PNG"), "more than 32,000,000 pixels: make it"),
    ],
    ids=["JPEG", "progressive", "PNG", "huge PNG"],
)
def test_what_is_larger_is_refused_with_its_limit(blob, said):
    with pytest.raises(imaging.TooLarge, match=f"^this file has {said}.*[.]$"):
        prediction.read_photo(blob, 64)
    with pytest.raises(imaging.TooLarge, match=said):
        sources.check_photo(blob)


def test_warnings_of_pillow_and_libjpeg_are_not_shown(tmp_path):
    jpeg = saved(CAT)
    odd = with_exif(jpeg, (0x010F, 2, 30, struct.pack("<I", 60_000)), SIDEWAYS)
    (tmp_path / "1.jpg").write_bytes(odd)
    (tmp_path / "2.jpg").write_bytes(jpeg[:-2] + bytes(214) + jpeg[-2:])
    (tmp_path / "3.tif").write_bytes(saved(CAT, "TIFF", compression="tiff_lzw")[:-3000])
    code = (
        "import pathlib, sys\n"
        "from catdog import CatDogError\n"
        "from catdog.data import imaging\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: print(imaging.pixels_of(path).shape)\n"
        "    except CatDogError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert done.stdout.count("\n") == 3 and done.stdout.count("(") >= 2
    assert done.stderr == ""


@pytest.fixture
def without_heif(monkeypatch):
    monkeypatch.setattr(imaging, "SUFFIXES", imaging.SUFFIXES - imaging.HEIC_SUFFIXES)


@pytest.fixture
def stick(tmp_path, without_heif):
    """A folder as a stick brings it that was in a telephone, a Mac and a Windows machine."""
    folder = tmp_path / "stick"
    for inside in ("album.jpg", "__MACOSX"):
        (folder / inside).mkdir(parents=True)
    blob = saved(CAT)
    for name in ("a.jpg", "b.jfif", "c.JPE", "album.jpg/d.jpg"):
        (folder / name).write_bytes(blob)
    (folder / "e.tif").write_bytes(saved(CAT, "TIFF"))
    for name in ("._a.jpg", "__MACOSX/._b.jpg", "__MACOSX/b.jpg", "Thumbs.db"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    for name in ("1.HEIC", "2.heic", "3.heif"):
        (folder / name).write_bytes(HEIC)
    (folder / "notes.txt").write_text("no photo")
    os.symlink(tmp_path / "gone.jpg", folder / "gone.jpg")
    os.symlink(folder, folder / "circle")
    return folder


SAID = [
    "3 HEIC files left out: convert them to JPEG, or install pillow-heif.",
    "Left out: 4 system files (._*, Thumbs.db…), 2 links that are not followed, 1 other file.",
]


def test_what_is_no_photo_in_a_folder_is_left_out_and_counted(stick):
    left_out = Counter()
    found = folders.photos_in([stick], left_out)
    names = [path.relative_to(stick).as_posix() for path in found]
    assert names == ["a.jpg", "album.jpg/d.jpg", "b.jfif", "c.JPE", "e.tif"]
    assert folders.said_of(left_out) == SAID


def test_what_was_left_out_is_said_once_at_the_end(stick, capsys):
    from catdog.models import networks

    model = stick.parent / "small.keras"
    networks.article_cnn(24).save(model)
    assert main(["predict", str(stick), "--model", str(model)]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[-2:] == [f"catdog: {sentence}" for sentence in SAID]
    assert "5 photos" in said.out


def test_a_folder_without_photos_is_said_and_fails(tmp_path, without_heif, capsys):
    (tmp_path / "none").mkdir()
    (tmp_path / "iphone").mkdir()
    (tmp_path / "iphone" / "1.HEIC").write_bytes(HEIC)
    assert main(["predict", str(tmp_path / "none")]) == 1
    assert "none: no photo in it (" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "iphone")]) == 1
    said = capsys.readouterr().err
    assert "1 HEIC file left out: convert it to JPEG, or install pillow-heif." in said


@pytest.mark.skipif("HEIF" in imaging.FORMATS, reason="pillow-heif is installed")
def test_a_heic_photo_of_another_name_is_recognized(tmp_path):
    (tmp_path / "a.jpg").write_bytes(HEIC)
    with pytest.raises(CatDogError, match="a.jpg is a HEIC photo: convert it to JPEG, or install"):
        prediction.read_photo(tmp_path / "a.jpg", 24)


@pytest.mark.skipif("AVIF" not in imaging.FORMATS, reason="this Pillow reads no AVIF")
def test_avif_is_read():
    found = imaging.pixels_of(saved(CAT, "AVIF", quality=90))
    assert np.abs(found.astype(int) - CAT).mean() < 4
