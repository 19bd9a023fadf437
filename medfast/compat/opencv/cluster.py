"""k-means with OpenCV's signature."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import lloyd, partition, seeding
from medfast._drivers.samples import Samples

__all__ = [
    "KMEANS_PP_CENTERS",
    "KMEANS_RANDOM_CENTERS",
    "KMEANS_USE_INITIAL_LABELS",
    "TERM_CRITERIA_COUNT",
    "TERM_CRITERIA_EPS",
    "TERM_CRITERIA_MAX_ITER",
    "kmeans",
]

KMEANS_RANDOM_CENTERS = 0
KMEANS_USE_INITIAL_LABELS = 1
KMEANS_PP_CENTERS = 2
TERM_CRITERIA_COUNT = 1
TERM_CRITERIA_MAX_ITER = 1
TERM_CRITERIA_EPS = 2

FLOAT32 = (np.dtype(np.float32),)
FLOAT32_EPSILON = 2.0**-23
MOST_ITERATIONS = 100
SEED = 20_000


def kmeans(
    data: ArrayLike,
    K: int,
    bestLabels: NDArray[np.int32] | None,
    criteria: tuple[int, int, float],
    attempts: int,
    flags: int,
    centers: NDArray[np.float32] | None = None,
) -> tuple[float, NDArray[np.int32], NDArray[np.float32]]:
    """Cluster samples as ``cv2.kmeans`` does.

    Samples of one feature, such as the pixels of a gray image, get the global optimum, whatever `attempts`, `criteria`
    and `flags` say.

    Parameters
    ----------
    data : array_like of float32
        A sample per row, its features in columns and channels; a single row is one sample per column.
    K : int
        Number of clusters, 1 to the number of samples.
    bestLabels : ndarray of int32, shape (N, 1), or None
        The labels to start from, with ``KMEANS_USE_INITIAL_LABELS``, and where the labels go.
    criteria : tuple of (type, maxCount, epsilon)
        Stop after `maxCount` means (2 to 100), or when no center moves by more than `epsilon`; `type` is the sum of
        ``TERM_CRITERIA_COUNT`` and ``TERM_CRITERIA_EPS``, and what is left out is 100 and 1.19e-7.
    attempts : int
        Starts, of which the most compact is kept; below 1 counts as 1.
    flags : int
        ``KMEANS_RANDOM_CENTERS`` or ``KMEANS_PP_CENTERS``, to which ``KMEANS_USE_INITIAL_LABELS`` may be added for the
        first attempt.
    centers : ndarray of float32, shape (K, features), optional
        Where the centers go.

    Returns
    -------
    compactness : float
        Sum of the squared distances of the samples to their centers.
    bestLabels : ndarray of int32, shape (N, 1)
        Cluster of each sample; the array given, if it fits. They rise with the centers where there is one feature.
    centers : ndarray of float32, shape (K, features)
        Mean of each cluster; the array given, if it fits.

    Raises
    ------
    TypeError
        If `data` is not float32, or an argument is of the wrong type.
    ValueError
        If `data` is NaN or infinite, `K` exceeds the number of samples, or initial labels do not fit.

    Notes
    -----
    From the same initial labels the steps are those of OpenCV, with sums in float64; the last step moves the centers to
    the means of their samples and does not label again. Other starts differ from OpenCV's: the random numbers are
    others, the same in every call, and ``KMEANS_RANDOM_CENTERS`` starts with k-means++ too, which ends no higher in the
    median than random points of the bounding box.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv import cluster as cv2
    >>> pixels = np.array([[10], [12], [200], [90]], np.float32)
    >>> compactness, labels, centers = cv2.kmeans(pixels, 2, None, (cv2.TERM_CRITERIA_EPS, 10, 1.0), 10, 0)
    >>> compactness, labels.ravel(), centers.ravel()
    (4162.666666666667, array([0, 0, 1, 0], dtype=int32), array([ 37.333332, 200.      ], dtype=float32))
    """
    samples = _as_rows(_validate.check_finite(_validate.as_array(data, "data", dtypes=FLOAT32), "data"))
    n_samples, n_features = samples.shape
    K = _validate.as_int(K, "K", minimum=1)
    _validate.check_enough(n_samples, K, "K")
    flags = _validate.as_int(flags, "flags", minimum=0, maximum=KMEANS_USE_INITIAL_LABELS | KMEANS_PP_CENTERS)
    attempts = max(_validate.as_int(attempts, "attempts"), 1)
    max_count, epsilon = _read_criteria(criteria)
    initial = None
    if flags & KMEANS_USE_INITIAL_LABELS:
        initial = _validate.as_initial_labels(bestLabels, n_samples, K, "bestLabels").copy()
    if n_features == 1:
        labels, means, compactness = partition.clusters(samples.reshape(-1), K, None, None, None, None)
        means = means.reshape(-1, 1)
    else:
        if K == 1:
            attempts, max_count = 1, 2
        best = _best_of(samples, K, initial, max_count - 1, epsilon**2, attempts)
        labels, means, compactness = best.labels, best.centers, best.inertia
    return compactness, _filled(bestLabels, labels.reshape(-1, 1)), _filled(centers, means)


def _best_of(
    samples: NDArray[np.float32],
    n_clusters: int,
    initial: NDArray[np.int32] | None,
    max_iter: int,
    tolerance: float,
    attempts: int,
) -> lloyd.Clusters:
    problem = Samples(samples, None, None)
    generator = np.random.default_rng(SEED)
    best = None
    for _ in range(attempts):
        labelling = None
        if initial is None:
            start = seeding.plus_plus_centers(problem, n_clusters, generator)
        else:  # they serve the first attempt alone
            labelling = lloyd.Labelling(problem, problem.take(np.arange(n_clusters)))
            start, initial = _means(labelling, None, *labelling.relabel(initial)), None
        run = lloyd.lloyd(
            problem,
            start,
            max_iter=max_iter,
            tolerance=tolerance,
            labelling=labelling,
            farthest=True,
            update=_means,
            relabel=False,
        )
        if best is None or run.inertia < best.inertia:
            best = run
    assert best is not None
    return best


def _means(
    labelling: lloyd.Labelling,
    centers: NDArray[np.float32] | None,
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float32]:
    """New centers. An empty cluster takes the sample of the largest one farthest from its mean, as in OpenCV."""
    if not weights.all():
        data, labels = labelling.samples.data, labelling.labels.copy()
        for empty in np.flatnonzero(weights == 0):
            largest = weights.argmax()
            members = np.flatnonzero(labels == largest)
            distance = np.sum((data[members] - sums[largest] / weights[largest]) ** 2, axis=1)
            farthest = members[len(members) - 1 - distance[::-1].argmax()]  # the last of equals
            labels[farthest] = empty
            weights[largest] -= 1
            weights[empty] = 1
            sums[largest] -= data[farthest]
            sums[empty] = data[farthest]
        sums, weights = labelling.relabel(labels)
    return (sums / weights[:, None]).astype(np.float32)


def _as_rows(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """One sample per row, as OpenCV reads it: the third axis holds channels, and a single row is a list of samples."""
    if data.ndim == 2 and data.shape[0] > 1:
        return data
    _validate.check_ndim(data, "data", (1, 2, 3))
    if data.ndim == 1:
        return data[:, np.newaxis]
    n_samples = data.shape[1] if data.shape[0] == 1 else data.shape[0]
    return data.reshape(n_samples, -1) if data.size else np.empty((0, 1), np.float32)


def _read_criteria(criteria: Any) -> tuple[int, float]:
    kind, max_count, epsilon = _validate.as_criteria(criteria)
    max_count = min(max(max_count, 2), MOST_ITERATIONS) if kind & TERM_CRITERIA_COUNT else MOST_ITERATIONS
    return max_count, max(epsilon, 0.0) if kind & TERM_CRITERIA_EPS else FLOAT32_EPSILON


def _filled(target: Any, values: NDArray[Any]) -> NDArray[Any]:
    """`target` with these values where it can hold them, or the values themselves."""
    if target is None:
        return values
    fits = isinstance(target, np.ndarray) and target.dtype == values.dtype and target.flags.writeable
    if fits and target.size == values.size and target.flags.c_contiguous:
        target[...] = values.reshape(target.shape)
        return target
    return values
