"""Numba twin of src/matching.pyx."""

import numpy as np

from medfast._kernels.jit import kernel


@kernel
def table(counts, reference_counts, reference_lowest, least, most, levels):
    """Find the level of equal quantile in the reference for each level of the image."""
    used = np.flatnonzero(reference_counts)
    quantiles = np.cumsum(reference_counts[used]) / np.float64(reference_counts.sum())
    total, running, j = np.float64(counts.sum()), 0, -1
    for level in range(len(counts)):
        running += counts[level]
        quantile = running / total
        while j + 1 < len(used) and quantiles[j + 1] <= quantile:
            j += 1
        found = np.float64(used[max(j, 0)] + reference_lowest)
        if 0 <= j < len(used) - 1 and quantiles[j] != quantile:
            slope = np.float64(used[j + 1] - used[j]) / (quantiles[j + 1] - quantiles[j])
            found = slope * (quantile - quantiles[j]) + found
        levels[level] = np.int64(min(max(np.rint(found), np.float64(least)), np.float64(most)))
