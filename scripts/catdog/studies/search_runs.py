"""What `catdog search` does: search for good settings, with a budget, and survive a kill."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
import optuna
from optuna.trial import TrialState
from tqdm.auto import tqdm

from catdog import CatDogError, no_bar
from catdog.core import choices, distribution, files, paths
from catdog.data import loading, manifests
from catdog.evaluation import statistics
from catdog.studies import ablation
from catdog.studies.components import TrainingBudget
from catdog.studies.search import START, inner_split, suggest
from catdog.training import config

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Plan:
    """What a trial of the search trains on, and for how long.

    Attributes:
        n_train, n_val: how many of the training photos a trial learns from, and is measured on.
        size: the photos' side, in pixels.
        minutes: the budget of a search (see `clock`).
    """

    n_train: int
    n_val: int
    size: int
    epochs: int
    minutes: float


PLANS = {
    "sample": Plan(n_train=1200, n_val=400, size=48, epochs=4, minutes=0.5),
    "full": Plan(n_train=2000, n_val=1000, size=64, epochs=4, minutes=3.0),
}
WAYS = choices.SEARCHES
WORST = 1e3  # the log loss of a trial that has diverged
BEGUN = TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING  # what was broken off is not


def clock() -> float:
    """Return the seconds that the budget counts.

    On a processor they are its own, all cores added up, which others who use the machine do not
    lengthen; with a GPU they are those of the clock on the wall.
    """
    return time.perf_counter() if distribution.gpus() else time.process_time()


class Report(keras.callbacks.Callback):
    """After each epoch: write loss and cost down, and stop a trial without hope."""

    def __init__(self, trial: optuna.Trial, images: np.ndarray, labels: np.ndarray, start: float):
        super().__init__()
        self.trial, self.images, self.labels, self.start = trial, images, labels, start
        self.pruned = self.lost = False

    def on_epoch_end(self, epoch, logs=None):
        try:
            found = ablation.evaluate(self.model, self.images, self.labels)
        except ablation.Diverged:  # no worse loss is worth telling apart
            found = {"log_loss": WORST, "accuracy": 0.5}
            self.lost = self.model.stop_training = True
        self.trial.report(found["log_loss"], epoch + 1)
        self.trial.set_user_attr("accuracy", found["accuracy"])
        self.trial.set_user_attr("cost", clock() - self.start)
        if not self.lost and self.trial.should_prune():
            self.pruned = self.model.stop_training = True


def storage(file: Path) -> optuna.storages.BaseStorage:
    """Open, or make, the SQLite file that holds every trial as soon as it is known."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.RDBStorage(
        f"sqlite:///{file}", engine_kwargs={"connect_args": {"timeout": 60}}
    )


def open_study(way: str, seed: int, file: Path) -> optuna.Study:
    """Open a study, or begin it; what a kill interrupted is marked so and put first in the queue.

    "tpe" proposes what did well so far (Bergstra et al. 2011) and stops trials that are worse than
    the median at the same epoch; "random" draws at random and lets all of them end.
    """
    if way not in WAYS:
        raise CatDogError(f"no way to search is called {way!r}. The ways: {', '.join(WAYS)}.")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    study = optuna.create_study(
        study_name=f"{way}-{seed}",
        storage=storage(file),
        direction="minimize",
        pruner=pruner if way == "tpe" else optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={"again": trial.number})
    return study


def sampler(way: str, seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Return the sampler of a trial. Its chance depends on nothing but seed and number.

    So a search that was interrupted goes on as if it had not been.
    """
    own = int(np.random.default_rng((seed, number)).integers(2**31))
    if way == "random":
        return optuna.samplers.RandomSampler(seed=own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=own, n_startup_trials=8, multivariate=True)


def spent(study: optuna.Study) -> float:
    """Return the seconds that a study's trials have cost, the interrupted ones too."""
    return sum(trial.user_attrs.get("cost", 0.0) for trial in study.get_trials(deepcopy=False))


def search(
    way: str,
    photos: tuple[np.ndarray, np.ndarray],
    plan: Plan,
    file: str | Path,
    seed: int = 1,
    progress: bool = True,
) -> optuna.Study:
    """Search until the budget is spent: the trial that exceeds it is the last one.

    Args:
        way: "tpe" or "random".
        photos: the training photos, uint8 images (n, size, size, 3), and labels (n,).
        file: of the storage. Call it again after a kill, and it goes on.
    """
    learn, judge = inner_split(photos[1], plan.n_train, plan.n_val)
    images, labels = photos
    learn, judge = (images[learn], labels[learn]), (images[judge], labels[judge])
    study = open_study(way, seed, Path(file))
    budget = 60 * plan.minutes
    form = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}"
    with tqdm(
        total=budget, desc=f"{way}, seed {seed}", bar_format=form, disable=no_bar(progress)
    ) as bar:
        while (used := spent(study)) < budget:
            bar.update(min(used, budget) - bar.n)
            number = len(study.get_trials(deepcopy=False, states=BEGUN))
            study.sampler = sampler(way, seed, number)
            trial = study.ask()
            start = clock()
            setup, batch = suggest(trial, plan.size)
            keras.utils.clear_session(free_memory=True)
            report = Report(trial, *judge, start)
            length = TrainingBudget(plan.epochs, batch, seeds=1)
            ablation.fit(setup, learn, length, number, [report])
            trial.set_user_attr("cost", clock() - start)
            if report.pruned:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                losses = study.trials[trial.number].intermediate_values
                study.tell(trial, losses[max(losses)])
            bar.set_postfix_str(f"trials {trial.number + 1}, best log loss {best_value(study):.3f}")
        bar.update(budget - bar.n)
    return study


