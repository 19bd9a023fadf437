"""How much memory a call takes at its peak, whichever library and language allocates it."""

import contextlib
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any


def peak(call: Callable[[], Any]) -> int | None:
    """Bytes by which the resident memory of the process grew at most during a call; None where Linux does not count it.

    The kernel counts for the whole process, so memory that native code takes is seen as well.
    """
    gc.collect()
    try:
        _give_back_free_memory()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the peak back to the present size
        before = _resident()
        result = call()
        return max(0, _resident("VmHWM") - before) if result is not None else None
    except OSError:
        return None


def _resident(field: str = "VmRSS") -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"no {field}")


def _give_back_free_memory() -> None:
    """Memory that earlier calls have freed would hide what this one takes."""
    with contextlib.suppress(AttributeError):  # a C library other than glibc
        ctypes.CDLL(None).malloc_trim(0)
