"""k-means in one dimension by dynamic programming over distinct values, and labels by thresholds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def running_sums(values: NDArray[np.float64], weights: NDArray[np.float64], sums: NDArray[np.float64]) -> None: ...
def advance(
    sums: NDArray[np.float64],
    previous: NDArray[np.float64],
    n_clusters: int,
    first: int,
    last: int,
    current: NDArray[np.float64],
    choice: NDArray[np.int32],
) -> None: ...
def trace(
    sums: NDArray[np.float64],
    choice: NDArray[np.int32],
    bounds: NDArray[np.int64],
    centers: NDArray[np.float64],
    inertia: NDArray[np.float64],
) -> None: ...
def label(
    image: NDArray[Any], thresholds: NDArray[Any], first_label: int, row_start: int, row_stop: int, labels: NDArray[Any]
) -> None: ...
