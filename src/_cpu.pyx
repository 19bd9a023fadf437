"""Ask the CPU what it can run. The one module that is compiled for any CPU: it is imported before a level is chosen."""

cdef extern from "cpu_level.h":
    int medfast_cpu_level() noexcept nogil


def level():
    """Highest x86-64 level (1 to 4) that this CPU and operating system support; 1 on other architectures."""
    return medfast_cpu_level()
