"""Commands that train, use and judge a classifier of images."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from medfast._commands import terminal
from medfast._commands.app import app, complain, describe

CHUNK = 32
"""Images that `predict` holds in memory at once."""


@app.command()
def train(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that has a folder of images per class.")],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="File to write the model to.")],
    validation: Annotated[Path | None, typer.Option(help="A like folder to judge the model on.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random: the same seed gives the same model.")] = 0,
    denoise: Annotated[bool | None, typer.Option("--denoise/--no-denoise", help="Non-local means.")] = None,
    h: Annotated[float | None, typer.Option("--h", help="Filter strength; from the noise of each image.")] = None,
    equalize: Annotated[str | None, typer.Option(help="none, hist or clahe.")] = None,
    clip_limit: Annotated[float | None, typer.Option(help="Contrast limit of clahe.")] = None,
    size: Annotated[str | None, typer.Option(help="Side or ROWSxCOLUMNS that images are resized to.")] = None,
    segment: Annotated[int | None, typer.Option(min=0, help="Classes of k-means before HOG; 0 is none.")] = None,
    levels: Annotated[int | None, typer.Option(min=1, help="Levels of the HOG pyramid.")] = None,
    cell: Annotated[int | None, typer.Option(min=1, help="Side of a HOG cell, in pixels.")] = None,
    orientations: Annotated[int | None, typer.Option(min=1, help="Bins of orientation.")] = None,
    c: Annotated[float | None, typer.Option("--C", help="Cost of a training error in the SVM.")] = None,
    class_weight: Annotated[str | None, typer.Option(help="balanced or none.")] = None,
    window: Annotated[
        str | None, typer.Option(help="CENTER,WIDTH of the gray levels, for data that is not 8-bit.")
    ] = None,
    threads: terminal.Threads = None,
) -> None:
    """Train a classifier from a folder of images: denoise, equalise, resize, HOG, linear SVM."""
    from medfast import pipeline

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
    with terminal.progress_bar("training") as progress:
        trained = pipeline.train_folder(
            directory, validation=validation, seed=seed, progress=progress, num_threads=threads, **options
        )
    trained.save(model)
    print(f"{model}: {trained.n_train} images of {trained.size[0]}x{trained.size[1]}, classes {_join(trained.classes)}")
    if trained.validation is not None:
        _show(trained.validation, f"validation on {validation}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `medfast train` wrote.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Images.")],
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects as JSON.")] = False,
    threads: terminal.Threads = None,
) -> None:
    """Say which class each image shows, and how surely. A file that cannot be judged is reported; the rest are done."""
    from medfast import pipeline

    loaded = pipeline.Model.load(model)
    with terminal.progress_bar("predicting") as progress:
        answers = list(_predict(loaded, files, progress, threads))
    if as_json:
        print(json.dumps(answers, indent=2))
    else:
        table = Table("file", "class", *(f"p({name})" for name in loaded.classes))
        for answer in answers:
            if "error" not in answer:
                shares = (f"{value:.3f}" for value in answer["probabilities"].values())
                table.add_row(answer["file"], str(answer["class"]), *shares)
        if table.row_count:
            terminal.output().print(table)
    broken = [answer for answer in answers if "error" in answer]
    for answer in broken:
        complain(answer["error"])
    if broken:
        raise typer.Exit(1)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `medfast train` wrote.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that has a folder of images per class.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    threads: terminal.Threads = None,
) -> None:
    """Judge a model on a folder of images: accuracy, balanced accuracy, AUC, confusion matrix."""
    from medfast import pipeline

    loaded = pipeline.Model.load(model)
    folder = pipeline.load_folder(directory)
    with terminal.progress_bar("evaluating") as progress:
        report = loaded.evaluate(folder.paths, folder.labels, progress=progress, num_threads=threads)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _show(report, f"{model} on {directory}")


def _predict(
    model: Any, files: Sequence[Path], progress: Callable[..., Any], threads: int | None
) -> Iterator[dict[str, Any]]:
    """What the model says about each file, in order; for a file that it cannot judge, the error."""
    from medfast import io

    for start in range(0, len(files), CHUNK):
        answers: list[dict[str, Any]] = [{"file": str(file)} for file in files[start : start + CHUNK]]
        images, readable = [], []
        for answer in answers:
            try:
                images.append(io.read_image(answer["file"]))
                readable.append(answer)
            except (OSError, ValueError) as error:
                answer["error"] = describe(error)
        try:
            shares = model.predict_proba(images, num_threads=threads).tolist() if images else []
            for answer, row in zip(readable, shares, strict=True):
                answer.update(_answer(model, row))
        except (OSError, TypeError, ValueError):  # one is unsuitable; each alone shows which
            for answer in readable:
                answer.update(_predict_one(model, Path(answer["file"]), threads))
        progress(start + len(answers), len(files))
        yield from answers


def _predict_one(model: Any, file: Path, threads: int | None) -> dict[str, Any]:
    try:
        with terminal.about(file):
            return _answer(model, model.predict_proba([file], num_threads=threads)[0].tolist())
    except (OSError, TypeError, ValueError) as error:
        return {"error": describe(error)}


def _answer(model: Any, shares: list[float]) -> dict[str, Any]:
    return {
        "class": model.classes[shares.index(max(shares))],
        "probabilities": dict(zip(map(str, model.classes), shares, strict=True)),
    }


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


def _size(text: str | None) -> int | tuple[int, ...] | None:
    if text is None:
        return None
    sides = terminal.integers(text, "--size")
    if len(sides) > 2:
        raise typer.BadParameter(f"{text!r} is neither a side nor ROWSxCOLUMNS", param_hint="--size")
    return sides[0] if len(sides) == 1 else sides


def _join(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))
