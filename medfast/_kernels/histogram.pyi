"""Histograms of integer images and what is built on them. Images are (rows, cols) views with any strides."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def count(image: NDArray[Any], offset: int, row_start: int, row_stop: int, counts: NDArray[np.int64]) -> None: ...
def equalization_table(counts: NDArray[np.int64], table: NDArray[Any], offset: int) -> None: ...
def look_up(
    image: NDArray[Any], table: NDArray[Any], offset: int, row_start: int, row_stop: int, out: NDArray[Any]
) -> None: ...
