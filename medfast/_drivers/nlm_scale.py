"""Powers of two between an image of floats and what non-local means computes with."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROOM_FLOAT32, _ROOM_FLOAT64, _ROOM_RICIAN, _DEPTH_FLOAT64 = 56, 1020, 500, 480
"""Of floats that are scaled, values stay below two to the first three of these powers, and `h` above 2**-480."""


def largest_value(planes: Sequence[NDArray[Any]] | NDArray[Any]) -> float:
    """The largest magnitude of an image."""
    return max(max(float(plane.max()), -float(plane.min())) for plane in planes)


def least_strength(largest: float, *, is_rician: bool) -> float:
    """What `h` of float64 images must be at least: with values that do not overflow (Rician: nor their squares) its
    square does not vanish.
    """
    return math.ldexp(largest, -((_ROOM_RICIAN if is_rician else _ROOM_FLOAT64) + _DEPTH_FLOAT64))


def working_dtype(h: float, largest: float) -> np.dtype[Any]:
    """What float32 images are computed in: float32, unless they have values so large beside `h` that their squares
    overflow when that of `h` does not vanish.
    """
    is_far = math.frexp(largest)[1] - math.frexp(h)[1] > _ROOM_FLOAT32
    return np.dtype(np.float64 if is_far else np.float32)


def exponent_of(h: float, largest: float, working: np.dtype, dtype: np.dtype, *, is_rician: bool) -> int:
    """Of the power of two by which floats up to `largest` are divided, so that squares of what counts beside `h`
    neither overflow nor vanish in the dtype `working`: what does not count may overflow, and weighs nothing; but not
    its differences to others, nor, for Rician noise, those of squares. 0 for most images.
    """
    if working != dtype or dtype.kind != "f":  # float64 for float32; or integers
        return 0
    room = _ROOM_FLOAT32 if dtype == np.float32 else _ROOM_RICIAN if is_rician else _ROOM_FLOAT64
    near = _ROOM_FLOAT32 if dtype == np.float32 else _ROOM_RICIAN
    here, top = math.frexp(h)[1], math.frexp(largest)[1]
    exponent = max(min(here, top), top - room)
    return 0 if abs(exponent) < near // 4 and top < near // 2 else exponent


def multiply(values: NDArray[Any], exponent: int, where: Any = True) -> None:
    """Multiply by 2**exponent, in steps that are numbers of the dtype."""
    most = 120 if values.dtype == np.float32 else 1000
    while exponent:
        step = max(-most, min(exponent, most))
        np.multiply(values, values.dtype.type(2.0**step), out=values, where=where)
        exponent -= step


def factor_of(h: float, n_pixels: int, n_channels: int, norm: int, dtype: np.dtype) -> float:
    """What turns a summed distance (L1: its square) into the exponent."""
    h2 = h * h
    inverse = 1.0 / h2 if h2 > 0 else math.inf
    # At the bound, with which 0 times is still 0, nothing but 0 has a weight.
    return min(inverse / (n_pixels ** (2 if norm == 1 else 1) * n_channels), 1e30 if dtype == np.float32 else 1e300)
