"""Commands that read images with a classifier: what they show, and what they resemble."""

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

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILES...", help="Images, folders of images, or CSV files with a column path."),
]


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `medfast train` wrote.")],
    files: Files,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects as JSON.")] = False,
    threads: terminal.Threads = None,
) -> None:
    """Say which class each image shows, and how surely. A file that cannot be judged is reported; the rest are done."""
    from medfast import pipeline

    loaded = pipeline.Model.load(model)
    files = _expanded(files)
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
    _end(answers)


@app.command()
def similar(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model that `medfast train` wrote.")],
    files: Files,
    count: Annotated[int, typer.Option(min=1, help="Known cases for each image.")] = 5,
    output: Annotated[Path | None, typer.Option(help="HTML page to write, with their pictures.")] = None,
    names: Annotated[bool, typer.Option("--names", help="Put file names on the page; they may name patients.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects as JSON.")] = False,
    threads: terminal.Threads = None,
) -> None:
    """List the known cases that resemble an image most, by the distance of their HOG features.

    `others nearer` is the share of the known cases that have another one nearer than that: near 100% nothing known is
    much like the image. A model keeps labels and small pictures of the images it learnt from, and their SHA-256, but
    neither names nor paths. A file that cannot be read is reported; the rest are done.
    """
    from medfast import pipeline
    from medfast._learning.source import Images

    if output is not None:
        terminal.check_writable(output)
    loaded = pipeline.Model.load(model)
    files = _expanded(files)
    answers: list[dict[str, Any]] = []
    found = []
    with terminal.progress_bar("comparing") as progress:
        for done, file in enumerate(files):
            answers.append({"file": str(file)})
            try:
                with terminal.about(file):
                    cases = loaded.similar([file], count, num_threads=threads)[0]
            except (OSError, TypeError, ValueError) as error:
                if loaded.cases is None or not len(loaded.cases.codes):
                    raise ValueError(f"{model} keeps no known cases: it was trained with --cases 0") from None
                answers[-1]["error"] = describe(error)
            else:
                found.append((file, cases))
                answers[-1]["cases"] = [
                    {"label": case.label, "distance": case.distance, "rarity": case.rarity, "sha256": case.sha256}
                    for case in cases
                ]
            progress(done + 1, len(files))
    if as_json:
        print(json.dumps(answers, indent=2))
    elif found:
        table = Table("file", "", "label", "distance", "others nearer", "sha256")
        for file, cases in found:
            for rank, case in enumerate(cases):
                table.add_row(
                    str(file) if rank == 0 else "",
                    str(rank + 1),
                    str(case.label),
                    f"{case.distance:.4f}",
                    f"{case.rarity:.0%}",
                    case.sha256[:16],
                    end_section=rank == len(cases) - 1,
                )
        terminal.output().print(table)
    if output is not None and found:
        from medfast._learning import page

        source = Images([file for file, _ in found])
        page.similar_report(loaded, source, [cases for _, cases in found], title="Similar cases", names=names).write(
            output
        )
        if not as_json:
            print(f"{output}: written")
    _end(answers)


def _end(answers: list[dict[str, Any]]) -> None:
    """Report files that could not be read, and end with exit code 1 if there are any."""
    broken = [answer for answer in answers if "error" in answer]
    for answer in broken:
        complain(answer["error"])
    if broken:
        raise typer.Exit(1)


def _expanded(files: Sequence[Path]) -> list[Path]:
    """Files as they are; of folders the images that are anywhere in them, of CSV files those that they list."""
    from medfast._learning.folder import images_in
    from medfast._learning.manifest import load_manifest

    found: list[Path] = []
    for file in files:
        if file.is_dir():
            inside = images_in(file)[0]
            if not inside:
                raise ValueError(f"{file} holds no image")
            found += inside
        elif file.suffix.lower() == ".csv":
            found += load_manifest(file, labelled=False).paths
        else:
            found.append(file)
    return found


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
