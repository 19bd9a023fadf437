"""Numba twin of src/partition.pyx."""

import numpy as np

from medfast._kernels.jit import kernel

W_HIGH, W_LOW, S1_HIGH, S1_LOW, S2_HIGH, S2_LOW = range(6)
N_SUMS = 6
TIE = 1.0 - 2.0**-44
SPLITTER = 134217729.0


@kernel
def product_error(a, b, product):
    """What rounding took from `product = a * b`, exactly."""
    a_big, b_big = SPLITTER * a, SPLITTER * b
    a_high, b_high = a_big - (a_big - a), b_big - (b_big - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def sum_error(a, b, total):
    """What rounding took from `total = a + b`, exactly."""
    b_part = total - a
    return (a - (total - b_part)) + (b - b_part)


@kernel
def add(high, low, term, term_low):
    """Add a two-part term to a two-part sum."""
    total = high + term
    error = sum_error(high, term, total) + (low + term_low)
    high = total + error
    return high, error - (high - total)


@kernel
def cost(sums, i, j):
    """Inertia of the values `i` ... `j - 1` about their mean; and their mean."""
    weight = sums[W_HIGH, j] - sums[W_HIGH, i]
    weight += sum_error(sums[W_HIGH, j], -sums[W_HIGH, i], weight) + (sums[W_LOW, j] - sums[W_LOW, i])
    high = sums[S1_HIGH, j] - sums[S1_HIGH, i]
    low = sum_error(sums[S1_HIGH, j], -sums[S1_HIGH, i], high) + (sums[S1_LOW, j] - sums[S1_LOW, i])
    s1 = high + low
    s1_low = low - (s1 - high)
    high = sums[S2_HIGH, j] - sums[S2_HIGH, i]
    low = sum_error(sums[S2_HIGH, j], -sums[S2_HIGH, i], high) + (sums[S2_LOW, j] - sums[S2_LOW, i])
    s2 = high + low
    s2_low = low - (s2 - high)
    square = s1 * s1
    square_low = product_error(s1, s1, square) + 2.0 * s1 * s1_low
    quotient = square / weight
    product = quotient * weight
    quotient_low = (((square - product) - product_error(quotient, weight, product)) + square_low) / weight
    inertia = (s2 - quotient) + (s2_low - quotient_low)
    return inertia if inertia > 0.0 else 0.0, s1 / weight


@kernel
def running_sums(values, weights, sums):
    """Sums of w, w x and w x^2 over the first 0 ... m values."""
    sums[:, 0] = 0.0
    for j in range(len(values)):
        x, w = values[j], weights[j]
        wx = w * x
        wx_low = product_error(w, x, wx)
        wxx = wx * x
        wxx_low = product_error(wx, x, wxx) + wx_low * x
        sums[W_HIGH, j + 1], sums[W_LOW, j + 1] = add(sums[W_HIGH, j], sums[W_LOW, j], w, 0.0)
        sums[S1_HIGH, j + 1], sums[S1_LOW, j + 1] = add(sums[S1_HIGH, j], sums[S1_LOW, j], wx, wx_low)
        sums[S2_HIGH, j + 1], sums[S2_LOW, j + 1] = add(sums[S2_HIGH, j], sums[S2_LOW, j], wxx, wxx_low)


@kernel
def advance(sums, previous, n_clusters, first, last, current, choice):
    """One more cluster: D[t, j] from D[t-1, i]."""
    n = last - first + 1
    step = 1
    while step <= n:
        step *= 2
    while step > 1:  # positions step/2, 3 step/2, ... lie between those of the coarser steps before
        half = step // 2
        for p in range(half, n + 1, step):
            j = first + p - 1
            lowest = choice[j - half] if p > half else n_clusters - 1
            highest = choice[j + half] if p + half <= n else j - 1
            if n_clusters == 1:
                current[j], choice[j] = cost(sums, 0, j)[0], 0
                continue
            best, best_i = np.inf, lowest
            for i in range(lowest, highest + 1):
                inertia = previous[i] + cost(sums, i, j)[0]
                if inertia < best * TIE:
                    best, best_i = inertia, i
            current[j], choice[j] = best, best_i
        step = half


@kernel
def optimum(values, weights, sums, layers, choice, bounds, centers, inertia):
    """Part the values into k <= m clusters of least inertia."""
    n_clusters, n_values = len(choice), len(values)
    running_sums(values, weights, sums)
    for t in range(1, n_clusters + 1):
        first = t if t < n_clusters else n_values
        advance(sums, layers[(t - 1) % 2], t, first, n_values - (n_clusters - t), layers[t % 2], choice[t - 1])
    bounds[n_clusters] = n_values
    for c in range(n_clusters - 1, -1, -1):
        bounds[c] = choice[c, bounds[c + 1]]
        inertia[c], centers[c] = cost(sums, bounds[c], bounds[c + 1])


@kernel
def label(image, thresholds, first_label, row_start, row_stop, labels):
    """Label each pixel of the rows: `first_label` plus the number of thresholds below its level."""
    for row in range(row_start, row_stop):
        for col in range(image.shape[1]):
            n_below = 0
            for threshold in thresholds:
                n_below += image[row, col] > threshold
            labels[row, col] = first_label + n_below
