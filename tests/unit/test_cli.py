"""The command line itself: help, numbers, JSON, loudness, pipes, and answers that are resumed."""

import csv
import errno
import inspect
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import click
import keras
import pytest
from pictures import jpeg

from catdog import CatDogError, __version__
from catdog.book import execute, forecast
from catdog.cli import options, use
from catdog.cli.main import catdog, main
from catdog.core import choices, paths, recording
from catdog.inference import answers, submission
from catdog.inference.classifier import Classifier
from catdog.inference.table import Table
from catdog.models import backbones, runtime
from catdog.studies import search_runs
from catdog.training import config, recipes, variants


def every_command(group=catdog, words=()):
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*words, name))


EVERY = dict(every_command())


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    (folder / "3.jpg").write_bytes(jpeg(3)[:200])
    return folder


def in_a_process(*words, **how):
    return subprocess.Popen([sys.executable, "-m", "catdog", *words], text=True, **how)


# ---- help


def test_help_imports_neither_keras_nor_tensorflow():
    code = (
        "import sys; from catdog.cli.main import main\n"
        "for words in ([], ['train'], ['transfer'], ['predict'], ['aws', 'run']):\n"
        "    assert main([*words, '--help']) == 0\n"
        "print(sorted({'keras', 'tensorflow', 'sklearn', 'boto3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    assert main([*words, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: catdog {' '.join(words)} ") and "CONST" not in said
    command = EVERY[words]
    assert command.help and not command.get_short_help_str(80).endswith("...")
    callback = inspect.signature(inspect.unwrap(command.callback))
    given = {one.name for one in command.params if one.expose_value} | {"ctx"}
    given -= {"ctx", "as_json"} - set(callback.parameters)
    callback.bind(**dict.fromkeys(given))  # it takes what the options give


