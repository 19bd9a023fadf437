"""k-means on vectors: Lloyd's algorithm, its inertia, and the distances that k-means++ draws from.

A pass gives each sample x the label of its nearest center c, least |x - c|^2 = sum_j (x_j - c_j)^2, and keeps the sums
of the samples by label. The square is summed as it stands, in rising j: the cheaper |c|^2 - 2 x.c loses the digits that
tell near centers apart when the data lie far from the origin. Of equal distances the first center wins. kmeans_bounds.h
derives how the labels are found with a third of the operations.

Computation is in float64 for float64 samples and in float32 for all others; sums are in float64, in two parts. Samples
are taken BLOCK at a time and turned into columns, one per feature, so that whole vectors of samples are worked on. A
call works on whole tiles of the samples and keeps each tile's sums in that tile's entry; they are added up in order, so
that the result does not depend on threads.
"""
from kmeans_steps cimport (
    KM_ASKED, KM_BLOCK, KM_CURRENT, KM_DONE, KM_EMPTY, KM_FARTHEST, KM_FINISHED, KM_INERTIA, KM_LABEL, KM_LEAVE,
    KM_MOST_PASSES, KM_N_CHANGED, KM_N_PASSES, KM_RUNNING, KM_STATE, KM_STATUS, KM_TAKEN, KM_TASK, aligned, block_of,
    is_apart, km_add_block, km_add_parts, km_begin, km_begin_own, km_begin_tile, km_distances, km_get, km_n_changed,
    km_open_pass, km_padded, km_reach, km_sums_size, km_take_tile, km_tile_done, km_wait, km_work, sample, work,
)
from kmeans_tile cimport inertia_of_tile, label_tile
from libc.stdint cimport int32_t, int64_t


cdef void add_tiles(const double[:, ::1] sums, double[:, ::1] total) noexcept nogil:
    """Add the sums of all tiles up, in order. Clusters without a sample are exactly 0."""
    cdef:
        Py_ssize_t n_features = total.shape[1] - 1, padded = km_padded(n_features), size = km_sums_size(n_features)
        Py_ssize_t c, j, tile, at_high, at_low
        double high, low, count
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


cdef inline int64_t end_pass(int64_t* state, work[:, :, ::1] centers, const double[:, ::1] sums,
                             const double[:, ::1] totals, double[:, ::1] total, double[::1] numbers) noexcept nogil:
    """What follows when all tiles are done: new centers, if it goes on; returns the status."""
    cdef:
        Py_ssize_t n_features = centers.shape[2], c, j, tile
        int64_t current = state[KM_CURRENT]
        double n_changed = 0.0, moved = 0.0, square, step
    if state[KM_TASK] == KM_INERTIA:
        numbers[1] = 0.0
        for tile in range(totals.shape[0]):
            numbers[1] += totals[tile, 2]
        return KM_FINISHED
    for tile in range(totals.shape[0]):
        n_changed += totals[tile, 1]
    state[KM_N_CHANGED] = <int64_t> n_changed
    if sums.shape[0]:
        add_tiles(sums, total)
    if state[KM_TASK] == KM_LABEL:
        return KM_FINISHED
    state[KM_N_PASSES] += 1
    if state[KM_N_CHANGED] == 0:
        return KM_FINISHED
    for c in range(total.shape[0]):
        if total[c, n_features] == 0.0:
            return KM_EMPTY
    for c in range(total.shape[0]):
        square = 0.0
        for j in range(n_features):
            centers[1 - current, c, j] = <work> (total[c, j] / total[c, n_features])
            step = <double> centers[1 - current, c, j] - <double> centers[current, c, j]
            square += step * step
        if state[KM_FARTHEST]:
            moved = square if square > moved or square != square else moved
        else:
            moved += square
    state[KM_CURRENT] = 1 - current
    numbers[2] = moved
    return KM_FINISHED if moved <= numbers[0] or state[KM_N_PASSES] >= state[KM_MOST_PASSES] else KM_RUNNING


