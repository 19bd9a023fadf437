"""OpenCV's 8-bit conversion between linear BGR and CIE L*a*b*: fixed point with 12 to 15 fractional bits, bit for bit.

L* is scaled to 0 ... 255, a* and b* are shifted by 128. "Linear" means that no gamma is taken off the BGR values.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._drivers.lab import BASE, LEVEL_BITS, LOWEST, MATRIX_BITS, ROOT_BITS, backward_tables, forward_tables

PIECE = 2**15
"""Pixels that are converted at a time, so that memory stays flat: the 32-bit temporaries fit the second-level cache."""


def lab_from_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, columns, 3 or 4) blue, green, red, to (3, rows, columns) L, a, b."""
    lab = np.empty((3, *image.shape[:2]), np.uint8)
    for rows, cols in _pieces(image.shape[:2]):
        _lab_piece(image[rows, cols], lab[:, rows, cols])
    return lab


def bgr_from_lab(lab: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """(3, rows, columns) L, a, b to (rows, columns, 3 or 4) blue, green, red; a fourth channel is filled with 255."""
    for rows, cols in _pieces(out.shape[:2]):
        _bgr_piece(lab[:, rows, cols], out[rows, cols])
    if out.shape[-1] == 4:
        out[..., 3] = 255


def _pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of an image of this shape, PIECE pixels or fewer at a time."""
    n_cols = min(shape[1], PIECE)
    n_rows = PIECE // n_cols
    for row in range(0, shape[0], n_rows):
        for col in range(0, shape[1], n_cols):
            yield slice(row, row + n_rows), slice(col, col + n_cols)


def _lab_piece(image: NDArray[np.uint8], lab: NDArray[np.uint8]) -> None:
    matrix, root = forward_tables()
    levels = [image[..., channel].astype(np.int32) << LEVEL_BITS for channel in (2, 1, 0)]
    x, y, z = (root[_descale(sum(c * v for c, v in zip(row, levels, strict=True)), MATRIX_BITS)] for row in matrix)
    lightness = (116 * 255 + 50) // 100 * y - (16 * 255 * (1 << ROOT_BITS) + 50) // 100
    center = 128 << ROOT_BITS
    for target, value in zip(lab, (lightness, 500 * (x - y) + center, 200 * (y - z) + center), strict=True):
        target[...] = np.clip(_descale(value, ROOT_BITS), 0, 255)


def _bgr_piece(lab: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    matrix, lightness, inverse = backward_tables()
    y, f_y = lightness[0][lab[0]], lightness[1][lab[0]]
    a, b = lab[1].astype(np.int32), lab[2].astype(np.int32)
    f_x = f_y + ((5 * a * 53687 + (1 << 7)) >> 13) - 128 * BASE // 500  # a / 500
    f_z = f_y - (((b * 41943 + (1 << 4)) >> 9) - 128 * BASE // 200 + 1)  # b / 200
    xyz = inverse[f_x - LOWEST], y, inverse[f_z - LOWEST]
    for channel, row in zip((2, 1, 0), matrix, strict=True):
        # the descaled value is kept to 12 bits, of which 8 come out
        value = _descale(sum(c * v for c, v in zip(row, xyz, strict=True)), MATRIX_BITS + 2)
        out[..., channel] = (np.clip(value, 0, 4095) * 255) >> 12


def _descale(values: Any, bits: int) -> Any:
    return (values + (1 << (bits - 1))) >> bits
