"""Numba twin of src/kmeans.pyx."""

import numpy as np

from medfast._kernels.jit import kernel

BLOCK = 64
PARTS = 8


@kernel
def padded(n_features):
    """Features filled up to a multiple of PARTS: sums are high parts, low parts, both of the weight, and a count."""
    return (n_features + PARTS - 1) // PARTS * PARTS


@kernel
def add_parts(sums, at_high, at_low, term):
    """Add a term to a sum of two parts (Knuth): no rounding is lost but that of the low part."""
    high = sums[at_high]
    total = high + term
    part = total - high
    sums[at_low] += (high - (total - part)) + (term - part)
    sums[at_high] = total


@kernel
def add(row, weight, sums):
    """Add a weighted sample, and its weight, to the sums of a cluster."""
    n_padded = padded(len(row))
    for j in range(len(row)):
        add_parts(sums, j, n_padded + j, weight * row[j])
    add_parts(sums, 2 * n_padded, 2 * n_padded + 1, weight)
    sums[2 * n_padded + 2] += int(weight > 0.0) - int(weight < 0.0)


@kernel
def squared_distance(row, center):
    """Squared distance, summed in rising order of the features."""
    distance = center.dtype.type(0)
    for j in range(len(center)):
        difference = row[j] - center[j]
        distance += difference * difference
    return distance


@kernel
def assign(data, weights, centers, earlier, shift, tile_rows, start, stop, scratch, labels, gaps, sums, totals):
    """Label the samples of some tiles by their nearest center, and move them from one cluster's sums to another's."""
    n_features = data.shape[1]
    size = 2 * padded(n_features) + PARTS
    row = scratch[:n_features]
    for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
        n_changed = 0
        for n in range(tile * tile_rows, min((tile + 1) * tile_rows, stop)):
            for j in range(n_features):
                row[j] = data[n, j]
            best, nearest = row.dtype.type(np.inf), 0
            for c in range(len(centers)):
                distance = squared_distance(row, centers[c])
                if distance < best:
                    best, nearest = distance, c
            before = labels[n]
            if nearest != before:
                weight = weights[n] if len(weights) else 1.0
                if before >= 0 and len(sums):
                    add(row, -weight, sums[tile, before * size : (before + 1) * size])
                if len(sums):
                    add(row, weight, sums[tile, nearest * size : (nearest + 1) * size])
                n_changed += 1
                labels[n] = nearest
        totals[tile, 1] = n_changed


@kernel
def add_up(data, weights, tile_rows, start, stop, scratch, labels, sums):
    """Add the samples of some tiles up by label."""
    n_features = data.shape[1]
    size = 2 * padded(n_features) + PARTS
    row = scratch[:n_features]
    for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
        for n in range(tile * tile_rows, min((tile + 1) * tile_rows, stop)):
            for j in range(n_features):
                row[j] = data[n, j]
            add(row, weights[n] if len(weights) else 1.0, sums[tile, labels[n] * size : (labels[n] + 1) * size])


@kernel
def gather(sums, total):
    """Add the sums of all tiles up, in order. Clusters without a sample are exactly 0."""
    n_features = total.shape[1] - 1
    n_padded = padded(n_features)
    size = 2 * n_padded + PARTS
    both = np.zeros(2)
    for c in range(len(total)):
        count = 0.0
        for tile in range(len(sums)):
            count += sums[tile, c * size + 2 * n_padded + 2]
        for j in range(n_features + 1):
            at_high = c * size + (j if j < n_features else 2 * n_padded)
            at_low = at_high + (n_padded if j < n_features else 1)
            both[0] = both[1] = 0.0
            for tile in range(len(sums) if count > 0.0 else 0):
                add_parts(both, 0, 1, sums[tile, at_high])
                both[1] += sums[tile, at_low]
            total[c, j] = both[0] + both[1]


@kernel
def inertia(data, weights, centers, tile_rows, start, stop, scratch, labels, totals):
    """Inertia of the samples of some tiles."""
    row = scratch[: data.shape[1]]
    places = np.empty(BLOCK)  # one sum per place in a block, added up at the end: the order of the compiled levels
    for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
        places[:] = 0.0
        for n in range(tile * tile_rows, min((tile + 1) * tile_rows, stop)):
            for j in range(len(row)):
                row[j] = data[n, j]
            distance = squared_distance(row, centers[labels[n]])
            places[(n - tile * tile_rows) % BLOCK] += (weights[n] if len(weights) else 1.0) * distance
        totals[tile] = in_order(places)


@kernel
def lower(data, weights, center, tile_rows, start, stop, scratch, before, closest, totals):
    """Take one more center into account: the squared distance of each sample of some tiles to its closest one."""
    row = scratch[: data.shape[1]]
    places = np.empty(BLOCK)
    for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
        places[:] = 0.0
        for n in range(tile * tile_rows, min((tile + 1) * tile_rows, stop)):
            for j in range(len(row)):
                row[j] = data[n, j]
            closest[n] = min(before[n], squared_distance(row, center))
            places[(n - tile * tile_rows) % BLOCK] += (weights[n] if len(weights) else 1.0) * closest[n]
        totals[tile] = in_order(places)


@kernel
def in_order(places):
    """Sum, one entry after another."""
    total = 0.0
    for i in range(len(places)):
        total += places[i]
    return total
