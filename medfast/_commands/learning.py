"""Commands that train and judge a classifier of images."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from medfast._commands import terminal
from medfast._commands.app import app, complain

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A folder that has a folder of images per class; or a CSV file with the columns path and label, and "
        "optionally group (the patient) and split (train, validation, test).",
    ),
]
Report = Annotated[
    Path | None, typer.Option("--report", help="HTML page to write: curves, intervals, the worst mistakes.")
]
Names = Annotated[bool, typer.Option("--names", help="Put file names on the page; they may name patients.")]


@app.command()
def train(
    data: Data,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="File to write the model to.")],
    validation: Annotated[
        Path | None, typer.Option(help="The like, to choose by and to judge the model on; a CSV file may have a split.")
    ] = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search",
            help="Choose what is not given below on the validation images; without those by cross-validation.",
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random: the same seed gives the same model.")] = 0,
    denoise: Annotated[bool | None, typer.Option("--denoise/--no-denoise", help="Non-local means.")] = None,
    h: Annotated[float | None, typer.Option("--h", help="Filter strength; from the noise of each image.")] = None,
    equalize: Annotated[str | None, typer.Option(help="none, hist or clahe.")] = None,
    clip_limit: Annotated[float | None, typer.Option(help="Contrast limit of clahe.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Side or ROWSxCOLUMNS that images are resized to; alone this blows images up.")
    ] = None,
    segment: Annotated[int | None, typer.Option(min=0, help="Classes of k-means before HOG; 0 is none.")] = None,
    levels: Annotated[int | None, typer.Option(min=1, help="Levels of the HOG pyramid.")] = None,
    cell: Annotated[int | None, typer.Option(min=1, help="Side of a HOG cell, in pixels.")] = None,
    orientations: Annotated[int | None, typer.Option(min=1, help="Bins of orientation.")] = None,
    kernel: Annotated[str | None, typer.Option(help="linear or rbf.")] = None,
    gamma: Annotated[float | None, typer.Option(help="Of the rbf kernel; from the features.")] = None,
    c: Annotated[float | None, typer.Option("--C", help="Cost of a training error in the SVM.")] = None,
    class_weight: Annotated[str | None, typer.Option(help="balanced or none.")] = None,
    window: Annotated[
        str | None, typer.Option(help="CENTER,WIDTH of the gray levels, for data that is not 8-bit.")
    ] = None,
    cases: Annotated[
        int | None,
        typer.Option(min=0, help="Known cases to keep for `similar`, with a small picture of each; 0 is none."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="File to keep features in. MODEL.cache, which goes when the model is there, if not given."),
    ] = None,
    report: Report = None,
    names: Names = False,
    threads: terminal.Threads = None,
) -> None:
    """Train a classifier of images: denoise, equalise, resize, HOG, support vector machine.

    Size, denoising, equalisation, levels, kernel and C are chosen on the validation images. A training that was
    interrupted goes on where it stopped.
    """
    from medfast import pipeline
    from medfast._learning import runs

    given: dict[str, Any] = {
        "denoise": denoise,
        "h": h,
        "equalize": equalize,
        "clip_limit": clip_limit,
        "size": _size(size),
        "segment": segment,
        "levels": levels,
        "cell": cell,
        "orientations": orientations,
        "kernel": kernel,
        "gamma": gamma,
        "C": c,
        "class_weight": class_weight,
        "window": None if window is None else terminal.numbers(window, "--window", 2, ","),
    }
    options = {name: value for name, value in given.items() if value is not None}
    try:
        pipeline.Options(**options)
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    terminal.check_writable(model)
    if report is not None:
        terminal.check_writable(report)
    kept = cache or model.with_name(f"{model.name}.cache")
    runs.load_parts(data, validation)  # before anything is written
    with pipeline.FeatureCache(kept) as features:
        run = runs.train_run(
            data,
            validation=validation,
            choose=search,
            seed=seed,
            keep_cases=cases,
            cache=features,
            stage=terminal.progress_bar,
            num_threads=threads,
            **options,
        )
        run.model.save(model)
        if report is not None:
            _train_report(run, data, validation, features, threads, names).write(report)
    if cache is None:
        features.delete()
    trained = run.model
    print(f"{model}: {trained.n_train} images of {trained.size[0]}x{trained.size[1]}, classes {_join(trained.classes)}")
    if run.found is not None:
        best = [one for one in run.found.tried if one.chosen][-1]
        values = {name: getattr(trained.options, name) for name in best.options}
        chosen = ", ".join(f"{name} {_shown(value)}" for name, value in values.items() if value is not None)
        print(f"chosen by {run.found.judge} (AUC {best.score:.4f}): {chosen}")
    if run.why_not:
        print(f"nothing was chosen: {run.why_not}")
    if trained.validation is not None:
        _show(trained.validation, f"validation on {validation or data}")
        if "duplicates" in trained.validation and run.held_out is not None:
            print(_duplicates(trained.validation["duplicates"], len(run.held_out.paths)))
    if report is not None:
        print(f"{report}: written")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `medfast train` wrote.")],
    data: Data,
    split: Annotated[
        str, typer.Option(help="Split of a CSV file to judge on, if it has splits: train, validation or test.")
    ] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    cache: Annotated[Path | None, typer.Option(help="File to keep features in; none if not given.")] = None,
    report: Report = None,
    names: Names = False,
    threads: terminal.Threads = None,
) -> None:
    """Judge a model on images of known classes: accuracy, balanced accuracy, AUC, confusion matrix.

    The AUC is that of the second of two classes in sorted order, and of more classes the mean of each against the rest.
    """
    from medfast import pipeline
    from medfast._learning import judging, runs
    from medfast._learning.manifest import SPLITS
    from medfast._learning.source import Images
    from medfast._learning.training import codes_of

    if split not in SPLITS:
        raise typer.BadParameter(f"expected train, validation or test, got {split!r}", param_hint="--split")
    if report is not None:
        terminal.check_writable(report)
    loaded = pipeline.Model.load(model)
    images = runs.load(data).part(SPLITS[split])
    if not images.paths:
        raise ValueError(f"{data} must have images of split {split}, got none")
    source = Images(images.paths)
    names_of = {str(label): label for label in loaded.classes}  # a model may know numbers; folders are called by text
    codes = codes_of([names_of.get(label, label) for label in images.labels], len(source), loaded.classes)
    with terminal.progress_bar("evaluating") as progress, _optional_cache(cache) as features:
        judged = judging.judge(loaded, source, codes, progress, threads, features)
    found = judging.report(loaded, judged)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show(found, f"{model} on {data}")
    if "duplicates" in found:
        complain(f"warning: {_duplicates(found['duplicates'], len(source))}")
    missing = [str(label) for code, label in enumerate(loaded.classes) if code not in codes]
    if missing:
        complain(f"warning: no image shows {_join(missing)}: the figures are those of the other classes")
    if report is not None:
        from medfast._learning import page

        lead = f"{len(source)} images, judged by a model that learnt from {loaded.n_train}."
        page.model_report(
            loaded, judged, source, title="Evaluation", lead=lead, groups=images.groups, names=names
        ).write(report)
        if not as_json:
            print(f"{report}: written")


def _train_report(
    run: Any, data: Path, validation: Path | None, features: Any, threads: int | None, names: bool
) -> Any:
    """The page on the validation images; without those on the training images, by the folds of the calibration."""
    from medfast._learning import judging, page
    from medfast._learning.source import Images
    from medfast._learning.training import codes_of

    model, images = run.model, run.held_out or run.train
    source = Images(images.paths)
    judged = judging.judge(model, source, codes_of(images.labels, len(source), model.classes), None, threads, features)
    if run.held_out is None:
        lead = "There were no validation images: these are the training images, so the figures say nothing of new ones."
    else:
        lead = (
            "These are the validation images, by which options and threshold were chosen: on new images expect figures "
            "that are a little worse."
        )
    return page.model_report(
        model, judged, source, title="Training", lead=lead, groups=images.groups, found=run.found, names=names
    )


@contextmanager
def _optional_cache(path: Path | None) -> Iterator[Any]:
    from medfast.pipeline import FeatureCache

    if path is None:
        yield None
        return
    with FeatureCache(path) as cache:
        yield cache


def _duplicates(found: dict[str, Any], total: int) -> str:
    """What `evaluate` says of images that the model learnt from."""
    text = f"{found['count']} of {total} images are among those that the model learnt from, byte for byte"
    without = found["without"]
    if without["accuracy"] is None:
        return f"{text}; there are no others"
    parts = [
        f"{name.replace('_', ' ')} {'undefined' if without[name] is None else format(without[name], '.4f')}"
        for name in ("accuracy", "balanced_accuracy", "auc")
    ]
    return f"{text}; without them: {', '.join(parts)}"


def _show(report: dict[str, Any], title: str) -> None:
    console = terminal.output()
    numbers = Table(title=title, show_header=False)
    for key in ("accuracy", "balanced_accuracy", "auc"):
        value = report[key]
        numbers.add_row(key.replace("_", " "), "undefined" if value is None else f"{value:.4f}")
    console.print(numbers)
    matrix = Table("truth \\ predicted", *map(str, report["classes"]), title="confusion matrix")
    for name, row in zip(report["classes"], report["confusion_matrix"], strict=True):
        matrix.add_row(str(name), *map(str, row))
    console.print(matrix)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _size(text: str | None) -> int | tuple[int, ...] | None:
    if text is None:
        return None
    sides = terminal.integers(text, "--size")
    if len(sides) > 2:
        raise typer.BadParameter(f"{text!r} is neither a side nor ROWSxCOLUMNS", param_hint="--size")
    return sides[0] if len(sides) == 1 else sides


def _join(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))
