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

BLOCK = 64
"""Samples that the kernel works on at once, as in src/kmeans.h."""
GROUP = 4
"""Centers that the kernel works on at once."""
PARTS = 8
"""Sums that the kernel works on at once: a cluster's are high and low parts of the features, each filled up to a
multiple of it, and as many again for the weight and a count."""
TILE_STEPS = 500_000
"""Coordinates compared in a tile, at least: its sums are then added up in a hundredth of the time."""
MOST_TILES = 64
LEAST_ROWS = 32
"""Samples of a tile, for each cluster: the sums of all tiles together stay well below the size of the data."""


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

    def take(self, indices: Any) -> NDArray[Any]:
        """The samples at `indices`, as centers."""
        return np.ascontiguousarray(self.data[indices], self.dtype)

    def lower(self, center: NDArray[Any], before: NDArray[Any], closest: NDArray[Any]) -> float:
        """Take one more center into account in the squared distances `before`; return their weighted sum."""
        n_tiles, tile_rows = self.tiles(1)
        totals = np.empty(n_tiles)
        kernel = _kernels.kmeans

        def body(start: int, stop: int, scratch: NDArray[Any]) -> None:
            kernel.lower(self.data, self.weights, center, tile_rows, start, stop, scratch, before, closest, totals)

        self.for_tiles(body, 1)
        return float(_in_order(totals))

    def sums(self, labels: NDArray[np.int32], n_clusters: int) -> NDArray[np.float64]:
        """Sums by label and tile, as the kernel keeps them."""
        n_tiles, tile_rows = self.tiles(n_clusters)
        sums = np.zeros((n_tiles, n_clusters * _sums_size(self.data.shape[1])))
        kernel = _kernels.kmeans

        def body(start: int, stop: int, scratch: NDArray[Any]) -> None:
            kernel.add_up(self.data, self.weights, tile_rows, start, stop, scratch, labels, sums)

        self.for_tiles(body, n_clusters)
        return sums

    def inertia(self, centers: NDArray[Any], labels: NDArray[np.int32]) -> float:
        """Weighted sum of the squared distances of the samples to the centers of their labels."""
        n_tiles, tile_rows = self.tiles(len(centers))
        totals = np.empty(n_tiles)
        kernel = _kernels.kmeans

        def body(start: int, stop: int, scratch: NDArray[Any]) -> None:
            kernel.inertia(self.data, self.weights, centers, tile_rows, start, stop, scratch, labels, totals)

        self.for_tiles(body, len(centers))
        return float(_in_order(totals))

    def nearest(self, centers: NDArray[Any]) -> NDArray[np.int32]:
        """Labels by nearest center."""
        labelling = Labelling(self, centers, with_sums=False)
        labelling.assign(centers)
        return labelling.labels

    def mean_variance(self) -> float:
        """Variance of a feature, averaged over the features; weights do not count."""
        unweighted = Samples(self.data, None, self.num_threads)
        n_samples, n_features = self.data.shape
        labels = np.zeros(n_samples, np.int32)
        total = _gathered(unweighted.sums(labels, 1), 1, n_features)
        return unweighted.inertia((total[:, :-1] / n_samples).astype(self.dtype), labels) / (n_samples * n_features)

    def tiles(self, n_clusters: int) -> tuple[int, int]:
        """How many tiles the samples are cut into, and how many samples each has."""
        n_samples, n_features = self.data.shape
        rows = max(
            math.ceil(n_samples / MOST_TILES),
            math.ceil(TILE_STEPS / (n_clusters * n_features)),
            LEAST_ROWS * n_clusters,
        )
        tile_rows = BLOCK * math.ceil(rows / BLOCK)
        return math.ceil(n_samples / tile_rows), tile_rows

    def for_tiles(self, body: Callable[[int, int, NDArray[Any]], None], n_clusters: int) -> None:
        """Call `body(start, stop, scratch)` for samples of whole tiles, which together are all."""
        n_samples, n_features = self.data.shape
        n_tiles, tile_rows = self.tiles(n_clusters)
        # two blocks of samples, zeros, centers with half their squares, their moves, and room to begin at a multiple
        # of 64
        n_values = 2 * BLOCK * n_features + n_features
        n_values += GROUP * math.ceil(n_clusters / GROUP) * (n_features + 1) + n_clusters + BLOCK

        def tiles(first: int, last: int) -> None:
            body(first * tile_rows, min(last * tile_rows, n_samples), np.empty(n_values, self.dtype))

        nanoseconds = 1.0 + 0.15 * n_features + 0.05 * n_clusters + n_features * n_clusters / 80.0
        for_rows(n_tiles, tiles, work_per_row=nanoseconds * tile_rows, num_threads=self.num_threads)


