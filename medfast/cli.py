"""The command line: `medfast`, or `python -m medfast` with arguments.

Exit codes: 0 where the work was done, 1 where it failed (one line on the standard error says on what and why), 2 for a
wrong usage.
"""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; taken from the process where omitted.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> from medfast import cli
    >>> cli.main(["--version"])  # doctest: +ELLIPSIS
    medfast ...
    0
    """
    try:
        from medfast import _commands
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("typer", "rich"):
            raise
        print(f'medfast: the command line needs {error.name}: pip install "medfast[cli]"', file=sys.stderr)
        return 1
    return _commands.run(arguments)
