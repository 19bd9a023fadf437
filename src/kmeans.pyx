"""k-means on vectors: one step of Lloyd's algorithm, and the distances that k-means++ draws from.

A step gives each sample x the label of its nearest center c, least |x - c|^2 = sum_j (x_j - c_j)^2, and adds x to that
cluster's sum. Both happen in one pass over the data. The square is summed as it stands, in rising j: the cheaper |c|^2
- 2 x.c loses the digits that tell near centers apart when the data lie far from the origin. Of equal distances the
first center wins.

Computation is in float64 for float64 samples and in float32 for all others. Samples are taken STRIP at a time and
turned into columns, one per feature, so that the distances of a whole vector of samples are computed at once. Sums are
in float64. A call works on one tile of the samples and writes its sums to that tile's entry; the caller adds the tiles
up in order, so that the result does not depend on threads.
"""
from libc.math cimport INFINITY
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t

ctypedef fused sample:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused work:
    float
    double

cdef enum:
    # Samples per strip; any vector width divides it. Of 7 ns a sample (8 features, 8 centers, v4), distances take 3,
    # sums by label 1.5, the load from memory 1.5. Tried: prefetching the next strip, no gain; vector types that keep
    # the distances in registers, distances 1.2 times as fast.
    STRIP = 64


cdef inline void load(const sample[:, :] data, Py_ssize_t first, Py_ssize_t n, work* rows) noexcept nogil:
    """Samples `first` ... `first + n - 1`, one after another; zeros up to a whole strip."""
    cdef:
        Py_ssize_t n_features = data.shape[1], i, j
        const sample* source
    if data.strides[1] == sizeof(sample) and data.strides[0] == n_features * <Py_ssize_t> sizeof(sample):
        source = &data[first, 0]
        for i in range(n * n_features):
            rows[i] = <work> source[i]
    else:
        for i in range(n):
            for j in range(n_features):
                rows[i * n_features + j] = <work> data[first + i, j]
    for i in range(n * n_features, STRIP * n_features):
        rows[i] = 0


cdef inline void turn(const work* rows, Py_ssize_t n_features, work* columns) noexcept nogil:
    """Feature j of the i-th sample goes to columns[j * STRIP + i]."""
    cdef Py_ssize_t i, j
    for i in range(STRIP):
        for j in range(n_features):
            columns[j * STRIP + i] = rows[i * n_features + j]


