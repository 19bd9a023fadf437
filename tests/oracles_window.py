"""Slow, obvious definitions of windows and of the matching of histograms, like those in oracles.py."""

import math

import numpy as np

# --- window ----------------------------------------------------------------------------------------------------------


def window(image, center, width, function="linear", slope=1, intercept=0, dtype="uint8"):
    """DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3, as the standard writes it, with the conditions."""
    dtype = np.dtype(dtype)
    low, high = (0, 1) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = [window_share(float(v) * slope + intercept, center, width, function) for v in image.ravel()]
    levels = np.array(values).reshape(image.shape) * (high - low)
    return (levels if dtype.kind == "f" else np.rint(levels) + low).astype(dtype)


def window_share(x, center, width, function):
    """Output from 0 to 1 of one value."""
    if function == "sigmoid":
        return 1 / (1 + math.exp(min(-4 * (x - center) / width, 708)))
    if function == "linear":
        center, width = center - 0.5, width - 1
    if width == 0 or not 0 < (x - center) / width + 0.5 < 1:
        return 1.0 if x > center else 0.0
    return (x - center) / width + 0.5


# --- matching --------------------------------------------------------------------------------------------------------


def match_histograms(image, reference, mask=None):
    """Each value goes where the same share of the reference lies below, in float64."""
    inside = np.ones(image.shape, bool) if mask is None else mask
    _, positions, counts = np.unique(image[inside], return_inverse=True, return_counts=True)
    levels, reference_counts = np.unique(reference, return_counts=True)
    found = np.interp(np.cumsum(counts) / inside.sum(), np.cumsum(reference_counts) / reference.size, levels)
    result = image.astype(np.float64)
    result[inside] = found[positions.ravel()]
    return result
