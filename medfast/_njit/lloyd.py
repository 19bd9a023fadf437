"""Lloyd's algorithm inside functions that Numba compiles: medfast/_drivers/lloyd.py on one thread, without weights."""

import math
from typing import NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from medfast._drivers import lloyd
from medfast._drivers import samples as vectors
from medfast._njit import arguments, kernels

kernel = kernels.kmeans
BLOCK, GROUP, PARTS, LOOKED_UP = vectors.BLOCK, vectors.GROUP, vectors.PARTS, vectors.LOOKED_UP
TILE_STEPS, MOST_TILES, LEAST_ROWS = vectors.TILE_STEPS, vectors.MOST_TILES, vectors.LEAST_ROWS
TASK, STATUS, CURRENT, N_CHANGED = lloyd.TASK, lloyd.STATUS, lloyd.CURRENT, lloyd.N_CHANGED
N_PASSES, MOST_PASSES = lloyd.N_PASSES, lloyd.MOST_PASSES
LABEL, ITERATE, INERTIA = lloyd.LABEL, lloyd.ITERATE, lloyd.INERTIA
ASKED, EMPTY, LINE, TAKEN = lloyd.ASKED, lloyd.EMPTY, lloyd.LINE, lloyd.TAKEN


class Labelling(NamedTuple):
    """What is kept from pass to pass, as the driver's class of this name keeps it."""

    centers: np.ndarray
    shift: np.ndarray
    labels: np.ndarray
    gaps: np.ndarray
    sums: np.ndarray
    totals: np.ndarray
    total: np.ndarray
    numbers: np.ndarray
    board: np.ndarray


def as_samples(moved, mask, n_features):
    """(samples, features) of an array whose last axis is that of the features: a view, if that can be."""
    raise NotImplementedError


@overload(as_samples)
def _as_samples(moved, mask, n_features):
    two = moved.ndim == 2
    if arguments.is_none(mask):
        if two:
            return lambda moved, mask, n_features: moved
        return lambda moved, mask, n_features: np.ascontiguousarray(moved).reshape((-1, n_features))

    def inside(moved, mask, n_features):
        vectors, chosen = np.ascontiguousarray(moved).reshape((-1, n_features)), np.ascontiguousarray(mask).ravel()
        found, n = np.empty((chosen.sum(), n_features), moved.dtype), 0
        for i in range(len(chosen)):
            if chosen[i]:
                found[n] = vectors[i]
                n += 1
        return found

    return inside


def spread(labels, mask, shape):
    """Labels where the samples came from, −1 elsewhere."""
    raise NotImplementedError


@overload(spread)
def _spread(labels, mask, shape):
    if arguments.is_none(mask):
        return lambda labels, mask, shape: labels.reshape(shape)

    def inside(labels, mask, shape):
        chosen, n = np.ascontiguousarray(mask).ravel(), 0
        everywhere = np.full(len(chosen), -1, np.int32)
        for i in range(len(chosen)):
            if chosen[i]:
                everywhere[i] = labels[n]
                n += 1
        return everywhere.reshape(shape)

    return inside


