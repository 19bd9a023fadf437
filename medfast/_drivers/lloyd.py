"""Lloyd's algorithm on vectors: starts, steps and when to stop, over the kernel that passes over a tile of samples.

A pass gives each tile's sums in an entry of their own, and these are added in order: the result is the same for any
number of threads, and the tiles depend on the shape of the problem alone.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows

STRIP = 64
"""Samples that the kernel works on at once, as in src/kmeans.pyx."""
TILE_STEPS = 500_000
"""Coordinates compared in a tile, at least: some 50 microseconds, well above the cost of handing a tile to a thread."""
MOST_TILES = 64


class Clusters(NamedTuple):
    """What a run of Lloyd's algorithm ends with."""

    labels: NDArray[np.int32]
    centers: NDArray[Any]
    inertia: float
    n_iter: int


class Samples:
    """Samples with their weights, and the passes over them.

    Parameters
    ----------
    data : ndarray of shape (n_samples, n_features)
        Any supported dtype and strides, at least one of each.
    weights : ndarray of shape (n_samples,), dtype float64, or None
        None where all are 1.
    num_threads : int or None
        Bound for every pass.
    """

    def __init__(self, data: NDArray[Any], weights: NDArray[np.float64] | None, num_threads: int | None) -> None:
        self.data = data
        self.weights = np.empty(0) if weights is None else np.ascontiguousarray(weights)
        self.num_threads = num_threads
        self.dtype = np.dtype(np.float64 if data.dtype == np.float64 else np.float32)

    def assign(
        self, centers: NDArray[Any], labels: NDArray[np.int32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], float, int]:
        """Label by nearest center; return sums and weights by cluster, the inertia, and how many labels changed."""
        n_clusters, n_features = centers.shape
        tile_rows, n_tiles = self._tiles(n_clusters)
        sums = np.empty((n_tiles, n_clusters, n_features + 1))
        totals = np.empty((n_tiles, 2))
        kernel = _kernels.kmeans

        def body(start: int, stop: int) -> None:
            scratch = np.empty(2 * n_features * STRIP, self.dtype)
            kernel.assign(
                self.data, self.weights, centers, start // tile_rows, start, stop, scratch, labels, sums, totals
            )

        self._for_tiles(body, tile_rows, n_clusters)
        summed = _in_order(sums)
        inertia, n_changed = _in_order(totals)
        return summed[:, :-1], summed[:, -1], float(inertia), int(n_changed)

    def lower(self, center: NDArray[Any], closest: NDArray[Any]) -> float:
        """Take one more center into account in the squared distances `closest`; return their weighted sum."""
        tile_rows, n_tiles = self._tiles(1)
        totals = np.empty(n_tiles)
        kernel = _kernels.kmeans

        def body(start: int, stop: int) -> None:
            scratch = np.empty(2 * len(center) * STRIP, self.dtype)
            kernel.lower(self.data, self.weights, center, start // tile_rows, start, stop, scratch, closest, totals)

        self._for_tiles(body, tile_rows, 1)
        return float(_in_order(totals))

    def take(self, indices: Any) -> NDArray[Any]:
        """The samples at `indices`, as centers."""
        return np.ascontiguousarray(self.data[indices], self.dtype)

    def mean_variance(self) -> float:
        """Variance of a feature, averaged over the features; weights do not count."""
        unweighted = Samples(self.data, None, self.num_threads)
        n_samples, n_features = self.data.shape
        labels = np.empty(n_samples, np.int32)
        sums, counts, _, _ = unweighted.assign(self.take([0]), labels)
        _, _, inertia, _ = unweighted.assign((sums / counts[:, None]).astype(self.dtype), labels)
        return inertia / (n_samples * n_features)

    def _tiles(self, n_clusters: int) -> tuple[int, int]:
        n_samples, n_features = self.data.shape
        rows = max(math.ceil(n_samples / MOST_TILES), math.ceil(TILE_STEPS / (n_clusters * n_features)))
        tile_rows = STRIP * math.ceil(rows / STRIP)
        return tile_rows, math.ceil(n_samples / tile_rows)

    def _for_tiles(self, body: Callable[[int, int], None], tile_rows: int, n_clusters: int) -> None:
        n_samples, n_features = self.data.shape
        work = 2.0 + n_features * (1.0 + n_clusters / 16.0)
        for_rows(n_samples, body, work_per_row=work, num_threads=self.num_threads, tile_rows=tile_rows)


def lloyd(
    samples: Samples,
    centers: NDArray[Any],
    *,
    max_iter: int,
    tolerance: float,
    shift: Callable[[NDArray[np.float64]], Any] = np.sum,
    update: Callable[..., NDArray[Any]] | None = None,
    relabel: bool = True,
) -> Clusters:
    """Run Lloyd's algorithm from `centers`.

    It stops when no label changes, or when `shift` of the squared distances that the centers moved is at most
    `tolerance`; in the second case the samples are labelled once more, so that each has its nearest center. Without
    `relabel` they are not, so that each center is the mean of its samples. `update` is what takes the place of `means`.
    """
    update = update or means
    labels = np.full(len(samples.data), -1, np.int32)
    for iteration in range(1, max_iter + 1):
        sums, weights, inertia, n_changed = samples.assign(centers, labels)
        if n_changed == 0:
            return Clusters(labels, centers, inertia, iteration)
        none_empty = weights.all()
        old, centers = centers, update(samples, centers, labels, sums, weights)
        shifts = np.sum((centers.astype(np.float64) - old) ** 2, axis=1)
        if shift(shifts) <= tolerance:
            break
    if relabel:
        _, _, inertia, _ = samples.assign(centers, labels)
    elif none_empty:
        # sum |x - m|^2 about the mean m is sum |x - c|^2 - w |m - c|^2: no pass over the data
        inertia = max(inertia - float(weights @ shifts), 0.0)
    else:
        inertia = float(np.sum((samples.data - centers.astype(np.float64)[labels]) ** 2))
    return Clusters(labels, centers, inertia, iteration)


def means(
    samples: Samples,
    centers: NDArray[Any],
    labels: NDArray[np.int32],
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[Any]:
    """New centers. Clusters that got no sample move to the samples farthest from `centers`, farthest first."""
    empty = np.flatnonzero(weights == 0)
    if len(empty):
        closest = np.full(len(labels), np.inf, samples.dtype)
        for center in centers:
            samples.lower(center, closest)
        farthest = np.argsort(-closest, kind="stable")[: len(empty)]
        if closest[farthest[0]] > 0:  # else there are fewer distinct samples than clusters
            for cluster, sample in zip(empty, farthest, strict=False):
                weight = samples.weights[sample] if len(samples.weights) else 1.0
                moved = weight * samples.data[sample].astype(np.float64)
                sums[labels[sample]] -= moved
                weights[labels[sample]] -= weight
                sums[cluster], weights[cluster] = moved, weight
        # What is empty even so takes the place of the heaviest cluster.
        heaviest = np.argmax(weights)
        still_empty = weights <= 0
        sums[still_empty], weights[still_empty] = sums[heaviest], weights[heaviest]
    return (sums / weights[:, None]).astype(samples.dtype)


def plus_plus_centers(samples: Samples, n_clusters: int, generator: "np.random.Generator") -> NDArray[Any]:
    """Greedy k-means++: of a few samples drawn by squared distance, the one that lowers the inertia most."""
    n_samples = len(samples.data)
    n_trials = 2 + int(math.log(n_clusters))
    chosen = [int(_draw(samples.weights, 1, generator)[0]) if len(samples.weights) else generator.integers(n_samples)]
    closest = np.full(n_samples, np.inf, samples.dtype)
    samples.lower(samples.take(chosen[0]), closest)
    while len(chosen) < n_clusters:
        potential = closest * samples.weights if len(samples.weights) else closest
        candidates = _draw(potential, n_trials, generator)
        trials = []
        for candidate in candidates:
            trial = closest.copy()
            trials.append((samples.lower(samples.take(candidate), trial), trial))
        best = min(range(n_trials), key=lambda trial: trials[trial][0])
        chosen.append(int(candidates[best]))
        closest = trials[best][1]
    return samples.take(chosen)


def random_centers(samples: Samples, n_clusters: int, generator: "np.random.Generator") -> NDArray[Any]:
    """Different samples, drawn by weight."""
    chances = samples.weights / samples.weights.sum() if len(samples.weights) else None
    return samples.take(generator.choice(len(samples.data), n_clusters, replace=False, p=chances))


def _draw(weights: NDArray[Any], n: int, generator: "np.random.Generator") -> NDArray[np.intp]:
    """`n` indices, drawn by weight, with replacement."""
    cumulated = np.cumsum(weights, dtype=np.float64)
    # Up to the last rounding; "right" never draws an index of weight 0.
    drawn = np.searchsorted(cumulated, generator.random(n) * cumulated[-1], side="right")
    return np.minimum(drawn, len(weights) - 1)


def _in_order(partial: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the first axis, one entry after another, whatever instructions NumPy would use."""
    total = partial[0].copy()
    for entry in partial[1:]:
        total += entry
    return total
