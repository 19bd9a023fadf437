"""Floats from images of other dtypes, as scikit-image makes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DTYPES = tuple(np.dtype(name) for name in ("bool", "uint8", "uint16", "int16", "float16", "float32", "float64"))
"""Dtypes that the drop-ins take where nothing else is said."""


def float_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What scikit-image answers with for images of this dtype."""
    return np.dtype(np.float32 if dtype in (np.float16, np.float32) else np.float64)


def as_float(image: NDArray[Any], preserve_range: bool) -> tuple[NDArray[Any], float, Any, Any]:
    """The image, what its values are to be multiplied by, and the least and the largest of them then.

    Integers are divided by the largest of their dtype, but for `preserve_range`; what is then under −1 becomes −1.
    """
    low, high = image.min(), image.max()
    if image.dtype.kind == "f":
        dtype = float_type(image.dtype)
        return image.astype(dtype, copy=False), 1.0, dtype.type(low), dtype.type(high)
    if preserve_range or image.dtype == bool:
        return image, 1.0, np.float64(low), np.float64(high)
    largest = np.iinfo(image.dtype).max
    if low < -largest:
        image = np.maximum(image, -largest)
    factor = 1.0 / largest
    return image, factor, np.float64(max(low, -largest)) * factor, np.float64(max(high, -largest)) * factor
