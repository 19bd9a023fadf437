"""The kernels at one CPU level, chosen once, at import.

`medfast._kernels.nlm` is the module `medfast._kernels.<level>.nlm` of the chosen level; `nlm.pyi` beside this file is
the contract that every level keeps. The CPU is asked before a level is imported. Nothing falls back in silence: a level
that was asked for and cannot run is an error, and so is a compiled module that does not load.
"""

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from medfast import _levels

if TYPE_CHECKING:
    from medfast._kernels import clahe as clahe
    from medfast._kernels import histogram as histogram
    from medfast._kernels import hog as hog
    from medfast._kernels import kmeans as kmeans
    from medfast._kernels import lab as lab
    from medfast._kernels import matching as matching
    from medfast._kernels import nlm as nlm
    from medfast._kernels import nlm_skimage as nlm_skimage
    from medfast._kernels import partition as partition
    from medfast._kernels import resample as resample
    from medfast._kernels import resample_area as resample_area
    from medfast._kernels import resample_u8 as resample_u8
    from medfast._kernels import window as window

KERNELS = (
    "clahe",
    "histogram",
    "hog",
    "kmeans",
    "lab",
    "matching",
    "nlm",
    "nlm_skimage",
    "partition",
    "resample",
    "resample_area",
    "resample_u8",
    "window",
)
"""Every kernel: tests, benchmarks and the dispatcher iterate over this."""


def supported_levels() -> tuple[str, ...]:
    """Names of the levels that can run here, lowest first: compiled ones that the CPU supports, and the Numba twins."""
    names = [level.name for level in _levels.of_machine(platform.machine()) if _is_built(level.name)]
    if names:
        cpu = importlib.import_module(f"{__name__}._cpu").level()
        names = [level.name for level in _levels.LEVELS if level.name in names and level.cpu <= cpu]
    if importlib.util.find_spec("numba") is not None:
        names.insert(0, _levels.JIT)
    return tuple(names)


def choose_level(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the level to run and where the choice came from.

    Raises
    ------
    ImportError
        If `MEDFAST_LEVEL` names a level that is unknown, not built or not supported by this CPU, or if nothing can run.
    """
    supported = supported_levels()
    asked = environ.get("MEDFAST_LEVEL", "")
    if asked:
        if asked in supported:
            return asked, "MEDFAST_LEVEL"
        reason = "cannot run here" if asked in _levels.NAMES else "is no level"
        hint = '; pip install "medfast[numba]" gives jit' if asked == _levels.JIT else ""
        raise ImportError(f"MEDFAST_LEVEL={asked!r} {reason}; choose from {', '.join(supported) or 'none'}{hint}")
    built_for = [level.name for level in _levels.of_machine(platform.machine())]
    if not supported or (built_for and supported[-1] == _levels.JIT):
        # On a machine of the table, missing modules mean a broken build or a CPU below every level: not for us to hide.
        raise ImportError(
            f"medfast found no compiled kernels that this CPU runs (levels for {platform.machine()}: "
            f"{', '.join(built_for) or 'none'}); with Numba installed, MEDFAST_LEVEL=jit runs without them"
        )
    return supported[-1], "CPU"


def load(level: str) -> dict[str, ModuleType]:
    """Import every kernel of `level`."""
    return {kernel: importlib.import_module(f"{__name__}.{level}.{kernel}") for kernel in KERNELS}


def _is_built(level: str) -> bool:
    return os.path.isdir(os.path.join(os.path.dirname(__file__), level))


def _activate(level: str) -> None:
    """Make the kernels of `level` the ones that the package calls; tests switch levels with it."""
    for kernel, module in load(level).items():
        globals()[kernel] = module
        sys.modules[f"{__name__}.{kernel}"] = module


LEVEL, LEVEL_SOURCE = choose_level(os.environ)
_activate(LEVEL)