def lloyd(const sample[:, :] data,             # IN     (n_samples, n_features)
          const double[::1] weights,           # IN     (n_samples,), or empty where all are 1
          work[:, :, ::1] centers,             # INOUT  (2, n_clusters, n_features) of this pass and the one before
          const work[::1] shift,               # IN     (n_features,) the same in all passes; among the centers
          Py_ssize_t tile_rows,                # samples of a tile
          work[::1] scratch,                   # INOUT  the caller's own, as `medfast/_drivers/lloyd.py` reckons
          int32_t[::1] labels,                 # INOUT  (n_samples,) nearest center; before: of the sums, or -1
          float[::1] gaps,                     # INOUT  (n_samples,) how certain labels are; OUT of the first pass
          double[:, ::1] sums,                 # INOUT  (n_tiles, n_clusters * size) by label, zeros before; or none
          double[:, ::1] totals,               # INOUT  (n_tiles, 3) largest square, -1 before; OUT labels that changed,
                                               #        inertia
          double[:, ::1] total,                # OUT    (n_clusters, n_features + 1) weighted samples; weights
          double[::1] numbers,                 # INOUT  (3,) tolerance; OUT inertia, how far centers moved
          int64_t[:, ::1] board,               # INOUT  (2 + n_workers, width) as kmeans_board.h tells
          Py_ssize_t worker,                   # 0 leads
          Py_ssize_t most_tiles):              # after which the leader comes back; the others come back when told to
    """Do what the board asks for, together with whoever else was called with it."""
    cdef:
        Py_ssize_t n_samples = data.shape[0], n_features = data.shape[1], n_clusters = centers.shape[1]
        Py_ssize_t n_tiles = totals.shape[0], width = board.shape[1], n_workers = board.shape[0] - KM_TAKEN
        Py_ssize_t tile, first, last
        int64_t number, begun = -1
        int64_t* lines = &board[0, 0]
        int64_t* state = &board[KM_STATE, 0]
        int looks = 0
        work* buffer
        km_work at
    if is_apart(&data[0, 0], &shift[0]):
        return
    with nogil:
        buffer = aligned(&scratch[0])
        at.is_double = sizeof(work) == sizeof(double)
        if worker == 0 and state[KM_STATUS] == KM_ASKED:
            state[KM_STATUS] = KM_RUNNING
            km_open_pass(lines, width, n_workers)
        while worker > 0 or most_tiles > 0:
            if worker > 0 and km_get(&state[KM_TASK]) == KM_LEAVE:
                break
            number = km_take_tile(lines, width, n_workers, worker, n_tiles, &tile)
            if number < 0:
                if worker > 0 or km_get(&lines[KM_DONE * width]) < n_tiles:
                    km_wait(&looks)
                else:
                    state[KM_STATUS] = end_pass(state, centers, sums, totals, total, numbers)
                    if state[KM_STATUS] != KM_RUNNING:
                        break
                    km_open_pass(lines, width, n_workers)
                continue
            looks = 0
            if number != begun:
                begun = number
                if state[KM_TASK] == KM_INERTIA:
                    km_begin_own(&at, n_features, n_clusters, &centers[state[KM_CURRENT], 0, 0],
                                 buffer + KM_BLOCK * n_features)
                else:
                    km_begin(&at, n_features, n_clusters, &centers[state[KM_CURRENT], 0, 0],
                             &centers[1 - state[KM_CURRENT], 0, 0], &shift[0], buffer + KM_BLOCK * n_features)
            first = tile * tile_rows
            last = min(first + tile_rows, n_samples)
            if state[KM_TASK] == KM_INERTIA:
                totals[tile, 2] = inertia_of_tile(&at, data, weights, first, last, buffer, labels)
            else:
                km_begin_tile(&at, totals[tile, 0], &sums[tile, 0] if sums.shape[0] else NULL)
                label_tile(&at, data, weights, first, last, buffer, &labels[0], &gaps[0])
                totals[tile, 0], totals[tile, 1] = km_reach(&at), <double> km_n_changed(&at)
            km_tile_done(lines, width)
            most_tiles -= 1


