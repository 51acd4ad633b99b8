"""The exam of a class: its key is what others compute, and the students do not get it."""

import json

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from scipy.signal import correlate2d

from catdog import CatDogError
from catdog.book import exam, grading
from catdog.cli.main import main

SEEDS = (7, 8, 12345)


# ---- the key is right: each value computed another way


def by_layers(stack, n=400):
    """The receptive field and the distance of outputs, by changing each pixel in turn."""
    import keras

    layers = keras.layers
    made = [
        layers.Conv1D(1, s["k"], strides=s["s"], dilation_rate=s["d"], kernel_initializer="ones")
        if s["layer"] == "convolution"
        else layers.AveragePooling1D(s["k"], s["s"])
        for s in stack
    ]
    network = keras.Sequential([layers.Input((n, 1)), *made])
    out = network.predict(np.eye(n)[..., None], verbose=0)[..., 0]  # (pixel, output)
    reach = [np.flatnonzero(out[:, i]) for i in (0, 1)]
    return [len(reach[0]), int(reach[1][0] - reach[0][0])]


def solved(n, given):
    """Answers to question n from what was drawn, not by the formulas of the exam."""
    import keras

    g, layers, ops = given, keras.layers, keras.ops
    if n == "1":
        layer = layers.Conv2D(g["filters"], g["k"], padding="same")
        shape = layer(np.zeros((1, g["side"], g["side"], g["channels"]))).shape
        return [layer.count_params(), int(np.prod(shape[1:])) * g["k"] ** 2 * g["channels"]]
    if n == "2":
        shapes = []
        for r in g["rows"]:
            padded = np.zeros((1, r["n"] + 2 * r["p"], 1))
            spread = np.zeros(r["d"] * (r["k"] - 1) + 1)  # the kernel with its gaps
            whole = np.convolve(padded[0, :, 0], spread, "valid")
            shapes.append(len(whole[:: r["s"]]))
        return shapes
    if n == "3":
        return by_layers(g["stack"])
    if n == "4":
        weights = np.broadcast_to(np.float32(0), (g["height"] * g["width"] * 3, g["units"]))
        biases = np.zeros(g["units"], np.float32)  # Keras would fill gigabytes; a small one is so:
        small = layers.Dense(3)
        small.build((None, 2))
        assert [w.shape for w in small.weights] == [(2, 3), (3,)]
        return [weights.size + biases.size, (weights.nbytes + biases.nbytes) / 1e6]
    if n == "5":
        z = ops.convert_to_tensor(np.array([g["logits"]], "float32"))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return [np.array(ops.softmax(z))[0].tolist(), float(loss(np.array([g["label"]]), z))]
    if n == "6":
        import tensorflow as tf

        w, b = tf.Variable(g["w"]), tf.Variable(g["b"])
        with tf.GradientTape() as tape:
            z = tf.reduce_sum(w * tf.constant(g["x"], "float32")) + b
            loss = tf.nn.sigmoid_cross_entropy_with_logits(float(g["y"]), z)
        dw, db = tape.gradient(loss, [w, b])
        step = g["rate"]
        return [float(tf.sigmoid(z)), (w - step * dw).numpy().tolist(), float(b - step * db)]
    return None


def solved_more(n, given):
    g = given
    if n == "7":
        import tensorflow as tf

        x = tf.Variable(np.array(g["x"], "float32")[None, ..., None])
        with tf.GradientTape() as tape:
            y = tf.nn.max_pool2d(x, 2, 2, "VALID")
            loss = tf.reduce_sum(y * np.array(g["dout"], "float32")[None, ..., None])
        return [y.numpy()[0, ..., 0].tolist(), tape.gradient(loss, x).numpy()[0, ..., 0].tolist()]
    if n == "8":
        import cv2

        x = np.array(g["picture"], float)
        made = {
            "identity": x,
            "box blur": cv2.blur(x, (3, 3)),
            "sobel x": cv2.Sobel(x, -1, 1, 0),
            "sobel y": cv2.Sobel(x, -1, 0, 1),
            "sharpen": x - cv2.Laplacian(x, -1),
        }
        inner = {name: y[1:-1, 1:-1] for name, y in made.items()}
        return [next(n for n, y in inner.items() if np.allclose(y, r)) for r in g["results"]]
    if n == "9":
        from sklearn import metrics

        (cc, cd), (dc, dd) = g["matrix"]
        y = [0] * (cc + cd) + [1] * (dc + dd)
        p = [0] * cc + [1] * cd + [0] * dc + [1] * dd
        scores = metrics.accuracy_score(y, p), metrics.recall_score(y, p, pos_label=0)
        return [*scores, metrics.precision_score(y, p)]
    if n == "10":
        return [_where(g["claim"], g["n"], row["correct"]) for row in g["rows"]] + [4]
    if n == "11":
        import keras

        kinds = [_kind(*curve) for curve in g["curves"].values()]
        losses = dict(zip(kinds, g["curves"].values(), strict=True))["overfits"][1]
        stop = keras.callbacks.EarlyStopping("val_loss", patience=g["patience"])
        stop.set_model(keras.Sequential())
        stop.model.stop_training = False
        stop.on_train_begin()
        for epoch, loss in enumerate(losses):
            stop.on_epoch_end(epoch, {"val_loss": loss})
            if stop.model.stop_training:
                break
        return [*kinds, stop.best_epoch + 1, epoch + 1]
    kept = g["photos"] - round(g["photos"] * g["ratio"] / 100)
    steps = len(range(0, kept, g["batch"]))
    return [steps, steps * g["epochs"]]


