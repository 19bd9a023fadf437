"""The application that the commands register with, and the one place that turns errors into messages and exit codes."""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from medfast._version import __version__

# What bad input, a file that cannot be read or written, or a missing extra raise; anything else is a defect of medfast.
EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError, RuntimeError)


class _Group(TyperGroup):
    """Commands whose expected errors end as one line on the standard error and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read the output has enough; typer ends quietly
            raise
        except EXPECTED as error:
            if type(error).__module__.partition(".")[0] in ("click", "typer"):  # wrong usage, or an exit
                raise
            fail(describe(error))


app = typer.Typer(
    name="medfast",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the application and return its exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: complain(f"warning: {' '.join(str(message).split())}")
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(None if arguments is None else list(arguments), prog_name="medfast")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def fail(message: str) -> None:
    """Say why the work failed, in one line, and end with exit code 1."""
    complain(message)
    raise typer.Exit(1)


def complain(message: str) -> None:
    """Say in one line what went wrong."""
    print(f"medfast: {message}", file=sys.stderr)


def describe(error: BaseException) -> str:
    """The message of an error in one line; the operating system's errors with the file first."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _show_version(value: bool) -> None:
    if value:
        print(f"medfast {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """CPU kernels for medical images: exact to the reference, many times faster."""
