"""k-means on vectors: passes of Lloyd's algorithm, its inertia, and the distances that k-means++ draws from.

A pass gives each sample x the label of its nearest center c, least |x - c|^2 = sum_j (x_j - c_j)^2, and keeps the sums of
the samples by label. The square is summed as it stands, in rising j: the cheaper |c|^2 - 2 x.c loses the digits that
tell near centers apart when the data lie far from the origin. Of equal distances the first center wins. kmeans.h derives
how the labels are found with a third of the operations.

Computation is in float64 for float64 samples and in float32 for all others; sums are in float64, in two parts. Samples
are taken BLOCK at a time and turned into columns, one per feature, so that whole vectors of samples are worked on. A
call works on whole tiles of the samples and keeps each tile's sums in that tile's entry; `gather` adds the tiles up in
order, so that the result does not depend on threads.
"""
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uintptr_t
from libc.string cimport memcpy

ctypedef fused sample:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused work:
    float
    double

cdef extern from "kmeans.h" nogil:
    enum: KM_BLOCK
    enum: KM_GROUP
    ctypedef struct km_pass_f32:
        Py_ssize_t n_features, n_clusters, n_changed
        const float* centers
        const float* shift
        const float* next
        float* packed
        float* columns
        float* zeros
        double* sums
        double reach, largest
        float slack
        int knows_reach, pause
    ctypedef struct km_pass_f64:
        Py_ssize_t n_features, n_clusters, n_changed
        const double* centers
        const double* shift
        const double* next
        double* packed
        double* columns
        double* zeros
        double* sums
        double reach, largest
        double slack
        int knows_reach, pause
    void km_begin_f32(km_pass_f32* pass_) noexcept
    void km_begin_f64(km_pass_f64* pass_) noexcept
    void km_begin_tile_f32(km_pass_f32* pass_, double reach, double* sums) noexcept
    void km_begin_tile_f64(km_pass_f64* pass_, double reach, double* sums) noexcept
    void km_assign_f32(km_pass_f32* pass_, const float* rows, const double* weights, int n, int32_t* labels) noexcept
    void km_assign_f64(km_pass_f64* pass_, const double* rows, const double* weights, int n, int32_t* labels) noexcept
    void km_add_block_f32(const float* rows, const double* weights, Py_ssize_t n_features, int n,
                          const int32_t* labels, double* sums) noexcept
    void km_add_block_f64(const double* rows, const double* weights, Py_ssize_t n_features, int n,
                          const int32_t* labels, double* sums) noexcept
    void km_own_distances_f32(const float* rows, const float* centers, Py_ssize_t n_features, const int32_t* labels,
                              float* columns, float* distances) noexcept
    void km_own_distances_f64(const double* rows, const double* centers, Py_ssize_t n_features, const int32_t* labels,
                              double* columns, double* distances) noexcept
    void km_distances_f32(const float* rows, const float* center, Py_ssize_t n_features, float* columns,
                          float* distances) noexcept
    void km_distances_f64(const double* rows, const double* center, Py_ssize_t n_features, double* columns,
                          double* distances) noexcept
    void km_add_parts(double* high, double* low, double term) noexcept
    Py_ssize_t km_padded(Py_ssize_t n_features) noexcept
    Py_ssize_t km_sums_size(Py_ssize_t n_features) noexcept


cdef inline work* aligned(work* scratch) noexcept nogil:
    return <work*> ((<uintptr_t> scratch + 63) & ~<uintptr_t> 63)


cdef inline const work* block_of(const sample[:, :] data, Py_ssize_t first, Py_ssize_t n, work* rows) noexcept nogil:
    """Samples `first` ... `first + n - 1`, one after another, where they stand if they do; else in `rows`, filled up with
    the first one to a whole block."""
    cdef:
        Py_ssize_t n_features = data.shape[1], i, j
        const sample* source
        bint is_dense = (data.strides[1] == sizeof(sample)
                         and data.strides[0] == n_features * <Py_ssize_t> sizeof(sample))
    if (sample is float and work is float) or (sample is double and work is double):
        if is_dense and n == KM_BLOCK:
            return <const work*> &data[first, 0]
    if is_dense:
        source = &data[first, 0]
        for i in range(n * n_features):
            rows[i] = <work> source[i]
    else:
        for i in range(n):
            for j in range(n_features):
                rows[i * n_features + j] = <work> data[first + i, j]
    for i in range(n, KM_BLOCK):
        memcpy(rows + i * n_features, rows, n_features * sizeof(work))
    return rows


