"""k-means clustering."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import lloyd, partition, seeding
from medfast._drivers.samples import Samples

__all__ = ["KMeansResult", "kmeans"]


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
    memory that grows with n but a number per sample that tells how certain its label is [4]_, a few distances per
    sample in k-means++, and copies of masked data and of those whose vectors do not lie at equal steps. float32 data
    beyond 1e18 overflow.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    .. [2] A. Grønlund, K. G. Larsen, A. Mathiasen, J. S. Nielsen, S. Schneider, M. Song, "Fast exact k-means, k-medians
       and Bregman divergence clustering in 1D", 2017. :arxiv:`1701.07204`
    .. [3] S. Lloyd, "Least squares quantization in PCM", IEEE Transactions on Information Theory 28(2), 1982.
       :doi:`10.1109/TIT.1982.1056489`
    .. [4] G. Hamerly, "Making k-means even faster", SDM 2010. :doi:`10.1137/1.9781611972801.12`

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
        return KMeansResult(*partition.clusters(samples, n_clusters, mask, weights, bins, num_threads), 0)

    n_features = samples.shape[-1]
    vectors = samples.reshape(-1, n_features)
    inside = None if mask is None else mask.ravel()
    if inside is not None:
        vectors = vectors[inside]
    if weights is not None:
        weights = weights.ravel() if inside is None else weights.ravel()[inside]
    _validate.check_enough(len(vectors) if weights is None else int(np.count_nonzero(weights)), n_clusters)
    problem = Samples(vectors, weights, num_threads)
    start = None
    if isinstance(init, str):
        pick = {"k-means++": seeding.plus_plus_centers, "random": seeding.random_centers}[
            _validate.as_choice(init, "init", ("k-means++", "random"))
        ]
    else:
        start, n_init = _validate.as_centers(init, (n_clusters, n_features), problem.dtype), 1
    if start is None or random_state is not None:  # a new one takes 10 microseconds
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
