"""Lloyd's algorithm on vectors: starts, steps and when to stop, over the kernel that passes over a tile of samples.

A pass gives each tile's sums in an entry of their own, and these are added in order: the result is the same for any
number of threads, and the tiles depend on the shape of the problem alone.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._parallel import for_rows, helped, threads_for

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
PASSES = 8
"""In how many passes threads have to earn what it takes to wake them."""

# The board of the kernel, as in src/kmeans_board.h: two lines, and one for each worker, so long that none shares a line
# of any cache with another; entries of the line of the state; tasks; status.
LINE, TAKEN = 16, 2
TASK, STATUS, PASS, CURRENT, N_CHANGED, N_PASSES, MOST_PASSES, FARTHEST = range(8)
LEAVE, LABEL, ITERATE, INERTIA = range(4)
ASKED, RUNNING, FINISHED, EMPTY = range(4)


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


class Labelling:
    """Labels of samples by their nearest centers, and sums by label that are kept from pass to pass.

    A board tells the calling thread and its helpers what to do next, as src/kmeans_board.h describes.

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
        n_samples, n_features = samples.data.shape
        n_clusters = len(centers)
        self.labels = np.full(n_samples, -1, np.int32)
        with np.errstate(over="ignore", invalid="ignore"):
            shift = centers.mean(axis=0, dtype=np.float64).astype(samples.dtype)
        n_tiles, tile_rows = samples.tiles(n_clusters)
        self._centers = np.array([centers, centers], samples.dtype)
        self._gaps = np.empty(n_samples, np.float32)  # the first pass fills it
        self._sums = np.zeros((n_tiles if with_sums else 0, n_clusters * _sums_size(n_features)))
        self._totals = np.full((n_tiles, 3), -1.0)
        self._total = np.empty((n_clusters, n_features + 1))
        self._numbers = np.zeros(3)
        work = samples.nanoseconds(n_clusters) * tile_rows
        n_threads = min(threads_for(PASSES * n_tiles * work, samples.num_threads), n_tiles)
        self._board = np.zeros((TAKEN + n_threads, LINE), np.int64)
        self._board[TAKEN:, 0] = 2**31  # no tiles left, before the first pass
        self._state = self._board[1]
        self._tiles_at_once = math.ceil(5e7 / work)  # nobody waits for Ctrl-C longer than for 50 ms, or a tile
        self._arrays = (
            samples.data, samples.weights, self._centers, shift, tile_rows,
            self.labels, self._gaps, self._sums, self._totals, self._total, self._numbers, self._board,
        )  # fmt: skip

    @property
    def centers(self) -> NDArray[Any]:
        """Where the last pass or `move` has left them."""
        return self._centers[self._state[CURRENT]]

    @property
    def sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sums and weights by cluster, of the last pass."""
        return self._total[:, :-1], self._total[:, -1]

    @property
    def n_changed(self) -> int:
        """Labels that changed in the last pass."""
        return int(self._state[N_CHANGED])

    @property
    def n_passes(self) -> int:
        """Passes iterated so far."""
        return int(self._state[N_PASSES])

    @property
    def moved(self) -> float:
        """How far the centers moved in the last pass iterated, as `lloyd` takes it."""
        return float(self._numbers[2])

    def assign(self, centers: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Label by nearest center; return sums and weights by cluster, and how many labels changed."""
        self.move(centers)
        with self.helped():
            self._do(LABEL)
        return *self.sums, self.n_changed

    def move(self, centers: NDArray[Any]) -> None:
        """Take these centers."""
        self._state[CURRENT] = 1 - self._state[CURRENT]
        self.centers[...] = centers

    def iterate(self, most_passes: int, tolerance: float, *, farthest: bool) -> bool:
        """Label and move the centers in turns, until no label changes, centers move by no more than `tolerance`, or
        there were `most_passes` in all; False if it stops before, for a cluster is empty. Only inside `helped`.
        """
        state = self._state
        self._numbers[0], state[MOST_PASSES], state[FARTHEST] = tolerance, most_passes, farthest
        self._do(ITERATE)
        return bool(state[STATUS] != EMPTY)

    def finish(self, *, relabel: bool) -> float:
        """Label once more, or not; return the inertia. Only inside `helped`."""
        if relabel:
            self._do(LABEL)
        self._do(INERTIA)
        return float(self._numbers[1])

    def relabel(self, labels: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Take these labels; return sums and weights by cluster."""
        self.labels[...] = labels
        self._gaps.fill(-1.0)
        self._sums[...] = self.samples.sums(self.labels, len(self._total))
        _kernels.kmeans.gather(self._sums, self._total)
        return self.sums

    def _do(self, task: int) -> None:
        """Lead a task to its end, which a signal may cut short."""
        self._state[TASK], self._state[STATUS] = task, ASKED
        while self._state[STATUS] in (ASKED, RUNNING):
            self._work(0)

    def _work(self, worker: int) -> None:
        data, weights, centers, shift, tile_rows, *rest = self._arrays
        scratch = self.samples.scratch(len(self._total))
        _kernels.kmeans.lloyd(
            data, weights, centers, shift, tile_rows, scratch, *rest, worker, self._tiles_at_once
        )

    @contextmanager
    def helped(self) -> Iterator[None]:
        """Threads stand by for what is done in the block."""
        self._state[TASK] = LABEL  # anything but LEAVE
        with helped(self._work, len(self._board) - TAKEN):
            try:
                yield
            finally:
                self._state[TASK] = LEAVE


def lloyd(
    samples: Samples,
    centers: NDArray[Any],
    *,
    max_iter: int,
    tolerance: float,
    labelling: Labelling | None = None,
    farthest: bool = False,
    update: Callable[..., NDArray[Any]] | None = None,
    relabel: bool = True,
    report: Callable[[str], None] | None = None,
) -> Clusters:
    """Run Lloyd's algorithm from `centers`.

    It stops when no label changes, or when the sum of the squared distances that the centers moved (the farthest one's,
    with `farthest`) is at most `tolerance`; in the second case the samples are labelled once more, so that each has its
    nearest center. Without `relabel` they are not, so that each center is the mean of its samples. `update` is what
    takes the place of `means` where a cluster has no samples; `report` is told what happens.
    """
    labelling = labelling or Labelling(samples, centers)
    labelling.move(centers)
    update, moves = update or means, np.max if farthest else np.sum
    inertia: float | None = None
    is_over = False
    while not is_over:
        old = labelling.centers.copy()
        most = labelling.n_passes + 1 if report else max_iter
        with labelling.helped():
            is_whole = labelling.iterate(most, tolerance, farthest=farthest)
            n_changed, moved = labelling.n_changed, labelling.moved
            is_over = is_whole and (n_changed == 0 or moved <= tolerance or labelling.n_passes >= max_iter)
            if is_over and not report:
                inertia = labelling.finish(relabel=relabel and n_changed > 0)
        if not is_whole:
            old = labelling.centers.copy()
            labelling.move(update(labelling, old, *labelling.sums))
            moved = float(moves(np.sum((labelling.centers.astype(np.float64) - old) ** 2, axis=1)))
            is_over = moved <= tolerance or labelling.n_passes >= max_iter
        if report:
            _report(report, labelling, samples.inertia(old, labelling.labels), moved, tolerance)
    if inertia is None:
        with labelling.helped():
            inertia = labelling.finish(relabel=relabel and n_changed > 0)
    return Clusters(labelling.labels, labelling.centers.copy(), inertia, labelling.n_passes)


def _report(
    report: Callable[[str], None], labelling: Labelling, inertia: float, moved: float, tolerance: float
) -> None:
    """What scikit-learn tells of an iteration."""
    iteration = labelling.n_passes - 1
    report(f"Iteration {iteration}, inertia {inertia}.")
    if labelling.n_changed == 0:
        report(f"Converged at iteration {iteration}: strict convergence.")
    elif moved <= tolerance:
        report(f"Converged at iteration {iteration}: center shift {moved} within tolerance {tolerance}.")


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
    if len(samples.weights) or not isinstance(generator, np.random.Generator):
        chosen = [int(_draw(samples.weights, 1, generator)[0])]
    else:
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
