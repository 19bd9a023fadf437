"""Lloyd's algorithm inside functions that Numba compiles: medfast/_drivers/lloyd.py on one thread, without weights."""

import math
from typing import NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from medfast._drivers import lloyd
from medfast._njit import arguments, kernels
from medfast._njit.sums import pairwise_sum

kernel = kernels.kmeans
STRIP, TILE_STEPS, MOST_TILES = lloyd.STRIP, lloyd.TILE_STEPS, lloyd.MOST_TILES


class Pass(NamedTuple):
    """What a pass over the samples gives."""

    sums: np.ndarray
    weights: np.ndarray
    inertia: float
    n_changed: int


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
    """Samples of a tile, and tiles: those of the driver, for sums over tiles are added in order."""
    rows = max(math.ceil(n_samples / MOST_TILES), math.ceil(TILE_STEPS / (n_clusters * n_features)))
    tile_rows = STRIP * math.ceil(rows / STRIP)
    return np.int64(tile_rows), np.int64(math.ceil(n_samples / tile_rows))


@register_jitable
def assign(samples, centers, labels, precision):
    """Label by nearest center: sums and weights by cluster, the inertia, and how many labels changed."""
    n_clusters, n_features = centers.shape
    n_samples = len(samples)
    tile_rows, n_tiles = tiles_of(n_samples, n_features, n_clusters)
    sums, totals = np.empty((n_tiles, n_clusters, n_features + 1)), np.empty((n_tiles, 2))
    scratch, weights = np.empty(2 * n_features * STRIP, precision), np.empty(0)
    for tile in range(n_tiles):
        start, stop = tile * tile_rows, min((tile + 1) * tile_rows, n_samples)
        kernel.assign(samples, weights, centers, tile, start, stop, scratch, labels, sums, totals)
    for tile in range(1, n_tiles):
        sums[0] += sums[tile]
        totals[0] += totals[tile]
    return Pass(sums[0, :, :-1], sums[0, :, -1], totals[0, 0], np.int64(totals[0, 1]))


@register_jitable
def lower(samples, center, closest, precision):
    """Take one more center into account in the squared distances; their sum."""
    n_samples, n_features = samples.shape
    tile_rows, n_tiles = tiles_of(n_samples, n_features, 1)
    totals, scratch, weights = np.empty(n_tiles), np.empty(2 * n_features * STRIP, precision), np.empty(0)
    for tile in range(n_tiles):
        start, stop = tile * tile_rows, min((tile + 1) * tile_rows, n_samples)
        kernel.lower(samples, weights, center, tile, start, stop, scratch, closest, totals)
    total = totals[0]
    for tile in range(1, n_tiles):
        total += totals[tile]
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
    labels = np.empty(len(samples), np.int32)
    first = np.expand_dims(take(samples, 0, precision), 0)
    found = assign(samples, first, labels, precision)
    center = np.empty(first.shape, precision)
    for feature in range(samples.shape[1]):
        center[0, feature] = found.sums[0, feature] / found.weights[0]
    return assign(samples, center, labels, precision).inertia / (len(samples) * samples.shape[1])


@register_jitable
def run(samples, centers, max_iter, tolerance, precision):
    """Lloyd's algorithm from `centers`: labels, centers, inertia, iterations."""
    labels = np.full(len(samples), -1, np.int32)
    squares, shifts = np.empty(centers.shape[1]), np.empty(centers.shape[0])
    iteration = 0
    for number in range(1, max_iter + 1):
        iteration = number
        found = assign(samples, centers, labels, precision)
        if found.n_changed == 0:
            return labels, centers, found.inertia, iteration
        new = means(samples, centers, labels, found.sums, found.weights, precision)
        for i in range(len(shifts)):
            for feature in range(len(squares)):
                squares[feature] = (np.float64(new[i, feature]) - centers[i, feature]) ** 2
            shifts[i] = pairwise_sum(squares)
        centers = new
        if pairwise_sum(shifts) <= tolerance:
            break
    return labels, centers, assign(samples, centers, labels, precision).inertia, iteration


@register_jitable
def means(samples, centers, labels, sums, weights, precision):
    """New centers. Clusters that got no sample move to the samples farthest from `centers`, farthest first."""
    if (weights == 0).any():
        closest = np.full(len(labels), np.inf).astype(precision)
        for i in range(len(centers)):
            lower(samples, centers[i], closest, precision)
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
    lower(samples, centers[0], closest, precision)
    for n_chosen in range(1, n_clusters):
        cumulated, running = np.empty(n_samples), 0.0
        for i in range(n_samples):
            running += closest[i]
            cumulated[i] = running
        drawn = generator.random(n_trials) * cumulated[-1]
        best_sum, best = np.inf, closest
        for trial in range(n_trials):
            candidate = min(np.searchsorted(cumulated, drawn[trial], side="right"), n_samples - 1)
            distances = closest.copy()
            total = lower(samples, take(samples, candidate, precision), distances, precision)
            if trial == 0 or total < best_sum:
                best_sum, best = total, distances
                centers[n_chosen] = samples[candidate]
        closest = best
    return centers
