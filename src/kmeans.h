/* The steps of kmeans_bounds.h in float or in double, as the work was begun: what kmeans.pyx calls. */
#ifndef MEDFAST_KMEANS_H
#define MEDFAST_KMEANS_H

#include "kmeans_board.h"
#include "kmeans_bounds.h"

typedef struct {
    int is_double;
    km_pass_f32 pass_f32;
    km_pass_f64 pass_f64;
    km_own_f32 own_f32;
    km_own_f64 own_f64;
} km_work;

/* A call of one of two functions of a name; coordinates are void pointers on the outside. */
#define KM_EITHER(name, with, ...) \
    { \
        if (at->is_double) \
            name##_f64(&at->with##_f64, __VA_ARGS__); \
        else \
            name##_f32(&at->with##_f32, __VA_ARGS__); \
    }

KM_INLINE void km_begin(km_work *at, ptrdiff_t n_features, ptrdiff_t n_clusters, const void *centers,
                        const void *earlier, const void *shift, void *scratch)
KM_EITHER(km_begin, pass, n_features, n_clusters, centers, earlier, shift, scratch)

KM_INLINE void km_begin_tile(km_work *at, double reach, double *sums)
KM_EITHER(km_begin_tile, pass, reach, sums)

KM_INLINE void km_assign(km_work *at, const void *rows, const double *weights, int n, int32_t *labels, float *gaps)
KM_EITHER(km_assign, pass, rows, weights, n, labels, gaps)

KM_INLINE void km_assign_listed(km_work *at, const void *from, void *rows, const double *weights, int n,
                                const int32_t *list, const void *next_from, const int32_t *next_list, int n_next,
                                int32_t *labels, float *gaps)
KM_EITHER(km_assign_listed, pass, from, rows, weights, n, list, next_from, next_list, n_next, labels, gaps)

KM_INLINE void km_fetch_block(km_work *at, const void *from)
KM_EITHER(km_fetch_block, pass, from)

KM_INLINE void km_begin_own(km_work *at, ptrdiff_t n_features, ptrdiff_t n_clusters, const void *centers, void *scratch)
KM_EITHER(km_begin_own, own, n_features, n_clusters, centers, scratch)

KM_INLINE void km_own_distances(km_work *at, const void *rows, const int32_t *labels, void *distances)
KM_EITHER(km_own_distances, own, rows, labels, distances)

KM_INLINE int km_open_chunk(km_work *at, const int32_t *labels, float *gaps, int n, int32_t *list)
{
    return at->is_double ? km_open_chunk_f64(&at->pass_f64, labels, gaps, n, list)
                         : km_open_chunk_f32(&at->pass_f32, labels, gaps, n, list);
}

KM_INLINE ptrdiff_t km_n_changed(const km_work *at)
{
    return at->is_double ? at->pass_f64.n_changed : at->pass_f32.n_changed;
}

KM_INLINE double km_reach(const km_work *at)
{
    return at->is_double ? at->pass_f64.reach : at->pass_f32.reach;
}

/* The same where there is no pass. */
#define KM_ANY(name, ...) \
    { \
        if (is_double) \
            name##_f64(__VA_ARGS__); \
        else \
            name##_f32(__VA_ARGS__); \
    }

KM_INLINE void km_add_block(int is_double, const void *rows, const double *weights, ptrdiff_t n_features,
                            ptrdiff_t n_clusters, int n, const int32_t *labels, double *sums)
KM_ANY(km_add_block, rows, weights, n_features, n_clusters, n, labels, sums)

KM_INLINE void km_distances(int is_double, const void *rows, const void *center, ptrdiff_t n_features, void *columns,
                            void *distances)
KM_ANY(km_distances, rows, center, n_features, columns, distances)

#endif
