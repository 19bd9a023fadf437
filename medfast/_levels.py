"""The one table of CPU levels: pure data, read by the build (`setup.py`) and by the dispatcher (`medfast._kernels`).

A level is a set of instructions that a whole generation of CPUs has. Every kernel is compiled once for each level of
the machine it is built on; the first import asks the CPU and takes the highest level that it supports.
"""

from typing import NamedTuple


class Level(NamedTuple):
    """One way to compile the kernels."""

    name: str
    """Name of the subpackage of `medfast._kernels`, and the value that `MEDFAST_LEVEL` takes."""
    machines: tuple[str, ...]
    """What `platform.machine()` says where this level can be built, in lower case."""
    cpu: int
    """The smallest answer of `medfast._kernels._cpu.level()` that may run it."""
    gcc_flags: tuple[str, ...]
    """For GCC and Clang."""
    msvc_flags: tuple[str, ...]
    """For Microsoft's compiler, whose baseline on x86-64 is SSE2 and which has no switch for v2."""


_X86_64 = ("x86_64", "amd64")
_ARM_64 = ("aarch64", "arm64")

# In rising order: the last supported one is chosen.
LEVELS = (
    Level("x86_64_v2", _X86_64, 2, ("-march=x86-64-v2",), ()),
    Level("x86_64_v3", _X86_64, 3, ("-march=x86-64-v3",), ("/arch:AVX2",)),
    Level("x86_64_v4", _X86_64, 4, ("-march=x86-64-v4", "-mprefer-vector-width=512"), ("/arch:AVX512",)),
    Level("aarch64", _ARM_64, 1, (), ()),
)

JIT = "jit"
"""The Numba twins: no compiled level, run anywhere that Numba does."""

NAMES = (*(level.name for level in LEVELS), JIT)


def of_machine(machine: str) -> tuple[Level, ...]:
    """Levels that can be built on `machine` (as `platform.machine()` names it), in rising order."""
    return tuple(level for level in LEVELS if machine.lower() in level.machines)
