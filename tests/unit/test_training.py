"""Pipeline and training: deterministic, resumable, honest."""

import json
from dataclasses import replace

import keras
import numpy as np
import pictures
import pytest
from scipy import stats

from catdog import CatDogError
from catdog.cli.main import main
from catdog.data import augmentation, batching, imaging, loading, manifests
from catdog.evaluation import metrics, reported, statistics
from catdog.models import networks, provenance
from catdog.training import loop, optimizers, recipes, reference_runs

SIZE = 24
TINY = recipes.Recipe(epochs=4, batch_size=16)
FULL_OPTIONS = replace(recipes.IMPROVED, epochs=4, batch_size=16, ema=0.9)


def build():
    return networks.article_cnn(SIZE)


@pytest.fixture(scope="module")
def photos():
    images, labels = pictures.learnable(96, SIZE)
    return (images, labels), (images[:32], labels[:32])


def collect(batches, n):
    return [(np.array(x), np.array(y)) for x, y in batches.take(n)]


def test_the_articles_network_has_its_parameters():
    assert networks.article_cnn().count_params() == 1_355_938
    assert networks.article_cnn().output_shape == (None, 2)


def test_batches_cover_each_epoch_once_and_resume_in_the_middle(photos):
    (images, labels), _ = photos
    images = images[:90]
    labels = labels[:90]
    made = collect(batching.training_batches(images, labels, 16, None, seed=3), 12)
    assert [len(x) for x, _ in made] == [16, 16, 16, 16, 16, 10] * 2
    for epoch in (made[:6], made[6:]):
        seen = np.concatenate([x for x, _ in epoch])
        assert sorted(map(bytes, seen)) == sorted(map(bytes, images))
    assert not np.array_equal(made[0][0], made[6][0])
    augmented = collect(batching.training_batches(images, labels, 16, seed=3), 12)
    resumed = collect(batching.training_batches(images, labels, 16, seed=3, start_epoch=1), 6)
    for (a, la), (b, lb) in zip(augmented[6:], resumed, strict=True):
        assert np.array_equal(a, b) and np.array_equal(la, lb)


def test_labels_stay_with_their_photos(photos):
    (images, labels), _ = photos
    of = dict(zip(map(bytes, images), labels, strict=True))
    for x, y in collect(batching.training_batches(images, labels, 16, None), 6):
        assert [of[bytes(image)] for image in x] == list(y.argmax(1))


def test_no_augmentation_leaves_photos_alone_and_flip_mirrors_half(photos):
    (images, _), _ = photos
    nothing = augmentation.Augmentation(shear=0, zoom=0, flip=False)
    assert np.array_equal(augmentation.augment(images, nothing, (1, 2)), images)
    flip = augmentation.Augmentation(shear=0, zoom=0, flip=True)
    many = np.repeat(images[:1], 1000, 0)
    out = augmentation.augment(many, flip, (1, 2))
    mirrored = (out == images[0, :, ::-1]).all((1, 2, 3))
    assert ((out == images[0]).all((1, 2, 3)) | mirrored).all()
    assert 420 < mirrored.sum() < 580


def test_augmentation_has_the_distributions_of_keras_legacy_generator():
    """The matrices, drawn 4,000 times, against those of the generator itself."""
    legacy = pytest.importorskip("keras.src.legacy.preprocessing.image")
    how = augmentation.Augmentation(shear=12.0, zoom=0.2, rotate=20.0, shift=0.1, flip=False)
    ours = augmentation.transforms(4000, 100, 100, how, np.random.default_rng(1))
    generator = legacy.ImageDataGenerator(
        shear_range=12, zoom_range=0.2, rotation_range=20, width_shift_range=0.1
    )
    theirs = []
    for i in range(4000):
        p = generator.get_random_transform((100, 100, 3), seed=i)
        theta, shear = np.deg2rad(p["theta"]), np.deg2rad(p["shear"])
        turn = [[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]]
        slant = [[1, -np.sin(shear)], [0, np.cos(shear)]]
        m = np.array(turn) @ slant @ np.diag([p["zx"], p["zy"]])  # acts on (row, column)
        theirs.append([m[1, 1], m[1, 0], m[0, 1], m[0, 0]])
    theirs = np.array(theirs)
    mine = ours[:, :, :2].reshape(-1, 4)
    assert np.allclose(mine.mean(0), theirs.mean(0), atol=0.02)
    assert np.allclose(mine.std(0), theirs.std(0), rtol=0.06)
    for q in (0.01, 0.5, 0.99):  # three standard errors of a median are 0.02
        assert np.allclose(np.quantile(mine, q, 0), np.quantile(theirs, q, 0), atol=0.03)


