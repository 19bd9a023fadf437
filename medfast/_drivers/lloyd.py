"""Lloyd's algorithm on vectors: steps and when to stop, over the kernel that goes from pass to pass by itself."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _kernels
from medfast._drivers.samples import Samples, sums_size
from medfast._parallel import helped, threads_for

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
            self._shift = centers.mean(axis=0, dtype=np.float64).astype(samples.dtype)
        n_tiles, self._tile_rows = samples.tiles(n_clusters)
        self._centers = np.array([centers, centers], samples.dtype)
        self._gaps = np.empty(n_samples, np.float32)  # the first pass fills it
        self._sums = np.zeros((n_tiles if with_sums else 0, n_clusters * sums_size(n_features)))
        self._totals = np.full((n_tiles, 3), -1.0)
        self._total = np.empty((n_clusters, n_features + 1))
        self._numbers = np.zeros(3)
        work = samples.nanoseconds(n_clusters)
        n_threads = min(threads_for(PASSES * work * n_samples, samples.num_threads), n_tiles) if n_tiles > 1 else 1
        self._board = np.zeros((TAKEN + n_threads, LINE), np.int64)
        self._board[TAKEN:, 0] = 2**31  # no tiles left, before the first pass
        self._state = self._board[1]
        self._tiles_at_once = math.ceil(
            5e7 / (work * self._tile_rows)
        )  # nobody waits for Ctrl-C longer than for 50 ms, or a tile

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
        samples = self.samples
        _kernels.kmeans.lloyd(
            samples.data, samples.weights, self._centers, self._shift, self._tile_rows,
            samples.scratch(len(self._total)), self.labels, self._gaps, self._sums, self._totals, self._total,
            self._numbers, self._board, worker, self._tiles_at_once,
        )  # fmt: skip

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


def nearest(samples: Samples, centers: NDArray[Any]) -> NDArray[np.int32]:
    """Labels by nearest center."""
    labelling = Labelling(samples, centers, with_sums=False)
    labelling.assign(centers)
    return labelling.labels


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
