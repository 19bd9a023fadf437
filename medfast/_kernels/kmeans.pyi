"""k-means on vectors: one pass over a tile of samples, (n_samples, n_features) views with any strides.

`scratch`, `centers` and `closest` are float64 for float64 samples and float32 for all others.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def assign(
    data: NDArray[Any],
    weights: NDArray[np.float64],
    centers: NDArray[Any],
    tile: int,
    start: int,
    stop: int,
    scratch: NDArray[Any],
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None: ...
def lower(
    data: NDArray[Any],
    weights: NDArray[np.float64],
    center: NDArray[Any],
    tile: int,
    start: int,
    stop: int,
    scratch: NDArray[Any],
    closest: NDArray[Any],
    totals: NDArray[np.float64],
) -> None: ...