class Labelling:
    """Labels of samples by their nearest centers, and sums by label that are kept from pass to pass.

    Parameters
    ----------
    samples : Samples
        What is labelled.
    centers : ndarray of shape (n_clusters, n_features)
        Any centers among those to come: distances are reckoned from their mean.
    with_sums : bool
        Whether sums are kept.
    """

    def __init__(self, samples: Samples, centers: NDArray[Any], *, with_sums: bool = True) -> None:
        self.samples = samples
        self.labels = np.full(len(samples.data), -1, np.int32)
        self._shape = centers.shape
        with np.errstate(over="ignore", invalid="ignore"):
            self._shift = centers.mean(axis=0, dtype=np.float64).astype(samples.dtype)
        n_tiles, self._tile_rows = samples.tiles(len(centers))
        self._sums = np.zeros((n_tiles if with_sums else 0, len(centers) * _sums_size(centers.shape[1])))
        self._totals = np.full((n_tiles, 2), -1.0)
        self._gaps = np.empty(len(samples.data), np.float32)  # the first pass fills it
        self._earlier = centers

    def assign(self, centers: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Label by nearest center; return sums and weights by cluster, and how many labels changed."""
        samples = self.samples
        kernel = _kernels.kmeans

        def body(start: int, stop: int, scratch: NDArray[Any]) -> None:
            kernel.assign(
                samples.data, samples.weights, centers, self._earlier, self._shift, self._tile_rows, start, stop,
                scratch, self.labels, self._gaps, self._sums, self._totals,
            )  # fmt: skip

        samples.for_tiles(body, len(centers))
        self._earlier = centers
        return *self._gathered(), int(self._totals[:, 1].sum())

    def relabel(self, labels: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Take these labels; return sums and weights by cluster."""
        self.labels[...] = labels
        self._gaps.fill(-1.0)
        self._sums = self.samples.sums(self.labels, self._shape[0])
        return self._gathered()

    def _gathered(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        total = _gathered(self._sums, *self._shape)
        return total[:, :-1], total[:, -1]


def lloyd(
    samples: Samples,
    centers: NDArray[Any],
    *,
    max_iter: int,
    tolerance: float,
    labelling: Labelling | None = None,
    shift: Callable[[NDArray[np.float64]], Any] = np.sum,
    update: Callable[..., NDArray[Any]] | None = None,
    relabel: bool = True,
    report: Callable[[str], None] | None = None,
) -> Clusters:
    """Run Lloyd's algorithm from `centers`.

    It stops when no label changes, or when `shift` of the squared distances that the centers moved is at most
    `tolerance`; in the second case the samples are labelled once more, so that each has its nearest center. Without
    `relabel` they are not, so that each center is the mean of its samples. `update` is what takes the place of `means`;
    `report` is told what happens.
    """
    update = update or means
    labelling = labelling or Labelling(samples, centers)
    labels = labelling.labels
    for iteration in range(1, max_iter + 1):
        sums, weights, n_changed = labelling.assign(centers)
        if report:
            report(f"Iteration {iteration - 1}, inertia {samples.inertia(centers, labels)}.")
        if n_changed == 0:
            if report:
                report(f"Converged at iteration {iteration - 1}: strict convergence.")
            break
        old, centers = centers, update(labelling, centers, sums, weights)
        moved = shift(np.sum((centers.astype(np.float64) - old) ** 2, axis=1))
        if moved <= tolerance:
            if report:
                report(f"Converged at iteration {iteration - 1}: center shift {moved} within tolerance {tolerance}.")
            break
    if n_changed and relabel:
        labelling.assign(centers)
    return Clusters(labels, centers, samples.inertia(centers, labels), iteration)


def means(
    labelling: Labelling, centers: NDArray[Any], sums: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[Any]:
    """New centers. Clusters that got no sample move to the samples farthest from `centers`, farthest first."""
    samples, labels = labelling.samples, labelling.labels
    if not weights.all():
        empty = np.flatnonzero(weights == 0)
        closest = np.full(len(labels), np.inf, samples.dtype)
        for center in centers:
            samples.lower(center, closest, closest)
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


def plus_plus_centers(
    samples: Samples, n_clusters: int, generator: "np.random.Generator | np.random.RandomState"
) -> NDArray[Any]:
    """Greedy k-means++: of a few samples drawn by squared distance, the one that lowers the inertia most."""
    n_samples = len(samples.data)
    n_trials = 2 + int(math.log(n_clusters))
    if len(samples.weights):
        chosen = [int(_draw(samples.weights, 1, generator)[0])]
    else:
        assert not isinstance(generator, np.random.RandomState)  # which comes with weights alone
        chosen = [int(generator.integers(n_samples))]
    closest, best_closest, trial = np.full((3, n_samples), np.inf, samples.dtype)
    samples.lower(samples.take(chosen[0]), closest, closest)
    while len(chosen) < n_clusters:
        potential = closest * samples.weights if len(samples.weights) else closest
        best, least = -1, math.inf
        for candidate in _draw(potential, n_trials, generator):
            inertia = samples.lower(samples.take(candidate), closest, trial)
            if best < 0 or inertia < least:
                best, least = int(candidate), inertia
                best_closest, trial = trial, best_closest
        chosen.append(best)
        closest, best_closest = best_closest, closest
    return samples.take(chosen)


def random_centers(
    samples: Samples, n_clusters: int, generator: "np.random.Generator | np.random.RandomState"
) -> NDArray[Any]:
    """Different samples, drawn by weight."""
    chances = samples.weights / samples.weights.sum() if len(samples.weights) else None
    return samples.take(generator.choice(len(samples.data), n_clusters, replace=False, p=chances))


def _draw(weights: NDArray[Any], n: int, generator: "np.random.Generator | np.random.RandomState") -> NDArray[np.intp]:
    """`n` indices, drawn by weight, with replacement."""
    cumulated = np.cumsum(weights, dtype=np.float64)
    # Up to the last rounding; "right" never draws an index of weight 0.
    drawn = np.searchsorted(cumulated, generator.random(n) * cumulated[-1], side="right")
    return np.minimum(drawn, len(weights) - 1)


def _sums_size(n_features: int) -> int:
    """Numbers that the kernel keeps for a cluster of a tile."""
    return PARTS * (2 * math.ceil(n_features / PARTS) + 1)


def _gathered(sums: NDArray[np.float64], n_clusters: int, n_features: int) -> NDArray[np.float64]:
    """Weighted samples and weights of each cluster over all tiles, added up in order."""
    total = np.empty((n_clusters, n_features + 1))
    _kernels.kmeans.gather(sums, total)
    return total


def _in_order(partial: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the first axis, one entry after another, whatever instructions NumPy would use."""
    total = partial[0].copy()
    for entry in partial[1:]:
        total += entry
    return total
