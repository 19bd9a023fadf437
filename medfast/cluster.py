"""k-means clustering and segmentation by intensity."""

from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import lloyd, partition

__all__ = ["KMeansResult", "kmeans", "segment", "threshold_multiotsu"]

MOST_CLASSES = 255
"""Classes of a label image: uint8, with 0 for what lies outside the mask."""


class KMeansResult(NamedTuple):
    """What `kmeans` finds.

    A named tuple: it unpacks in the order below.

    Parameters
    ----------
    labels : ndarray of int32
        Cluster of each sample, −1 outside the mask.
    centers : ndarray of shape (n_clusters,) or (n_clusters, n_features)
        Mean of each cluster: numbers for one channel, vectors otherwise.
    inertia : float
        Sum of the squared distances of the samples to their centers, weighted by `sample_weight`.
    n_iter : int
        Iterations of Lloyd's algorithm in the best run; 0 for one channel, where the optimum is computed directly.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> labels, centers, inertia, n_iter = medfast.kmeans(np.array([1, 2, 9, 10], np.uint8), 2)
    >>> labels
    array([0, 0, 1, 1], dtype=int32)
    """

    labels: NDArray[np.int32]
    centers: NDArray[Any]
    inertia: float
    n_iter: int


def kmeans(
    data: ArrayLike,
    n_clusters: int,
    *,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
    init: str | ArrayLike = "k-means++",
    n_init: int = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    random_state: Any = None,
    sample_weight: ArrayLike | None = None,
    bins: int | None = None,
    num_threads: int | None = None,
) -> KMeansResult:
    """Partition samples into clusters of least inertia.

    One channel, such as the gray levels of an image, is solved exactly: the result is the global optimum. Vectors are
    clustered by Lloyd's algorithm from one or more starts.

    Parameters
    ----------
    data : array_like, dtype {uint8, uint16, int16, float32, float64}
        1-D data, and integer arrays of any shape without a `channel_axis`, are one channel. A 2-D float array without
        it is (n_samples, n_features). With it, vectors along that axis. Any strides.
    n_clusters : int
        Number of clusters, >= 1.
    channel_axis : int, optional
        Axis of `data` that holds the features.
    mask : array_like of bool, optional
        Samples that count; of the shape of `labels`.
    init : {"k-means++", "random"} or array_like of shape (n_clusters, n_features), default="k-means++"
        How to start: greedy k-means++ [1]_, different samples at random, or from these centers. One channel needs no
        start.
    n_init : int, default=1
        Starts, of which the one with the least inertia is kept. One suffices from given centers.
    max_iter : int, default=300
        Most iterations of a start, >= 1.
    tol : float, default=1e-4
        Stop when the squared shift of all centers is at most this fraction of the mean variance of the features, >= 0.
    random_state : int, numpy.random.Generator or numpy.random.RandomState, optional
        Seed or source of random numbers; with a seed, the result is the same in every run.
    sample_weight : array_like, optional
        Weight of each sample, >= 0; of the shape of `labels`. All 1 when omitted.
    bins : int, optional
        Round floats of one channel to this many levels first, 2 to 65536, evenly from the lowest value to the highest.
        All distinct values are told apart when omitted, as those of integers always are.
    num_threads : int, optional
        Most threads to use, >= 1. The result does not depend on it.

    Returns
    -------
    KMeansResult
        A named tuple ``(labels, centers, inertia, n_iter)``. `labels` has the shape of `data` without its features. In
        one channel labels rise with their centers, and the centers are float64, or float32 for float32 data; the
        centers of vectors are float64 for float64 data and float32 otherwise.

    Raises
    ------
    TypeError
        If an argument has an unsupported type or dtype.
    ValueError
        If `data` or a weight is NaN or infinite, weights are so large that weighted sums would be infinite, a shape
        does not fit, a parameter lies outside its range, or there are fewer vectors with a weight than clusters.

    Notes
    -----
    *One channel.* Clusters are intervals of the m distinct values, found by dynamic programming [2]_ in O(k·m·log m)
    after a histogram (integers, and floats that are 16-bit whole numbers) or a sort (other floats, O(n·log n)); each
    sample is then compared with the k − 1 thresholds. The memory is O(k·m) beside the labels. Interval costs are right
    to the last places of a float64, so that rounding does not choose. Of partitions with equal inertia, the one whose
    last cluster begins lowest is taken, then the last but one, and so on. With `bins`, centers and inertia are those of
    the rounded values, which differ from the true ones by half a step at most. With more clusters than distinct values
    each value is a cluster, and the centers left over repeat the highest. Without any sample the centers are NaN and
    the inertia is 0.

    *Vectors.* Lloyd's algorithm [3]_ with the rules of scikit-learn: it stops when no label changes or by `tol`, and
    clusters that lose all samples move to the samples farthest from their centers. Of equally near centers, the first
    counts. Distances are computed in float32 (float64 for float64 data) and sums in float64, in an order that is the
    same for any number of threads and every CPU level. An iteration takes O(n·k·d); beside the labels there is no
    memory that grows with n, except that masked data, and those whose vectors do not lie at equal steps, are copied,
    and that k-means++ keeps a few distances per sample. float32 data beyond 1e18 overflow.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    .. [2] A. Grønlund, K. G. Larsen, A. Mathiasen, J. S. Nielsen, S. Schneider, M. Song, "Fast exact k-means, k-medians
       and Bregman divergence clustering in 1D", 2017. :arxiv:`1701.07204`
    .. [3] S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982.
       :doi:`10.1109/TIT.1982.1056489`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> result = medfast.kmeans(np.array([[10, 12, 200], [11, 90, 202]], np.uint8), 3)
    >>> result.labels
    array([[0, 0, 2],
           [0, 1, 2]], dtype=int32)
    >>> result.centers
    array([ 11.,  90., 201.])
    >>> result.inertia
    4.0
    """
    samples, one_channel = _validate.as_samples(data, channel_axis)
    n_clusters = _validate.as_int(n_clusters, "n_clusters", minimum=1, maximum=2**31 - 1)
    shape = samples.shape if one_channel else samples.shape[:-1]
    mask = _validate.as_mask(mask, shape)
    weights = _validate.as_weights(sample_weight, shape)
    if weights is not None:
        counted = (weights, samples) if mask is None else (weights[mask], samples[mask])
        _validate.check_weighted(*counted)
    n_init = _validate.as_int(n_init, "n_init", minimum=1)
    max_iter = _validate.as_int(max_iter, "max_iter", minimum=1)
    tol = _validate.as_float(tol, "tol", minimum=0.0)
    bins = _validate.as_bins(bins, samples, one_channel)
    num_threads = _validate.as_threads(num_threads)
    if one_channel:
        if isinstance(init, str):
            _validate.as_choice(init, "init", ("k-means++", "random"))
        return _kmeans_of_channel(samples, n_clusters, mask, weights, bins, num_threads)

    n_features = samples.shape[-1]
    vectors = samples.reshape(-1, n_features)
    inside = None if mask is None else mask.ravel()
    if inside is not None:
        vectors = vectors[inside]
    if weights is not None:
        weights = weights.ravel() if inside is None else weights.ravel()[inside]
    _validate.check_enough(len(vectors) if weights is None else int(np.count_nonzero(weights)), n_clusters)
    problem = lloyd.Samples(vectors, weights, num_threads)
    start = None
    if isinstance(init, str):
        pick = {"k-means++": lloyd.plus_plus_centers, "random": lloyd.random_centers}[
            _validate.as_choice(init, "init", ("k-means++", "random"))
        ]
    else:
        start, n_init = _validate.as_centers(init, (n_clusters, n_features), problem.dtype), 1
    generator = _validate.as_generator(random_state)
    tolerance = tol * problem.mean_variance() if tol else 0.0
    best: lloyd.Clusters | None = None
    for _ in range(n_init):
        centers = pick(problem, n_clusters, generator) if start is None else start
        run = lloyd.lloyd(problem, centers, max_iter=max_iter, tolerance=tolerance)
        if best is None or run.inertia < best.inertia:
            best = run
    assert best is not None
    labels = best.labels
    if inside is not None:
        labels = np.full(len(inside), -1, np.int32)
        labels[inside] = best.labels
    return KMeansResult(labels.reshape(shape), best.centers, best.inertia, best.n_iter)


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
    thresholds, values = _thresholds(image, n_classes, mask, bins, num_threads)
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
    thresholds, values = _thresholds(image, classes, mask, bins, num_threads)
    _validate.check_distinct(len(values), classes)
    return thresholds


