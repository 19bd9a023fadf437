"""k-means in one dimension: the global optimum, by dynamic programming.

In one dimension every cluster of an optimum is an interval of the sorted values. With D[t, j] the least inertia of the
first j values in t clusters, and cost(i, j) the inertia of the values i ... j-1 about their mean,

    D[t, j] = min over i of  D[t-1, i] + cost(i, j),        cost(i, j) = S2 - S1^2 / W,

where W, S1 and S2 are the sums of w, w x and w x^2 over the interval, taken as differences of running sums. The least i
that gives the minimum never falls as j rises, so the positions are solved from coarse to fine, each between its
neighbours: O(k m log m) for m values (Grønlund et al., "Fast exact k-means, k-medians and Bregman divergence clustering
in 1D", 2017).

S2 - S1^2 / W cancels. The running sums are therefore kept as unevaluated sums of two doubles (106 bits; exact for
counted 16-bit values), and so is the quotient: cost(i, j) is right to about one unit in the last place of a double,
however tight the interval.
"""
from libc.math cimport INFINITY
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy

ctypedef fused gray:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused class_label:
    uint8_t
    int32_t

cdef enum:
    BLOCK = 128    # candidates or pixels that are worked on at once: fits L1, and any vector width divides it
    W_HIGH = 0     # rows of `sums`
    W_LOW = 1
    S1_HIGH = 2
    S1_LOW = 3
    S2_HIGH = 4
    S2_LOW = 5
    N_SUMS = 6

# Candidates closer than this are equal, and the first one counts: true ties may differ by a few roundings.
cdef double TIE = 1.0 - 2.0 ** -44
# Multiplying by it splits a double into halves of 26 bits, whose products are exact (Veltkamp, Dekker).
cdef double SPLITTER = 134217729.0


cdef inline double product_error(double a, double b, double product) noexcept nogil:
    """What rounding took from `product = a * b`, exactly."""
    cdef:
        double a_big = SPLITTER * a, b_big = SPLITTER * b
        double a_high = a_big - (a_big - a), b_high = b_big - (b_big - b)
        double a_low = a - a_high, b_low = b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


cdef inline double sum_error(double a, double b, double total) noexcept nogil:
    """What rounding took from `total = a + b`, exactly."""
    cdef double b_part = total - a
    return (a - (total - b_part)) + (b - b_part)


cdef inline void add(double* high, double* low, double term, double term_low) noexcept nogil:
    """Add a two-part term to a two-part sum."""
    cdef:
        double total = high[0] + term
        double error = sum_error(high[0], term, total) + (low[0] + term_low)
    high[0] = total + error
    low[0] = error - (high[0] - total)


cdef inline double cost(const double* at_i, const double* at_j, Py_ssize_t row, double* mean) noexcept nogil:
    """Inertia of the values between two positions, whose sums are `at[0]`, ..., `at[5 * row]`; and their mean."""
    cdef:
        double weight, high, low, s1, s1_low, s2, s2_low, square, square_low, quotient, product, quotient_low
    # Differences of running sums, each renormalised so that `low` is below half a unit of `high`.
    weight = at_j[W_HIGH * row] - at_i[W_HIGH * row]
    weight += sum_error(at_j[W_HIGH * row], -at_i[W_HIGH * row], weight) + (at_j[W_LOW * row] - at_i[W_LOW * row])
    high = at_j[S1_HIGH * row] - at_i[S1_HIGH * row]
    low = sum_error(at_j[S1_HIGH * row], -at_i[S1_HIGH * row], high) + (at_j[S1_LOW * row] - at_i[S1_LOW * row])
    s1 = high + low
    s1_low = low - (s1 - high)
    high = at_j[S2_HIGH * row] - at_i[S2_HIGH * row]
    low = sum_error(at_j[S2_HIGH * row], -at_i[S2_HIGH * row], high) + (at_j[S2_LOW * row] - at_i[S2_LOW * row])
    s2 = high + low
    s2_low = low - (s2 - high)
    square = s1 * s1
    square_low = product_error(s1, s1, square) + 2.0 * s1 * s1_low
    quotient = square / weight
    product = quotient * weight
    quotient_low = (((square - product) - product_error(quotient, weight, product)) + square_low) / weight
    mean[0] = s1 / weight
    high = (s2 - quotient) + (s2_low - quotient_low)
    return high if high > 0.0 else 0.0