def _where(claim, n, correct):
    """Whether the claim would be rejected by the score test, whose inversion is Wilson's."""
    z = (correct / n - claim) / (claim * (1 - claim) / n) ** 0.5
    return "compatible" if abs(z) < 1.96 else "above" if z > 0 else "below"


def _kind(training, validation):
    if max(training[1:]) > 1:
        return "rate too high"
    return "overfits" if validation[-1] > 2 * training[-1] else "underfits"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_key_is_what_others_compute(seed):
    for n, question in enumerate(exam.draw(seed)[:12], 1):
        n = str(n)
        answer = solved(n, question.given) or solved_more(n, question.given)
        assert len(answer) == len(question.parts) == len(question.names)
        for part, value in zip(question.parts, answer, strict=True):
            assert grading.is_right(part, value), (n, part, value)


@pytest.mark.parametrize("seed", SEEDS)
def test_hidden_cases_are_what_scipy_and_keras_compute(seed):
    import keras

    correlate, relu, pool = exam.draw(seed)[12:]
    for part in correlate.parts:
        assert np.array_equal(correlate2d(*part["arguments"], "valid"), part["value"])
    for part in relu.parts:
        x, dout = map(np.array, part["arguments"])
        slope = (np.maximum(x + 1e-6, 0) - np.maximum(x - 1e-6, 0)) / 2e-6
        assert np.allclose(np.where(x == 0, 0, slope) * dout, part["value"])
    for part in pool.parts:
        x, size, stride = part["arguments"]
        y = keras.layers.MaxPooling2D(size, stride)(np.array(x, float)[None, ..., None])
        assert np.array_equal(np.array(y)[0, ..., 0], part["value"])


@pytest.mark.parametrize("seed", range(40))
def test_every_seed_makes_questions_with_one_answer(seed):
    drawn = exam.draw(seed)
    assert 12 <= len(drawn) <= 15
    kernels, spans, curves = drawn[7], drawn[9], drawn[10]
    assert len({json.dumps(r) for r in kernels.given["results"]}) == 3
    assert sorted(p["value"] for p in spans.parts[:3]) == ["above", "below", "compatible"]
    losses = next(v for t, v in curves.given["curves"].values() if _kind(t, v) == "overfits")
    assert losses.count(min(losses)) == 1
    assert curves.parts[4]["value"] == curves.parts[3]["value"] + curves.given["patience"]
    p, w, b = drawn[5].parts
    assert abs(w["value"][0] - drawn[5].given["w"][0]) > 10 * w["tolerance"]


# ---- the notebook, the key


def test_two_seeds_are_two_exams_and_one_seed_is_one(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        exam.write(seed, tmp_path / name, tmp_path / f"{name}.json")
    one, again, other = ((tmp_path / n / "exam.ipynb").read_text() for n in "abc")
    assert one == again != other
    a, c = (grading.read_key(tmp_path / f"{n}.json")["questions"] for n in "ac")
    assert sum(a[n]["parts"] != c[n]["parts"] for n in a) >= 14


def test_the_students_get_neither_key_nor_seed(made_exam, exam_key):
    text = made_exam[0].read_text()
    book = nbformat.read(made_exam[0], 4)
    cells = "\n".join(cell.source for cell in book.cells)
    assert (
        "seed" not in text
        and "catdog_exam" in text
        and not (made_exam[0].parent / "key.json").exists()
    )
    for question in exam_key["questions"].values():
        for part in question["parts"]:
            if part["kind"] == "case":
                assert json.dumps(part["arguments"][0]) not in cells
                assert json.dumps(part["value"]) not in cells
    for n in ("1", "4"):  # large numbers, which stand nowhere by chance
        for part in exam_key["questions"][n]["parts"]:
            assert f"{part['value']}" not in cells and f"{part['value']:,}" not in cells


def test_what_was_drawn_stands_in_the_text():
    text = " ".join(question.text for question in exam.draw(7)[:6])
    for question in exam.draw(7)[:1] + exam.draw(7)[3:6]:
        for value in question.given.values():
            assert str(value) in text


def test_the_key_stays_out_of_the_folder_and_nothing_is_overwritten(tmp_path, capsys):
    out = tmp_path / "students"
    for inside in (out / "key.json", out / "deep" / "k.json", tmp_path / "x" / ".." / "students/k"):
        assert main(["exam", "--seed", "1", "--out", str(out), "--key", str(inside)]) == 1
        assert "would lie in the folder of the students" in capsys.readouterr().err
        assert not out.exists()
    kept = tmp_path / "key.json"
    kept.write_text("mine")
    with pytest.raises(CatDogError, match="exists already"):
        exam.write(1, out, kept)
    assert kept.read_text() == "mine" and not out.exists()


def test_the_key_is_for_its_owner_alone(made_exam):
    assert made_exam[1].stat().st_mode & 0o077 == 0


def test_the_exam_runs_as_it_is_and_draws_two_figures(made_exam):
    book = nbformat.read(made_exam[0], 4)
    NotebookClient(book).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
