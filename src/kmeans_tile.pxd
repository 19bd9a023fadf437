"""What kmeans.pyx does with the samples of a tile: label them, or add their squared distances up."""
from kmeans_steps cimport (
    KM_BLOCK, KM_CHUNK, KM_LISTED, KM_WHOLE, as_they_stand, block_of, km_assign, km_assign_listed, km_fetch_block,
    km_open_chunk, km_own_distances, km_work, sample, work,
)
from libc.stdint cimport int32_t
from libc.string cimport memcpy


# Samples of a tile whose gaps are looked at before any is labelled, and the numbers of those to label.
cdef struct chunk:
    Py_ssize_t first, n
    int n_open
    int32_t[KM_LISTED] open_


cdef inline void look_at(km_work* at, Py_ssize_t first, Py_ssize_t last, const int32_t* labels, float* gaps,
                         chunk* found) noexcept nogil:
    """Which samples of the next chunk may change their labels; labels and gaps are those of all samples."""
    found.first = first
    found.n = min(<Py_ssize_t> KM_CHUNK, last - first)
    found.n_open = 0
    if found.n > 0:
        found.n_open = km_open_chunk(at, labels + first, gaps + first, <int> found.n, found.open_)


cdef inline void label_listed(km_work* at, const sample[:, :] data, const double* weights, const chunk* this,
                              const chunk* following, Py_ssize_t n_done, work* buffer, int32_t* labels,
                              float* gaps) noexcept nogil:
    """Label the listed samples of a chunk from the `n_done`-th on."""
    cdef:
        Py_ssize_t n_features = data.shape[1], n, i, j
        const work* source = as_they_stand(data, this.first, buffer)
        const int32_t* list
    while n_done < this.n_open:
        n = min(<Py_ssize_t> KM_BLOCK, this.n_open - n_done)
        list = this.open_ + n_done
        n_done += n
        if source == NULL:
            for i in range(n):
                for j in range(n_features):
                    buffer[i * n_features + j] = <work> data[this.first + list[i], j]
            for i in range(n, KM_BLOCK):
                memcpy(buffer + i * n_features, buffer, n_features * sizeof(work))
            km_assign_listed(at, NULL, buffer, weights, <int> n, list, NULL, NULL, 0, labels + this.first,
                             gaps + this.first)
        elif n_done < this.n_open:
            km_assign_listed(at, source, buffer, weights, <int> n, list, source, list + n,
                             <int> (this.n_open - n_done), labels + this.first, gaps + this.first)
        else:
            km_assign_listed(at, source, buffer, weights, <int> n, list, source + this.n * n_features,
                             following.open_, following.n_open, labels + this.first, gaps + this.first)


cdef inline void label_chunk(km_work* at, const sample[:, :] data, const double[::1] weights, chunk* this,
                             const chunk* following, work* buffer, int32_t* labels, float* gaps) noexcept nogil:
    """Label the samples of a chunk whose labels may change, in their order: where they are many, all as they stand."""
    cdef:
        Py_ssize_t n_done = 0, at_block
        const double* some_weights = NULL
        const work* source
    if 8 * this.n_open > KM_WHOLE * this.n:
        while n_done + KM_BLOCK <= this.n:
            at_block = this.first + n_done
            if weights.shape[0]:
                some_weights = &weights[at_block]
            source = as_they_stand(data, at_block, buffer)
            if source == NULL:
                source = block_of(data, at_block, KM_BLOCK, buffer)
            else:
                km_fetch_block(at, source + KM_BLOCK * data.shape[1])
            km_assign(at, source, some_weights, KM_BLOCK, labels + at_block, gaps + at_block)
            n_done += KM_BLOCK
        this.n_open = <int> this.n
        for at_block in range(n_done, this.n):
            this.open_[at_block] = <int32_t> at_block
    if weights.shape[0]:
        some_weights = &weights[this.first]
    label_listed(at, data, some_weights, this, following, n_done, buffer, labels, gaps)


cdef inline void label_tile(km_work* at, const sample[:, :] data, const double[::1] weights, Py_ssize_t first,
                            Py_ssize_t last, work* buffer, int32_t* labels, float* gaps) noexcept nogil:
    """Label the samples of a tile whose labels may change: chunk by chunk, each looked at before the last is labelled,
    so that its samples are fetched in time."""
    cdef:
        chunk[2] chunks
        int i = 0
    look_at(at, first, last, labels, gaps, &chunks[0])
    while chunks[i].n > 0:
        look_at(at, chunks[i].first + chunks[i].n, last, labels, gaps, &chunks[1 - i])
        label_chunk(at, data, weights, &chunks[i], &chunks[1 - i], buffer, labels, gaps)
        i = 1 - i


cdef inline double inertia_of_tile(km_work* at, const sample[:, :] data, const double[::1] weights, Py_ssize_t first,
                                   Py_ssize_t last, work* buffer, const int32_t[::1] labels) noexcept nogil:
    cdef:
        Py_ssize_t n, i
        work[KM_BLOCK] distance
        int32_t[KM_BLOCK] own
        double[KM_BLOCK] sums    # one per place in the block: a single sum would wait for each addition
        double total = 0.0
        const work* rows
    for i in range(KM_BLOCK):
        own[i] = 0
        sums[i] = 0.0
    while first < last:
        n = min(<Py_ssize_t> KM_BLOCK, last - first)
        rows = block_of(data, first, n, buffer)
        memcpy(own, &labels[first], n * sizeof(int32_t))
        km_own_distances(at, rows, own, distance)
        if weights.shape[0]:
            for i in range(n):
                sums[i] += weights[first + i] * distance[i]
        elif n == KM_BLOCK:
            for i in range(KM_BLOCK):
                sums[i] += distance[i]
        else:
            for i in range(n):
                sums[i] += distance[i]
        first += n
    for i in range(KM_BLOCK):
        total += sums[i]
    return total
