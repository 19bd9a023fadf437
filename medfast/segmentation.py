"""Segmentation by intensity."""

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import partition

__all__ = ["segment", "threshold_multiotsu"]

MOST_CLASSES = 255
"""Classes of a label image: uint8, with 0 for what lies outside the mask."""


@overload
def segment(
    image: ArrayLike,
    n_classes: int,
    *,
    mask: ArrayLike | None = ...,
    bins: int | None = ...,
    return_thresholds: Literal[False] = ...,
    out: NDArray[np.uint8] | None = ...,
    num_threads: int | None = ...,
) -> NDArray[np.uint8]: ...


@overload
def segment(
    image: ArrayLike,
    n_classes: int,
    *,
    mask: ArrayLike | None = ...,
    bins: int | None = ...,
    return_thresholds: Literal[True],
    out: NDArray[np.uint8] | None = ...,
    num_threads: int | None = ...,
) -> tuple[NDArray[np.uint8], NDArray[Any]]: ...


def segment(
    image: ArrayLike,
    n_classes: int,
    *,
    mask: ArrayLike | None = None,
    bins: int | None = None,
    return_thresholds: bool = False,
    out: NDArray[np.uint8] | None = None,
    num_threads: int | None = None,
) -> NDArray[np.uint8] | tuple[NDArray[np.uint8], NDArray[Any]]:
    """Label the pixels of an image or a volume by intensity.

    The classes are the clusters of `kmeans` on the gray levels: of all ways to cut the intensities into `n_classes`
    intervals, the one with the least squared distance to the class means.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes; any strides. A volume has one set of classes.
    n_classes : int
        Number of classes, 1 to 255.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that count and are labelled.
    bins : int, optional
        Round floats to this many levels first, 2 to 65536, evenly from the lowest value to the highest. All distinct
        values are told apart when omitted, as those of integers always are.
    return_thresholds : bool, default=False
        Also give the thresholds between the classes.
    out : ndarray of uint8, same shape as `image`, optional
        Where the labels go.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    labels : ndarray of uint8, same shape as `image`
        1 to `n_classes` in rising intensity, 0 outside the mask; `out`, if it was given.
    thresholds : ndarray of shape (n_classes - 1,), dtype of `image`
        The highest level of each class but the last; given with `return_thresholds`. A pixel belongs to a higher class
        if it is greater. Where there are fewer levels than classes, the last thresholds are the highest level, and
        zeros where there is no pixel.

    Raises
    ------
    TypeError
        If `image`, `mask` or `out` has an unsupported dtype, or a parameter the wrong type.
    ValueError
        If `image` has NaN or infinity, a shape does not fit, `n_classes` lies outside its range, or `out` overlaps
        `image`.

    Notes
    -----
    The global optimum, as in `kmeans` for one channel: complexity, memory and ties are described there. With fewer
    distinct levels than classes, each level is a class and the higher labels are not used. An empty image gives empty
    labels.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> image = np.array([[-1000, -990, 40], [55, 700, 41]], np.int16)
    >>> medfast.segment(image, 3)
    array([[1, 1, 2],
           [2, 3, 2]], dtype=uint8)
    >>> medfast.segment(image, 3, return_thresholds=True)[1]
    array([-990,   55], dtype=int16)
    """
    image = _validate.as_image(image)
    n_classes = _validate.as_int(n_classes, "n_classes", minimum=1, maximum=MOST_CLASSES)
    mask = _validate.as_mask(mask, image.shape)
    return_thresholds = _validate.as_flag(return_thresholds, "return_thresholds")
    bins = _validate.as_bins(bins, image)
    num_threads = _validate.as_threads(num_threads)
    out = _validate.as_out(out, image.shape, np.dtype(np.uint8), image, apart=mask)
    thresholds, values = partition.thresholds(image, n_classes, mask, bins, num_threads)
    partition.label(image, thresholds, 1, out, num_threads)
    if mask is not None:
        out[~mask] = 0
    if not return_thresholds:
        return out
    highest = values[-1:] if len(values) else np.zeros(1)
    missing = np.repeat(highest, n_classes - 1 - len(thresholds)).astype(image.dtype)
    return out, np.concatenate([thresholds, missing])


def threshold_multiotsu(
    image: ArrayLike,
    classes: int = 3,
    *,
    mask: ArrayLike | None = None,
    bins: int | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Find the thresholds that part the gray levels into classes of greatest between-class variance.

    Otsu's criterion for several classes [1]_; greatest variance between the classes is least inertia within them, so
    these are the thresholds of `segment`.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes; any strides.
    classes : int, default=3
        Number of classes, >= 2.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that count.
    bins : int, optional
        Round floats to this many levels first, 2 to 65536, evenly from the lowest value to the highest. All distinct
        values are told apart when omitted, as those of integers always are.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray of shape (classes - 1,), dtype of `image`
        The highest level of each class but the last, rising: a pixel belongs to a higher class if it is greater.

    Raises
    ------
    TypeError
        If `image` or `mask` has an unsupported dtype.
    ValueError
        If there are fewer distinct levels than classes, `image` has NaN or infinity, or a shape does not fit.

    Notes
    -----
    All levels are told apart; nothing is binned, whatever the dtype, unless by `bins`. O(n + k·m·log m) for m distinct
    levels and k classes, where a search over all combinations takes O(m^(k−1)). Of equal optima the one is taken that
    `kmeans` describes.

    References
    ----------
    .. [1] P.-S. Liao, T.-S. Chen, P.-C. Chung, "A fast algorithm for multilevel thresholding", Journal of Information
       Science and Engineering 17(5), 2001. :doi:`10.6688/JISE.2001.17.5.1`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> medfast.threshold_multiotsu(np.array([[10, 12, 200], [11, 90, 202]], np.uint8), 3)
    array([12, 90], dtype=uint8)
    """
    image = _validate.as_image(image)
    classes = _validate.as_int(classes, "classes", minimum=2)
    mask = _validate.as_mask(mask, image.shape)
    bins = _validate.as_bins(bins, image)
    num_threads = _validate.as_threads(num_threads)
    thresholds, values = partition.thresholds(image, classes, mask, bins, num_threads)
    _validate.check_distinct(len(values), classes)
    return thresholds
