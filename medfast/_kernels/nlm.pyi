"""Non-local means of padded images: (frames, channels, rows + 2 border, cols + 2 border), border = patch + search radius.

The frame in the middle is denoised; `norm` is 1 or 2; `scratch` has `workspace(...)` bytes and one owner at a time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def workspace(n_channels: int, n_weights: int, n_cols: int, patch_radius: int, search_radius: int) -> int: ...
def denoise_integer(
    padded: NDArray[np.uint16],
    patch_radius: int,
    search_radius: int,
    norm: int,
    shift: int,
    tables: NDArray[Any],
    rate: float,
    scratch: NDArray[np.uint8],
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
def denoise_formula(
    padded: NDArray[Any],
    patch_radius: int,
    search_radius: int,
    norm: int,
    factors: NDArray[np.float64],
    exponentials: NDArray[np.float64],
    bias: float,
    scratch: NDArray[np.uint8],
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