def assign(const sample[:, :] data,            # IN     (n_samples, n_features)
           const double[::1] weights,          # IN     (n_samples,), or empty where all are 1
           const work[:, ::1] centers,         # IN     (n_clusters, n_features)
           const work[::1] shift,              # IN     (n_features,) the same in all passes; among the centers
           Py_ssize_t tile_rows,
           Py_ssize_t start,                   # samples of whole tiles; tile t starts at t * tile_rows
           Py_ssize_t stop,
           work[::1] scratch,                  # INOUT  as `medfast/_drivers/lloyd.py` reckons
           int32_t[::1] labels,                # INOUT  (n_samples,) nearest center; before: of the sums, or -1
           double[:, ::1] sums,                # INOUT  (n_tiles, n_clusters * size) by label; zeros before the first pass
           double[:, ::1] totals):             # INOUT  (n_tiles, 2) largest square, -1 before; OUT labels that changed
    """Label the samples of some tiles by their nearest center, and move them from one cluster's sums to another's."""
    cdef:
        Py_ssize_t n_features = data.shape[1], n_clusters = centers.shape[0], tile, first, last, n
        const work* rows
        work* buffer
        int32_t[KM_BLOCK] some
        km_pass_f32 single
        km_pass_f64 double_
    # float64 is worked on in float64, everything else in float32: the other pairs are never called.
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        buffer = aligned(&scratch[0])
        if work is float:
            single.n_features, single.n_clusters = n_features, n_clusters
            single.centers, single.shift = &centers[0, 0], &shift[0]
            single.columns = buffer + KM_BLOCK * n_features
            single.zeros = buffer + 2 * KM_BLOCK * n_features
            single.packed = single.zeros + n_features
            km_begin_f32(&single)
        else:
            double_.n_features, double_.n_clusters = n_features, n_clusters
            double_.centers, double_.shift = &centers[0, 0], &shift[0]
            double_.columns = buffer + KM_BLOCK * n_features
            double_.zeros = buffer + 2 * KM_BLOCK * n_features
            double_.packed = double_.zeros + n_features
            km_begin_f64(&double_)
        for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
            if work is float:
                km_begin_tile_f32(&single, totals[tile, 0], &sums[tile, 0])
            else:
                km_begin_tile_f64(&double_, totals[tile, 0], &sums[tile, 0])
            first = tile * tile_rows
            last = min(first + tile_rows, stop)
            while first < last:
                n = min(<Py_ssize_t> KM_BLOCK, last - first)
                rows = block_of(data, first, n, buffer)
                if n == KM_BLOCK:
                    if work is float:
                        single.next = rows + KM_BLOCK * n_features
                        km_assign_f32(&single, rows, &weights[first] if weights.shape[0] else NULL, KM_BLOCK,
                                      &labels[first])
                    else:
                        double_.next = rows + KM_BLOCK * n_features
                        km_assign_f64(&double_, rows, &weights[first] if weights.shape[0] else NULL, KM_BLOCK,
                                      &labels[first])
                else:
                    memcpy(some, &labels[first], n * sizeof(int32_t))
                    if work is float:
                        single.next = NULL
                        km_assign_f32(&single, rows, &weights[first] if weights.shape[0] else NULL, <int> n, some)
                    else:
                        double_.next = NULL
                        km_assign_f64(&double_, rows, &weights[first] if weights.shape[0] else NULL, <int> n, some)
                    memcpy(&labels[first], some, n * sizeof(int32_t))
                first += n
            if work is float:
                totals[tile, 0], totals[tile, 1] = single.reach, <double> single.n_changed
            else:
                totals[tile, 0], totals[tile, 1] = double_.reach, <double> double_.n_changed


def add_up(const sample[:, :] data,            # IN     (n_samples, n_features)
           const double[::1] weights,          # IN     (n_samples,), or empty where all are 1
           Py_ssize_t tile_rows,
           Py_ssize_t start,                   # samples of whole tiles
           Py_ssize_t stop,
           work[::1] scratch,                  # INOUT  as for `assign`
           const int32_t[::1] labels,          # IN     (n_samples,)
           double[:, ::1] sums):               # INOUT  (n_tiles, n_clusters * size) by label; zeros before
    """Add the samples of some tiles up by label."""
    cdef:
        Py_ssize_t n_features = data.shape[1], tile, first, last, n
        const work* rows
        work* buffer
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        buffer = aligned(&scratch[0])
        for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
            first = tile * tile_rows
            last = min(first + tile_rows, stop)
            while first < last:
                n = min(<Py_ssize_t> KM_BLOCK, last - first)
                rows = block_of(data, first, n, buffer)
                if work is float:
                    km_add_block_f32(rows, &weights[first] if weights.shape[0] else NULL, n_features, <int> n,
                                     &labels[first], &sums[tile, 0])
                else:
                    km_add_block_f64(rows, &weights[first] if weights.shape[0] else NULL, n_features, <int> n,
                                     &labels[first], &sums[tile, 0])
                first += n


