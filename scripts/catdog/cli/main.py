"""The ``catdog`` command."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from catdog import CatDogError
from catdog.core import paths


def _data(args: argparse.Namespace) -> None:
    from catdog.data import download, manifests, organizing

    common = (args.root, args.name, args.n, args.ratio, args.seed)
    if args.source == "archive":
        folder = organizing.organize(args.path, *common)
    else:
        folder = getattr(download, args.source)(*common)
    made = manifests.metadata(folder)
    for split, counts in made["counts"].items():
        print(f"{folder / split}: {counts['cat']:,} cats, {counts['dog']:,} dogs")
    if made["set_aside"]:
        print(f"{len(made['set_aside'])} photos could not be read: see {folder / 'set_aside'}")


def _data_parser(commands) -> None:
    top = commands.add_parser("data", help="get photos and organize them")
    sources = top.add_subparsers(required=True, metavar="SOURCE", dest="source")
    for source, name, n, text in (
        ("sample", "sample", 2000, "drawn cats and dogs, made here in seconds"),
        ("archive", "photos", None, "a zip or folder of cat.N.jpg and dog.N.jpg"),
        ("microsoft", "photos", None, "download Microsoft's archive of 25,000 photos (825 MB)"),
        ("kaggle", "photos", None, "download Kaggle's archives with your own token"),
    ):
        one = sources.add_parser(source, help=text, description=text)
        if source == "archive":
            one.add_argument("path", type=Path)
        one.add_argument("--root", type=Path, default=paths.DATA, help="default: data")
        one.add_argument("--name", default=name, help=f"the data set's name; default: {name}")
        one.add_argument("-n", type=int, default=n, help=f"how many; default: {n or 'all'}")
        one.add_argument("--ratio", type=float, default=0.2, help="validation part; default: 0.2")
        one.add_argument("--seed", type=int, default=1)
        one.set_defaults(run_command=_data)


def _train(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from catdog.core import recording
    from catdog.training import recipes, reference_runs

    recording.origin()
    if args.recipe not in recipes.RECIPES:
        known = ", ".join(recipes.RECIPES)
        raise CatDogError(f"no recipe is called {args.recipe!r}. The recipes: {known}.")
    recipe = recipes.RECIPES[args.recipe]
    if args.epochs:
        recipe = replace(recipe, epochs=args.epochs)
    if args.precision:
        recipe = replace(recipe, precision=args.precision)
    if args.run and len(args.seed) > 1:
        raise CatDogError("--run names the folder of one run: leave it out, or give one --seed.")
    name = f"{args.data.name}-{args.recipe}"
    what = f"catdog train {args.recipe}" + (" --all" if args.all else "")
    records = []
    for seed in args.seed:
        run = args.run or paths.RUNS / f"{name}-{seed}{'-all' if args.all else ''}"
        record = reference_runs.run(
            recipe, args.data, run, seed, args.all, args.choose or 0, args.devices
        )
        records.append({"what": what, **record})
        if "validation" in record:
            print(reference_runs.line(record))
        recording.write(run / "record.json", records[-1])
        print(f"{run / 'model.keras'}: the model\n{run / 'record.json'}: the record of the run")
    if len(records) > 1 and not args.all:
        path = paths.RUNS / name / "record.json"
        recording.write(path, {"what": what, **reference_runs.joint(records)})
        print(f"{path}: the record of all of them")


def _train_parser(commands) -> None:
    one = commands.add_parser("train", help="train the CNN from scratch; run again to resume")
    one.add_argument(
        "recipe",
        nargs="?",
        default="improved",
        help="article, improved, fast, best, or an ablation in training.RECIPES; default: improved",
    )
    one.add_argument("--data", type=Path, default=paths.DATA / "photos", help="organized photos")
    one.add_argument("--run", type=Path, help="folder of the run; default: runs/DATA-RECIPE-SEED")
    one.add_argument("--epochs", type=int, help="default: the recipe's")
    one.add_argument(
        "--precision", help="float32, mixed_bfloat16 or fastest; default: the recipe's"
    )
    one.add_argument(
        "--seed", type=int, nargs="+", default=[1], help="one, or several runs; default: 1"
    )
    one.add_argument("--devices", help="how many GPUs share each batch, or all; default: 1")
    which = one.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="train on the validation photos too")
    which.add_argument(
        "--choose",
        type=int,
        metavar="N",
        help="leave the validation photos alone and judge by N training photos that are held back",
    )
    one.set_defaults(run_command=_train)


def _transfer(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from benchmarks import throughput
    from catdog.core import recording
    from catdog.models import backbones, provenance, saving
    from catdog.training import transfer

    size = args.size or backbones.spec(args.backbone).size
    of = "" if args.how == "vgg16" else f"-{args.backbone}-{size}"
    run = args.run or paths.RUNS / f"{args.data.name}-{args.how}{of}"
    run.mkdir(parents=True, exist_ok=True)
    if args.how == "vgg16":
        from catdog.studies import vgg16

        studies = vgg16.Studies(args.data, run)
        for part in vgg16.PARTS if args.part == "all" else [args.part]:
            print(f"{studies.record(part)}: {vgg16.PARTS[part]}")
        return
    if args.how == "study":
        record = transfer.study(args.data, args.backbone, size)
        recording.write(run / "record.json", record)
        print(f"{run / 'record.json'}: the record")
        return
    if args.how == "frozen":
        model, record = transfer.frozen(args.data, args.backbone, size, not args.no_mirror)
        record["extraction"] = throughput.extraction_rate(args.data, args.backbone, size)
    else:
        start, _ = transfer.frozen(args.data, args.backbone, size)
        recipe = transfer.FINE_TUNING
        recipe = replace(recipe, epochs=args.epochs or recipe.epochs)
        head, block = transfer.head_of(start), args.from_block
        model, record = transfer.fine_tune(
            args.data, args.backbone, head, size, recipe, block, run / "training", args.seed
        )
    for name in filter(record.get, ("validation", "validation_flip")):
        v = record[name]
        low, high = v["interval"]
        print(
            f"{v['accuracy']:.2%} of {v['n']:,} validation photos ({low:.2%} to {high:.2%}), log "
            f"loss {v['log_loss']:.4f}{', mirror images averaged' if 'flip' in name else ''}"
        )
    path = run / "model.keras"
    saving.save_small(model, path)
    provenance.write(path, args.data, "train minus held back", *transfer.split(args.data))
    record["file"] = transfer.judge_file(path, args.data, "validation_flip" in record)
    recording.write(run / "record.json", record)
    print(f"{path}: the model\n{run / 'record.json'}: the record of the run")


VGG16_PARTS = ("article", "preprocessing", "assumed-labels", "averaged", "block5")


def _transfer_parser(commands) -> None:
    one = commands.add_parser(
        "transfer",
        help="stand on a pretrained backbone; resumes",
        description="frozen: a new head on frozen features. fine-tune: then the upper blocks, too. "
        "study: how many photos are enough, which labels look wrong. vgg16: the article's use of "
        "VGG16 and what each of its choices cost, each part a record in the run's folder.",
    )
    one.add_argument("how", choices=("frozen", "fine-tune", "study", "vgg16"))
    one.add_argument(
        "--part",
        choices=(*VGG16_PARTS, "all"),
        default="article",
        help="of vgg16. article: its head and features, labels read, five seeds; preprocessing: "
        "with VGG's own instead of 1/255; assumed-labels: first half cats, as the article had it, "
        "against the same splits read; averaged: average pooling and logistic regression; block5: "
        "the last block fine-tuned. default: article",
    )
    one.add_argument("--no-mirror", action="store_true", help="of frozen: no mirror images")
    one.add_argument("--backbone", default="efficientnet-lite0", help="default: efficientnet-lite0")
    one.add_argument("--size", type=int, help="of the photos; default: the backbone's own")
    one.add_argument("--data", type=Path, default=paths.DATA / "photos", help="organized photos")
    one.add_argument("--run", type=Path, help="folder of the run; default: runs/DATA-HOW-BACKBONE")
    one.add_argument("--epochs", type=int, help="of fine-tuning; default: the recipe's")
    one.add_argument("--from-block", type=int, default=9, help="first block trained; default: 9")
    one.add_argument("--seed", type=int, default=1)
    one.set_defaults(run_command=_transfer)


def _run(args: argparse.Namespace) -> int:
    if args.jobs is not None and args.jobs < 1:
        raise CatDogError(f"--jobs is {args.jobs}, but must be 1 or more.")
    if args.stall < 0:
        raise CatDogError(f"--stall is {args.stall:g}, but must be 0 (for ever) or more.")
    import time

    from catdog.book import execute, forecast

    started = time.perf_counter()
    if args.scale != "sample":
        from catdog.training import config

        config.scale(args.scale)  # says at once what is missing
    asked, made = execute.outdated(args.chapters, args.scale, args.force or args.in_place)
    left = [path for path in asked if path not in made]
    jobs = 1 if args.in_place else args.jobs or execute.sensible_jobs(args.scale)
    if left:
        print(forecast.needs(left, args.scale, jobs, paths.photos(args.scale)), flush=True)
        if args.scale == "sample":  # draws the photos, where they are missing
            from catdog.training import config

            config.scale("sample")
    outcomes = execute.run(
        args.chapters, args.scale, args.force, args.in_place, jobs=jobs, stall=args.stall
    )
    seconds = time.perf_counter() - started
    print("\n" + execute.summary(outcomes))
    print(f"\n{forecast.longest(outcomes)}; everything {seconds:.0f} s")
    if not args.in_place:
        print(f"The executed chapters: {paths.RUNS / 'notebooks' / args.scale}")
    print("Read on in the browser: make lab")
    if args.record:
        forecast.write(args.record, outcomes, seconds, jobs)
        print(f"{args.record}: the record of this run")
    return int(any(outcome.error for outcome in outcomes))


def _run_parser(commands) -> None:
    one = commands.add_parser("run", help="execute the chapters")
    one.add_argument("chapters", nargs="*", help="such as 01 or 06_a_cnn; default: all")
    one.add_argument("--scale", choices=("sample", "full"), default="sample")
    one.add_argument("--force", action="store_true", help="also those that are up to date")
    one.add_argument(
        "--in-place", action="store_true", help="write the outputs into notebooks/ itself"
    )
    one.add_argument(
        "--jobs", type=int, help="how many at once; default: by this machine's cores and memory"
    )
    one.add_argument(
        "--stall",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="give a chapter up that makes no progress for so long; 0: never; default: 300",
    )
    one.add_argument("--record", type=Path, help="write down what each chapter took in this file")
    one.set_defaults(run_command=_run)


def _predict(args: argparse.Namespace) -> int:
    import csv
    import time

    from catdog.evaluation import ood
    from catdog.inference import prediction, web
    from catdog.models import saving

    if args.csv and args.csv.exists():
        raise CatDogError(f"{args.csv} exists already and is left as it is: name another file.")
    model = saving.load_model(args.model)
    refuse = None if args.always else ood.load(args.model or saving.DEFAULT)
    started, rows, failed = time.perf_counter(), [], []
    files = prediction.photos_in(args.photos)
    for path, dog in prediction.stream(model, files, refuse=refuse):
        path = web.shown(str(path))
        if isinstance(dog, CatDogError) and not isinstance(dog, prediction.OutOfDistribution):
            print(f"catdog: {dog}", file=sys.stderr)
            failed.append((path, "", "", str(dog)))
            continue
        neither = isinstance(dog, prediction.OutOfDistribution)
        dog = dog.dog if neither else dog
        label, chance = ("dog", dog) if dog >= 0.5 else ("cat", 1 - dog)
        rows.append((path, "neither" if neither else label, f"{dog:.6f}", ""))
        if neither and not args.csv:
            print(f"neither, it seems  (if it must be one: {label}, {chance:.1%})  {path}")
        elif not args.csv:
            print(f"{label}  {chance:6.1%}  (probability of dog: {dog:.4f})  {path}")
    seconds = time.perf_counter() - started
    if args.csv:
        with open(args.csv, "x", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(("photo", "label", "probability_of_dog", "error"))
            writer.writerows(rows + failed)
        print(f"{args.csv}: {len(rows):,} photos")
    if len(rows) > 1 or failed:
        left = f", {len(failed):,} could not be read" if failed else ""
        many = "photo" if len(rows) == 1 else "photos"
        print(f"{len(rows):,} {many}, {len(rows) / seconds:.0f} images/s{left}")
    return int(bool(failed))


def _predict_parser(commands) -> None:
    one = commands.add_parser("predict", help="say whether photos show a cat or a dog")
    one.add_argument("photos", nargs="+", help="photos, folders of photos, or web addresses")
    one.add_argument("--model", type=Path, help="a .keras file; default: the one that ships")
    one.add_argument("--csv", type=Path, help="write the answers to this new file instead")
    one.add_argument(
        "--always",
        action="store_true",
        help="answer cat or dog even to pictures that look like neither",
    )
    one.set_defaults(run_command=_predict)


def _submit(args: argparse.Namespace) -> int:
    from catdog.inference import submission
    from catdog.models import saving

    model = saving.load_model(args.model)
    clip = submission.CLIP if args.clip is None else args.clip
    broken = submission.submit(model, args.source, args.out, clip)
    for _, why in broken:
        print(f"catdog: {why} It got 0.5.", file=sys.stderr)
    print(f"{args.out}: ready to be uploaded. It was clipped to {clip:g} … {1 - clip:g}.")
    return int(bool(broken))


def _submit_parser(commands) -> None:
    one = commands.add_parser("submit", help="write the file that Kaggle's competition asks for")
    one.add_argument("source", type=Path, help="Kaggle's test archive, or a folder")
    one.add_argument("--out", type=Path, default=Path("submission.csv"))
    text = "be no surer than this, see the model's record; default: submission.CLIP"
    one.add_argument("--clip", type=float, help=text)
    one.add_argument("--model", type=Path, help="a .keras file; default: the one that ships")
    one.set_defaults(run_command=_submit)


def _evaluate(args: argparse.Namespace) -> None:
    from catdog.core import recording
    from catdog.evaluation import examination, ood
    from catdog.models import provenance, saving

    path = args.model or saving.DEFAULT
    record, refuse = examination.examine(path, args.data, seen=args.seen)
    v, kept = record["validation_flip"], record["refusal"]
    print(provenance.sentence(record["seen"]["validation"]))
    print(
        f"{v['accuracy']:.2%} of {v['n']:,} validation photos ({v['interval'][0]:.2%} to "
        f"{v['interval'][1]:.2%}), log loss {v['log_loss']:.4f}, expected calibration error "
        f"{v['ece']:.4f}"
    )
    for row in record["slices"]:
        print(f"  {row['slice']:38} {row['wrong']:4} wrong of {row['n']:,}: {row['accuracy']:.2%}")
    print(f"refusal: keeps {kept['kept']:.2%} of the validation photos, and refuses")
    for row in kept["strangers"]:
        print(f"  {row['refused']:6.1%} of {row['n']:3} {row['kind']} (AUROC {row['auroc']:.3f})")
    out = args.record or paths.RUNS / f"evaluate-{Path(path).stem}" / "record.json"
    recording.write(out, record)
    print(f"{out}: the record")
    if args.refusal:
        print(f"{ood.save(refuse, path, args.refusal)}: the refusal")


def _evaluate_parser(commands) -> None:
    one = commands.add_parser(
        "evaluate", help="examine a model: calibration, slices, what is neither; resumes"
    )
    one.add_argument("--model", type=Path, help="a .keras file; default: the one that ships")
    one.add_argument("--data", type=Path, default=paths.DATA / "photos", help="organized photos")
    one.add_argument(
        "--seen", action="store_true", help="measure even on photos that the model was trained on"
    )
    one.add_argument("--record", type=Path, help="default: runs/evaluate-MODEL/record.json")
    one.add_argument(
        "--refusal", type=Path, help="write what is refused to this file: MODEL.refusal.npz"
    )
    one.set_defaults(run_command=_evaluate)


def _export(args: argparse.Namespace) -> None:
    from catdog.inference import export
    from catdog.models import saving

    difference = export.export(saving.load_model(args.model), args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, equal to {difference:.1g}")


def _export_parser(commands) -> None:
    one = commands.add_parser("export", help="write a model as ONNX, for other programs")
    one.add_argument("out", type=Path, help="a new file, such as cat_dog.onnx")
    one.add_argument("--model", type=Path, help="a .keras file; default: the one that ships")
    one.set_defaults(run_command=_export)


def _serve(args: argparse.Namespace) -> None:
    from catdog.inference import serve

    serve.serve(args.model, args.port, refuse=not args.always)


def _serve_parser(commands) -> None:
    one = commands.add_parser("serve", help="a page on this computer to drop photos on")
    one.add_argument("--port", type=int, default=8000, help="default: 8000; 0: any that is free")
    one.add_argument("--model", type=Path, help="a .keras file; default: the one that ships")
    one.add_argument(
        "--always",
        action="store_true",
        help="answer cat or dog even to pictures that look like neither",
    )
    one.set_defaults(run_command=_serve)


def _bench(args: argparse.Namespace) -> None:
    from benchmarks import throughput
    from catdog.core import recording
    from catdog.data import manifests

    if args.what == "pipeline":
        found = throughput.pipeline_speed(args.data, args.n, args.rounds)
        for name, way in found["images_per_second"].items():
            low, high = way["low"], way["high"]
            print(f"{name:44} {way['median']:8,.0f} images/s ({low:,.0f} to {high:,.0f})")
        for name in ("plain", "augmented", "later"):
            ratio = found[f"ratio_{name}"]
            print(
                f"ratio, {name}: {ratio['median']:.1f} times the legacy generator "
                f"({ratio['low']:.1f} to {ratio['high']:.1f})"
            )
    else:
        found = throughput.feature_speed(args.data, args.n, args.rounds)
        for name, one in found["backbones"].items():
            old, new = (way["median"] for way in one["images_per_second"].values())
            ratio = one["ratio"]
            print(
                f"{name}, {one['size']} pixels: {new:.1f} images/s, the article's way {old:.1f}: "
                f"{ratio['median']:.1f} times ({ratio['low']:.1f} to {ratio['high']:.1f}); "
                f"peak memory {one['peak_memory_gb']} GB"
            )
        n, peak = found["n_of_all"], found["peak_memory_gb_of_all"]
        print(f"{n:,} photos at 64 pixels: peak memory {peak} GB")
    if args.record:
        recording.write(args.record, {**found, "dataset": manifests.reference(args.data)})


def _bench_all(args: argparse.Namespace) -> None:
    from benchmarks import scaling, ways
    from catdog.core import recording
    from catdog.data import manifests

    if args.what == "growth":
        found = scaling.growth(args.data, tuple(args.numbers), longest=args.longest)
        table = scaling.rows(found)
    else:
        found = ways.everything(args.data, args.rounds, args.trained)
        table = ways.rows(found)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print(
            "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        )
    if args.what is None and args.seeds:
        from benchmarks import time_to_accuracy

        found["accuracy"] = time_to_accuracy.race(args.data, args.seeds)
        print(time_to_accuracy.summary(found["accuracy"], recording.read_all()["article"]))
    if args.record:
        recording.write(args.record, {**found, "dataset": manifests.reference(args.data)})


def _bench_accuracy(args: argparse.Namespace) -> None:
    from benchmarks import time_to_accuracy
    from catdog.core import recording
    from catdog.data import manifests

    found = time_to_accuracy.race(args.data, args.seeds, args.recipe, args.n)
    print(time_to_accuracy.summary(found, recording.read_all()["article"]))
    if args.record:
        recording.write(args.record, {**found, "dataset": manifests.reference(args.data)})


def _bench_export(args: argparse.Namespace) -> None:
    from catdog.core import recording
    from catdog.inference import export

    found = export.speed(args.model, args.rounds)
    for name, way in found["images_per_second"].items():
        print(f"{name:24} {way['median']:7.1f} images/s ({way['low']:.1f} to {way['high']:.1f})")
    for name, ratio in found["ratio"].items():
        print(
            f"{name}: onnxruntime is {ratio['median']:.2f} times as fast as Keras "
            f"({ratio['low']:.2f} to {ratio['high']:.2f})"
        )
    if args.record:
        recording.write(args.record, found)


def _bench_check(args: argparse.Namespace) -> None:
    from benchmarks import device_check
    from catdog.core import recording

    found = device_check.check()
    for precision, rate in found["images_per_second"].items():
        print(
            f"{precision:15} {found['gflops'][precision]:9,.0f} GFLOP/s in matrix products, "
            f"{rate:8,.0f} images/s in training steps"
        )
    if args.record:
        recording.write(args.record, {"what": "catdog bench check", **found})


def _bench_devices(args: argparse.Namespace) -> None:
    from benchmarks import device_check
    from catdog.core import recording

    found = device_check.compare_devices(args.data, tuple(args.numbers), tuple(args.backends))
    for backend, runs in found["runs"].items():
        for n, one in runs.items():
            print(
                f"{backend:10} {n:>2} devices: {one['images_per_second']:7.0f} images/s, losses "
                f"within {one['difference']:.1g} of one device's"
            )
    if args.record:
        recording.write(args.record, found)


def _bench_gpu(args: argparse.Namespace) -> None:
    from benchmarks import device_check
    from catdog.core import recording

    device_check.need_gpu(args.device)
    run = args.run or paths.RUNS / f"bench-{args.device}-{args.data.name}"
    how = {"epochs": args.epochs, "devices": args.devices, "size": args.size}
    found = device_check.measure(args.data, run, args.device, backbone=args.backbone, **how)
    print(device_check.summary(found))
    record = args.record or device_check.record_path(args.device)
    if args.device == "cpu" and not args.record:
        record = run / "record.json"  # no reference
    recording.write(record, found)
    print(f"{record}: the record")


def _bench_machine_parsers(what) -> None:
    text = "this machine in a few seconds: matrix products and training steps"
    one = what.add_parser("check", help=text, description=text)
    one.add_argument("--record", type=Path, help="write a record to this file")
    one.set_defaults(run_command=_bench_check)
    text = "the same training on one and on several devices, which are logical ones without GPUs"
    one = what.add_parser("devices", help=text, description=text)
    one.add_argument("--data", type=Path, default=paths.DATA / "sample")
    one.add_argument("--numbers", type=int, nargs="+", default=[1, 2, 4], help="default: 1 2 4")
    backends = ["tensorflow", "jax"]
    one.add_argument("--backends", nargs="+", default=backends, choices=backends)
    one.add_argument("--record", type=Path, help="write a record to this file")
    one.set_defaults(run_command=_bench_devices)
    text = "the work of chapters 6 to 8 on a GPU, at full scale; run again to resume"
    one = what.add_parser("gpu", help=text, description=text)
    one.add_argument("--data", type=Path, default=paths.DATA / "photos", help="organized photos")
    one.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    one.add_argument("--devices", help="how many GPUs share each batch, or all; default: 1")
    one.add_argument("--epochs", type=int, help="of the training from scratch; default: 60")
    one.add_argument("--backbone", default="efficientnet-lite2")
    one.add_argument("--size", type=int, help="of its photos; default: the backbone's own")
    one.add_argument("--run", type=Path, help="folder of the run; default: runs/bench-DEVICE-DATA")
    one.add_argument("--record", type=Path, help="default: models/records/gpu-NAME.json")
    one.set_defaults(run_command=_bench_gpu)


def _bench_parser(commands) -> None:
    text = "measure speed, side by side; without WHAT: the article's way and ours, from end to end"
    top = commands.add_parser("bench", help="measure speed, side by side", description=text)
    top.add_argument("--data", type=Path, default=paths.DATA / "sample")
    top.add_argument("--rounds", type=int, default=5)
    top.add_argument("--trained", type=int, default=1600, help="photos a round; default: 1600")
    text = "train the fast recipe so often, from the photos to its accuracy, too; default: 0"
    top.add_argument("--seeds", type=int, default=0, help=text)
    top.add_argument("--record", type=Path, help="write a record to this file")
    top.set_defaults(run_command=_bench_all)
    what = top.add_subparsers(metavar="WHAT", dest="what")
    for name, n, rounds, text in (
        ("pipeline", None, 5, "the input pipeline beside Keras's legacy generator"),
        ("features", 512, 3, "the extraction of features beside the article's way"),
    ):
        one = what.add_parser(name, help=text, description=text)
        one.add_argument("--data", type=Path, default=paths.DATA / "sample")
        one.add_argument("-n", type=int, default=n, help=f"photos a round; default: {n or 'all'}")
        one.add_argument("--rounds", type=int, default=rounds)
        one.add_argument("--record", type=Path, help="write a record to this file")
        one.set_defaults(run_command=_bench)
    text = "time and memory of organizing, decoding and features, for more and more photos"
    one = what.add_parser("growth", help=text, description=text)
    one.add_argument("--data", type=Path, default=paths.DATA / "sample")
    numbers = [1000, 5000, 20_000, 200_000]
    one.add_argument("--numbers", type=int, nargs="+", default=numbers, help="of photos")
    text = "seconds; what would take longer is left out; default: 240"
    one.add_argument("--longest", type=float, default=240, help=text)
    one.add_argument("--record", type=Path, help="write a record to this file")
    one.set_defaults(run_command=_bench_all)
    text = "time from the photos to the article's accuracy, beside the article's recipe"
    one = what.add_parser("accuracy", help=text, description=text)
    one.add_argument("--data", type=Path, default=paths.DATA / "photos")
    one.add_argument("--recipe", default="fast", help="default: fast")
    one.add_argument("--seeds", type=int, default=5)
    text = "photos that the article's way trains on between our runs; default: 3200"
    one.add_argument("-n", type=int, default=3200, help=text)
    one.add_argument("--record", type=Path, help="write a record to this file")
    one.set_defaults(run_command=_bench_accuracy)
    _bench_machine_parsers(what)
    text = "the ONNX file in onnxruntime beside Keras"
    one = what.add_parser("export", help=text, description=text)
    one.add_argument("--model", type=Path, help="a .keras file; default: the one that ships")
    one.add_argument("--rounds", type=int, default=7)
    one.add_argument("--record", type=Path, help="write a record to this file")
    one.set_defaults(run_command=_bench_export)


def _experiment(args: argparse.Namespace) -> None:
    from catdog.core import recording
    from catdog.studies import ablation

    if args.list:
        for name, one in ablation.EXPERIMENTS.items():
            print(f"{name:20} {one.section}: {one.change}")
        return
    record = ablation.run(args.names, args.scale, args.seeds, force=args.force)
    print(ablation.table(record))
    if args.record:
        recording.write(args.record, record)
        print(f"{args.record}: the record")


def _experiment_parser(commands) -> None:
    one = commands.add_parser("experiment", help="change one thing, and measure it; resumes")
    one.add_argument("names", nargs="*", metavar="NAME", help="default: all; see --list")
    one.add_argument("--list", action="store_true", help="the experiments, and stop")
    one.add_argument("--scale", choices=("sample", "full"), help="default: SCALE, or sample")
    one.add_argument(
        "--seeds", type=int, help="runs of each; default: 3 at sample scale, 1 at full"
    )
    one.add_argument("--force", action="store_true", help="also those that are recorded already")
    one.add_argument("--record", type=Path, help="write the record of them all to this file")
    one.set_defaults(run_command=_experiment)


def _search(args: argparse.Namespace) -> None:
    from catdog.core import recording
    from catdog.studies import search

    record = search.run(args.scale, args.ways, args.minutes, args.seeds)
    print(search.table(record))
    if args.record:
        recording.write(args.record, record)
        print(f"{args.record}: the record")


def _search_parser(commands) -> None:
    one = commands.add_parser("search", help="search for good settings, with a budget; resumes")
    one.add_argument("--scale", choices=("sample", "full"), help="default: SCALE, or sample")
    one.add_argument(
        "--minutes", type=float, help="of the processor, all cores added up, for each search"
    )
    one.add_argument("--ways", nargs="+", metavar="WAY", default=["tpe", "random"])
    one.add_argument("--seeds", type=int, default=1, help="searches in each way; default: 1")
    one.add_argument("--record", type=Path, help="write the record to this file")
    one.set_defaults(run_command=_search)


def _aws_types(args: argparse.Namespace) -> None:
    from catdog.cloud import instances

    print(instances.table())


def _aws_up(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle, planning

    words = ("instance_type", "name", "region", "access", "address", "key", "spot", "disk", "zone")
    words += ("idle_minutes", "max_hours", "repository", "commit", "image")
    plan, warnings = planning.plan(**{word: getattr(args, word) for word in words})
    print(plan)
    for warning in warnings:
        print(f"Note: {warning}")
    _confirm(args, "Start it?")
    lifecycle.up(plan)
    which = lifecycle.named(args.name)
    print(
        f"{lifecycle.stack_name(args.name)} is running, and installs itself now. What comes next:\n"
        f"  catdog aws connect{which}   waits until it is ready, and opens its notebooks here\n"
        f"  catdog aws stop{which}      when you are done for today\n"
        f"  catdog aws down{which}      when you are done with it: deletes it, and its disk"
    )


def _confirm(args: argparse.Namespace, question: str) -> None:
    """Ask yes or no, unless --yes was given; anything but yes ends the command."""
    if args.yes:
        return
    try:
        answer = input(f"{question} [y/N] ").strip().lower()
    except EOFError:
        answer = ""
    if answer not in ("y", "yes"):
        raise CatDogError("nothing was done. (--yes answers this question.)")


def _aws_status(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    found = lifecycle.status(args.name, args.region)
    region = lifecycle.Account(args.region).region
    print(found or f"No machine {lifecycle.stack_name(args.name)} is there in {region}.")


def _aws_stop(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    lifecycle.stop(args.name, args.region)
    print(lifecycle.status(args.name, args.region))


def _aws_start(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    lifecycle.start(args.name, args.region)
    print(lifecycle.status(args.name, args.region))


def _aws_down(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    if lifecycle.status(args.name, args.region):
        print("The disk goes too, with all that was trained or saved there.")
        _confirm(args, f"Delete {lifecycle.stack_name(args.name)}?")
    looked_for = lifecycle.down(args.name, args.region)
    region = lifecycle.Account(args.region).region
    print(
        f"Nothing of {lifecycle.stack_name(args.name)} is left in {region}. "
        f"Looked for, and found none: {', '.join(looked_for)}."
    )


def _aws_connect(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    lifecycle.stay_connected(args.name, args.region, args.key, args.port, args.show_token)


def _aws_allow(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    address = lifecycle.allow(args.name, args.region, args.address)
    print(f"{lifecycle.stack_name(args.name)} lets in {address} by SSH, and nobody else.")


def _aws_send(args: argparse.Namespace) -> None:
    from catdog.cloud import lifecycle

    lifecycle.send(args.paths, args.to, args.name, args.region, args.key)
    print(f"Sent to {args.to}/ in the machine's home folder.")


def _aws_run(args: argparse.Namespace) -> int:
    import contextlib
    import shlex

    from catdog.cloud import remote
    from catdog.cloud.instances import NAME

    if bool(args.url) != bool(args.token_file):
        raise CatDogError("--url and --token-file go together.")
    again = ["catdog", "aws", "run", *args.notebooks]
    for word in ("url", "token_file", "name", "region", "key"):
        if getattr(args, word) not in (None, NAME):
            again += [f"--{word.replace('_', '-')}", str(getattr(args, word))]
    if args.scale != "sample":
        again += ["--scale", args.scale]
    if args.url:
        server = remote.server(args.url, args.token_file)

        def connect():
            return contextlib.nullcontext(server)
    else:
        from catdog.cloud import lifecycle

        def connect():
            return lifecycle.connect(args.name, args.region, args.key)

    if args.cancel:
        return remote.cancel(connect)
    return remote.run(connect, args.notebooks, args.scale, args.force, shlex.join(again))


def _aws_parser(commands) -> None:
    from catdog.cloud.instances import IMAGE, NAME

    top = commands.add_parser("aws", help="a GPU machine of your own AWS account")
    what = top.add_subparsers(required=True, metavar="WHAT")

    def command(name: str, function, text: str, key: bool = False) -> argparse.ArgumentParser:
        one = what.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        one.add_argument("--name", default=NAME, help=f"the machine's name; default: {NAME}")
        one.add_argument("--region", help="such as us-east-1; default: your AWS settings'")
        if key:
            one.add_argument(
                "--key", type=Path, help="your private SSH key; default: found in ~/.ssh"
            )
        one.set_defaults(run_command=function, needs_keras=False)
        return one

    what.add_parser("types", help="list the machines and their prices").set_defaults(
        run_command=_aws_types, needs_keras=False
    )
    one = command("up", _aws_up, "start a machine, after showing what it costs", key=True)
    one.add_argument("instance_type", nargs="?", help="see 'catdog aws types'", metavar="TYPE")
    one.add_argument(
        "--access",
        choices=("ssm", "ssh"),
        default="ssm",
        help="ssm: through AWS's Session Manager, no open port; ssh: port 22 open to you alone",
    )
    one.add_argument("--from", dest="address", help="with ssh, your address; default: asked for")
    one.add_argument("--spot", action="store_true", help="cheaper, but AWS may take it back")
    one.add_argument("--disk", type=int, default=100, help="GB; default: 100")
    one.add_argument("--zone", help="such as us-east-1a; default: the first that has one free")
    one.add_argument("--idle-minutes", type=int, default=30, help="without work; default: 30")
    one.add_argument("--max-hours", type=int, default=8, help="after each start; default: 8")
    one.add_argument("--repository", help="the project's https address; default: this clone's")
    one.add_argument("--commit", help="default: the one checked out here")
    one.add_argument("--image", default=IMAGE, help="the SSM parameter that names the image")
    one.add_argument("--yes", action="store_true", help="do not ask")
    command("status", _aws_status, "say whether it runs, and what it has cost")
    one = command("connect", _aws_connect, "open its notebooks in this browser", key=True)
    one.add_argument("--port", type=int, help="on this computer; default: a free one")
    one.add_argument("--show-token", action="store_true", help="print Jupyter's token")
    one = command("send", _aws_send, "copy files to it, such as your train.zip", key=True)
    one.add_argument("paths", nargs="+", type=Path, help="files or folders")
    one.add_argument("--to", default="project/data", help="default: project/data")
    one = command("run", _aws_run, "execute chapters on it and bring back the results", key=True)
    one.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="such as 06; default: all")
    one.add_argument("--scale", choices=("sample", "full"), default="sample")
    one.add_argument("--force", action="store_true", help="also those that are up to date")
    one.add_argument("--cancel", action="store_true", help="stop the run that is going on there")
    one.add_argument("--url", help="of another Jupyter server, instead of your AWS machine")
    one.add_argument("--token-file", type=Path, metavar="FILE", help="holds that server's token")
    one = command("allow", _aws_allow, "with --access ssh: let in your present address instead")
    one.add_argument("--from", dest="address", help="default: asked for")
    command("stop", _aws_stop, "stop it; its disk stays and costs a little")
    command("start", _aws_start, "start it again")
    one = command("down", _aws_down, "delete it and its disk, and prove that nothing is left")
    one.add_argument("--yes", action="store_true", help="do not ask")


def _readme(args: argparse.Namespace) -> None:
    from benchmarks import tables

    tables.update()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    top = argparse.ArgumentParser(prog="catdog", description="Cats, Dogs & Convolutions")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _data_parser(commands)
    _train_parser(commands)
    _transfer_parser(commands)
    _run_parser(commands)
    _predict_parser(commands)
    _submit_parser(commands)
    _evaluate_parser(commands)
    _export_parser(commands)
    _serve_parser(commands)
    _bench_parser(commands)
    _experiment_parser(commands)
    _search_parser(commands)
    _aws_parser(commands)
    one = commands.add_parser("readme", help="render the README's tables from the records")
    one.set_defaults(run_command=_readme)
    return top


def _import_quietly() -> None:
    """Import Keras and its backend without their greetings, which no setting turns off."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras" in sys.modules:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def main(argv: list[str] | None = None) -> int:
    """Run one command; return 0, 1 after an error that the reader can mend, or 130 on Ctrl-C."""
    args = parser().parse_args(argv)
    if getattr(args, "needs_keras", True):
        _import_quietly()
    try:
        return args.run_command(args) or 0
    except CatDogError as error:
        print(f"catdog: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ncatdog: stopped. Run the same command again to go on.", file=sys.stderr)
        return 130
