"""The search for settings: budget, pruning, a kill that loses nothing, and the final check."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest

from catdog import CatDogError
from catdog.cli.main import main
from catdog.core import paths
from catdog.data import augmentation, organizing
from catdog.studies import ablation, search, search_runs
from catdog.training import config

PLAN = search_runs.Plan(n_train=32, n_val=16, size=16, epochs=2, minutes=1.0)
EVALUATE = ablation.evaluate  # the real one: tests put another in its place
COMPLETE, FAIL, RUNNING = (
    getattr(optuna.trial.TrialState, s) for s in ("COMPLETE", "FAIL", "RUNNING")
)


def some_photos(size=16):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, size, size, 3), dtype=np.uint8)
    labels = np.arange(80, dtype=np.int32) % 2
    images[labels == 1, : size // 2] //= 2
    return images, labels


@pytest.fixture
def no_training(monkeypatch):
    """A second of cost and a known loss for each trial, in no time."""
    seconds = [0.0]

    def fit(setup, photos, length, seed, callbacks):
        (report,) = callbacks
        report.set_model(SimpleNamespace(stop_training=False))
        for epoch in range(length.epochs):
            seconds[0] += 0.5
            report.on_epoch_end(epoch)
            if report.model.stop_training:
                return

    def judge(model, images, labels):
        setup = fitted[-1]
        loss = (np.log10(setup.learning_rate) + 3) ** 2 + setup.dropout
        return {"log_loss": loss, "accuracy": 1 / (1 + loss)}

    fitted, suggest = [], search_runs.suggest

    def remember(trial, size):
        setup, batch = suggest(trial, size)
        fitted.append(setup)
        return setup, batch

    monkeypatch.setattr(search_runs.keras.utils, "clear_session", lambda **_: None)
    monkeypatch.setattr(search_runs, "suggest", remember)
    monkeypatch.setattr(search_runs, "clock", lambda: seconds[0])
    monkeypatch.setattr(ablation, "fit", fit)
    monkeypatch.setattr(ablation, "evaluate", judge)
    return seconds


def test_it_stops_when_the_budget_is_spent_and_goes_on_with_more(no_training, tmp_path):
    plan = replace(PLAN, minutes=0.1)
    study = search_runs.search("random", some_photos(), plan, tmp_path / "s.db", progress=False)
    assert len(study.trials) == 6 and search_runs.spent(study) == pytest.approx(6)
    again = search_runs.search("random", some_photos(), plan, tmp_path / "s.db", progress=False)
    assert len(again.trials) == 6 and no_training[0] == pytest.approx(6)
    more = replace(plan, minutes=0.15)
    study = search_runs.search("random", some_photos(), more, tmp_path / "s.db", progress=False)
    assert len(study.trials) == 9
    # a search that was interrupted tries what an unbroken one tries
    unbroken = search_runs.search("random", some_photos(), more, tmp_path / "t.db", progress=False)
    assert [t.params for t in study.trials] == [t.params for t in unbroken.trials]


def test_it_prunes_and_finds_better_than_chance(no_training, tmp_path, monkeypatch):
    monkeypatch.setattr(search_runs, "storage", lambda _: optuna.storages.InMemoryStorage())
    plan = replace(PLAN, minutes=0.4)
    best, pruned = {}, {}
    for way in search_runs.WAYS:
        study = search_runs.search(way, some_photos(), plan, tmp_path / "s.db", progress=False)
        best[way] = search_runs.best_value(study)
        pruned[way] = sum(t.state == optuna.trial.TrialState.PRUNED for t in study.trials)
    assert pruned["tpe"] > 0 and pruned["random"] == 0 and best["tpe"] < best["random"]


def test_a_trial_that_diverges_is_the_worst_and_the_search_goes_on(
    no_training, tmp_path, monkeypatch
):
    judged = []

    def judge(model, images, labels):
        judged.append(model)
        if len(judged) == 2:
            lost = SimpleNamespace(predict=lambda *_, **__: np.full((80, 2), np.nan))
            return EVALUATE(lost, *some_photos())
        return {"log_loss": 0.5, "accuracy": 0.8}

    monkeypatch.setattr(ablation, "evaluate", judge)
    plan = replace(PLAN, minutes=0.1)
    study = search_runs.search("tpe", some_photos(), plan, tmp_path / "s.db", progress=False)
    values = [trial.value for trial in study.trials]
    assert values[0] == search_runs.WORST and values[1:] == [0.5] * len(values[1:])
    assert search_runs.best_value(study) == 0.5 and len(values) > 4


def test_settings_are_within_the_space():
    for number in range(20):
        study = optuna.create_study(sampler=search_runs.sampler("random", 1, number))
        setup, batch = search_runs.suggest(study.ask(), 16)
        assert 1e-4 <= setup.learning_rate <= 3e-2 and 0 <= setup.dropout <= 0.7
        assert batch in (16, 32, 64, 128) and setup.filters[2] == 2 * setup.filters[0]
    nothing = search.augmentation(0.0)
    assert nothing == augmentation.Augmentation(shear=0.0, zoom=0.0)  # mirror images only


def test_the_inner_split_is_balanced_disjoint_and_fixed():
    labels = np.arange(100) % 2
    learn, judge = search.inner_split(labels, 60, 20)
    assert len(learn) == 60 and len(judge) == 20 and not set(learn) & set(judge)
    assert labels[learn].sum() == 30 and labels[judge].sum() == 10
    assert all(map(np.array_equal, search.inner_split(labels, 60, 20), (learn, judge)))
    with pytest.raises(CatDogError, match="only 50 cats and 50 dogs"):
        search.inner_split(labels, 90, 20)


CHILD = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[2])
from test_search import PLAN, some_photos
from catdog.studies import search, search_runs
search_runs.search("tpe", some_photos(), PLAN, sys.argv[1], progress=False)
"""


