"""Slow, obvious definitions, written from the papers and the references' documents: what every kernel is held to.

Nothing here imports medfast, and nothing here is fast. One section per kernel.
"""

import numpy as np

# --- histogram -------------------------------------------------------------------------------------------------------


def equalize_hist(image):
    """Global histogram equalisation over the full range of an integer dtype, in OpenCV's float32 arithmetic."""
    limits = np.iinfo(image.dtype)
    n_bins = int(limits.max) - int(limits.min) + 1
    values = image.astype(np.int64) - int(limits.min)
    counts = np.bincount(values.ravel(), minlength=n_bins)
    lowest = values.min()
    n_above = image.size - counts[lowest]
    if n_above == 0:
        return image.copy()
    counts[lowest] = 0
    scale = np.float32(n_bins - 1) / np.float32(n_above)
    table = np.rint(np.cumsum(counts).astype(np.float32) * scale).astype(np.int64)
    return (np.minimum(table, n_bins - 1)[values] + int(limits.min)).astype(image.dtype)


# --- hog -------------------------------------------------------------------------------------------------------------


# --- kmeans ----------------------------------------------------------------------------------------------------------


# --- nlm -------------------------------------------------------------------------------------------------------------


# --- resample --------------------------------------------------------------------------------------------------------