def runs(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
    """The best of some runs."""
    raise NotImplementedError


@overload(runs)
def _runs(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
    if isinstance(init, types.Array):

        def from_centers(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
            if init.shape != (n_clusters, samples.shape[1]):
                raise ValueError("init must have shape (n_clusters, n_features)")
            centers = np.empty(init.shape, precision)
            centers[...] = init
            if not np.isfinite(centers).all():
                raise ValueError("init must be finite, got NaN or infinity")
            return run(samples, centers, max_iter, tolerance, precision)

        return from_centers

    def from_random(samples, n_clusters, init, n_init, max_iter, tolerance, random_state, precision):
        centers = plus_plus(samples, n_clusters, random_state, precision)
        best = run(samples, centers, max_iter, tolerance, precision)
        for _ in range(1, n_init):
            centers = plus_plus(samples, n_clusters, random_state, precision)
            other = run(samples, centers, max_iter, tolerance, precision)
            if other[2] < best[2]:
                best = other
        return best

    return from_random


@register_jitable
def tiles_of(n_samples, n_features, n_clusters):
    """Tiles, and samples of a tile: those of the driver, for sums over tiles are added in order."""
    rows = max(
        math.ceil(n_samples / MOST_TILES),
        math.ceil(TILE_STEPS / (n_clusters * n_features)),
        LEAST_ROWS * n_clusters,
    )
    tile_rows = BLOCK * math.ceil(rows / BLOCK)
    return np.int64(math.ceil(n_samples / tile_rows)), np.int64(tile_rows)


@register_jitable
def scratch_for(n_features, n_clusters, precision):
    """What the kernel works in: as the driver reckons."""
    packed = (n_clusters + GROUP - 1) // GROUP * GROUP * (n_features + 1) + n_clusters
    return np.empty((3 * BLOCK + 1) * n_features + max(packed, LOOKED_UP * n_features) + BLOCK, precision)


@register_jitable
def sums_for(n_tiles, n_features, n_clusters):
    """Sums by label and tile, as the kernel keeps them."""
    return np.zeros((n_tiles, n_clusters * PARTS * (2 * ((n_features + PARTS - 1) // PARTS) + 1)))


@register_jitable
def labelling_for(samples, centers, precision):
    """No labels yet; distances are reckoned from the mean of the centers."""
    n_clusters, n_features = centers.shape
    n_samples = len(samples)
    n_tiles, _ = tiles_of(n_samples, n_features, n_clusters)
    shift = np.empty(n_features, precision)
    for feature in range(n_features):
        total = 0.0
        for i in range(n_clusters):
            total += centers[i, feature]
        shift[feature] = total / n_clusters
    both = np.empty((2, n_clusters, n_features), precision)
    both[0], both[1] = centers, centers
    gaps = np.empty(n_samples, np.float32)  # the first pass fills it
    sums, totals = sums_for(n_tiles, n_features, n_clusters), np.full((n_tiles, 3), -1.0)
    total, numbers, board = np.empty((n_clusters, n_features + 1)), np.zeros(3), np.zeros((TAKEN + 1, LINE), np.int64)
    return Labelling(both, shift, np.full(n_samples, -1, np.int32), gaps, sums, totals, total, numbers, board)


@register_jitable
def do(samples, labelling, task, precision):
    """A task of the kernel to its end; returns the status."""
    centers, shift, labels, gaps, sums, totals, total, numbers, board = labelling
    _, n_clusters, n_features = centers.shape
    _, tile_rows = tiles_of(len(samples), n_features, n_clusters)
    scratch, weights = scratch_for(n_features, n_clusters, precision), np.empty(0)
    board[1, TASK], board[1, STATUS] = task, ASKED
    kernel.lloyd(
        samples, weights, centers, shift, tile_rows, scratch, labels, gaps, sums, totals, total, numbers, board, 0,
        np.int64(2**62),
    )  # fmt: skip
    return board[1, STATUS]


@register_jitable
def gathered(sums, n_clusters, n_features):
    """Samples and weights of each cluster over all tiles, added up in order."""
    total = np.empty((n_clusters, n_features + 1))
    kernel.gather(sums, total)
    return total[:, :-1], total[:, -1]


@register_jitable
def inertia_of(samples, centers, labels, precision):
    """Sum of the squared distances of the samples to the centers of their labels."""
    n_clusters, n_features = centers.shape
    n_samples = len(samples)
    n_tiles, tile_rows = tiles_of(n_samples, n_features, n_clusters)
    totals, scratch, weights = np.empty(n_tiles), scratch_for(n_features, n_clusters, precision), np.empty(0)
    kernel.inertia(samples, weights, centers, tile_rows, 0, n_samples, scratch, labels, totals)
    return in_order(totals)


@register_jitable
def lower(samples, center, before, closest, precision):
    """Take one more center into account in the squared distances `before`; their sum."""
    n_samples, n_features = samples.shape
    n_tiles, tile_rows = tiles_of(n_samples, n_features, 1)
    totals, scratch, weights = np.empty(n_tiles), scratch_for(n_features, 1, precision), np.empty(0)
    kernel.lower(samples, weights, center, tile_rows, 0, n_samples, scratch, before, closest, totals)
    return in_order(totals)


@register_jitable
def in_order(partial):
    """Sum, one entry after another."""
    total = partial[0]
    for i in range(1, len(partial)):
        total += partial[i]
    return total


@register_jitable
def take(samples, i, precision):
    """A sample, as a center."""
    center = np.empty(samples.shape[1], precision)
    center[:] = samples[i]
    return center


@register_jitable
def mean_variance(samples, precision):
    """Variance of a feature, averaged over the features."""
    n_samples, n_features = samples.shape
    n_tiles, tile_rows = tiles_of(n_samples, n_features, 1)
    labels, sums = np.zeros(n_samples, np.int32), sums_for(n_tiles, n_features, 1)
    kernel.add_up(samples, np.empty(0), tile_rows, 0, n_samples, scratch_for(n_features, 1, precision), labels, sums)
    total, _ = gathered(sums, 1, n_features)
    center = np.empty((1, n_features), precision)
    for feature in range(n_features):
        center[0, feature] = total[0, feature] / n_samples
    return inertia_of(samples, center, labels, precision) / (n_samples * n_features)


@register_jitable
def run(samples, centers, max_iter, tolerance, precision):
    """Lloyd's algorithm from `centers`: labels, centers, inertia, iterations."""
    labelling = labelling_for(samples, centers, precision)
    both, labels, total, numbers, state = (
        labelling.centers, labelling.labels, labelling.total, labelling.numbers, labelling.board[1]
    )  # fmt: skip
    numbers[0], state[MOST_PASSES] = tolerance, max_iter
    while do(samples, labelling, ITERATE, precision) == EMPTY:
        old, sums = both[state[CURRENT]], total.copy()
        state[CURRENT] = 1 - state[CURRENT]
        both[state[CURRENT]] = means(samples, old, labels, sums[:, :-1], sums[:, -1], precision)
        moved = 0.0
        for i in range(len(old)):
            for feature in range(samples.shape[1]):
                moved += (np.float64(both[state[CURRENT], i, feature]) - old[i, feature]) ** 2
        if moved <= tolerance or state[N_PASSES] >= max_iter:
            break
    n_iter = state[N_PASSES]
    if state[N_CHANGED] > 0:
        do(samples, labelling, LABEL, precision)
    do(samples, labelling, INERTIA, precision)
    return labels, both[state[CURRENT]].copy(), numbers[1], n_iter


@register_jitable
def means(samples, centers, labels, sums, weights, precision):
    """New centers. Clusters that got no sample move to the samples farthest from `centers`, farthest first."""
    if (weights == 0).any():
        closest = np.full(len(labels), np.inf).astype(precision)
        for i in range(len(centers)):
            lower(samples, centers[i], closest, closest, precision)
        empty, is_first = np.flatnonzero(weights == 0), True
        for i in range(min(len(empty), len(labels))):
            farthest = np.argmax(closest)
            if is_first and not closest[farthest] > 0:  # there are fewer distinct samples than clusters
                break
            is_first = False
            closest[farthest] = -1
            old, new = labels[farthest], empty[i]
            for feature in range(samples.shape[1]):
                value = np.float64(samples[farthest, feature])
                sums[old, feature] -= value
                sums[new, feature] = value
            weights[old] -= 1.0
            weights[new] = 1.0
        heaviest = np.argmax(weights)
        for i in range(len(weights)):
            if weights[i] <= 0:
                sums[i], weights[i] = sums[heaviest], weights[heaviest]
    new_centers = np.empty(centers.shape, precision)
    for i in range(len(centers)):
        for feature in range(centers.shape[1]):
            new_centers[i, feature] = sums[i, feature] / weights[i]
    return new_centers


@register_jitable
def plus_plus(samples, n_clusters, generator, precision):
    """Greedy k-means++."""
    n_samples = len(samples)
    n_trials = 2 + int(math.log(n_clusters))
    centers = np.empty((n_clusters, samples.shape[1]), precision)
    centers[0] = samples[generator.integers(0, n_samples)]
    closest = np.full(n_samples, np.inf).astype(precision)
    best_closest, trial = np.empty_like(closest), np.empty_like(closest)
    lower(samples, centers[0], closest, closest, precision)
    for n_chosen in range(1, n_clusters):
        cumulated, running = np.empty(n_samples), 0.0
        for i in range(n_samples):
            running += closest[i]
            cumulated[i] = running
        drawn, least = generator.random(n_trials) * cumulated[-1], np.inf
        for number in range(n_trials):
            candidate = min(np.searchsorted(cumulated, drawn[number], side="right"), n_samples - 1)
            total = lower(samples, take(samples, candidate, precision), closest, trial, precision)
            if number == 0 or total < least:
                least = total
                best_closest, trial = trial, best_closest
                centers[n_chosen] = samples[candidate]
        closest, best_closest = best_closest, closest
    return centers