def test_missing_photos_are_named(photos_on_disk):
    folder = photos_on_disk
    manifests.path_of(folder, manifests.read(folder, "train")[0]).unlink()
    with pytest.raises(CatDogError, match="is missing"):
        loading.load(folder, "train", progress=False)
    with pytest.raises(CatDogError, match="no photos in the split"):
        loading.load(folder, "test", progress=False)


@pytest.mark.parametrize("recipe", [TINY, FULL_OPTIONS], ids=["article", "improved"])
@pytest.mark.parametrize("stop", [1, 3])
def test_a_run_broken_off_ends_with_the_same_weights(photos, tmp_path, break_off, recipe, stop):
    whole, whole_log = loop.train(build, recipe, *photos, tmp_path / "a", progress=False)
    break_off(lambda: loop.train(build, recipe, *photos, tmp_path / "b", progress=False), stop)
    resumed, log = loop.train(build, recipe, *photos, tmp_path / "b", progress=False)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert log["history"] == whole_log["history"] and log["best_epoch"] == whole_log["best_epoch"]
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    "recipe", [TINY, FULL_OPTIONS, replace(FULL_OPTIONS, precision="mixed_float16")]
)
def test_a_training_step_is_traced_once(photos, tmp_path, monkeypatch, recipe):
    """Not once more to make the optimizer's variables, which takes seconds of a large network."""
    step, traced = keras.Model.train_step, []

    def counted(self, data):
        traced.append(data)
        return step(self, data)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    loop.train(build, recipe, *photos, tmp_path / "a", progress=False)
    assert len(traced) == 1


def test_callbacks_of_the_readers_see_every_epoch(photos, tmp_path):
    class Notes(keras.callbacks.Callback):
        losses: list[float] = []

        def on_epoch_end(self, epoch, logs=None):
            self.losses.append(logs["val_loss"])

    _, log = loop.train(build, TINY, *photos, tmp_path, progress=False, callbacks=[Notes()])
    assert Notes.losses == pytest.approx(log["history"]["val_loss"])


@pytest.mark.parametrize("name", ["model.keras", "kept.npz", "log.json"])
def test_a_broken_epoch_is_trained_again_from_the_one_before(photos, tmp_path, name, capsys):
    run = tmp_path / "a"
    whole, _ = loop.train(build, TINY, *photos, run, progress=False)
    file = run / "epoch-0004" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    again, log = loop.train(build, TINY, *photos, run, progress=False)
    assert f"{file} is broken" in (said := capsys.readouterr().err)
    assert "going on from epoch-0003" in said and len(log["seconds"]) == 4
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_a_run_without_a_whole_epoch_says_which_file_is_broken(photos, tmp_path):
    run = tmp_path / "a"
    loop.train(build, replace(TINY, epochs=1), *photos, run, progress=False)
    for file in (run / "epoch-0001" / "model.keras", run / "settings.json"):
        file.write_bytes(b"")
        text = f"{file} is broken.*: delete the folder {run} to train anew"
        with pytest.raises(CatDogError, match=text):
            loop.train(build, replace(TINY, epochs=1), *photos, run, progress=False)
    assert [p.name for p in run.glob("epoch-*")] == ["epoch-0001"]


def test_finished_run_is_not_trained_again_and_other_settings_are_refused(photos, tmp_path):
    _, log = loop.train(build, TINY, *photos, tmp_path / "a", progress=False)
    _, again = loop.train(build, TINY, *photos, tmp_path / "a", progress=False)
    assert again == log
    with pytest.raises(CatDogError, match="other settings"):
        loop.train(build, TINY, *photos, tmp_path / "a", seed=2, progress=False)


def test_a_run_is_known_by_its_layers_its_first_weights_and_its_photos(photos):
    images, labels = photos[0]

    def settings(dropout=0.5, given=None, images=images):
        def begin():
            model = networks.article_cnn(24, dropout=(0, dropout))
            if given is not None:
                model.weights[-1].assign([0.0, given])  # the last layer's bias
            return model

        return loop._settings(begin, TINY, 1, (images, labels))

    known = settings()
    assert settings() == known and settings(given=0.0) == known
    other = images.copy()
    other[1] = 255 - other[1]
    for changed in (settings(dropout=0.25), settings(given=1.0), settings(images=other)):
        assert [name for name in known if changed[name] != known[name]] != []


def test_runs_of_before_said_less_and_go_on(photos, tmp_path):
    _, log = loop.train(build, TINY, *photos, tmp_path / "a", progress=False)
    note = tmp_path / "a" / "settings.json"
    said = json.loads(note.read_text())
    note.write_text(json.dumps({k: v for k, v in said.items() if k not in ("layers", "given")}))
    _, again = loop.train(build, TINY, *photos, tmp_path / "a", progress=False)
    assert again == log and json.loads(note.read_text()) == said


