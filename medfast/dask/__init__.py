"""The same functions for Dask arrays: lazy, chunk by chunk, bit for bit what they give for the array in memory.

A chunk is denoised with as much around it as `medfast.denoise.halo` says, and resized from as much as its pixels look
at; what depends on all gray levels (equalisation, thresholds) adds up a histogram per chunk. Nothing is computed before
the result is asked for. A task runs on one thread: the scheduler has the others.
"""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError('medfast.dask needs Dask: pip install "medfast[dask]"') from error

from medfast.dask.cluster import kmeans, segment
from medfast.dask.denoise import denoise_nl_means, estimate_sigma
from medfast.dask.exposure import clahe, equalize_hist, match_histograms, window
from medfast.dask.transform import resize

__all__ = [
    "clahe",
    "denoise_nl_means",
    "equalize_hist",
    "estimate_sigma",
    "kmeans",
    "match_histograms",
    "resize",
    "segment",
    "window",
]
