"""`python -m medfast script.py`: a program as it is, with other packages' functions swapped for medfast's."""

import importlib.util
import logging
import os
import runpy
import sys
from collections.abc import Sequence

from medfast import patching

USAGE = "usage: python -m medfast [--log] (script.py | -m module) [arguments ...]"


def is_program(arguments: Sequence[str]) -> bool:
    """Whether these are a program and its arguments, not the command line's: what ends in .py, or is a file."""
    name = arguments[0]
    if name in ("--log", "-m") or name.endswith(".py"):
        return True
    return not name.startswith("-") and os.path.isfile(name) and not _is_command(name)


def _is_command(name: str) -> bool:
    try:
        from medfast import _commands
    except ModuleNotFoundError:
        return False
    return name in _commands.names()


def run(arguments: Sequence[str]) -> None:
    """Run a script or a module as the interpreter does, with whatever can be patched patched."""
    rest = list(arguments)
    if rest[0] == "--log":
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("medfast: %(message)s"))
        logger = logging.getLogger("medfast.patching")
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        del rest[0]
    is_module = rest[:1] == ["-m"]
    if is_module:
        del rest[0]
    if not rest:
        print(USAGE, file=sys.stderr)
        raise SystemExit(2)
    program = rest[0]
    if not is_module and not os.path.exists(program):
        print(f"medfast: cannot run {program}: there is no such file", file=sys.stderr)
        raise SystemExit(2)
    patching.patch(*[target for target in patching.TARGETS if importlib.util.find_spec(target) is not None])
    sys.argv[:] = rest
    if is_module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(program))
        runpy.run_path(program, run_name="__main__")
