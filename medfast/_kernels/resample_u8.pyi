"""Resampling of uint8 images (rows, columns, channels), any strides, in OpenCV's fixed-point arithmetic.

A table is (taps, outputs): input pixels, and integer weights of 11 bits (linear_exact: 8). Along columns an output is
one value of one channel, and an input pixel its offset in an interleaved row. `scratch` has at least ``5·(values of an
input row + 64) + (16 + 8·taps)·(values of an output row + 64)`` bytes; what they hold is the kernel's.
"""

import numpy as np
from numpy.typing import NDArray

def nearest(
    image: NDArray[np.uint8],
    columns: NDArray[np.int32],
    rows: NDArray[np.int32],
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
def linear(
    image: NDArray[np.uint8],
    columns: NDArray[np.int32],
    column_weights: NDArray[np.int16],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int16],
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
def linear_exact(
    image: NDArray[np.uint8],
    columns: NDArray[np.int32],
    column_weights: NDArray[np.int16],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int16],
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
def cubic(
    image: NDArray[np.uint8],
    columns: NDArray[np.int32],
    column_weights: NDArray[np.int16],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int16],
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
def lanczos4(
    image: NDArray[np.uint8],
    columns: NDArray[np.int32],
    column_weights: NDArray[np.int16],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.int16],
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
