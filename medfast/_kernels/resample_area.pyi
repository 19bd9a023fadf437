"""Means over areas of uint8 images (rows, columns, channels), any strides, in OpenCV's arithmetic.

A table is (taps, outputs): input pixels, and float32 weights. Along columns an output is one value of one channel, and
an input pixel its offset in an interleaved row. `scratch` has at least ``5·(values of an input row + 64) + 24·(values
of an output row + 64)`` bytes; `halve` needs none.
"""

import numpy as np
from numpy.typing import NDArray

def halve(image: NDArray[np.uint8], row_start: int, row_stop: int, out: NDArray[np.uint8]) -> None: ...
def average_blocks(
    image: NDArray[np.uint8],
    tall: int,
    wide: int,
    half_up: bool,
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
def average(
    image: NDArray[np.uint8],
    columns: NDArray[np.int32],
    column_weights: NDArray[np.float32],
    rows: NDArray[np.int32],
    row_weights: NDArray[np.float32],
    row_start: int,
    row_stop: int,
    scratch: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
