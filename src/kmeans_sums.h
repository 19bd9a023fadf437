/* Sums of samples by label, in two parts; included by kmeans_bounds.h for each kind of real numbers. */

enum { KM(SUMS) = KM_PARTS / KM_LANES_f64 };

/* Sums in hand: PARTS of them, high parts and low parts. */
typedef struct {
    km_f64 high[KM(SUMS)], low[KM(SUMS)];
} KM(sums);

KM_INLINE void KM(take_sums)(KM(sums) *in_hand, const double *high, const double *low)
{
    KM_UNROLL
    for (int q = 0; q < KM(SUMS); q++) {
        in_hand->high[q] = km_load_f64(high + q * KM_LANES_f64);
        in_hand->low[q] = km_load_f64(low + q * KM_LANES_f64);
    }
}

KM_INLINE void KM(put_sums)(const KM(sums) *in_hand, double *high, double *low)
{
    KM_UNROLL
    for (int q = 0; q < KM(SUMS); q++) {
        km_store_f64(high + q * KM_LANES_f64, in_hand->high[q]);
        km_store_f64(low + q * KM_LANES_f64, in_hand->low[q]);
    }
}

/* Vector q of n <= PARTS coordinates, weighted. In vectors throughout: the compiler's own loads and stores differ in
   width, and then a load waits for the store before it. */
KM_INLINE km_f64 KM(term)(const KM_REAL *row, ptrdiff_t n, int q, const double *weight)
{
    km_f64 values = n >= KM_PARTS ? KM(km_widen)(row + q * KM_LANES_f64) : KM(km_widen_some)(row, (int)n, q);
    return weight ? km_mul_f64(km_set_f64(*weight), values) : values;
}

/* Add a term to vector q of the sums (Knuth): no rounding is lost but that of the low parts. */
KM_INLINE void KM(add_term)(KM(sums) *in_hand, int q, km_f64 term)
{
    km_f64 sum = in_hand->high[q], total = km_add_f64(sum, term), part = km_sub_f64(total, sum);
    km_f64 rest = km_add_f64(km_sub_f64(sum, km_sub_f64(total, part)), km_sub_f64(term, part));
    in_hand->low[q] = km_add_f64(in_hand->low[q], rest);
    in_hand->high[q] = total;
}

/* The weight of a sample, or of as many as `factor` tells where all weigh 1, which is exact. */
KM_INLINE void KM(add_weight)(double *parts, const double *weight, double factor)
{
    if (weight) {
        km_add_parts(parts, parts + 1, factor * *weight);
        parts[2] += *weight > 0.0 ? factor : 0.0;
    } else {
        parts[0] += factor;
        parts[2] += factor;
    }
}

/* Add the samples of a block that belong to one cluster, a bit each, to its sums, which stay in registers meanwhile. */
KM_INLINE void KM(add_run)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, uint64_t run, double *sums)
{
    ptrdiff_t n_padded = km_padded(n_features);
    for (ptrdiff_t j = 0; j < n_features; j += KM_PARTS) {
        KM(sums) in_hand;
        KM(take_sums)(&in_hand, sums + j, sums + n_padded + j);
        for (uint64_t left = run; left; left &= left - 1) {
            int i = km_lowest(left);
            KM_UNROLL
            for (int q = 0; q < KM(SUMS); q++)
                KM(add_term)(&in_hand, q, KM(term)(rows + i * n_features + j, n_features - j, q,
                                                   weights ? weights + i : NULL));
        }
        KM(put_sums)(&in_hand, sums + j, sums + n_padded + j);
    }
    if (weights)
        for (; run; run &= run - 1)
            KM(add_weight)(sums + 2 * n_padded, weights + km_lowest(run), 1.0);
    else
        KM(add_weight)(sums + 2 * n_padded, NULL, km_count(run));
}

KM_INLINE void KM(add_runs)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, ptrdiff_t n_clusters,
                            const uint64_t *runs, double *sums)
{
    ptrdiff_t size = km_sums_size(n_features);
    for (ptrdiff_t c = 0; c < n_clusters; c++)
        if (runs[c])
            KM(add_run)(rows, weights, n_features, runs[c], sums + c * size);
}

/* Add a block to the sums of its labels, cluster by cluster: each sum still sees its samples in order, but no load
   waits for the store of the sample before (8 features, 8 clusters: 1.6 ns a sample in place of 7). */
KM_APART void KM(km_add_block)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, ptrdiff_t n_clusters,
                               int n, const int32_t *labels, double *sums)
{
    uint64_t runs[KM_RUNS] = {0};
    if (n_clusters > KM_RUNS) {
        for (int i = 0; i < n; i++)
            KM(add_run)(rows + i * n_features, weights ? weights + i : NULL, n_features, 1,
                        sums + labels[i] * km_sums_size(n_features));
        return;
    }
    km_runs(labels, n, n_clusters, runs);
    switch (n_features) { /* registers are allotted to constant numbers */
    case 3: KM(add_runs)(rows, weights, 3, n_clusters, runs, sums); break;
    case 8: KM(add_runs)(rows, weights, 8, n_clusters, runs, sums); break;
    default: KM(add_runs)(rows, weights, n_features, n_clusters, runs, sums);
    }
}

/* Move the samples whose labels changed, a bit each, from one cluster's sums to another's. Rejected: to sort those of
   a tile by cluster first, so that sums stay in registers (20 ns a sample in place of 8: to sort takes longer). */
KM_INLINE void KM(move)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, uint64_t changed,
                        const int32_t *from, const int32_t *to, double *sums)
{
    ptrdiff_t size = km_sums_size(n_features), n_padded = km_padded(n_features);
    for (; changed; changed &= changed - 1) {
        int i = km_lowest(changed);
        const double *weight = weights ? weights + i : NULL;
        double *left = sums + from[i] * size, *joined = sums + to[i] * size;
        for (ptrdiff_t j = 0; j < n_features; j += KM_PARTS) {
            KM(sums) less, more;
            KM(take_sums)(&less, left + j, left + n_padded + j);
            KM(take_sums)(&more, joined + j, joined + n_padded + j);
            KM_UNROLL
            for (int q = 0; q < KM(SUMS); q++) {
                km_f64 term = KM(term)(rows + i * n_features + j, n_features - j, q, weight);
                KM(add_term)(&less, q, km_sub_f64(km_set_f64(-0.0), term));
                KM(add_term)(&more, q, term);
            }
            KM(put_sums)(&less, left + j, left + n_padded + j);
            KM(put_sums)(&more, joined + j, joined + n_padded + j);
        }
        KM(add_weight)(left + 2 * n_padded, weight, -1.0);
        KM(add_weight)(joined + 2 * n_padded, weight, 1.0);
    }
}

KM_APART void KM(move_3)(const KM_REAL *rows, const double *weights, uint64_t changed, const int32_t *from,
                         const int32_t *to, double *sums)
{
    KM(move)(rows, weights, 3, changed, from, to, sums);
}

KM_APART void KM(move_8)(const KM_REAL *rows, const double *weights, uint64_t changed, const int32_t *from,
                         const int32_t *to, double *sums)
{
    KM(move)(rows, weights, 8, changed, from, to, sums);
}

KM_APART void KM(move_any)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, uint64_t changed,
                           const int32_t *from, const int32_t *to, double *sums)
{
    KM(move)(rows, weights, n_features, changed, from, to, sums);
}
