"""Slow, obvious definitions, written from the papers and the references' documents: what every kernel is held to.

Nothing here imports medfast, and nothing here is fast. One section per kernel.
"""

import itertools
from fractions import Fraction

import numpy as np

# --- histogram -------------------------------------------------------------------------------------------------------


def equalize_hist(image):
    """Global histogram equalisation over the full range of an integer dtype, in OpenCV's float32 arithmetic."""
    limits = np.iinfo(image.dtype)
    n_bins = int(limits.max) - int(limits.min) + 1
    values = image.astype(np.int64) - int(limits.min)
    counts = np.bincount(values.ravel(), minlength=n_bins)
    lowest = values.min()
    n_above = image.size - counts[lowest]
    if n_above == 0:
        return image.copy()
    counts[lowest] = 0
    scale = np.float32(n_bins - 1) / np.float32(n_above)
    table = np.rint(np.cumsum(counts).astype(np.float32) * scale).astype(np.int64)
    return (np.minimum(table, n_bins - 1)[values] + int(limits.min)).astype(image.dtype)


# --- hog -------------------------------------------------------------------------------------------------------------


# --- kmeans ----------------------------------------------------------------------------------------------------------


def interval_inertia(values, weights):
    """Weighted sum of squared distances to the weighted mean, exactly, as a fraction."""
    values, weights = [Fraction(v) for v in values], [Fraction(w) for w in weights]
    mean = sum(w * v for v, w in zip(values, weights, strict=True)) / sum(weights)
    return sum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True))


def partition_by_enumeration(values, weights, n_clusters):
    """Bounds and inertia of the best cut of sorted distinct values into intervals: all are tried, in fractions.

    Of equally good cuts the one whose last interval begins lowest is taken, then the last but one, and so on.
    """
    n = len(values)
    best = None
    for inner in itertools.combinations(range(1, n), min(n_clusters, n) - 1):
        bounds = (0, *inner, n)
        inertia = sum(interval_inertia(values[i:j], weights[i:j]) for i, j in itertools.pairwise(bounds))
        if best is None or (inertia, bounds[::-1]) < best[:2]:
            best = inertia, bounds[::-1], bounds
    return list(best[2]), best[0]


def partition_by_recurrence(values, weights, n_clusters):
    """Inertia of the best cut into intervals: D[t, j] = min over i of D[t-1, i] + cost(i, j), all i tried.

    For values and weights that are integers, each cost is exact up to one rounding.
    """
    values, weights = [int(v) for v in values], [int(w) for w in weights]
    n = len(values)

    def running(terms):
        return [0, *itertools.accumulate(terms)]

    w = running(weights)
    s1 = running(a * b for a, b in zip(weights, values, strict=True))
    s2 = running(a * b * b for a, b in zip(weights, values, strict=True))

    def cost(i, j):
        weight, total = w[j] - w[i], s1[j] - s1[i]
        return ((s2[j] - s2[i]) * weight - total * total) / weight

    layer = [0.0] + [cost(0, j) for j in range(1, n + 1)]
    for t in range(2, n_clusters + 1):
        layer = [min((layer[i] + cost(i, j) for i in range(t - 1, j)), default=np.inf) for j in range(n + 1)]
    return layer[n]


def lloyd(data, centers, weights=None, max_iter=300, tolerance=0.0):
    """Lloyd's algorithm in float64, with scikit-learn's rules for stopping and for clusters without a sample."""
    data = np.asarray(data, np.float64)
    centers = np.array(centers, np.float64)
    weights = np.ones(len(data)) if weights is None else np.asarray(weights, np.float64)
    labels = np.full(len(data), -1)

    def squared_distances():
        return ((data[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)

    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        distances = squared_distances()
        previous, labels = labels, distances.argmin(axis=1)
        sums = np.stack([(weights[:, None] * data)[labels == c].sum(axis=0) for c in range(len(centers))])
        totals = np.array([weights[labels == c].sum() for c in range(len(centers))])
        nearest = distances.min(axis=1)
        empty = np.flatnonzero(totals == 0)
        if len(empty) and nearest.max() > 0:
            for cluster, far in zip(empty, np.argsort(-nearest, kind="stable"), strict=False):
                sums[labels[far]] -= weights[far] * data[far]
                totals[labels[far]] -= weights[far]
                sums[cluster], totals[cluster] = weights[far] * data[far], weights[far]
        heaviest = totals.argmax()
        new = np.stack(
            [sums[c] / totals[c] if totals[c] > 0 else sums[heaviest] / totals[heaviest] for c in range(len(sums))]
        )
        shift, centers = ((new - centers) ** 2).sum(), new
        if np.array_equal(labels, previous) or shift <= tolerance:
            break
    if not np.array_equal(labels, previous):
        labels = squared_distances().argmin(axis=1)
    inertia = (weights * ((data - centers[labels]) ** 2).sum(axis=1)).sum()
    return labels, centers, inertia, n_iter


# --- nlm -------------------------------------------------------------------------------------------------------------


# --- resample --------------------------------------------------------------------------------------------------------