def add_up(const sample[:, :] data,            # IN     (n_samples, n_features)
           const double[::1] weights,          # IN     (n_samples,), or empty where all are 1
           Py_ssize_t tile_rows,
           Py_ssize_t start,                   # samples of whole tiles
           Py_ssize_t stop,
           work[::1] scratch,                  # INOUT  as for `lloyd`
           const int32_t[::1] labels,          # IN     (n_samples,)
           double[:, ::1] sums):               # INOUT  (n_tiles, n_clusters * size) by label; zeros before
    """Add the samples of some tiles up by label."""
    cdef:
        Py_ssize_t n_features = data.shape[1], size = km_sums_size(n_features), first = start, n
        work* buffer
    if is_apart(&data[0, 0], &scratch[0]):
        return
    with nogil:
        buffer = aligned(&scratch[0])
        while first < stop:
            n = min(<Py_ssize_t> KM_BLOCK, stop - first, tile_rows - first % tile_rows)
            km_add_block(sizeof(work) == sizeof(double), block_of(data, first, n, buffer),
                         &weights[first] if weights.shape[0] else NULL, n_features, sums.shape[1] // size, <int> n,
                         &labels[first], &sums[first // tile_rows, 0])
            first += n


def gather(const double[:, ::1] sums,          # IN     (n_tiles, n_clusters * size) of the tiles, in two parts
           double[:, ::1] total):              # OUT    (n_clusters, n_features + 1) weighted samples; weights
    """Add the sums of all tiles up, in order. Clusters without a sample are exactly 0."""
    with nogil:
        add_tiles(sums, total)


def inertia(const sample[:, :] data,           # IN     (n_samples, n_features)
            const double[::1] weights,         # IN     (n_samples,), or empty where all are 1
            const work[:, ::1] centers,        # IN     (n_clusters, n_features)
            Py_ssize_t tile_rows,
            Py_ssize_t start,                  # samples of whole tiles
            Py_ssize_t stop,
            work[::1] scratch,                 # INOUT  as for `lloyd`
            const int32_t[::1] labels,         # IN     (n_samples,)
            double[::1] totals):               # OUT    (n_tiles,) weighted sum of squared distances to the own center
    """Inertia of the samples of some tiles."""
    cdef:
        Py_ssize_t n_features = data.shape[1], tile
        work* buffer
        km_work at
    if is_apart(&data[0, 0], &scratch[0]):
        return
    with nogil:
        buffer = aligned(&scratch[0])
        at.is_double = sizeof(work) == sizeof(double)
        km_begin_own(&at, n_features, centers.shape[0], &centers[0, 0], buffer + KM_BLOCK * n_features)
        for tile in range(start // tile_rows, (stop + tile_rows - 1) // tile_rows):
            totals[tile] = inertia_of_tile(&at, data, weights, tile * tile_rows, min((tile + 1) * tile_rows, stop),
                                           buffer, labels)


def lower(const sample[:, :] data,       # IN     (n_samples, n_features)
          const double[::1] weights,     # IN     (n_samples,), or empty where all are 1
          const work[::1] center,        # IN     (n_features,)
          Py_ssize_t tile_rows,
          Py_ssize_t start,              # samples of whole tiles
          Py_ssize_t stop,
          work[::1] scratch,             # INOUT  as for `lloyd`
          const work[::1] before,        # IN     (n_samples,) squared distance to the closest center so far
          work[::1] closest,             # OUT    (n_samples,) the same with this center; may be `before`
          double[::1] totals):           # OUT    (n_tiles,) weighted sum of `closest`
    """Take one more center into account: the squared distance of each sample of some tiles to its closest one."""
    cdef:
        Py_ssize_t n_features = data.shape[1], tile, first, last, n, i
        work[KM_BLOCK] distance
        double[KM_BLOCK] sums
        double total
        work* buffer
    if is_apart(&data[0, 0], &scratch[0]):
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
                km_distances(sizeof(work) == sizeof(double), block_of(data, first, n, buffer), &center[0], n_features,
                             buffer + KM_BLOCK * n_features, distance)
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
