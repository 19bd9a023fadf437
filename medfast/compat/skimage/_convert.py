"""Floats from images of other dtypes, as scikit-image makes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = tuple(np.dtype(name) for name in ("bool", "uint8", "uint16", "int16", "float16", "float32", "float64"))
"""Dtypes that the drop-ins take where nothing else is said."""


def float_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What scikit-image answers with for images of this dtype."""
    return np.dtype(np.float32 if dtype in (np.float16, np.float32) else np.float64)


def as_float(image: NDArray[Any], preserve_range: bool) -> tuple[NDArray[Any], Any, Any]:
    """The image in floats, in the order of C, and its least and largest value.

    Integers are divided by the largest of their dtype, but for `preserve_range`; what is then under −1 becomes −1.
    """
    low, high = image.min(), image.max()
    if image.dtype.kind == "f":
        values = np.ascontiguousarray(image, float_type(image.dtype))
        return values, values.dtype.type(low), values.dtype.type(high)
    factor = 1.0 if preserve_range or image.dtype == bool else 1.0 / np.iinfo(image.dtype).max
    values = np.multiply(image, factor, dtype=np.float64, order="C")
    low, high = np.float64(low) * factor, np.float64(high) * factor
    if image.dtype.kind == "i" and not preserve_range and low < -1.0:
        np.maximum(values, -1.0, out=values)
        low, high = max(low, np.float64(-1.0)), max(high, np.float64(-1.0))
    return values, low, high
