"""What runs: the CPU level of each kernel, the threads, and where each number came from."""

import platform
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from medfast import _kernels, _parallel, _validate
from medfast._version import __version__

__all__ = ["info", "show", "threads"]


def info() -> dict[str, Any]:
    """What runs, and why.

    Returns
    -------
    dict
        ``version``, ``python``, ``numpy``, ``machine``; ``level`` and ``level_source`` ("CPU" or "MEDFAST_LEVEL");
        ``supported_levels``, lowest first; ``kernels``, the level of each; ``threads``, what a call may use now;
        ``thread_limits``, every bound by where it came from, of which the smallest counts.

    Examples
    --------
    >>> import medfast
    >>> medfast.runtime.info()["kernels"].keys() >= {"histogram", "hog", "kmeans", "nlm", "resample"}
    True
    """
    return {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "level": _kernels.LEVEL,
        "level_source": _kernels.LEVEL_SOURCE,
        "supported_levels": _kernels.supported_levels(),
        "kernels": {kernel: getattr(_kernels, kernel).__name__.split(".")[-2] for kernel in _kernels.KERNELS},
        "threads": _parallel.resolve(),
        "thread_limits": _parallel.limits(),
    }


def show() -> None:
    """Print what `info` tells.

    Examples
    --------
    >>> import medfast
    >>> medfast.runtime.show()  # doctest: +ELLIPSIS
    medfast ...
    """
    found = info()
    limits = ", ".join(f"{source} {limit}" for source, limit in found["thread_limits"].items())
    rows = [
        (f"medfast {found['version']}", f"Python {found['python']}, NumPy {found['numpy']}, {found['machine']}"),
        ("level", f"{found['level']} (from {found['level_source']}; can run: {', '.join(found['supported_levels'])})"),
        *((f"  {kernel}", level) for kernel, level in found["kernels"].items()),
        ("threads", f"{found['threads']} (the smallest of: {limits})"),
    ]
    for key, value in rows:
        print(f"{key:<16}{value}")


def threads(n: int) -> AbstractContextManager[None]:
    """Bound the threads of every call made inside a ``with`` block, in this thread or task.

    Parameters
    ----------
    n : int
        Most threads a call may use, >= 1. Inside another such block the smaller bound counts. In a child process, where
        calls use one thread by default, it lifts that default.

    Returns
    -------
    context manager
        To be used in a ``with`` statement.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> import medfast
    >>> with medfast.runtime.threads(1):
    ...     medfast.runtime.info()["threads"]
    1
    """
    return _parallel.limited(_validate.as_int(n, "n", minimum=1))
