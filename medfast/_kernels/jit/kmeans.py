"""Numba twin of src/kmeans.pyx."""

import numpy as np

from medfast._kernels.jit import kernel

BLOCK = 64
PARTS = 8
# The line of the board that tells the state, tasks, status: src/kmeans_board.h.
TASK, STATUS, PASS, CURRENT, N_CHANGED, N_PASSES, MOST_PASSES, FARTHEST = range(8)
LABEL, INERTIA = 1, 3
ASKED, RUNNING, FINISHED, EMPTY = range(4)


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
def in_order(places):
    """Sum, one entry after another."""
    total = 0.0
    for i in range(len(places)):
        total += places[i]
    return total


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
def label_tile(data, weights, centers, first, last, row, labels, sums):
    """Label the samples of a tile by their nearest center, and move them from one cluster's sums to another's."""
    size = 2 * padded(data.shape[1]) + PARTS
    n_changed = 0
    for n in range(first, last):
        for j in range(len(row)):
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
                add(row, -weight, sums[before * size : (before + 1) * size])
            if len(sums):
                add(row, weight, sums[nearest * size : (nearest + 1) * size])
            n_changed += 1
            labels[n] = nearest
    return n_changed


@kernel
def inertia_of_tile(data, weights, centers, first, last, row, labels):
    """Weighted squared distances to the centers of the labels, added up."""
    places = np.zeros(BLOCK)  # one sum per place in a block, added up at the end: the order of the compiled levels
    for n in range(first, last):
        for j in range(len(row)):
            row[j] = data[n, j]
        distance = squared_distance(row, centers[labels[n]])
        places[(n - first) % BLOCK] += (weights[n] if len(weights) else 1.0) * distance
    return in_order(places)


@kernel
def end_pass(state, centers, sums, totals, total, numbers):
    """What follows when all tiles are done: new centers, if it goes on; returns the status."""
    if state[TASK] == INERTIA:
        numbers[1] = 0.0
        for tile in range(len(totals)):
            numbers[1] += totals[tile, 2]
        return FINISHED
    state[N_CHANGED] = 0
    for tile in range(len(totals)):
        state[N_CHANGED] += int(totals[tile, 1])
    if len(sums):
        gather(sums, total)
    if state[TASK] == LABEL:
        return FINISHED
    state[N_PASSES] += 1
    if state[N_CHANGED] == 0:
        return FINISHED
    n_features = centers.shape[2]
    for c in range(len(total)):
        if total[c, n_features] == 0.0:
            return EMPTY
    old, new = centers[state[CURRENT]], centers[1 - state[CURRENT]]
    moved = 0.0
    for c in range(len(total)):
        square = 0.0
        for j in range(n_features):
            new[c, j] = total[c, j] / total[c, n_features]
            step = np.float64(new[c, j]) - np.float64(old[c, j])
            square += step * step
        if not state[FARTHEST]:
            moved += square
        elif square > moved or square != square:
            moved = square
    state[CURRENT] = 1 - state[CURRENT]
    numbers[2] = moved
    return FINISHED if moved <= numbers[0] or state[N_PASSES] >= state[MOST_PASSES] else RUNNING


@kernel
def lloyd(
    data, weights, centers, shift, tile_rows, scratch, labels, gaps, sums, totals, total, numbers, board, worker,
    most_tiles,
):  # fmt: skip
    """Do what the board asks for. The leader does all of it: others are sent away, for Numba has no atomic counters."""
    if worker > 0:
        return
    state, row = board[1], scratch[: data.shape[1]]
    if state[STATUS] == ASKED:
        state[STATUS], board[0, 0] = RUNNING, 0
    for _ in range(most_tiles):
        tile, current = board[0, 0], centers[state[CURRENT]]  # tiles that are done
        first, last = tile * tile_rows, min((tile + 1) * tile_rows, len(data))
        if state[TASK] == INERTIA:
            totals[tile, 2] = inertia_of_tile(data, weights, current, first, last, row, labels)
        else:
            own = sums[tile] if len(sums) else totals[0, :0]
            totals[tile, 1] = label_tile(data, weights, current, first, last, row, labels, own)
        board[0, 0] += 1
        if board[0, 0] == len(totals):
            state[STATUS], board[0, 0] = end_pass(state, centers, sums, totals, total, numbers), 0
            if state[STATUS] != RUNNING:
                return


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
def inertia(data, weights, centers, tile_rows, start, stop, scratch, labels, totals):
    """Inertia of the samples of some tiles."""
    row = scratch[: data.shape[1]]
    for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
        first, last = tile * tile_rows, min((tile + 1) * tile_rows, stop)
        totals[tile] = inertia_of_tile(data, weights, centers, first, last, row, labels)


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
