"""Histograms of oriented gradients.

Images are (images, rows, cols, channels) views with any strides. All other arrays but results are contiguous; `real`
is float32 or float64, the same for all of them. The other work arrays have exactly the sizes that src/hog.pyx names,
padding included.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS_LOOK_UP: bool

def describe(
    image: NDArray[Any],
    plan: NDArray[np.int64],
    tables: NDArray[Any],
    shares: NDArray[Any] | None,
    start: int,
    stop: int,
    work: NDArray[Any],
    out: NDArray[Any],
) -> None: ...
def count(
    image: NDArray[Any],
    row_of: NDArray[np.int64],
    column_of: NDArray[np.int64],
    run_start: int,
    run_stop: int,
    cell_height: int,
    cell_width: int,
    gamma: bool,
    is_signed: bool,
    soft: bool,
    single: bool,
    edges: NDArray[Any],
    special: NDArray[np.int64],
    is_answered: bool,
    answers: NDArray[np.int64],
    start: int,
    stop: int,
    base: NDArray[np.int32],
    shares: NDArray[Any] | None,
    asked: NDArray[np.float64],
    n_asked: NDArray[np.int64],
    lines: NDArray[Any],
    work: NDArray[Any],
    places: NDArray[np.int32],
    out: NDArray[Any],
) -> None: ...
def normalize(
    histograms: NDArray[Any],
    row_step: int,
    step: int,
    rows_first: bool,
    norm: int,
    constants: NDArray[Any],
    start: int,
    stop: int,
    values: NDArray[Any],
    scales: NDArray[Any],
    out: NDArray[Any],
) -> None: ...
def tabulate(
    n_bins: int,
    is_signed: bool,
    soft: bool,
    narrow: bool,
    single: bool,
    n_lanes: int,
    edges: NDArray[Any],
    special: NDArray[np.int64],
    work: NDArray[Any],
    places: NDArray[np.int32],
    shares: NDArray[Any],
    n_doubts: NDArray[np.int64],
) -> None: ...
def votes(
    image: NDArray[Any],
    row_of: NDArray[np.int64],
    column_of: NDArray[np.int64],
    run_start: int,
    run_stop: int,
    ties_high_from: int,
    narrow: bool,
    gamma: bool,
    is_signed: bool,
    n_bins: int,
    start: int,
    stop: int,
    lines: NDArray[np.float32],
    work: NDArray[np.float32],
    places: NDArray[np.int32],
    shares: NDArray[np.float32],
    bins: NDArray[np.uint8],
) -> None: ...
def score(
    blocks: NDArray[np.float32],
    detector: NDArray[np.float32],
    row_step: int,
    step: int,
    rho: float,
    start: int,
    stop: int,
    out: NDArray[np.float64],
) -> None: ...
def halve(image: NDArray[Any], start: int, stop: int, out: NDArray[Any]) -> None: ...
