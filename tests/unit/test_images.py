"""The pictures in outputs become small, and nothing that is seen is lost."""

import base64
import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from PIL import Image
from skimage import data

from catdog.book import execute, images, plots


def png(image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def pixels(encoded: bytes):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), int)


@pytest.fixture
def chart():
    history = {"loss": [0.7, 0.5], "val_loss": [0.7, 0.6], "accuracy": [0.5, 0.8]}
    figure = plots.curves(history | {"val_accuracy": [0.5, 0.7]}, best_epoch=2)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    plt.close(figure)
    return out.getvalue()


@pytest.fixture
def photo():
    return png(Image.fromarray(data.chelsea()))


def test_chart_becomes_a_palette_png_that_looks_the_same(chart):
    kind, small = images.smaller(chart)
    assert kind == "image/png" and Image.open(io.BytesIO(small)).mode == "P"
    assert len(small) < len(chart) / 2
    assert np.abs(pixels(small) - pixels(chart)).max() <= images.LOSS


def test_photo_becomes_a_jpeg_close_to_it(photo):
    kind, small = images.smaller(photo)
    assert kind == "image/jpeg" and len(small) < len(photo) / images.GAIN
    assert np.abs(pixels(small) - pixels(photo)).mean() < 3


def test_grey_photo_becomes_a_jpeg_though_it_has_few_colours(photo):
    kind, small = images.smaller(png(Image.open(io.BytesIO(photo)).convert("L")))
    assert kind == "image/jpeg" and Image.open(io.BytesIO(small)).mode == "L"


def test_gradient_of_too_many_colours_for_a_palette_loses_nothing():
    x = np.linspace(0, 255, 256).astype(np.uint8)
    smooth = np.stack([*np.meshgrid(x, x), np.full((256, 256), 90, np.uint8)], 2)
    kind, small = images.smaller(png(Image.fromarray(smooth)))
    assert kind == "image/png" and np.array_equal(pixels(small), smooth)


def test_small_pictures_and_transparent_ones_stay_as_they_are(chart):
    _, small = images.smaller(chart)
    assert images.smaller(small) == ("image/png", small)
    clear = png(Image.new("RGBA", (9, 9), (255, 0, 0, 100)))
    assert images.smaller(clear) == ("image/png", clear)


def test_tidy_shrinks_pictures_and_changes_nothing_the_second_time(chart, photo):
    cell = nbformat.v4.new_code_cell("draw()")
    for picture in (chart, photo):
        shown = {"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"}
        cell.outputs.append(nbformat.v4.new_output("display_data", shown))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    execute.tidy(notebook)
    kinds = [set(output.data) for output in cell.outputs]
    assert kinds == [{"image/png", "text/plain"}, {"image/jpeg", "text/plain"}]
    once = nbformat.writes(notebook)
    execute.tidy(notebook)
    assert nbformat.writes(notebook) == once


def test_tidy_keeps_ids_and_mends_those_that_are_missing_or_double():
    cells = [nbformat.v4.new_markdown_cell(f"{i}") for i in range(4)]
    for cell, id in zip(cells, ("first", "second", "second", "last"), strict=True):
        cell.id = id
    del cells[0]["id"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    execute.tidy(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert ids[1] == "second" and ids[3] == "last" and len(set(ids)) == 4
    nbformat.validate(notebook)
    execute.tidy(notebook)
    assert [cell.id for cell in notebook.cells] == ids
