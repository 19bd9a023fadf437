/* Sums of samples by label, in two parts; included by kmeans_body.h for each kind of real numbers. */

/* Add n <= 8 weighted coordinates to as many sums of two parts. No rounding is lost but that of the low parts (Knuth).
   In vectors: the compiler's own loads and stores differ in width, and then a load waits for the store before it (20 ns
   a sample at v3 in place of 9). */
KM_INLINE void KM(add_some)(const KM_REAL *row, ptrdiff_t n, double factor, double *high, double *low)
{
    km_f64 weight;
    if (n < KM_PARTS) {
        for (ptrdiff_t j = 0; j < n; j++)
            km_add_parts(high + j, low + j, factor * (double)row[j]);
        return;
    }
    weight = km_set_f64(factor);
    KM_UNROLL
    for (int j = 0; j < KM_PARTS; j += KM_LANES_f64) {
        km_f64 term = km_mul_f64(weight, KM(km_widen)(row + j)), sum = km_load_f64(high + j);
        km_f64 total = km_add_f64(sum, term), part = km_sub_f64(total, sum);
        km_f64 rest = km_add_f64(km_sub_f64(sum, km_sub_f64(total, part)), km_sub_f64(term, part));
        km_store_f64(high + j, total);
        km_store_f64(low + j, km_add_f64(km_load_f64(low + j), rest));
    }
}

/* Add a weighted sample, and its weight, to the sums of a cluster. */
KM_INLINE void KM(add)(const KM_REAL *row, double weight, ptrdiff_t n_features, double *sums)
{
    ptrdiff_t n_padded = km_padded(n_features), j = 0;
    km_add_parts(sums + 2 * n_padded, sums + 2 * n_padded + 1, weight);
    sums[2 * n_padded + 2] += (weight > 0.0) - (weight < 0.0);
    for (; j + KM_PARTS <= n_features; j += KM_PARTS)
        KM(add_some)(row + j, KM_PARTS, weight, sums + j, sums + n_padded + j);
    if (j < n_features)
        KM(add_some)(row + j, n_features - j, weight, sums + j, sums + n_padded + j);
}

/* Add the samples of one cluster, a bit each, to its sums, which stay in registers meanwhile. */
KM_INLINE void KM(add_run)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, uint64_t run, double *sums)
{
    ptrdiff_t n_padded = km_padded(n_features);
    km_f64 high[KM_PARTS / KM_LANES_f64], low[KM_PARTS / KM_LANES_f64];
    double parts[3], n_run = km_count(run);
    if (n_features != KM_PARTS) {
        for (; run; run &= run - 1) {
            int i = km_lowest(run);
            KM(add)(rows + i * n_features, weights ? weights[i] : 1.0, n_features, sums);
        }
        return;
    }
    KM_UNROLL
    for (int q = 0; q < KM_PARTS / KM_LANES_f64; q++) {
        high[q] = km_load_f64(sums + q * KM_LANES_f64);
        low[q] = km_load_f64(sums + n_padded + q * KM_LANES_f64);
    }
    memcpy(parts, sums + 2 * n_padded, sizeof(parts));
    for (; run; run &= run - 1) {
        int i = km_lowest(run);
        km_f64 factor = km_set_f64(weights ? weights[i] : 1.0);
        KM_UNROLL
        for (int q = 0; q < KM_PARTS / KM_LANES_f64; q++) {
            km_f64 term = km_mul_f64(factor, KM(km_widen)(rows + i * n_features + q * KM_LANES_f64));
            km_f64 total = km_add_f64(high[q], term), part = km_sub_f64(total, high[q]);
            km_f64 rest = km_add_f64(km_sub_f64(high[q], km_sub_f64(total, part)), km_sub_f64(term, part));
            low[q] = km_add_f64(low[q], rest);
            high[q] = total;
        }
        if (weights) {
            km_add_parts(parts, parts + 1, weights[i]);
            parts[2] += weights[i] > 0.0;
        }
    }
    if (!weights) { /* counts are exact */
        parts[0] += n_run;
        parts[2] += n_run;
    }
    KM_UNROLL
    for (int q = 0; q < KM_PARTS / KM_LANES_f64; q++) {
        km_store_f64(sums + q * KM_LANES_f64, high[q]);
        km_store_f64(sums + n_padded + q * KM_LANES_f64, low[q]);
    }
    memcpy(sums + 2 * n_padded, parts, sizeof(parts));
}

/* Add a block to the sums of its labels, cluster by cluster: each sum still sees its samples in their order, but a load
   need not wait for the store of the sample before (8 features, 8 clusters: 4 ns a sample in place of 7). */
KM_APART void KM(km_add_block)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, ptrdiff_t n_clusters,
                               int n, const int32_t *labels, double *sums)
{
    ptrdiff_t size = km_sums_size(n_features);
    if (n_clusters <= KM_RUNS) {
        uint64_t runs[KM_RUNS] = {0};
        for (int i = 0; i < n; i++)
            runs[labels[i]] |= (uint64_t)1 << i;
        for (int c = 0; c < n_clusters; c++)
            if (runs[c] == 0)
                continue;
            else if (n_features == KM_PARTS)
                KM(add_run)(rows, weights, KM_PARTS, runs[c], sums + c * size);
            else
                KM(add_run)(rows, weights, n_features, runs[c], sums + c * size);
        return;
    }
    for (int i = 0; i < n; i++)
        KM(add)(rows + i * n_features, weights ? weights[i] : 1.0, n_features, sums + labels[i] * size);
}

/* Move the samples whose labels changed, a bit each, from the sums of one cluster to another; returns how many. */
KM_INLINE ptrdiff_t KM(move)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, uint64_t changed,
                             const int32_t *from, const int32_t *to, double *sums)
{
    ptrdiff_t n_changed = 0, size = km_sums_size(n_features);
    for (; changed; changed &= changed - 1, n_changed++) {
        int i = km_lowest(changed);
        double weight = weights ? weights[i] : 1.0;
        if (from[i] >= 0)
            KM(add)(rows + i * n_features, -weight, n_features, sums + from[i] * size);
        KM(add)(rows + i * n_features, weight, n_features, sums + to[i] * size);
    }
    return n_changed;
}

KM_APART ptrdiff_t KM(move_3)(const KM_REAL *rows, const double *weights, uint64_t changed, const int32_t *from,
                              const int32_t *to, double *sums)
{
    return KM(move)(rows, weights, 3, changed, from, to, sums);
}

KM_APART ptrdiff_t KM(move_8)(const KM_REAL *rows, const double *weights, uint64_t changed, const int32_t *from,
                              const int32_t *to, double *sums)
{
    return KM(move)(rows, weights, 8, changed, from, to, sums);
}

KM_APART ptrdiff_t KM(move_any)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, uint64_t changed,
                                const int32_t *from, const int32_t *to, double *sums)
{
    return KM(move)(rows, weights, n_features, changed, from, to, sums);
}
