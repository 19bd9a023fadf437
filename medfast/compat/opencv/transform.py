"""Resizing with OpenCV's signature."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate, transform

__all__ = [
    "INTER_AREA",
    "INTER_CUBIC",
    "INTER_LANCZOS4",
    "INTER_LINEAR",
    "INTER_LINEAR_EXACT",
    "INTER_NEAREST",
    "INTER_NEAREST_EXACT",
    "resize",
]

INTER_NEAREST = 0
INTER_LINEAR = 1
INTER_CUBIC = 2
INTER_AREA = 3
INTER_LANCZOS4 = 4
INTER_LINEAR_EXACT = 5
INTER_NEAREST_EXACT = 6

_NAMES = ("nearest", "linear", "cubic", "area", "lanczos4", "linear-exact", "nearest-exact")


def resize(
    src: ArrayLike,
    dsize: Sequence[int] | None,
    dst: NDArray[Any] | None = None,
    fx: float = 0,
    fy: float = 0,
    interpolation: int = INTER_LINEAR,
) -> NDArray[Any]:
    """Resize an image as ``cv2.resize`` does.

    Parameters
    ----------
    src : array_like of shape (M, N) or (M, N, C), dtype {uint8, uint16, int16, float32, float64}
        Image of rows, columns and channels.
    dsize : sequence of two ints, or None
        Width and height of the result; None or a zero among them takes both from `fx` and `fy`.
    dst : ndarray, optional
        Filled and returned if it has the result's shape and dtype; otherwise a new array is returned, as OpenCV does.
    fx : float, default=0
        Scale of the width, > 0 where `dsize` is not given; ignored where it is.
    fy : float, default=0
        Scale of the height, likewise.
    interpolation : int, default=INTER_LINEAR
        One of the constants of this module.

    Returns
    -------
    ndarray, same dtype as `src`
        The resized image. A single channel loses its axis, as in OpenCV.

    Raises
    ------
    TypeError
        If `src` has an unsupported dtype, or a parameter the wrong type.
    ValueError
        If `src` has no pixels, the size is not above 0, or `interpolation` is unknown.

    Notes
    -----
    uint8 is bit for bit OpenCV's (cubic: its result without IPP). Other dtypes are rounded once from sums of higher
    precision, see :func:`medfast.resize`; OpenCV's own depend on the CPU. ``INTER_NEAREST_EXACT`` is that of OpenCV
    4.14; where the center of a pixel lies on the border of two, or by rounding near it, 5.0 can take the other one.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv import transform as cv2
    >>> cv2.resize(np.array([[0, 40]], np.uint8), (4, 1))
    array([[ 0, 10, 30, 40]], dtype=uint8)
    """
    image = _validate.as_image(src, "src")
    method = _validate.as_int(interpolation, "interpolation", minimum=0, maximum=len(_NAMES) - 1)
    height, width = image.shape[:2]
    if not image.size:
        raise ValueError(f"src must have pixels, got shape {image.shape}")
    new_width, new_height = (0, 0) if dsize is None else _validate.as_size(dsize, "dsize", minimum=0)
    if new_width and new_height:
        fx, fy = new_width / width, new_height / height
    else:
        fx, fy = _validate.as_float(fx, "fx", above=0.0), _validate.as_float(fy, "fy", above=0.0)
        new_width, new_height = round(width * fx), round(height * fy)
        if not (new_width and new_height):
            raise ValueError(f"fx and fy must leave at least one pixel, got {fx:g} and {fy:g} for shape {image.shape}")
    channels = image.shape[2:]
    shape = (new_height, new_width) if channels in ((), (1,)) else (new_height, new_width, *channels)
    result = _validate.as_dst(dst, shape, image.dtype)
    if result is None:
        result = dst = np.empty(shape, image.dtype)
    elif np.may_share_memory(result, image):  # OpenCV reads what it has written; here the result is of `src` as it came
        image = image.copy()
    if not channels:
        image = image[..., None]
    out = result if result.ndim == 3 else result[..., None]
    transform.resample(image, out, (1.0 / fy, 1.0 / fx), _NAMES[method])
    assert dst is not None
    return dst
