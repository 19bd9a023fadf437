"""Numba twin of src/kmeans.pyx."""

import numpy as np

from medfast._kernels.jit import kernel

STRIP = 64


@kernel
def assign(data, weights, centers, tile, start, stop, scratch, labels, sums, totals):
    """Label the samples of a tile by their nearest center, and add them up by label."""
    n_features = data.shape[1]
    row = scratch[:n_features]
    # One sum per place in a strip, added up at the end: the order of the compiled levels.
    inertia = np.zeros(STRIP)
    n_changed = 0
    sums[tile] = 0.0
    for n in range(start, stop):
        for j in range(n_features):
            row[j] = data[n, j]
        best, nearest = row.dtype.type(np.inf), 0
        for c in range(len(centers)):
            distance = row.dtype.type(0)
            for j in range(n_features):
                difference = row[j] - centers[c, j]
                distance += difference * difference
            if distance < best:
                best, nearest = distance, c
        n_changed += labels[n] != nearest
        labels[n] = nearest
        weight = weights[n] if len(weights) else 1.0
        inertia[(n - start) % STRIP] += weight * best
        for j in range(n_features):
            sums[tile, nearest, j] += weight * row[j]
        sums[tile, nearest, n_features] += weight
    inertia_in_all = 0.0
    for i in range(STRIP):
        inertia_in_all += inertia[i]
    totals[tile, 0] = inertia_in_all
    totals[tile, 1] = n_changed


@kernel
def lower(data, weights, center, tile, start, stop, scratch, closest, totals):
    """Take one more center into account: the squared distance of each sample of a tile to its closest one."""
    total = 0.0
    for n in range(start, stop):
        distance = center.dtype.type(0)
        for j in range(len(center)):
            scratch[j] = data[n, j]
            difference = scratch[j] - center[j]
            distance += difference * difference
        closest[n] = min(closest[n], distance)
        total += (weights[n] if len(weights) else 1.0) * closest[n]
    totals[tile] = total