def test_a_kill_loses_no_trial(tmp_path):
    file = tmp_path / "s.db"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file), str(Path(__file__).parent)],
        stderr=subprocess.PIPE,
    )

    def asked(question):  # only reads: the tables are the child's to make
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                return connection.execute(question).fetchone()[0]
        except sqlite3.OperationalError:  # not there yet
            return 0

    done = "SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'"
    running = """SELECT COUNT(*) FROM trial_intermediate_values JOIN trials USING (trial_id)
        WHERE state = 'RUNNING'"""
    until = time.monotonic() + 240
    while time.monotonic() < until and child.poll() is None:
        if asked(done) >= 2 and asked(running):
            break  # killed in the middle of a trial, after an epoch
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    error = child.communicate()[1].decode()
    assert child.returncode == -signal.SIGKILL, error
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    before = optuna.load_study(study_name="tpe-1", storage=storage).trials
    done = [t for t in before if t.state == COMPLETE]
    (cut,) = [t for t in before if t.state == RUNNING]
    assert len(done) >= 2

    plan = replace(
        PLAN, minutes=(search_runs.spent(search_runs.open_study("tpe", 1, file)) + 0.01) / 60
    )
    study = search_runs.search("tpe", some_photos(), plan, file, progress=False)
    after = study.trials
    for trial in done:
        same = after[trial.number]
        assert (same.state, same.value, same.params) == (COMPLETE, trial.value, trial.params)
    assert after[cut.number].state == FAIL
    again = after[len(before)]
    assert again.params == cut.params and again.user_attrs["again"] == cut.number
    assert again.state != FAIL and len(after) == len(before) + 1


def test_the_command_searches_judges_on_new_photos_and_writes_a_record(
    tmp_path, monkeypatch, photos, make_zip, capsys
):
    folder = organizing.organize(make_zip(photos), tmp_path / "data", "sample")
    monkeypatch.setattr(config.synthetic, "organize", lambda *_: folder)
    monkeypatch.setitem(config.SCALES, "sample", replace(config.SCALES["sample"], folder=folder))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    tiny = search_runs.Plan(n_train=20, n_val=10, size=16, epochs=1, minutes=1.0)
    monkeypatch.setitem(search_runs.PLANS, "sample", tiny)
    final = search_runs.final  # with one seed instead of three, to be quick
    monkeypatch.setattr(search_runs, "final", lambda *args: final(*args[:-1], 1))
    out = tmp_path / "record.json"
    assert main(["search", "--minutes", "0.01", "--record", str(out)]) == 0
    record = json.loads(out.read_text())
    assert [s["way"] for s in record["searches"]] == ["tpe", "random"]
    for one in record["searches"]:
        best = one["trials"][one["best"]]
        assert best["loss"] == min(t["loss"] for t in one["trials"] if t["state"] == "complete")
        assert sum(t["cost"] for t in one["trials"]) > 0.6
        assert [f["n"] for f in one["final"]] == [8]  # the validation photos
    assert "no search" in capsys.readouterr().out
    assert main(["search", "--minutes", "-1"]) == 2
    assert main(["search", "--ways", "magic", "--minutes", "0.01"]) == 2
    said = capsys.readouterr().err
    assert "-1.0 is not in the range x>0" in said and "not one of 'tpe', 'random'" in said


def test_the_table_compares_each_winner_with_no_search_over_the_seeds():
    def runs(*accuracies):
        return [{"accuracy": a} for a in accuracies]

    one = {"way": "tpe", "seed": 1, "best": 0, "trials": [{"state": "complete", "loss": 0.5}]}
    one["final"] = runs(0.73, 0.72, 0.74)
    record = {"start": {"final": runs(0.70, 0.71, 0.72)}, "searches": [one]}
    _, winner, start = search_runs.table(record).splitlines()
    assert "73.0%, +2.0 points (-0.5 to +4.5)" in winner  # 4.303 standard errors of 1 / √3
    assert "71.0%, 3 seeds" in start
