"""Regions of a label image: small ones removed, others measured. The work is `scipy.ndimage`'s."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate

__all__ = ["RegionMeasures", "clean_labels", "region_measures"]


class RegionMeasures(NamedTuple):
    """What `region_measures` finds; an entry per region in every array.

    Parameters
    ----------
    label : ndarray of int64, shape (n,)
        Label of each region, rising.
    n_pixels : ndarray of int64, shape (n,)
        Its pixels.
    size : ndarray of float64, shape (n,)
        Area of a region of an image, in mm² for a spacing in mm; volume of a region of a volume, in mm³.
    mean : ndarray of float64, shape (n,) or None
        Mean gray level, where an image is given.
    centroid : ndarray of float64, shape (n, 2) or (n, 3)
        Mean position, in array order: index times spacing, so in mm from the center of the first pixel.

    Examples
    --------
    >>> import medfast
    >>> medfast.region_measures([[1, 1], [0, 2]]).n_pixels
    array([2, 1])
    """

    label: NDArray[np.int64]
    n_pixels: NDArray[np.int64]
    size: NDArray[np.float64]
    mean: NDArray[np.float64] | None
    centroid: NDArray[np.float64]


def clean_labels(
    labels: ArrayLike, min_size: float, *, spacing: Sequence[float] | float | None = None, fill: str = "nearest"
) -> NDArray[Any]:
    """Remove small components from a label image.

    Parameters
    ----------
    labels : array_like of int, shape (M, N) or (P, M, N)
        Labels >= 0, as `segment` gives them; 0 is what belongs to no class, and stays so.
    min_size : float
        Components below it are removed, >= 0: pixels, or mm² of an image and mm³ of a volume with a spacing in mm.
    spacing : float or sequence of float, optional
        Distance of the pixels along each axis, > 0.
    fill : {"nearest", "zero"}, default="nearest"
        What becomes of a removed pixel: the label of the nearest one that is kept, or 0.

    Returns
    -------
    ndarray, same shape and dtype as `labels`
        A new array. Where nothing is large enough to be kept, "nearest" gives 0, too.

    Raises
    ------
    TypeError
        If `labels` are not integers, or a parameter has the wrong type.
    ValueError
        If a label is negative, the shape does not fit, or a parameter lies outside its range.
    ImportError
        If SciPy is missing.

    See Also
    --------
    segment : Makes such labels.

    Notes
    -----
    Pixels of one label are connected where they share a side (a face, in a volume). O(n) for n pixels and each label
    in use; the memory is a few integers per pixel. Of kept pixels equally near, SciPy's distance transform chooses.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> medfast.clean_labels(np.array([[1, 1, 1, 2], [1, 3, 1, 2]], np.uint8), 2)
    array([[1, 1, 1, 2],
           [1, 1, 1, 2]], dtype=uint8)
    """
    array = _validate.as_label_image(labels, "labels")
    min_size = _validate.as_float(min_size, "min_size", minimum=0.0)
    steps = _steps(spacing, array.ndim)
    _validate.as_choice(fill, "fill", ("nearest", "zero"))
    ndimage = _ndimage()
    is_small = np.zeros(array.shape, bool)
    for label in np.unique(array[array > 0]):
        components, _ = ndimage.label(array == label)
        counts = np.bincount(components.ravel())
        counts[0] = 0
        small = counts * math.prod(steps) < min_size
        small[0] = False
        is_small |= small[components]
    cleaned = array.copy()
    if not is_small.any():
        return cleaned
    cleaned[is_small] = 0
    is_kept = cleaned > 0
    if fill == "nearest" and is_kept.any():
        nearest = ndimage.distance_transform_edt(~is_kept, sampling=steps, return_distances=False, return_indices=True)
        cleaned[is_small] = cleaned[tuple(axis[is_small] for axis in nearest)]
    return cleaned


def region_measures(
    labels: ArrayLike, image: ArrayLike | None = None, *, spacing: Sequence[float] | float | None = None
) -> RegionMeasures:
    """Measure the regions of a label image: area or volume, mean gray level and centroid.

    Parameters
    ----------
    labels : array_like of int, shape (M, N) or (P, M, N)
        Labels >= 0; a region is all pixels of a label, and 0 is none.
    image : array_like of the same shape, optional
        Gray levels, of a dtype of `segment`.
    spacing : float or sequence of float, optional
        Distance of the pixels along each axis, > 0; 1 when omitted.

    Returns
    -------
    RegionMeasures
        A named tuple ``(label, n_pixels, size, mean, centroid)`` of arrays, an entry per label in use.

    Raises
    ------
    TypeError
        If `labels` are not integers, or `image` has an unsupported dtype.
    ValueError
        If a label is negative, or a shape does not fit.
    ImportError
        If SciPy is missing.

    See Also
    --------
    segment : Makes such labels.
    clean_labels : Removes what is too small to be measured.

    Notes
    -----
    Each component by itself: pass ``scipy.ndimage.label(labels == label)[0]``. Sums are in float64. Without any
    region all arrays are empty.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> labels = np.array([[1, 1, 0], [2, 2, 2]])
    >>> found = medfast.region_measures(labels, np.array([[10, 20, 99], [3, 3, 9]], np.uint8), spacing=(2.0, 0.5))
    >>> found.size
    array([2., 3.])
    >>> found.mean
    array([15.,  5.])
    >>> found.centroid
    array([[0.  , 0.25],
           [2.  , 0.5 ]])
    """
    array = _validate.as_label_image(labels, "labels")
    gray = None if image is None else _validate.as_image(image)
    if gray is not None:
        _validate.check_shape(gray, array.shape, "image")
    steps = _steps(spacing, array.ndim)
    ndimage = _ndimage()
    found, counts = np.unique(array[array > 0], return_counts=True)
    centroid = np.empty((len(found), array.ndim))
    mean = None
    if len(found):
        centroid[...] = ndimage.center_of_mass(np.ones(array.shape, np.uint8), array, found)
    if gray is not None:
        mean = np.asarray(ndimage.mean(gray, array, found), np.float64) if len(found) else np.empty(0)
    return RegionMeasures(
        found.astype(np.int64),
        counts.astype(np.int64),
        counts.astype(np.float64) * math.prod(steps),
        mean,
        centroid * np.array(steps),
    )


def _steps(spacing: Any, ndim: int) -> tuple[float, ...]:
    return (1.0,) * ndim if spacing is None else _validate.as_positives(spacing, "spacing", ndim)


def _ndimage() -> ModuleType:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise ImportError('regions of label images need SciPy: pip install "medfast[regions]"') from error
    return ndimage
