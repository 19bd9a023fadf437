"""What the commands share: consoles, progress bars, the parsing of options."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Most threads to use.")]


def output() -> Console:
    """The standard output, for tables; wide where it is a file or a pipe, so that nothing is cut."""
    return Console(width=None if sys.stdout.isatty() else 180)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[..., None]]:
    """A progress bar on the standard error, where that is a terminal; gives the callable that moves it."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
        redirect_stdout=False,
    )
    with bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int, *what: Any) -> None:
            description = f"{title}: {what[0]}" if what else title
            bar.update(task, completed=done, total=total, description=description)
            if done >= total:  # what is printed from here on has the terminal to itself
                bar.stop()

        yield advance


def check_writable(path: Path) -> None:
    """Refuse a path that can never be written, before the work is done rather than after."""
    if path.is_dir():
        raise IsADirectoryError(21, "is a folder", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "no such folder", str(path.parent))


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Let errors inside name the file that they are about."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: {error}") from error


def listed(values: list[str] | None) -> tuple[str, ...]:
    """The values of an option that may be given several times, or once with commas."""
    return tuple(part for value in values or () for part in (piece.strip() for piece in value.split(",")) if part)


def numbers(text: str, option: str, count: int | None = None, separators: str = ",x") -> tuple[float, ...]:
    """Numbers of an option such as ``256x256`` or ``1,1,2.5``.

    Raises
    ------
    typer.BadParameter
        If they are no finite numbers, or not `count` of them.
    """
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    try:
        found = tuple(float(part) for part in text.split(separators[0]))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of numbers", param_hint=option) from None
    if not all(map(math.isfinite, found)):
        raise typer.BadParameter(f"expected finite numbers, got {text!r}", param_hint=option)
    if count is not None and len(found) != count:
        raise typer.BadParameter(f"expected {count} numbers, got {len(found)}", param_hint=option)
    return found


def integers(text: str, option: str, count: int | None = None) -> tuple[int, ...]:
    """Whole numbers >= 1 of an option such as ``256x256``."""
    found = numbers(text, option, count)
    if any(number != int(number) for number in found):
        raise typer.BadParameter(f"{text!r} holds a number that is not whole", param_hint=option)
    if min(found) < 1:
        raise typer.BadParameter(f"expected numbers >= 1, got {text!r}", param_hint=option)
    return tuple(int(number) for number in found)


def positives(text: str, option: str) -> tuple[float, ...]:
    """Numbers > 0 of an option such as ``1,1,2.5``."""
    found = numbers(text, option, separators=",")
    if min(found) <= 0:
        raise typer.BadParameter(f"expected numbers > 0, got {text!r}", param_hint=option)
    return found


def finite(value: float | None) -> float | None:
    """The value of an option, unless it is infinite or no number."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"must be finite, got {value}")
    return value


def positive(value: float | None) -> float | None:
    """The value of an option, if it is finite and > 0."""
    if value is not None and not value > 0:
        raise typer.BadParameter(f"must be > 0, got {value:g}")
    return finite(value)