cdef inline void add_up(const work* rows, const int32_t* nearest, const double* weight, Py_ssize_t n,
                        Py_ssize_t n_features, double* sums) noexcept nogil:
    """Add each sample, and its weight after it, to the sums of its cluster."""
    cdef:
        Py_ssize_t i, j, block
        double w
        double[8] weighted    # apart from the sums, which the compiler must fear to be the samples: 1.7 ns, not 3.9
        const work* row
        double* total
    for i in range(n):
        total = sums + nearest[i] * (n_features + 1)
        row = rows + i * n_features
        w = weight[i]
        for block in range(n_features // 8):
            for j in range(8):
                weighted[j] = w * row[8 * block + j]
            for j in range(8):
                total[8 * block + j] += weighted[j]
        for j in range(n_features // 8 * 8, n_features):
            total[j] += w * row[j]
        total[n_features] += w


def assign(const sample[:, :] data,            # IN     (n_samples, n_features)
           const double[::1] weights,          # IN     (n_samples,), or empty where all are 1
           const work[:, ::1] centers,         # IN     (n_clusters, n_features)
           Py_ssize_t tile,                    # where in `sums` and `totals` the results go
           Py_ssize_t start,                   # samples of this tile
           Py_ssize_t stop,
           work[::1] scratch,                  # INOUT  (2 * n_features * STRIP,)
           int32_t[::1] labels,                # INOUT  (n_samples,) nearest center
           double[:, :, ::1] sums,             # OUT    (n_tiles, n_clusters, n_features + 1) weighted samples; weights
           double[:, ::1] totals):             # OUT    (n_tiles, 2) inertia; labels that changed
    """Label the samples of a tile by their nearest center, and add them up by label."""
    cdef:
        Py_ssize_t n_features = data.shape[1], n_clusters = centers.shape[0], n_changed = 0, strip, first, n, i, j, c
        work coordinate, difference
        work[STRIP] distance
        work[STRIP] best
        int32_t[STRIP] nearest
        double[STRIP] weight
        double[STRIP] inertia    # one sum per place in the strip: a single sum would wait for each addition
        double inertia_in_all = 0.0
        work* rows
        work* columns
        const work* center
        double* total
    # float64 is worked on in float64, everything else in float32: the other pairs are never called.
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        rows = &scratch[0]
        columns = rows + n_features * STRIP
        total = &sums[tile, 0, 0]
        for i in range(n_clusters * (n_features + 1)):
            total[i] = 0.0
        for i in range(STRIP):
            weight[i] = 1.0
            inertia[i] = 0.0
        for strip in range((stop - start + STRIP - 1) // STRIP):
            first = start + strip * STRIP
            n = min(<Py_ssize_t> STRIP, stop - first)
            load(data, first, n, rows)
            # A constant number of features lets the compiler shuffle whole vectors: 8 features are turned in 0.5 ns a
            # sample instead of 2.2.
            if n_features == 2:
                turn(rows, 2, columns)
            elif n_features == 3:
                turn(rows, 3, columns)
            elif n_features == 4:
                turn(rows, 4, columns)
            elif n_features == 8:
                turn(rows, 8, columns)
            elif n_features == 16:
                turn(rows, 16, columns)
            else:
                turn(rows, n_features, columns)
            for i in range(STRIP):
                best[i] = INFINITY
                nearest[i] = 0
            for c in range(n_clusters):
                center = &centers[c, 0]
                for i in range(STRIP):
                    distance[i] = 0
                for j in range(n_features):
                    coordinate = center[j]
                    for i in range(STRIP):
                        difference = columns[j * STRIP + i] - coordinate
                        distance[i] += difference * difference
                for i in range(STRIP):
                    nearest[i] = <int32_t> c if distance[i] < best[i] else nearest[i]
                    best[i] = distance[i] if distance[i] < best[i] else best[i]
            if weights.shape[0]:
                for i in range(n):
                    weight[i] = weights[first + i]
            for i in range(n):
                n_changed += labels[first + i] != nearest[i]
                labels[first + i] = nearest[i]
            for i in range(n):
                inertia[i] += weight[i] * best[i]
            if n_features == 3:
                add_up(rows, nearest, weight, n, 3, total)
            elif n_features == 8:
                add_up(rows, nearest, weight, n, 8, total)
            else:
                add_up(rows, nearest, weight, n, n_features, total)
        for i in range(STRIP):
            inertia_in_all += inertia[i]
        totals[tile, 0] = inertia_in_all
        totals[tile, 1] = <double> n_changed


def lower(const sample[:, :] data,       # IN     (n_samples, n_features)
          const double[::1] weights,     # IN     (n_samples,), or empty where all are 1
          const work[::1] center,        # IN     (n_features,)
          Py_ssize_t tile,               # where in `totals` the result goes
          Py_ssize_t start,              # samples of this tile
          Py_ssize_t stop,
          work[::1] scratch,             # INOUT  (2 * n_features * STRIP,)
          work[::1] closest,             # INOUT  (n_samples,) squared distance to the closest center
          double[::1] totals):           # OUT    (n_tiles,) weighted sum of `closest`
    """Take one more center into account: the squared distance of each sample of a tile to its closest one."""
    cdef:
        Py_ssize_t n_features = data.shape[1], strip, first, n, i, j
        work difference
        work[STRIP] distance
        work* rows
        work* columns
        double total = 0.0
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        rows = &scratch[0]
        columns = rows + n_features * STRIP
        for strip in range((stop - start + STRIP - 1) // STRIP):
            first = start + strip * STRIP
            n = min(<Py_ssize_t> STRIP, stop - first)
            load(data, first, n, rows)
            turn(rows, n_features, columns)
            for i in range(STRIP):
                distance[i] = 0
            for j in range(n_features):
                for i in range(STRIP):
                    difference = columns[j * STRIP + i] - center[j]
                    distance[i] += difference * difference
            for i in range(n):
                closest[first + i] = min(closest[first + i], distance[i])
                total += (weights[first + i] if weights.shape[0] else 1.0) * closest[first + i]
        totals[tile] = total
