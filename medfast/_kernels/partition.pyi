"""k-means in one dimension by dynamic programming over distinct values, and labels by thresholds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def optimum(
    values: NDArray[np.float64],
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
    layers: NDArray[np.float64],
    choice: NDArray[np.int32],
    bounds: NDArray[np.int64],
    centers: NDArray[np.float64],
    inertia: NDArray[np.float64],
) -> None: ...
def label(
    image: NDArray[Any], thresholds: NDArray[Any], first_label: int, row_start: int, row_stop: int, labels: NDArray[Any]
) -> None: ...
