"""Matching of histograms: the look-up table that gives an image the histogram of another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def table(
    counts: NDArray[np.int64],
    reference_counts: NDArray[np.int64],
    reference_lowest: int,
    least: int,
    most: int,
    levels: NDArray[Any],
) -> None: ...