def test_a_model_that_is_not_of_the_run_is_left(photos_on_disk, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"mine")
    with pytest.raises(CatDogError, match="another model"):
        reference_runs.run(TINY, photos_on_disk, tmp_path)
    assert (tmp_path / "model.keras").read_bytes() == b"mine"


def test_early_stopping_keeps_the_best_weights(photos, tmp_path):
    recipe = replace(TINY, epochs=40, learning_rate=0.3, patience=1)
    model, log = loop.train(build, recipe, *photos, tmp_path / "a", progress=False)
    losses = log["history"]["val_loss"]
    assert len(losses) < 40 and log["best_epoch"] == 1 + int(np.argmin(losses))
    images, labels = photos[1]
    loss = metrics.measure(labels, metrics.probabilities(model, images))["log_loss"]
    assert loss == pytest.approx(min(losses), rel=1e-3)


def test_a_loss_that_explodes_ends_the_run_and_names_the_epoch(photos, tmp_path):
    wild = replace(TINY, learning_rate=1e9)
    with pytest.raises(
        CatDogError, match="loss is .* in epoch 1: .*smaller learning.*None is kept"
    ):
        loop.train(build, wild, *photos, tmp_path / "a", progress=False)
    assert not list((tmp_path / "a").glob("epoch-*"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_lost_later_leaves_the_epoch_before(photos, tmp_path, monkeypatch, value):
    on_epoch_end = loop._State.on_epoch_end

    def broken(self, epoch, logs=None):
        on_epoch_end(self, epoch, {**logs, "val_loss": value} if epoch == 2 else logs)

    run = tmp_path / "a"
    with monkeypatch.context() as patch:
        patch.setattr(loop._State, "on_epoch_end", broken)
        with pytest.raises(
            CatDogError, match=f"val_loss is {value} in epoch 3.*kept: .*epoch-0002"
        ):
            loop.train(build, TINY, *photos, run, progress=False)
    assert sorted(p.name for p in run.glob("epoch-*")) == ["epoch-0001", "epoch-0002"]
    _, log = loop.train(build, TINY, *photos, run, progress=False)  # nothing of it was saved
    assert len(log["seconds"]) == 4 and np.isfinite(log["history"]["val_loss"]).all()


@pytest.mark.parametrize("steps", [94, 100])
def test_one_cycle_rises_for_a_tenth_then_falls_as_half_a_cosine(steps):
    rate, at = optimizers.one_cycle(2.0, steps), np.arange(steps + 1)
    down = 1 + np.cos(np.pi * (at / steps - 0.1) / 0.9)
    wanted = np.where(at < 0.1 * steps, 20 * at / steps, down)
    assert np.allclose([float(rate(step)) for step in at], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("correct, n", [(0, 10), (10, 10), (7, 10), (4470, 5000), (3975, 4000)])
def test_the_interval_of_a_proportion_is_wilsons_formula(correct, n):
    z, p = stats.norm.ppf(0.975), correct / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = statistics.wilson(correct, n)
    assert found == pytest.approx((middle - half, middle + half), rel=1e-9, abs=1e-12)


def test_measures_against_known_values():
    found = metrics.measure(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.4, 0.9]))
    assert found["accuracy"] == 0.5 and found["confusion"] == [[1, 1], [1, 1]]
    assert found["auc"] == 0.75
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.9]).mean())
    # two are 90% sure and right, two 60% sure and wrong
    assert found["ece"] == pytest.approx((2 * 0.1 + 2 * 0.6) / 4)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_guos(bins):
    """Equations 1 to 3, written down as they stand there."""
    rng = np.random.default_rng(3)
    dog = np.concatenate([rng.beta(0.4, 0.5, 500), [0.0, 0.5, 0.6, 1.0, 1.0]])
    labels = (rng.random(len(dog)) < dog**1.5).astype(int)
    predicted = [int(p >= 0.5) for p in dog]
    confidence = [p if guess else 1 - p for p, guess in zip(dog, predicted, strict=True)]
    ece = 0.0
    for m in range(1, bins + 1):
        b_m = [i for i, c in enumerate(confidence) if (m - 1) / bins < c <= m / bins]
        if b_m:
            acc = sum(predicted[i] == labels[i] for i in b_m) / len(b_m)
            conf = sum(confidence[i] for i in b_m) / len(b_m)
            ece += len(b_m) / len(dog) * abs(acc - conf)
    assert metrics.measure(labels, dog, bins)["ece"] == pytest.approx(ece)


