"""k-means and thresholds of Dask arrays of integers, from their histogram."""

from typing import Any

import dask.array as da
import numpy as np
from dask import delayed
from numpy.typing import ArrayLike

from medfast import _validate
from medfast import cluster as _cluster
from medfast import segmentation as _segmentation
from medfast._drivers import chunks, lazy

__all__ = ["kmeans", "segment"]


def kmeans(image: da.Array, n_clusters: int, *, mask: ArrayLike | None = None) -> _cluster.KMeansResult:
    """Cluster the gray levels of a lazy array of integers: the global optimum, as `medfast.kmeans` of one channel.

    Parameters
    ----------
    image : dask.array.Array of any shape, dtype {uint8, uint16, int16}
        What to cluster.
    n_clusters : int
        Number of clusters, >= 1.
    mask : array_like of bool, same shape as `image`, optional
        What counts.

    Returns
    -------
    KMeansResult
        Labels as a Dask array of int32; centers, inertia and the number of iterations delayed.

    Raises
    ------
    TypeError
        If `image` is no Dask array or does not hold integers.
    ValueError
        If `n_clusters` is below 1 or the shape of `mask` does not fit.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> result = medfast.dask.kmeans(da.from_array(np.array([1, 2, 9, 10], np.uint8), chunks=2), 2)
    >>> result.labels.compute()
    array([0, 0, 1, 1], dtype=int32)
    >>> result.centers.compute()
    array([1.5, 9.5])
    """
    lazy.check(image, tuple(range(1, 33)))
    _validate.check_integers(image, "image", "as a Dask array")
    n_clusters = _validate.as_int(n_clusters, "n_clusters", minimum=1, maximum=2**31 - 1)
    found = delayed(chunks.clusters_of)(
        delayed(chunks.summed)(lazy.blocks(chunks.counts_of, image, mask)), n_clusters, image.dtype
    )
    labels = lazy.mapped(chunks.label, image, mask, np.dtype(np.int32), thresholds=found[0], first_label=0, outside=-1)
    return _cluster.KMeansResult(labels, found[1], found[2], 0)


def segment(image: da.Array, n_classes: int, *, mask: ArrayLike | None = None, return_thresholds: bool = False) -> Any:
    """Label the pixels of a lazy image of integers by intensity: `medfast.segment`.

    Parameters
    ----------
    image : dask.array.Array of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16}
        Image or volume, with one set of classes.
    n_classes : int
        Number of classes, 1 to 255.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that count and are labelled.
    return_thresholds : bool, default=False
        Also give the thresholds between the classes.

    Returns
    -------
    labels : dask.array.Array of uint8, same shape as `image`
        1 to `n_classes` in rising intensity, 0 outside the mask.
    thresholds : dask.delayed.Delayed
        As of `medfast.segment`; given with `return_thresholds`.

    Raises
    ------
    TypeError
        If `image` is no Dask array or does not hold integers.
    ValueError
        If `n_classes` lies outside its range or the shape of `mask` does not fit.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> import medfast.dask
    >>> image = da.from_array(np.array([[-1000, -990, 40], [55, 700, 41]], np.int16), chunks=2)
    >>> medfast.dask.segment(image, 3).compute()
    array([[1, 1, 2],
           [2, 3, 2]], dtype=uint8)
    """
    lazy.check(image, (2, 3))
    _validate.check_integers(image, "image", "as a Dask array")
    n_classes = _validate.as_int(n_classes, "n_classes", minimum=1, maximum=_segmentation.MOST_CLASSES)
    return_thresholds = _validate.as_flag(return_thresholds, "return_thresholds")
    found = delayed(chunks.classes_of)(
        delayed(chunks.summed)(lazy.blocks(chunks.counts_of, image, mask)), n_classes, image.dtype
    )
    labels = lazy.mapped(chunks.label, image, mask, np.dtype(np.uint8), thresholds=found[0], first_label=1, outside=0)
    return (labels, found[1]) if return_thresholds else labels
