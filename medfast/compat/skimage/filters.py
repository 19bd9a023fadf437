"""`skimage.filters.threshold_multiotsu`, by the optimal partition of a histogram."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._drivers import partition
from medfast.compat._calls import FallBack
from medfast.compat.skimage.exposure import histogram

__all__ = ["threshold_multiotsu"]

_DTYPES = tuple(np.dtype(name) for name in ("uint8", "uint16", "int16", "float32", "float64"))


def threshold_multiotsu(
    image: NDArray[Any] | None = None, classes: int = 3, nbins: int = 256, *, hist: Any = None
) -> NDArray[Any]:
    """Find the thresholds between gray levels, as ``skimage.filters.threshold_multiotsu`` does.

    Parameters
    ----------
    image : ndarray of any shape, dtype {uint8, uint16, int16, float32, float64}
        Image or volume.
    classes : int, default=3
        Number of classes, >= 2.
    nbins : int, default=256
        Bins that floats are counted in; of integers each level is a bin.
    hist : array or pair of arrays, optional
        A histogram in place of an image, which is left to scikit-image.

    Returns
    -------
    ndarray of shape (classes - 1,)
        The thresholds: int64 for integers, the dtype of `image` for floats.

    Raises
    ------
    ValueError
        As scikit-image has it, where that is installed.
    NotImplementedError
        If only scikit-image could do it, and it is not installed.

    See Also
    --------
    medfast.threshold_multiotsu : Without bins; takes a mask.

    Notes
    -----
    The optimum, in O(classes * nbins * log nbins), where scikit-image tries all combinations, in float32: where two
    are equal to seven digits it may choose the lesser one. Left to it: histograms, other dtypes, NaN and infinity, what
    looks like colours, and images of fewer values than classes.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.filters import threshold_multiotsu
    >>> threshold_multiotsu(np.array([[10, 12, 200], [11, 90, 202]], np.uint8))
    array([12, 90])
    """
    if hist is not None or type(image) is not np.ndarray or image.dtype not in _DTYPES or not image.size:
        raise FallBack("hist is given" if hist is not None else f"image is a {type(image).__name__}")
    if image.ndim > 2 and image.shape[-1] in (3, 4):
        raise FallBack(f"image has shape {image.shape}, which looks like a colour image")
    if isinstance(classes, bool) or not isinstance(classes, int | np.integer) or classes < 2:
        raise FallBack(f"classes is {classes!r}")
    if image.dtype.kind == "f":
        counts, edges = histogram(image, nbins)
        centers = (edges[:-1] + edges[1:]) / 2.0
        used = np.flatnonzero(counts)
        values, weights = used.astype(np.float64), counts[used].astype(np.float64)
    else:
        values, weights = partition.distinct(image, None, None, None)
        centers = None
    if len(values) < classes:
        raise FallBack(f"image has {len(values)} values for {classes} classes")
    bounds = partition.optimum(values, weights, int(classes))[0]
    found = values[bounds[1:-1] - 1].astype(np.int64)
    return found if centers is None else centers[found]
