"""k-means on vectors: passes of Lloyd's algorithm, its inertia, and the distances that k-means++ draws from.

A pass gives each sample x the label of its nearest center c, least |x - c|^2 = sum_j (x_j - c_j)^2, and keeps the sums
of the samples by label. The square is summed as it stands, in rising j: the cheaper |c|^2 - 2 x.c loses the digits that
tell near centers apart when the data lie far from the origin. Of equal distances the first center wins. kmeans.h
derives how the labels are found with a third of the operations.

Computation is in float64 for float64 samples and in float32 for all others; sums are in float64, in two parts. Samples
are taken BLOCK at a time and turned into columns, one per feature, so that whole vectors of samples are worked on. A
call works on whole tiles of the samples and keeps each tile's sums in that tile's entry; `gather` adds the tiles up in
order, so that the result does not depend on threads.
"""
from libc.stdint cimport int16_t, int32_t, uint8_t, uint16_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

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
    enum: KM_MANY
    ctypedef struct km_pass_f32:
        double reach
        Py_ssize_t n_changed
    ctypedef struct km_pass_f64:
        double reach
        Py_ssize_t n_changed
    void km_begin_f32(km_pass_f32* pass_, Py_ssize_t n_features, Py_ssize_t n_clusters, const float* centers,
                      const float* earlier, const float* shift, float* scratch) noexcept
    void km_begin_f64(km_pass_f64* pass_, Py_ssize_t n_features, Py_ssize_t n_clusters, const double* centers,
                      const double* earlier, const double* shift, double* scratch) noexcept
    void km_begin_tile_f32(km_pass_f32* pass_, double reach, double* sums) noexcept
    void km_begin_tile_f64(km_pass_f64* pass_, double reach, double* sums) noexcept
    uint64_t km_open_f32(const km_pass_f32* pass_, const int32_t* labels, float* gaps) noexcept
    uint64_t km_open_f64(const km_pass_f64* pass_, const int32_t* labels, float* gaps) noexcept
    void km_assign_f32(km_pass_f32* pass_, const float* rows, const double* weights, int n, int32_t* labels,
                       float* gaps) noexcept
    void km_assign_f64(km_pass_f64* pass_, const double* rows, const double* weights, int n, int32_t* labels,
                       float* gaps) noexcept
    int km_lowest(uint64_t bits) noexcept
    int km_count(uint64_t bits) noexcept
    void km_prefetch "KM_PREFETCH"(const void* address) noexcept
    void km_add_block_f32(const float* rows, const double* weights, Py_ssize_t n_features, Py_ssize_t n_clusters,
                          int n, const int32_t* labels, double* sums) noexcept
    void km_add_block_f64(const double* rows, const double* weights, Py_ssize_t n_features, Py_ssize_t n_clusters,
                          int n, const int32_t* labels, double* sums) noexcept
    void km_own_distances_f32(const float* rows, const float* centers, Py_ssize_t n_features, const int32_t* labels,
                              const float* zeros, float* differences,
                              float* columns, float* distances) noexcept
    void km_own_distances_f64(const double* rows, const double* centers, Py_ssize_t n_features, const int32_t* labels,
                              const double* zeros, double* differences,
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
    """Samples `first` ... `first + n - 1`, one after another: where they stand, if they do (the next ones are fetched
    meanwhile: 8 features, 1.9 ns a sample in place of 2.6); else in `rows`, filled up with the first to a block."""
    cdef:
        Py_ssize_t n_features = data.shape[1], i, j
        const sample* source
        bint is_dense = (data.strides[1] == sizeof(sample)
                         and data.strides[0] == n_features * <Py_ssize_t> sizeof(sample))
    if (sample is float and work is float) or (sample is double and work is double):
        if is_dense and n == KM_BLOCK:
            source = &data[first, 0]
            for i in range(n * n_features * <Py_ssize_t> sizeof(sample) // 64):
                km_prefetch(<const char*> (source + n * n_features) + 64 * i)
            return <const work*> source
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


# A pass in the precision of the work.
cdef union passing:
    km_pass_f32 single
    km_pass_f64 double_


cdef struct pending:
    Py_ssize_t[2 * KM_BLOCK] samples    # their numbers, rising
    Py_ssize_t n


cdef inline void label_rows(passing* at, const work* rows, const double* weights, Py_ssize_t n, int32_t* labels,
                            float* gaps) noexcept nogil:
    if work is float:
        km_assign_f32(&at.single, rows, weights, <int> n, labels, gaps)
    else:
        km_assign_f64(&at.double_, rows, weights, <int> n, labels, gaps)


cdef inline void label_pending(passing* at, const sample[:, :] data, const double[::1] weights, pending* open_,
                               work* rows, int32_t[::1] labels, float[::1] gaps) noexcept nogil:
    """Label the samples that wait, a block at most."""
    cdef:
        Py_ssize_t n_features = data.shape[1], n = min(open_.n, <Py_ssize_t> KM_BLOCK), i, j, at_sample
        int32_t[KM_BLOCK] some_labels
        float[KM_BLOCK] some_gaps
        double[KM_BLOCK] some_weights
        # of constant size, copies are one load and one store
        bint is_dense = ((sample is float or sample is double) and sizeof(sample) == sizeof(work)
                         and data.strides[1] == sizeof(sample))
    for i in range(n):
        at_sample = open_.samples[i]
        some_labels[i] = labels[at_sample]
        if weights.shape[0]:
            some_weights[i] = weights[at_sample]
        if n_features == 8 and is_dense:
            memcpy(rows + i * 8, &data[at_sample, 0], 8 * sizeof(work))
        elif n_features == 3 and is_dense:
            memcpy(rows + i * 3, &data[at_sample, 0], 3 * sizeof(work))
        else:
            for j in range(n_features):
                rows[i * n_features + j] = <work> data[at_sample, j]
    for i in range(n, KM_BLOCK):
        some_labels[i] = 0
        memcpy(rows + i * n_features, rows, n_features * sizeof(work))
    label_rows(at, <const work*> rows, some_weights if weights.shape[0] else NULL, n, some_labels, some_gaps)
    for i in range(n):
        labels[open_.samples[i]] = some_labels[i]
        gaps[open_.samples[i]] = some_gaps[i]
    for i in range(n, open_.n):
        open_.samples[i - n] = open_.samples[i]
    open_.n -= n


cdef inline void label_tile(passing* at, const sample[:, :] data, const double[::1] weights, Py_ssize_t first,
                            Py_ssize_t last, work* buffer, int32_t[::1] labels, float[::1] gaps) noexcept nogil:
    """Label the samples of a tile whose labels may change, in their order: blocks where there are many as they stand,
    others gathered."""
    cdef:
        pending open_
        uint64_t bits
        Py_ssize_t n, i
        const work* rows
        int32_t[KM_BLOCK] some_labels
        float[KM_BLOCK] some_gaps
    open_.n = 0
    while first < last:
        n = min(<Py_ssize_t> KM_BLOCK, last - first)
        if n == KM_BLOCK:
            if work is float:
                bits = km_open_f32(&at.single, &labels[first], &gaps[first])
            else:
                bits = km_open_f64(&at.double_, &labels[first], &gaps[first])
            if km_count(bits) > KM_MANY:
                while open_.n:
                    label_pending(at, data, weights, &open_, buffer, labels, gaps)
                rows = block_of(data, first, n, buffer)
                label_rows(at, rows, &weights[first] if weights.shape[0] else NULL, n, &labels[first], &gaps[first])
                bits = 0
        else:
            memset(some_labels, 0, sizeof(some_labels))
            memset(some_gaps, 0, sizeof(some_gaps))
            for i in range(n):
                some_labels[i], some_gaps[i] = max(labels[first + i], 0), gaps[first + i]
            if work is float:
                bits = km_open_f32(&at.single, some_labels, some_gaps)
            else:
                bits = km_open_f64(&at.double_, some_labels, some_gaps)
            bits &= ~(<uint64_t> 0) >> (KM_BLOCK - n)
            memcpy(&gaps[first], some_gaps, n * sizeof(float))
        while bits:
            open_.samples[open_.n] = first + km_lowest(bits)
            km_prefetch(&data[open_.samples[open_.n], 0])
            open_.n += 1
            bits &= bits - 1
        if open_.n >= KM_BLOCK:
            label_pending(at, data, weights, &open_, buffer, labels, gaps)
        first += n
    while open_.n:
        label_pending(at, data, weights, &open_, buffer, labels, gaps)


def assign(const sample[:, :] data,            # IN     (n_samples, n_features)
           const double[::1] weights,          # IN     (n_samples,), or empty where all are 1
           const work[:, ::1] centers,         # IN     (n_clusters, n_features)
           const work[:, ::1] earlier,         # IN     the same of the pass before; in the first pass these
           const work[::1] shift,              # IN     (n_features,) the same in all passes; among the centers
           Py_ssize_t tile_rows,
           Py_ssize_t start,                   # samples of whole tiles; tile t starts at t * tile_rows
           Py_ssize_t stop,
           work[::1] scratch,                  # INOUT  as `medfast/_drivers/lloyd.py` reckons
           int32_t[::1] labels,                # INOUT  (n_samples,) nearest center; before: of the sums, or -1
           float[::1] gaps,                    # INOUT  (n_samples,) how certain labels are; OUT of the first pass
           double[:, ::1] sums,                # INOUT  (n_tiles, n_clusters * size) by label, zeros before; or none
           double[:, ::1] totals):             # INOUT  (n_tiles, 2) largest square, -1 before; OUT labels that changed
    """Label the samples of some tiles by their nearest center, and move them from one cluster's sums to another's."""
    cdef:
        Py_ssize_t n_features = data.shape[1], tile
        work* buffer
        passing at
    # float64 is worked on in float64, everything else in float32: the other pairs are never called.
    if sample is double:
        if work is float:
            return
    elif work is double:
        return
    with nogil:
        buffer = aligned(&scratch[0])
        if work is float:
            km_begin_f32(&at.single, n_features, centers.shape[0], &centers[0, 0], &earlier[0, 0], &shift[0],
                         buffer + KM_BLOCK * n_features)
        else:
            km_begin_f64(&at.double_, n_features, centers.shape[0], &centers[0, 0], &earlier[0, 0], &shift[0],
                         buffer + KM_BLOCK * n_features)
        for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
            if work is float:
                km_begin_tile_f32(&at.single, totals[tile, 0], &sums[tile, 0] if sums.shape[0] else NULL)
            else:
                km_begin_tile_f64(&at.double_, totals[tile, 0], &sums[tile, 0] if sums.shape[0] else NULL)
            label_tile(&at, data, weights, tile * tile_rows, min((tile + 1) * tile_rows, stop), buffer, labels, gaps)
            if work is float:
                totals[tile, 0], totals[tile, 1] = at.single.reach, <double> at.single.n_changed
            else:
                totals[tile, 0], totals[tile, 1] = at.double_.reach, <double> at.double_.n_changed


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
        Py_ssize_t n_features = data.shape[1], size = km_sums_size(n_features), tile, first, last, n
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
                    km_add_block_f32(rows, &weights[first] if weights.shape[0] else NULL, n_features,
                                     sums.shape[1] // size, <int> n, &labels[first], &sums[tile, 0])
                else:
                    km_add_block_f64(rows, &weights[first] if weights.shape[0] else NULL, n_features,
                                     sums.shape[1] // size, <int> n, &labels[first], &sums[tile, 0])
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
        work* zeros
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
        zeros = buffer + 2 * KM_BLOCK * n_features
        for i in range(n_features):
            zeros[i] = 0
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
                    km_own_distances_f32(rows, &centers[0, 0], n_features, own, zeros, buffer,
                                         buffer + KM_BLOCK * n_features, distance)
                else:
                    km_own_distances_f64(rows, &centers[0, 0], n_features, own, zeros, buffer,
                                         buffer + KM_BLOCK * n_features, distance)
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