def _thresholds(
    image: NDArray[Any], n_classes: int, mask: NDArray[np.bool_] | None, bins: int | None, num_threads: int | None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The highest level of each class but the last, of fewer classes where there are fewer levels; and the levels."""
    if bins is None or not image.size or (mask is not None and not mask.any()):
        values, counts = partition.distinct(image, mask, None, num_threads)
        bounds = partition.optimum(values, counts, n_classes)[0] if len(values) else np.zeros(2, np.int64)
        return values[bounds[1:-1] - 1].astype(image.dtype), values
    levels, table = partition.binned(image, mask, bins, num_threads)
    used, counts = partition.distinct(levels, mask, None, num_threads)
    values = table[used.astype(np.intp)]
    bounds = partition.optimum(values, counts, n_classes)[0]
    inside = True if mask is None else mask
    highest = [image.max(where=inside & (levels <= used[bound - 1]), initial=-np.inf) for bound in bounds[1:-1]]
    return np.array(highest, image.dtype), values


def _kmeans_of_channel(
    data: NDArray[Any],
    n_clusters: int,
    mask: NDArray[np.bool_] | None,
    weights: NDArray[np.float64] | None,
    bins: int | None,
    num_threads: int | None,
) -> KMeansResult:
    """The optimum for one channel."""
    dtype, table = data.dtype, None
    if bins is not None and data.size and (mask is None or mask.any()):
        data, table = partition.binned(data, mask, bins, num_threads)
    values, counts = partition.distinct(data, mask, weights, num_threads)
    labels = np.empty(data.shape, np.int32)
    centers, inertia = np.full(n_clusters, np.nan), 0.0
    if not len(values):
        labels[...] = 0
    else:
        true = values if table is None else table[values.astype(np.intp)]
        bounds, found, inertia = partition.optimum(true, counts, n_clusters, are_counts=weights is None)
        partition.label(data, values[bounds[1:-1] - 1].astype(data.dtype), 0, labels, num_threads)
        centers[: len(found)], centers[len(found) :] = found, found[-1]
    if mask is not None:
        labels[~mask] = -1
    return KMeansResult(labels, centers.astype(np.float32) if dtype == np.float32 else centers, inertia, 0)
