"""What kmeans.pyx takes from its C headers; coordinates and distances are `void`, in the precision of the work."""
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uintptr_t
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
    enum:
        KM_BLOCK
        KM_CHUNK
        KM_LISTED
        KM_WHOLE
        KM_STATE
        KM_TASK
        KM_STATUS
        KM_PASS_
        KM_CURRENT
        KM_N_CHANGED
        KM_N_PASSES
        KM_MOST_PASSES
        KM_FARTHEST
        KM_DONE
        KM_TAKEN
        KM_LEAVE
        KM_LABEL
        KM_ITERATE
        KM_INERTIA
        KM_ASKED
        KM_RUNNING
        KM_FINISHED
        KM_EMPTY
    ctypedef struct km_work:
        int is_double
    void km_begin(km_work* at, Py_ssize_t n_features, Py_ssize_t n_clusters, const void* centers, const void* earlier,
                  const void* shift, void* scratch) noexcept
    void km_begin_tile(km_work* at, double reach, double* sums) noexcept
    int km_open_chunk(km_work* at, const int32_t* labels, float* gaps, int n, int32_t* list) noexcept
    void km_assign(km_work* at, const void* rows, const double* weights, int n, int32_t* labels,
                   float* gaps) noexcept
    void km_assign_listed(km_work* at, const void* source, void* rows, const double* weights, int n,
                          const int32_t* list, const void* next_source, const int32_t* next_list, int n_next,
                          int32_t* labels, float* gaps) noexcept
    Py_ssize_t km_n_changed(km_work* at) noexcept
    double km_reach(km_work* at) noexcept
    void km_begin_own(km_work* at, Py_ssize_t n_features, Py_ssize_t n_clusters, const void* centers,
                      void* scratch) noexcept
    void km_own_distances(km_work* at, const void* rows, const int32_t* labels, void* distances) noexcept
    void km_fetch_block(km_work* at, const void* source) noexcept
    void km_add_block(bint is_double, const void* rows, const double* weights, Py_ssize_t n_features,
                      Py_ssize_t n_clusters, int n, const int32_t* labels, double* sums) noexcept
    void km_distances(bint is_double, const void* rows, const void* center, Py_ssize_t n_features, void* columns,
                      void* distances) noexcept
    void km_prefetch "KM_PREFETCH"(const void* address) noexcept
    void km_add_parts(double* high, double* low, double term) noexcept
    Py_ssize_t km_padded(Py_ssize_t n_features) noexcept
    Py_ssize_t km_sums_size(Py_ssize_t n_features) noexcept
    void km_open_pass(int64_t* board, Py_ssize_t width, Py_ssize_t n_workers) noexcept
    int64_t km_take_tile(int64_t* board, Py_ssize_t width, Py_ssize_t n_workers, Py_ssize_t worker, Py_ssize_t n_tiles,
                         Py_ssize_t* tile) noexcept
    void km_tile_done(int64_t* board, Py_ssize_t width) noexcept
    int64_t km_get(int64_t* at) noexcept
    void km_wait(int* looks) noexcept


cdef inline work* aligned(work* scratch) noexcept nogil:
    return <work*> ((<uintptr_t> scratch + 63) & ~<uintptr_t> 63)


cdef inline bint is_apart(const sample* source, const work* numbers) noexcept nogil:
    """Whether the pair of types is never called: float64 is worked on in float64, everything else in float32."""
    return (sizeof(sample) == sizeof(double)) != (sizeof(work) == sizeof(double))


cdef inline const work* as_they_stand(const sample[:, :] data, Py_ssize_t first, work* _) noexcept nogil:
    """The samples from `first` on, where they stand one after another in the precision of the work; else NULL."""
    if (sample is float and work is float) or (sample is double and work is double):
        if data.strides[1] == sizeof(sample) and data.strides[0] == data.shape[1] * <Py_ssize_t> sizeof(sample):
            return <const work*> &data[first, 0]
    return NULL


cdef inline const work* block_of(const sample[:, :] data, Py_ssize_t first, Py_ssize_t n, work* rows) noexcept nogil:
    """Samples `first` ... `first + n - 1`, one after another: where they stand, if they do (the next ones are fetched
    meanwhile: 8 features, 1.9 ns a sample in place of 2.6); else in `rows`, filled up with the first to a block."""
    cdef:
        Py_ssize_t n_features = data.shape[1], i, j
        const work* source = as_they_stand(data, first, rows)
        const sample* packed
    if source != NULL and n == KM_BLOCK:
        for i in range(n * n_features * <Py_ssize_t> sizeof(work) // 64):
            km_prefetch(<const char*> (source + n * n_features) + 64 * i)
        return source
    if data.strides[1] == sizeof(sample) and data.strides[0] == n_features * <Py_ssize_t> sizeof(sample):
        packed = &data[first, 0]
        for i in range(n * n_features):
            rows[i] = <work> packed[i]
    else:
        for i in range(n):
            for j in range(n_features):
                rows[i * n_features + j] = <work> data[first + i, j]
    for i in range(n, KM_BLOCK):
        memcpy(rows + i * n_features, rows, n_features * sizeof(work))
    return rows