def gather(const double[:, ::1] sums,          # IN     (n_tiles, n_clusters * size) of the tiles, in two parts
           double[:, ::1] total):              # OUT    (n_clusters, n_features + 1) weighted samples; weights
    """Add the sums of all tiles up, in order. Clusters without a sample are exactly 0."""
    cdef:
        Py_ssize_t n_features = total.shape[1] - 1, padded = km_padded(n_features), size = km_sums_size(n_features)
        Py_ssize_t c, j, tile, at_high, at_low
        double high, low, count
    with nogil:
        for c in range(total.shape[0]):
            count = 0.0
            for tile in range(sums.shape[0]):
                count += sums[tile, c * size + 2 * padded + 2]
            for j in range(n_features + 1):
                at_high = c * size + (j if j < n_features else 2 * padded)
                at_low = at_high + (padded if j < n_features else 1)
                high = low = 0.0
                for tile in range(sums.shape[0] if count > 0.0 else 0):
                    km_add_parts(&high, &low, sums[tile, at_high])
                    low += sums[tile, at_low]
                total[c, j] = high + low


def inertia(const sample[:, :] data,           # IN     (n_samples, n_features)
            const double[::1] weights,         # IN     (n_samples,), or empty where all are 1
            const work[:, ::1] centers,        # IN     (n_clusters, n_features)
            Py_ssize_t tile_rows,
            Py_ssize_t start,                  # samples of whole tiles
            Py_ssize_t stop,
            work[::1] scratch,                 # INOUT  as for `assign`
            const int32_t[::1] labels,         # IN     (n_samples,)
            double[::1] totals):               # OUT    (n_tiles,) weighted sum of squared distances to the own center
    """Inertia of the samples of some tiles."""
    cdef:
        Py_ssize_t n_features = data.shape[1], tile, first, last, n, i
        work[KM_BLOCK] distance
        int32_t[KM_BLOCK] own
        double[KM_BLOCK] sums    # one per place in the block: a single sum would wait for each addition
        double total
        const work* rows
        work* buffer
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        buffer = aligned(&scratch[0])
        for i in range(KM_BLOCK):
            own[i] = 0
        for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
            first = tile * tile_rows
            last = min(first + tile_rows, stop)
            for i in range(KM_BLOCK):
                sums[i] = 0.0
            while first < last:
                n = min(<Py_ssize_t> KM_BLOCK, last - first)
                rows = block_of(data, first, n, buffer)
                memcpy(own, &labels[first], n * sizeof(int32_t))
                if work is float:
                    km_own_distances_f32(rows, &centers[0, 0], n_features, own, buffer + KM_BLOCK * n_features,
                                         distance)
                else:
                    km_own_distances_f64(rows, &centers[0, 0], n_features, own, buffer + KM_BLOCK * n_features,
                                         distance)
                if weights.shape[0]:
                    for i in range(n):
                        sums[i] += weights[first + i] * distance[i]
                else:
                    for i in range(n):
                        sums[i] += distance[i]
                first += n
            total = 0.0
            for i in range(KM_BLOCK):
                total += sums[i]
            totals[tile] = total


def lower(const sample[:, :] data,       # IN     (n_samples, n_features)
          const double[::1] weights,     # IN     (n_samples,), or empty where all are 1
          const work[::1] center,        # IN     (n_features,)
          Py_ssize_t tile_rows,
          Py_ssize_t start,              # samples of whole tiles
          Py_ssize_t stop,
          work[::1] scratch,             # INOUT  as for `assign`
          const work[::1] before,        # IN     (n_samples,) squared distance to the closest center so far
          work[::1] closest,             # OUT    (n_samples,) the same with this center; may be `before`
          double[::1] totals):           # OUT    (n_tiles,) weighted sum of `closest`
    """Take one more center into account: the squared distance of each sample of some tiles to its closest one."""
    cdef:
        Py_ssize_t n_features = data.shape[1], tile, first, last, n, i
        work[KM_BLOCK] distance
        double[KM_BLOCK] sums
        double total
        const work* rows
        work* buffer
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        buffer = aligned(&scratch[0])
        for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
            first = tile * tile_rows
            last = min(first + tile_rows, stop)
            for i in range(KM_BLOCK):
                sums[i] = 0.0
            while first < last:
                n = min(<Py_ssize_t> KM_BLOCK, last - first)
                rows = block_of(data, first, n, buffer)
                if work is float:
                    km_distances_f32(rows, &center[0], n_features, buffer + KM_BLOCK * n_features, distance)
                else:
                    km_distances_f64(rows, &center[0], n_features, buffer + KM_BLOCK * n_features, distance)
                for i in range(n):
                    closest[first + i] = min(before[first + i], distance[i])
                if weights.shape[0]:
                    for i in range(n):
                        sums[i] += weights[first + i] * closest[first + i]
                else:
                    for i in range(n):
                        sums[i] += closest[first + i]
                first += n
            total = 0.0
            for i in range(KM_BLOCK):
                total += sums[i]
            totals[tile] = total
