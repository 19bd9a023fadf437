"""Histograms and what is built on them. Images are (planes, rows, cols), of any strides; rows count through planes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def count(
    image: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    offset: int,
    row_start: int,
    row_stop: int,
    counts: NDArray[np.int64],
) -> None: ...
def equalization_table(counts: NDArray[np.int64], table: NDArray[Any], offset: int) -> None: ...
def look_up(
    image: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    table: NDArray[Any],
    offset: int,
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
def equalize(
    image: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    offset: int,
    counts: NDArray[np.int64],
    table: NDArray[Any],
    out: NDArray[Any],
) -> None: ...
def quantize(
    image: NDArray[np.floating[Any]],
    unit: float,
    low: float,
    span: float,
    n_steps: float,
    row_start: int,
    row_stop: int,
    levels: NDArray[np.uint16],
) -> None: ...
def restore(
    levels: NDArray[np.uint16],
    mask: NDArray[np.uint8] | None,
    image: NDArray[np.floating[Any]],
    table: NDArray[np.floating[Any]],
    row_start: int,
    row_stop: int,
    out: NDArray[np.floating[Any]],
) -> None: ...
