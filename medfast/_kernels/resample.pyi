"""Resampling of images (rows, columns, channels) and volumes (planes, rows, columns, channels) with any strides.

A table is (taps, outputs): input pixels, and weights in float32 for integers and in float64 for floats. Along columns
an output is one value of one channel, and an input pixel its offset in an interleaved row. A lone tap of the planes
weighs 1. `halve` is `weighted` where all weights are one half, for C-contiguous (planes, rows, columns) of one channel.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def nearest(
    image: NDArray[Any],
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
def halve(image: NDArray[Any], row_start: int, row_stop: int, out: NDArray[Any]) -> None: ...
def scratch_size(
    row_size: int,
    width: int,
    n_channels: int,
    n_column_taps: int,
    n_row_taps: int,
    n_plane_taps: int,
    n_rows_held: int,
) -> int: ...
def weighted(
    image: NDArray[Any],
    columns: NDArray[np.int32],
    column_weights: NDArray[Any],
    rows: NDArray[np.int32],
    row_weights: NDArray[Any],
    planes: NDArray[np.int32],
    plane_weights: NDArray[Any],
    row_start: int,
    row_stop: int,
    n_rows_held: int,
    scratch: NDArray[Any],
    out: NDArray[Any],
) -> None: ...