cdef void running_sums(const double[::1] values, const double[::1] weights, double* sums) noexcept nogil:
    """Sums of w, w x and w x^2 over the first 0 ... m values."""
    cdef:
        Py_ssize_t n = values.shape[0] + 1, row, j
        double x, w, wx, wx_low, wxx, wxx_low
        double[6] total
    for row in range(N_SUMS):
        total[row] = 0.0
        sums[row * n] = 0.0
    for j in range(n - 1):
        x, w = values[j], weights[j]
        wx = w * x
        wx_low = product_error(w, x, wx)
        wxx = wx * x
        wxx_low = product_error(wx, x, wxx) + wx_low * x
        add(&total[W_HIGH], &total[W_LOW], w, 0.0)
        add(&total[S1_HIGH], &total[S1_LOW], wx, wx_low)
        add(&total[S2_HIGH], &total[S2_LOW], wxx, wxx_low)
        for row in range(N_SUMS):
            sums[row * n + j + 1] = total[row]


cdef void solve(const double* sums, Py_ssize_t row, const double* previous, Py_ssize_t n_clusters, Py_ssize_t j,
                Py_ssize_t lowest, Py_ssize_t highest, double* current, int32_t* choice) noexcept nogil:
    """D[t, j], when the last cluster begins between `lowest` and `highest`, both included."""
    cdef:
        Py_ssize_t block, start, i, n, best_i = lowest
        double best = INFINITY, enough = INFINITY, mean
        double[BLOCK] inertia
    if n_clusters == 1:
        current[j] = cost(sums, sums + j, row, &mean)
        choice[j] = 0
        return
    for block in range((highest - lowest + BLOCK) // BLOCK):
        start = lowest + block * BLOCK
        n = min(<Py_ssize_t> BLOCK, highest + 1 - start)
        for i in range(n):
            inertia[i] = previous[start + i] + cost(sums + start + i, sums + j, row, &mean)
        for i in range(n):
            if inertia[i] < enough:
                best = inertia[i]
                enough = best * TIE
                best_i = start + i
    current[j] = best
    choice[j] = <int32_t> best_i


cdef void advance(const double* sums, Py_ssize_t row, const double* previous, Py_ssize_t n_clusters, Py_ssize_t first,
                  Py_ssize_t last, double* current, int32_t* choice) noexcept nogil:
    """One more cluster: D[t, j] from D[t-1, i], for t <= first <= j <= last, and where the last of the t begins."""
    cdef Py_ssize_t n = last - first + 1, step = 1, p
    while step <= n:
        step *= 2
    while step > 1:  # positions step/2, 3 step/2, ... lie between those of the coarser steps before
        p = step // 2
        while p <= n:
            solve(sums, row, previous, n_clusters, first + p - 1,
                  choice[first + p - 1 - step // 2] if p > step // 2 else n_clusters - 1,
                  choice[first + p - 1 + step // 2] if p + step // 2 <= n else first + p - 2,
                  current, choice)
            p += step
        step //= 2


def optimum(const double[::1] values,       # IN     (m,) distinct, rising
            const double[::1] weights,      # IN     (m,) > 0; of both, fourth powers and their inverses are finite
            double[:, ::1] sums,            # INOUT  (6, m + 1) scratch: W, S1, S2 of the first j values, in two parts
            double[:, ::1] layers,          # INOUT  (2, m + 1) scratch: D[t, j] and D[t-1, j]
            int32_t[:, ::1] choice,         # INOUT  (k, m + 1) scratch: where the last of t clusters begins
            int64_t[::1] bounds,            # OUT    (k + 1,) cluster c holds the values bounds[c] ... bounds[c + 1] - 1
            double[::1] centers,            # OUT    (k,) means
            double[::1] inertia):           # OUT    (k,) inertia of each cluster
    """Part the values into k <= m clusters of least inertia."""
    cdef:
        Py_ssize_t n_clusters = choice.shape[0], n_values = values.shape[0], row = n_values + 1, t, c
    with nogil:
        running_sums(values, weights, &sums[0, 0])
        for t in range(1, n_clusters + 1):
            # The clusters before need a value each, and so do those still to come; only the last layer's last entry is
            # asked.
            advance(&sums[0, 0], row, &layers[(t - 1) % 2, 0], t, t if t < n_clusters else n_values,
                    n_values - (n_clusters - t), &layers[t % 2, 0], &choice[t - 1, 0])
        bounds[n_clusters] = n_values
        for c in range(n_clusters - 1, -1, -1):
            bounds[c] = choice[c, bounds[c + 1]]
            inertia[c] = cost(&sums[0, bounds[c]], &sums[0, bounds[c + 1]], row, &centers[c])


def label(const gray[:, :] image,          # IN   gray levels
          const gray[::1] thresholds,      # IN   highest level of each class but the last, rising
          Py_ssize_t first_label,          # label of the lowest class
          Py_ssize_t row_start,
          Py_ssize_t row_stop,
          class_label[:, :] labels):       # OUT  class of each pixel
    """Label each pixel of the rows: `first_label` plus the number of thresholds below its level."""
    cdef:
        Py_ssize_t row, block, start, n, i, t
        gray threshold
        gray[BLOCK] level
        # Counted in the width of the levels, four times as many a vector for uint8 as in that of the labels (0.10 ns a
        # pixel in place of 0.23). There are fewer thresholds than levels.
        uint8_t[BLOCK] below_8
        uint16_t[BLOCK] below_16
        int32_t[BLOCK] below_32
        const gray* source
        class_label* target
        class_label[BLOCK] found
        # Known to be adjacent, pixels are moved by whole vectors: 3 times faster.
        bint adjacent = image.strides[1] == sizeof(gray) and labels.strides[1] == sizeof(class_label)
    with nogil:
        for i in range(BLOCK):
            level[i] = 0
        for row in range(row_start, row_stop):
            for block in range((image.shape[1] + BLOCK - 1) // BLOCK):
                start = block * BLOCK
                n = min(<Py_ssize_t> BLOCK, image.shape[1] - start)
                if adjacent:
                    source = &image[row, start]
                    if n == BLOCK:    # of constant size: loaded where it is used
                        memcpy(level, source, BLOCK * sizeof(gray))
                    else:
                        memcpy(level, source, n * sizeof(gray))
                else:
                    for i in range(n):
                        level[i] = image[row, start + i]
                if gray is uint8_t:
                    for i in range(BLOCK):
                        below_8[i] = <uint8_t> first_label
                    for t in range(thresholds.shape[0]):
                        threshold = thresholds[t]
                        for i in range(BLOCK):
                            below_8[i] += level[i] > threshold
                    for i in range(BLOCK):
                        found[i] = below_8[i]
                elif gray is uint16_t or gray is int16_t:
                    for i in range(BLOCK):
                        below_16[i] = <uint16_t> first_label
                    for t in range(thresholds.shape[0]):
                        threshold = thresholds[t]
                        for i in range(BLOCK):
                            below_16[i] += level[i] > threshold
                    for i in range(BLOCK):
                        found[i] = <class_label> below_16[i]
                else:
                    for i in range(BLOCK):
                        below_32[i] = <int32_t> first_label
                    for t in range(thresholds.shape[0]):
                        threshold = thresholds[t]
                        for i in range(BLOCK):
                            below_32[i] += level[i] > threshold
                    for i in range(BLOCK):
                        found[i] = <class_label> below_32[i]
                if adjacent:
                    target = &labels[row, start]
                    if n == BLOCK:
                        memcpy(target, found, BLOCK * sizeof(class_label))
                    else:
                        memcpy(target, found, n * sizeof(class_label))
                else:
                    for i in range(n):
                        labels[row, start + i] = found[i]