def best_value(study: optuna.Study) -> float:
    """Return the lowest loss of the trials that ended, infinity for none."""
    return min((trial.value for trial in ended(study)), default=float("inf"))


def ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that were trained to the end."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def rows(study: optuna.Study) -> list[dict]:
    """Return the trials for a record: settings, loss of each epoch, loss at the end, cost."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "settings": trial.params,
            "losses": [round(v, 5) for _, v in sorted(trial.intermediate_values.items())],
            "loss": trial.value,
            "accuracy": trial.user_attrs.get("accuracy"),
            "cost": round(trial.user_attrs.get("cost", 0.0), 2),
        }
        for trial in study.get_trials(deepcopy=False)
    ]


def final(settings: dict | None, train_set, validation_set, plan: Plan, seeds: int) -> list[dict]:
    """Train with settings, on all that a search had, and evaluate on photos that it never saw.

    Args:
        settings: of a trial; None for those that one would start with.
    """
    if settings is None:
        setup, batch = replace(START, size=plan.size), 32
    else:
        setup, batch = suggest(optuna.trial.FixedTrial(settings), plan.size)
    photos = np.concatenate(inner_split(train_set[1], plan.n_train, plan.n_val))
    some = train_set[0][photos], train_set[1][photos]
    found = []
    for seed in range(1, seeds + 1):
        keras.utils.clear_session(free_memory=True)
        model, cost = ablation.fit(setup, some, TrainingBudget(plan.epochs, batch, 1), seed)
        result = ablation.evaluate(model, *validation_set)
        keep = ("n", "accuracy", "interval", "log_loss")
        found.append({"seed": seed, **{k: result[k] for k in keep}, "cost": cost["cpu_seconds"]})
    return found


def _kept_final(settings: dict | None, folder: Path, *given) -> list[dict]:
    """What `final` returns for three seeds, or returned before: a file of the folder has it."""
    note = folder / f"{files.key(settings, 12)}.json"
    if not note.exists():
        files.write(note, json.dumps(final(settings, *given, 3)))
    return files.read_json(note)


def run(
    scale: str | None = None,
    ways=WAYS,
    minutes: float | None = None,
    seeds: int = 1,
    folder: str | Path | None = None,
    progress: bool = True,
    first: int = 1,
) -> dict:
    """Search in each way with each seed, evaluate the best of each at last, and return the record.

    All of it is kept in the folder, by default runs/search: call it again after a kill, or with
    more minutes, and it goes on.

    Args:
        seeds: how many searches in each way, with the seeds from `first` on.
    """
    chosen = config.scale(scale)
    plan, reference = PLANS[chosen.name], manifests.reference(chosen.folder)
    if minutes is not None and not minutes > 0:
        raise CatDogError(f"a budget of {minutes:g} minutes: it must be more than nothing.")
    plan = replace(plan, minutes=minutes or plan.minutes)
    kept = {k: v for k, v in asdict(plan).items() if k != "minutes"}
    kept |= {"photos": reference["manifest_sha256"], "precision": ablation.precision()}
    file = Path(folder or paths.RUNS / "search") / f"{chosen.name}-{files.key(kept, 8)}.db"
    train_set = loading.load(chosen.folder, "train", plan.size, progress)[:2]
    with files.lock(file.with_suffix(".lock"), "searching"):
        studies = {
            (way, seed): search(way, train_set, plan, file, seed, progress)
            for seed in range(first, first + seeds)
            for way in ways
        }
    validation_set = loading.load(chosen.folder, "validation", plan.size, progress)[:2]
    given = file.with_suffix(".final"), train_set, validation_set, plan

    found = []
    bar = tqdm(studies.items(), desc="final check", unit="search", disable=no_bar(progress))
    for (way, seed), study in bar:
        if not ended(study):
            raise CatDogError("no trial has ended within the budget: give more --minutes.")
        best = study.best_trial
        found.append(
            {
                "way": way,
                "seed": seed,
                "trials": rows(study),
                "best": best.number,
                "final": _kept_final(best.params, *given),
            }
        )
    return {
        "what": f"catdog search --scale {chosen.name} --minutes {plan.minutes:g} --seeds {seeds}"
        f"{f' --seed {first}' if first != 1 else ''}",
        "dataset": reference,
        "plan": asdict(plan),
        "precision": ablation.precision(),
        "start": {"settings": asdict(START), "batch_size": 32, "final": _kept_final(None, *given)},
        "searches": found,
    }


def table(record: dict) -> str:
    """Return the record as lines: trials, best loss inside, and what the winner gained outside.

    That is its accuracy on photos that no search has seen, beside no search, over the same seeds.
    """
    start = [run["accuracy"] for run in record["start"]["final"]]
    lines = [f"{'search':12} {'trials':>6} {'pruned':>6} {'best loss':>10}  accuracy on new photos"]
    for one in record["searches"]:
        trials = one["trials"]
        pruned = sum(t["state"] == "pruned" for t in trials)
        best = trials[one["best"]]["loss"]
        name = f"{one['way']}, {one['seed']}"
        outside = [run["accuracy"] for run in one["final"]]
        points = ""
        if len(outside) > 1:
            change, interval = statistics.paired_runs(outside, start)
            points = f", {100 * change:+.1f} points {ablation.in_points(interval)}"
        shown = f"{np.mean(outside):8.1%}{points}"
        lines.append(f"{name:12} {len(trials):6} {pruned:6} {best:10.4f}  {shown}")
    seeds = f"{len(start)} seeds"
    return "\n".join([*lines, f"{'no search':12} {'':24}  {np.mean(start):8.1%}, {seeds}"])
