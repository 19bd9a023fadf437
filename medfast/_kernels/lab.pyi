"""CIE L* out of sRGB, and colours of another L* with a* and b* as they were.

Images are (planes, rows, cols, 3), red, green and blue, with any strides; rows count through planes. The `fixed` ones
are OpenCV's integers; `linear` has a value for each level of an integer image, and none for floats, which are 0 ... 1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def lightness_fixed(
    image: NDArray[np.uint8],
    linear: NDArray[np.int32],
    to_xyz: NDArray[np.int32],
    root: NDArray[np.int32],
    row_start: int,
    row_stop: int,
    out: NDArray[np.uint8],
) -> None: ...
def relight_fixed(
    image: NDArray[np.uint8],
    levels: NDArray[np.uint8],
    mask: NDArray[np.uint8] | None,
    linear: NDArray[np.int32],
    to_xyz: NDArray[np.int32],
    root: NDArray[np.int32],
    lightness: NDArray[np.int32],
    inverse: NDArray[np.int32],
    to_rgb: NDArray[np.int32],
    encoded: NDArray[np.uint8],
    row_start: int,
    row_stop: int,
    out: NDArray[np.uint8],
) -> None: ...
def to_lab_fixed(
    image: NDArray[np.uint8],
    linear: NDArray[np.int32],
    to_xyz: NDArray[np.int32],
    root: NDArray[np.int32],
    row_start: int,
    row_stop: int,
    out: NDArray[np.uint8],
) -> None: ...
def from_lab_fixed(
    image: NDArray[np.uint8],
    lightness: NDArray[np.int32],
    inverse: NDArray[np.int32],
    to_rgb: NDArray[np.int32],
    encoded: NDArray[np.uint8],
    row_start: int,
    row_stop: int,
    out: NDArray[np.uint8],
) -> None: ...
def decode(values: NDArray[np.float64]) -> None: ...
def lightness(
    image: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    linear: NDArray[np.float64],
    to_xyz: NDArray[np.float64],
    n_levels: int,
    row_start: int,
    row_stop: int,
    out: NDArray[np.uint16],
) -> None: ...
def relight(
    image: NDArray[Any],
    levels: NDArray[np.uint16],
    mask: NDArray[np.uint8] | None,
    linear: NDArray[np.float64],
    to_xyz: NDArray[np.float64],
    to_rgb: NDArray[np.float64],
    n_levels: int,
    white: float,
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
