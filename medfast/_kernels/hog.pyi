"""Histograms of oriented gradients.

Images are (images, rows, cols, channels) views with any strides. All other arrays but `out` are contiguous; `real` is
float32 or float64, the same for all of them. The other work arrays have exactly the sizes that src/hog.pyx names,
padding included.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def describe(
    image: NDArray[Any],
    row_of: NDArray[np.int64],
    column_of: NDArray[np.int32],
    slot_of_tap: NDArray[np.int64],
    row_stride: int,
    ties_high_from: int,
    row_weights: NDArray[Any],
    column_weights: NDArray[Any],
    taps: NDArray[np.int64],
    gamma: bool,
    is_signed: bool,
    soft: bool,
    edges: NDArray[Any],
    norm: int,
    clip: float,
    epsilon: NDArray[np.float64],
    start: int,
    stop: int,
    line: NDArray[Any],
    levels: NDArray[Any],
    votes: NDArray[Any],
    planes: NDArray[Any],
    row_sums: NDArray[Any],
    sums: NDArray[Any],
    out: NDArray[Any],
) -> None: ...
def halve(image: NDArray[Any], start: int, stop: int, out: NDArray[Any]) -> None: ...