def test_records_of_before_are_read_as_what_they_were():
    assert reported.calibration({"ece": 0.1}) == ("expected calibration error", 0.1)
    old = {"calibration_error": 0.2}
    assert reported.calibration(old) == ("calibration error of P(dog)", 0.2)


@pytest.mark.usefixtures("features_elsewhere")
def test_train_command_writes_model_and_record(photos_on_disk, tmp_path, capsys):
    import json

    run = tmp_path / "run"
    given = ["train", "article", "--epochs", "1", "--data", str(photos_on_disk), "--run", str(run)]
    assert main(given) == 0
    assert "validation photos" in capsys.readouterr().out
    record = json.loads((run / "record.json").read_text())
    assert record["model"]["parameters"] == 1_355_938
    assert record["dataset"]["counts"]["train"] == {"cat": 16, "dog": 16}
    assert record["validation"]["n"] == 8 and record["hardware"]["cores"] > 0
    new = manifests.read(photos_on_disk, "validation")  # which may end the article's training
    assert provenance.seen(run / "model.keras", new) == {"trained": 0, "chosen": 8, "of": 8}
    assert len(provenance.read(run / "model.keras")["trained"]) == 32
    assert main(["predict", str(photos_on_disk), "--model", str(run / "model.keras")]) == 0
    *answers, total = capsys.readouterr().out.splitlines()
    assert len(answers) == 40 and all(line.startswith(("cat", "dog")) for line in answers)
    assert total.startswith("40 photos, ")


def test_predict_says_what_is_no_photo(photos_on_disk, tmp_path, capsys):
    model = tmp_path / "m.keras"
    networks.article_cnn(32).save(model)
    photo = tmp_path / "a cat.JPEG"
    photo.write_bytes(next(photos_on_disk.rglob("*.jpg")).read_bytes())
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "half.jpg").write_bytes(photo.read_bytes()[:300])
    names = ["text.jpg", "half.jpg", "missing.jpg", "a cat.JPEG"]
    code = main(["predict", "--model", str(model), *(str(tmp_path / n) for n in names)])
    said = capsys.readouterr()
    assert code == 1
    first, last = said.out.splitlines()
    assert "a cat.JPEG" in first and last.startswith("1 photo, ")
    assert said.err.count("is no photo that can be read") == 2
    assert "missing.jpg cannot be read" in said.err
    assert main(["predict", str(photo), "--model", str(tmp_path / "none.keras")]) == 1
    assert "no such model" in capsys.readouterr().err
    (tmp_path / "bad.keras").write_text("x")
    assert main(["predict", str(photo), "--model", str(tmp_path / "bad.keras")]) == 1


def test_photos_are_turned_upright_wherever_they_are_read():
    import io

    from PIL import Image

    from catdog.inference import prediction

    upright = np.zeros((300, 400, 3), np.uint8)
    upright[:150, :200] = (200, 40, 40)
    image = Image.fromarray(np.rot90(upright, 1))  # lies on its side; EXIF says so
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, exif=exif)
    wanted = imaging.resize(upright, 100).astype(int)
    for read in (imaging.decode, prediction.read_photo):
        assert np.abs(read(out.getvalue(), 100).astype(int) - wanted).mean() < 3


@pytest.mark.parametrize("size", [(75, 60), (150, 150), (310, 305), (900, 640), (1300, 1250)])
def test_reduced_decoding_gives_the_picture_of_whole_decoding(size):
    import io

    from PIL import Image

    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95)
    whole = imaging.resize(np.array(Image.open(out)), 150).astype(int)
    found = imaging.decode(out.getvalue(), 150).astype(int)
    assert found.shape == (150, 150, 3)
    assert np.abs(found - whole).mean() < 3


def test_a_photo_damaged_after_it_was_organized_is_named(photos_on_disk):
    photo = manifests.read(photos_on_disk, "train")[3]
    manifests.path_of(photos_on_disk, photo).write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(CatDogError, match=f"{photo.file} cannot be decoded.*organize"):
        loading.load(photos_on_disk, "train", progress=False)
    with pytest.raises(CatDogError, match="cannot be decoded"):
        imaging.decode(b"")


def test_runs_of_several_seeds_are_joined_with_students_interval():
    runs_of_seeds = [{"validation": {"accuracy": a}} for a in (0.85, 0.87, 0.89)]
    found = reference_runs.joint(runs_of_seeds)
    half = 4.302653 * 0.02 / 3**0.5  # t of two degrees of freedom, standard deviation 0.02
    wanted = {"mean": 0.87, "low": 0.87 - half, "high": 0.87 + half}
    assert found["accuracy"] == pytest.approx(wanted, abs=1e-7)
    assert found["runs"] == runs_of_seeds == reported.runs_of(found)
    assert reported.accuracy_of(found) == found["accuracy"]
