"""scikit-image's non-local means: the plan for a task. Arguments were checked by the caller.

The formula stands in src/nlm_skimage.h: t is a sum of squared differences over a patch, times `factor`, less `excess`
for the noise; its weight ends at t = 5.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import nlm
from medfast._drivers.nlm_weights import Pass, Plan, Task, pixel_work, size_of

LIMIT = 5.0
"""Of t: beyond it weights are 0."""

MOST_DOUBT = 2.0**-12
"""How far t may be off where sums are of floats. It makes means off by less than about twice as much of `h`, of which
the range then has some thousands; and of a hundred distances in a million it is computed twice."""

_UNIT = 2.0**-24
_NO_WEIGHTS = np.zeros(0)


def denoise(
    planes: NDArray[Any],
    out: NDArray[Any],
    *,
    radius: int,
    distance: int,
    h: float,
    sigma: float,
    bounds: tuple[float, float],
    is_volume: bool,
    is_fast: bool,
    scale: float,
) -> None:
    """Denoise `planes` (planes, channels, rows, columns), whose values lie within `bounds`, into `out`, times `scale`.

    Patches have the side 2 `radius` + 1; with a radius of 0 all weights are the same.
    """
    n_channels, n_axes, side = planes.shape[1], 2 + is_volume, 2 * radius + 1
    noise = 2.0 * (sigma / h) ** 2
    gaussian, share = _NO_WEIGHTS, 0.0
    total = float(side**n_axes)  # of the weights in a patch
    if is_fast:
        noise *= ((side - 1) / side) ** n_axes  # of the patch's rows and columns the first have none
    else:
        offsets = np.arange(-radius, radius + 1)
        gaussian = np.exp(-(offsets * offsets) / (2.0 * (radius / 2.0) ** 2))
        total, share = gaussian.sum() ** n_axes, noise / gaussian.sum()
    factor = 1.0 / (n_channels * total * h * h) if radius else 0.0
    center = 0.5 * bounds[0] + 0.5 * bounds[1]
    is_exact = planes.dtype.kind != "f" or planes.dtype.itemsize < 8  # such pixels are floats, without a rounding
    doubt = doubt_of(0.0 if is_exact else bounds[1] - center, h, noise, n_channels * n_axes * side)
    has_squares = 2.0**-50 < h < 2.0**50 and bounds[1] - bounds[0] < 2.0**50  # in floats, none endless, none vanished
    if doubt > MOST_DOUBT or not has_squares:
        doubt = 0.0
    dtype = np.dtype(np.float32 if is_exact and doubt else np.float64)

    patch = (radius if is_volume else 0, max(radius, 1), max(radius, 1))
    search = (distance if is_volume else 0, distance, distance)
    if is_volume and not radius:
        patch = (1, 1, 1)
    radii = np.array([*patch, *search], np.intp)
    kernel = _kernels.nlm_skimage
    arguments = gaussian, center, factor, noise, share, doubt, scale

    def scratch(n_planes: int, n_rows: int, n_cols: int) -> int:
        return kernel.workspace(n_channels, n_planes, n_rows, n_cols, radii)

    work = pixel_work(4 if doubt else 8, n_channels, patch, size_of(search)) * (1 if is_fast else 2 + side * is_volume)
    task = Task(planes, out, (h,), patch, search, 2)
    plan = Plan(kernel.denoise, scratch, radii, dtype, [Pass(0, 0, arguments)], work, out, is_bounded=not is_fast)
    nlm.denoise(task, plan=plan)


def doubt_of(largest: float, h: float, noise: float, n_steps: int) -> float:
    """How far t may be off near the limit, summed in floats in `n_steps` or fewer after another, of pixels up to
    `largest` that were rounded to floats (0: that were not).
    """
    square = LIMIT + noise  # what t is before the noise is taken away
    rounding = 2.0 * _UNIT * largest / h  # of a difference of two pixels
    return 1.01 * (_UNIT * (12 + n_steps) * square + 2.0 * rounding * math.sqrt(square) + rounding * rounding)
