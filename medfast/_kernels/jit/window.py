"""Numba twin of src/window.pyx."""

import math

import numpy as np

from medfast._kernels.jit import inlined, kernel

FARTHEST = 708.0
WHOLE = 6755399441055744.0
LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
FACTORS = (6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0)


@inlined
def exponential(t):
    """exp(t) = 2^n · exp(r), by Taylor's series, for |t| <= FARTHEST."""
    n = (t * 1.4426950408889634 + WHOLE) - WHOLE
    r = (t - n * LN2_HIGH) - n * LN2_LOW
    series = 0.0
    for factor in FACTORS:
        series = series * r + 1.0 / factor
    return math.ldexp((series * r + 1.0) * r + 1.0, int(n))


@inlined
def share(x, is_sigmoid, center, width):
    """How much of the window lies below x, 0 ... 1."""
    if is_sigmoid:
        t = min(max(-4.0 * (x - center) / width, -FARTHEST), FARTHEST)
        return 1.0 / (1.0 + exponential(t))
    if width == 0.0:
        return 1.0 if x > center else 0.0
    return min(max((x - center) / width + 0.5, 0.0), 1.0)


@kernel
def window(image, slope, intercept, is_sigmoid, center, width, span, bottom, row_start, row_stop, out):
    """Bring the rows through the window."""
    n_rows = image.shape[1]
    holds_integers = out.dtype.type(0.5) == 0
    for row in range(row_start, row_stop):
        plane, line = row // n_rows, row % n_rows
        for col in range(image.shape[2]):
            x = np.float64(image[plane, line, col]) * slope + intercept
            level = share(x, is_sigmoid, center, width) * span
            out[plane, line, col] = (np.rint(level) if holds_integers else level) + bottom
