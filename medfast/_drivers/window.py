"""Windows of gray levels over their kernel. Arguments were checked by the caller."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers import gray_levels
from medfast._parallel import for_rows

FUNCTIONS = ("linear", "linear_exact", "sigmoid")

_RANGES = {
    np.dtype(np.uint8): (0.0, 255.0),
    np.dtype(np.uint16): (0.0, 65535.0),
    np.dtype(np.int16): (-32768.0, 65535.0),
    np.dtype(np.float32): (0.0, 1.0),
    np.dtype(np.float64): (0.0, 1.0),
}
"""Lowest value of a result, and how far the highest lies above it."""


def apply(
    image: NDArray[Any],
    center: float,
    width: float,
    function: str,
    slope: float,
    intercept: float,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Fill `out` with the window over the whole range of its dtype, 0 … 1 for floats."""
    kernel = _kernels.window
    volume, target = gray_levels.as_volume(image), gray_levels.as_volume(out)
    if function == "linear":  # the standard's formula, which tells pixel centers apart
        center, width = center - 0.5, width - 1.0
    lowest, span = _RANGES[out.dtype]
    is_sigmoid = function == "sigmoid"

    def body(start: int, stop: int) -> None:
        kernel.window(volume, slope, intercept, is_sigmoid, center, width, span, lowest, start, stop, target)

    n_planes, n_rows, n_cols = volume.shape
    work_per_row = n_cols * (2.0 if is_sigmoid else 0.8)
    for_rows(n_planes * n_rows, body, work_per_row=work_per_row, num_threads=num_threads)
