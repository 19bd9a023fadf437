"""medfast inside functions that Numba compiles: overloads of the public functions, bound to the compiled kernels.

Numba calls `init` through the entry point of the group ``numba_extensions`` before it compiles the first function of
a process, or loads it from its cache. Nothing else imports this package, and `medfast` does not need Numba.

A call runs on one thread, whatever `num_threads` says: several come from ``prange``, or from threads that call.
"""

import medfast

_done = False


def init() -> None:
    """Bind the kernels' symbols of this process's level, and register the overloads."""
    global _done
    if _done or not hasattr(medfast, "__all__"):  # being imported, with the twins: it calls again as it ends
        return
    _done = True
    from medfast._njit import cluster, denoise, exposure, feature, transform  # noqa: F401
