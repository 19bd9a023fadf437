"""Samples of vectors, and the passes over them that stand alone: sums, inertia, distances to one more center.

A pass gives each tile's sums in an entry of their own, and these are added in order: the result is the same for any
number of threads, and the tiles depend on the shape of the problem alone.
"""

import math
from collections.abc import Callable
from typing import Any

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
TILE_STEPS = 250_000
"""Coordinates compared in a tile, at least: its sums are then added up in a hundredth of the time."""
LOOKED_UP = 16
"""Centers up to which the kernel keeps a table of them."""
MOST_TILES = 64
LEAST_ROWS = 32
"""Samples of a tile, for each cluster: the sums of all tiles together stay well below the size of the data."""


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
        sums = np.zeros((n_tiles, n_clusters * sums_size(self.data.shape[1])))
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

    def mean_variance(self) -> float:
        """Variance of a feature, averaged over the features; weights do not count."""
        unweighted = Samples(self.data, None, self.num_threads)
        n_samples, n_features = self.data.shape
        labels = np.zeros(n_samples, np.int32)
        total = gathered(unweighted.sums(labels, 1), 1, n_features)
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

    def scratch(self, n_clusters: int) -> NDArray[Any]:
        """What a call of the kernel works in: three blocks of samples, zeros; centers with half their squares and what
        they moved, or a table of 16 of them; room to begin at a multiple of 64."""
        n_features = self.data.shape[1]
        packed = GROUP * math.ceil(n_clusters / GROUP) * (n_features + 1) + n_clusters
        return np.empty((3 * BLOCK + 1) * n_features + max(packed, LOOKED_UP * n_features) + BLOCK, self.dtype)

    def nanoseconds(self, n_clusters: int) -> float:
        """What a pass takes for a sample, about."""
        n_features = self.data.shape[1]
        return 1.0 + 0.15 * n_features + 0.05 * n_clusters + n_features * n_clusters / 80.0

    def for_tiles(self, body: Callable[[int, int, NDArray[Any]], None], n_clusters: int) -> None:
        """Call `body(start, stop, scratch)` for samples of whole tiles, which together are all."""
        n_samples = len(self.data)
        n_tiles, tile_rows = self.tiles(n_clusters)

        def tiles(first: int, last: int) -> None:
            body(first * tile_rows, min(last * tile_rows, n_samples), self.scratch(n_clusters))

        work = self.nanoseconds(n_clusters) * tile_rows
        for_rows(n_tiles, tiles, work_per_row=work, num_threads=self.num_threads)


def sums_size(n_features: int) -> int:
    """Numbers that the kernel keeps for a cluster of a tile."""
    return PARTS * (2 * math.ceil(n_features / PARTS) + 1)


def gathered(sums: NDArray[np.float64], n_clusters: int, n_features: int) -> NDArray[np.float64]:
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
