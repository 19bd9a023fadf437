"""k-means on vectors: passes over whole tiles of samples, (n_samples, n_features) views with any strides.

`scratch`, `centers`, `shift` and `closest` are float64 for float64 samples and float32 for all others.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def lloyd(
    data: NDArray[Any],
    weights: NDArray[np.float64],
    centers: NDArray[Any],
    shift: NDArray[Any],
    tile_rows: int,
    scratch: NDArray[Any],
    labels: NDArray[np.int32],
    gaps: NDArray[np.float32],
    sums: NDArray[np.float64],
    totals: NDArray[np.float64],
    total: NDArray[np.float64],
    numbers: NDArray[np.float64],
    board: NDArray[np.int64],
    worker: int,
    most_tiles: int,
) -> None: ...
def add_up(
    data: NDArray[Any],
    weights: NDArray[np.float64],
    tile_rows: int,
    start: int,
    stop: int,
    scratch: NDArray[Any],
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
) -> None: ...
def gather(sums: NDArray[np.float64], total: NDArray[np.float64]) -> None: ...
def inertia(
    data: NDArray[Any],
    weights: NDArray[np.float64],
    centers: NDArray[Any],
    tile_rows: int,
    start: int,
    stop: int,
    scratch: NDArray[Any],
    labels: NDArray[np.int32],
    totals: NDArray[np.float64],
) -> None: ...
def lower(
    data: NDArray[Any],
    weights: NDArray[np.float64],
    center: NDArray[Any],
    tile_rows: int,
    start: int,
    stop: int,
    scratch: NDArray[Any],
    before: NDArray[Any],
    closest: NDArray[Any],
    totals: NDArray[np.float64],
) -> None: ...