def test_help_names_the_choices_that_there_are(capsys):
    assert tuple(choices.RECIPES) == tuple(variants.RECIPES)
    assert choices.BACKBONES == tuple(backbones.BACKBONES)
    assert choices.SEARCHES == search_runs.WAYS
    assert main(["train", "--help"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert set(variants.RECIPES) <= {line[0] for line in lines if line}
    assert main(["submit", "--help"]) == 0
    assert f"{submission.CLIP}" in capsys.readouterr().out


def test_help_names_the_exit_codes_and_completion(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f" {code} " in said for code in (0, 1, 2, 130)) and "_CATDOG_COMPLETE" in said
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"catdog {__version__}\n"


def test_help_names_the_environment_variables_that_the_code_reads(capsys):
    sources = pathlib.Path(inspect.getfile(execute)).parents[1].rglob("*.py")
    text = "".join(source.read_text("utf-8") for source in sources)
    read = set(re.findall(r'"(CATDOG_[A-Z]+)"', text))
    assert main(["--help"]) == 0
    listed = set(re.findall(r"\bCATDOG_[A-Z]+", capsys.readouterr().out))
    assert listed == read - {"CATDOG_SECRET"} and len(listed) == 4  # one process to another


def test_completion_knows_the_commands():
    environment = {**os.environ, "_CATDOG_COMPLETE": "bash_complete"}
    environment |= {"COMP_WORDS": "catdog tra", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "catdog"], env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["plain,train", "plain,transfer"]


# ---- wrong usage


@pytest.mark.parametrize(
    "words",
    [
        "train --epochs 0",
        "train --epochs -1",
        "train --epochs many",
        "train --seed -1",
        "train --seed 1 -2",
        "train --batch-size 0",
        "train --lr 0",
        "train --lr nan",
        "train --patience -1",
        "train --precision half",
        "train --devices none",
        "train --all --choose 8",
        "train --all --patience 2",
        "data sample -n -3",
        "data sample --ratio 2",
        "data sample --ratio nan",
        "features --part 3/2",
        "features --part half",
        "transfer frozen --size 0",
        "transfer fine-tune --epochs 0",
        "transfer thawed",
        "transfer vgg16 --size 224",
        "transfer frozen --epochs 3",
        "transfer study --part averaged",
        "bench pipeline --record .",
        "predict",
        "predict x.jpg --threshold 1.5",
        "predict x.jpg --part 0/2",
        "predict x.jpg --batch-size 0",
        "predict x.jpg --csv a.csv --json",
        "submit x.zip --clip 0.5",
        "serve --port 65536",
        "bench --rounds 0",
        "bench gpu --epochs 0",
        "bench accuracy --recipe none",
        "experiment --seeds 0",
        "search --seed -1",
        "run --jobs 0",
        "aws up --disk 0",
        "exam --seed 1",
        "exam --seed -1 --out a --key b",
        "grade key.json",
        "grade key.json x.ipynb --memory 0",
        "data shortcut --out a --key b -n 3",
        "frobnicate",
    ],
)
def test_wrong_usage_is_one_sentence(words, capsys):
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("catdog") and said.err.count("\n") == 1


@pytest.mark.parametrize("words", [["predict", "x.jpg"], ["serve"]])
def test_the_old_name_of_no_reject_is_explained(words, capsys):
    assert main([*words, "--always"]) == 2
    assert "--always is now called --no-reject." in capsys.readouterr().err


def test_several_values_after_one_name():
    train = EVERY[("train",)]
    for words, recipe, seeds in (
        ("--seed 1 2 3", "improved", (1, 2, 3)),
        ("--seed 1 2 fast", "fast", (1, 2)),
        ("fast --seed 4 --seed 5 --epochs 2", "fast", (4, 5)),
        ("--seed 6 -- best", "best", (6,)),
        ("", "improved", (1,)),
    ):
        with train.make_context("train", words.split()) as ctx:
            assert (ctx.params["recipe"], ctx.params["seed"]) == (recipe, seeds)


# ---- recipes with changes


def test_a_recipe_with_changes():
    changed = variants.changed("improved", epochs=2, batch_size=8, learning_rate=0.5, patience=0)
    assert (changed.epochs, changed.batch_size, changed.patience) == (2, 8, 0)
    assert changed.learning_rate == 0.5 and changed.precision == recipes.IMPROVED.precision
    assert variants.changed("article", epochs=None) == recipes.ARTICLE
    with pytest.raises(CatDogError, match="leave out --patience"):
        variants.changed("fast", patience=3)
    for name, recipe in variants.RECIPES.items():
        assert variants.changed(name, epochs=recipe.epochs) == recipe
    assert variants.changed("fast", epochs=3).progressive_sizes == ((2, 48), (1, 64))
    short = variants.changed("best", epochs=5)
    assert [short.size(epoch) for epoch in range(6)] == [64, 96, 128, 128, 160, 160]
    assert variants.changed("hour", epochs=1).final_size == 160


@pytest.mark.usefixtures("features_elsewhere")
def test_train_json_is_the_record_with_the_changes(photos_on_disk, tmp_path, capsys):
    words = ["train", "article", "--epochs", "1", "--batch-size", "8", "--lr", "0.002"]
    words += ["--patience", "4", "--data", str(photos_on_disk), "--run", str(tmp_path / "run")]
    assert main(["-q", *words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((tmp_path / "run" / "record.json").read_text("utf-8"))
    assert (record["recipe"]["batch_size"], record["recipe"]["learning_rate"]) == (8, 0.002)
    assert record["recipe"]["patience"] == 4 and record["what"] == "catdog train article"


# ---- predict


def test_threshold_says_dog_from_that_probability_on(small_model, folder, capsys):
    def said(threshold):
        words = ["predict", str(folder / "0.jpg"), "--model", str(small_model)]
        assert main([*words, "--json", "--threshold", str(threshold)]) == 0
        return json.loads(capsys.readouterr().out)

    dog = said(0.5)["probability_of_dog"]
    assert said(dog - 0.001)["label"] == "dog" and said(dog + 0.001)["label"] == "cat"


def test_predict_json_is_a_line_a_file(small_model, folder, capsys):
    assert main(["predict", str(folder), "--model", str(small_model), "--json"]) == 1
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 9 and [set(row) for row in rows] == [set(answers.FIELDS)] * 9
    assert rows[3]["label"] is None and "is no photo" in rows[3]["error"]
    assert rows[4]["error"] is None and 0 <= rows[4]["probability_of_dog"] <= 1


def test_quiet_leaves_the_answers_and_no_bars(small_model, folder, capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    seen, stream = [], Classifier.stream

    def spied(*given):
        seen.append(os.environ.get("TQDM_DISABLE"))
        return stream(*given)

    monkeypatch.setattr(Classifier, "stream", spied)
    words = ["predict", str(folder / "0.jpg"), str(folder / "1.jpg"), "--model", str(small_model)]
    assert main(words) == 0
    loud = capsys.readouterr().out.splitlines()
    assert main(["-q", *words]) == 0
    assert capsys.readouterr().out.splitlines() == loud[:2] and len(loud) == 3
    assert seen == [None, "1"] and "TQDM_DISABLE" not in os.environ


def test_verbose_shows_where_an_error_comes_from(tmp_path, capsys):
    words = ["predict", "x.jpg", "--model", str(tmp_path / "none.keras")]
    assert main(words) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert main(["-v", *words]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said and "runtime.py" in said
    assert said.splitlines()[-1].startswith("catdog: ")


def test_ctrl_c_is_130(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(use, "load_keras", stop)
    assert main(["export", "x.onnx"]) == 130
    assert "Run the same command again" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly(small_model, folder):
    names = [str(folder / "0.jpg")] * 3000  # more than a pipe holds
    run = in_a_process(
        *("predict", *names, "--model", str(small_model)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout.readline().startswith(("cat", "dog"))
    run.stdout.close()
    lines = run.stderr.read().splitlines()  # the model's first use may be this one, and is said
    assert run.wait(300) == 1 and [line for line in lines if "making it ready" not in line] == []


# ---- settings of Keras that were left over


@pytest.fixture
def with_settings(tmp_path):
    """Run a command where keras.json holds these settings."""

    def call(settings, *words, **environment):
        (tmp_path / "keras.json").write_text(json.dumps(settings))
        environment = {"KERAS_HOME": str(tmp_path), **environment}
        kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": kept | environment}
        run = in_a_process(*words, **how)
        return (*run.communicate(timeout=300), run.returncode)

    return call


@pytest.mark.parametrize(
    "settings, environment, advice",
    [
        (
            {"backend": "theano"},
            {},
            'Write "backend": "tensorflow" in {file}, or remove that file.',
        ),
        ({}, {"KERAS_BACKEND": "theano"}, "KERAS_BACKEND is theano: set it to tensorflow"),
    ],
    ids=["file", "environment"],
)
def test_a_backend_that_is_not_there_is_named(
    settings, environment, advice, with_settings, tmp_path
):
    _, said, code = with_settings(settings, "export", str(tmp_path / "x.onnx"), **environment)
    assert code == 1 and said.startswith("catdog: Keras ") and said.count("\n") == 1
    assert advice.format(file=tmp_path / "keras.json") in said


@pytest.mark.parametrize(
    "name, value, wanted",
    [("image_data_format", "channels_first", "channels_last"), ("floatx", "float16", "float32")],
)
def test_a_setting_of_keras_that_does_not_fit_is_named(
    name, value, wanted, tmp_path, monkeypatch, capsys
):
    (tmp_path / "keras.json").write_text(json.dumps({name: value}))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.config, name, lambda: value)
    assert main(["export", str(tmp_path / "x.onnx")]) == 1
    assert capsys.readouterr().err == (
        f'catdog: Keras is set to "{name}": "{value}". Write "{name}": "{wanted}" in '
        f"{tmp_path / 'keras.json'}, or remove that file.\n"
    )


def test_photos_are_organized_whatever_keras_is_set_to(photos_on_disk, with_settings, tmp_path):
    settings = {"backend": "theano", "image_data_format": "channels_first"}
    words = ("data", "archive", str(tmp_path / "train.zip"), "--root", str(tmp_path / "new"))
    out, said, code = with_settings(settings, *words)
    assert code == 0 and "16 cats, 16 dogs" in out, said


# ---- where nothing can be written


def forbidden(*_, **__):
    raise PermissionError(errno.EACCES, "Permission denied", "/read/only")


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "1.jpg", "--csv"),
        ("submit", "test.zip", "--out"),
        ("export",),
        ("evaluate", "--record"),
        ("bench", "pipeline", "--record"),
        ("run", "--record"),
    ],
    ids=" ".join,
)
def test_a_place_that_cannot_be_written_is_known_before_the_work(
    words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tempfile, "TemporaryFile", forbidden)
    monkeypatch.setattr(runtime, "load", lambda *_: pytest.fail("work has begun"))
    out = tmp_path / "answers"
    assert main([*words, str(out)]) == 1
    said = capsys.readouterr().err
    assert said == (
        f"catdog: {out} could not be written (Permission denied): choose a folder that you may "
        "write to, then run again.\n"
    )


@pytest.mark.parametrize(
    "words", [("evaluate",), ("bench", "pipeline"), ("run",), ("experiment",)], ids=" ".join
)
@pytest.mark.parametrize("text", ["my notes", "[1]", '{"my": "settings"}'])
def test_a_record_replaces_no_other_file(words, text, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runtime, "load", lambda *_: pytest.fail("work has begun"))
    mine = tmp_path / "mine.json"
    mine.write_text(text)
    assert main([*words, "--record", str(mine)]) == 2
    assert f"{mine} is there already, and is no record" in capsys.readouterr().err
    assert mine.read_text() == text


def test_a_record_replaces_an_older_one(tmp_path):
    mine = tmp_path / "record.json"
    recording.write(mine, {"n": 1})
    assert options.RECORD.convert(str(mine), None, None) == mine


def test_a_missing_folder_is_known_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runtime, "load", lambda *_: pytest.fail("work has begun"))
    assert main(["predict", "1.jpg", "--csv", str(tmp_path / "missing" / "answers.csv")]) == 1
    assert "no such folder to write answers.csv into" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [("transfer", "frozen"), ("run", "01")], ids=" ".join)
def test_a_project_that_cannot_be_written_to_ends_in_a_sentence(
    words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(forecast, "needs", lambda *_: "")
    monkeypatch.setattr(config, "scale", lambda *_: None)
    monkeypatch.setattr(pathlib.Path, "mkdir", forbidden)
    assert main([*words]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("catdog: ") and "Permission denied" in said and "then run again" in said


def test_the_chapters_are_sought_in_the_projects_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    with pytest.raises(CatDogError, match="Set CATDOG_HOME to the project's folder"):
        execute.chapters(["01"])


def test_a_chapter_is_named_by_its_number_or_the_beginning_of_its_name():
    found = execute.chapters(["2", "1", "14", "09_a_cnn", "notebooks/05_building_blocks.ipynb"])
    assert [path.stem[:2] for path in found] == ["02", "01", "14", "09", "05"]


# ---- names and letters


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
@pytest.mark.parametrize("table", [False, True])
def test_names_that_stdout_has_no_letters_for(encoding, table, small_model, tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [b"1.jpg", "2 猫.jpg".encode(), b"3 \xe9.jpg"]  # the last is Latin-1
    for i, name in enumerate(names):
        try:
            (folder / os.fsdecode(name)).write_bytes(jpeg(i))
        except OSError:
            pytest.skip("this disk takes UTF-8 only")
    out = tmp_path / os.fsdecode(b"\xe9.csv")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    words = ["predict", str(folder), "--model", str(small_model)]
    assert main(words + ["--csv", str(out)] * table) == 0
    stdout.flush()
    said = stdout.buffer.getvalue()
    assert said.count(b".jpg") == (0 if table else 3) and b"3 photos" in said
    if table:
        rows = list(csv.DictReader(out.open(encoding="utf-8", errors="surrogateescape")))
        assert [os.fsencode(row["photo"]) for row in rows] == [
            os.fsencode(folder) + b"/" + name for name in names
        ]
        assert all(row["label"] for row in rows)


# ---- the CSV file


def test_rows_come_in_order_and_a_part_goes_on(small_model, folder, tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    words = ["predict", str(folder), "--model", str(small_model), "--batch-size", "2", "--csv"]
    assert main([*words, str(whole)]) == 1
    rows = list(csv.DictReader(whole.open(newline="")))
    assert [row["photo"][-5:] for row in rows] == [f"{i}.jpg" for i in range(9)]
    assert [bool(row["error"]) for row in rows] == [i == 3 for i in range(9)]
    asked, stream = [], Classifier.stream

    def interrupted(model, files, *how):
        asked.append(len(files))
        for n, one in enumerate(stream(model, files, *how)):
            if n == 6 and len(asked) == 1:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(Classifier, "stream", interrupted)
    assert main([*words, str(out)]) == 130
    part = tmp_path / "out.csv.part"
    assert len(part.read_text().splitlines()) == 7 and not out.exists()
    part.write_bytes(part.read_bytes()[:-9])  # its last row is cut off
    capsys.readouterr()
    assert main([*words, str(out)]) == 1
    assert out.read_bytes() == whole.read_bytes() and not part.exists()
    assert asked == [9, 4] and "8 photos" in capsys.readouterr().out


def test_the_parts_of_several_machines_are_the_whole(small_model, folder, tmp_path):
    words = ["predict", str(folder), "--model", str(small_model), "--csv"]
    assert main([*words, str(tmp_path / "whole.csv")]) == 1
    rows = []
    for i in range(1, 5):
        out = tmp_path / f"part{i}.csv"
        assert main([*words, str(out), "--part", f"{i}/4"]) == (i == 2)  # the broken one is in it
        rows += list(csv.DictReader(out.open(newline="")))
    whole = list(csv.DictReader((tmp_path / "whole.csv").open(newline="")))
    for row in [*rows, *whole]:  # batches of other sizes round otherwise
        row["probability_of_dog"] = round(float(row["probability_of_dog"] or -1), 4)
    assert rows == whole


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_wherever_a_part_was_cut_off_it_goes_on(cut, small_model, tmp_path):
    files = [tmp_path / f"a, {name}\n.jpg" for name in ("é", "\udcff", '"')]
    found = [answers.Answer(str(files[0]), "cat", 0.25), answers.Answer(str(files[1]), error="x")]
    found.append(answers.Answer(str(files[2]), "dog", 0.75))
    out = tmp_path / "out.csv"

    def write():
        with Table(out, files) as table:
            for one in found[len(table.done) :]:
                table.write(one)

    write()
    whole = out.read_bytes()
    out.rename(tmp_path / "out.csv.part")
    (tmp_path / "out.csv.part").write_bytes(whole[: len(whole) * cut // 120])
    write()
    assert out.read_bytes() == whole


def test_a_part_of_something_else_is_left_alone(tmp_path):
    files = [tmp_path / f"{i}.jpg" for i in range(3)]
    part, header = tmp_path / "out.csv.part", "photo,label,probability_of_dog,error\r\n"
    first, last = f"{files[0]},dog,0.600000,\r\n", f"{files[1]},cat,0.300000,\r\n"
    for text, threshold in (
        ("something else\n" * 3, 0.5),
        (header + last + first, 0.5),  # other photos
        (header + first + last, 0.7),  # another threshold
        (header + f"{files[0]},dog\r\n" + last, 0.5),
    ):
        part.write_text(text, newline="")
        with pytest.raises(CatDogError, match="was begun with other photos"):
            Table(tmp_path / "out.csv", files, threshold)
        assert part.read_text() == text.replace("\r\n", "\n")
    part.write_text(header + first + last, newline="")
    with pytest.raises(CatDogError, match="another model"):
        with Table(tmp_path / "out.csv", files) as table:
            table.write(answers.Answer(str(files[1]), "cat", 0.1))
    assert part.exists() and not (tmp_path / "out.csv").exists()


# ---- what reports


def test_aws_types_json(capsys):
    assert main(["aws", "types", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows if row["default"]] == ["g4dn.xlarge"]


def test_json_is_alone_on_stdout(capsys):
    from catdog.cli import output

    @click.command()
    @output.reports
    def found():
        print("of a library")
        output.say("a result")
        return {"n": 1}

    with click.Context(found, obj=output.Output()) as ctx:
        ctx.invoke(found, as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"n": 1} and said.err == "of a library\n"
