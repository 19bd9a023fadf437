/* One pass of Lloyd's algorithm in one kind of real numbers; included by kmeans.h with KM_REAL and KM(name) set. */

typedef KM(km) KM(vec);
typedef KM(km_mask) KM(mask);
enum { KM(LANES) = KM(KM_LANES), KM(VECTORS) = KM(KM_VECTORS) };

/* Centers less the shift, GROUP by GROUP: half the square of each first, then the coordinates, feature by feature. A
   group that is not full ends in centers at an infinite distance. Returns the largest square. */
static double KM(pack)(const KM_REAL *centers, const KM_REAL *shift, ptrdiff_t n_clusters, ptrdiff_t n_features,
                       KM_REAL *packed)
{
    double largest = 0.0;
    for (ptrdiff_t group = 0; group < n_clusters; group += KM_GROUP) {
        for (int g = 0; g < KM_GROUP; g++) {
            const KM_REAL *center = centers + (group + g) * n_features;
            int is_there = group + g < n_clusters;
            double square = is_there ? 0.0 : INFINITY;
            for (ptrdiff_t j = 0; j < n_features; j++) {
                KM_REAL coordinate = is_there ? center[j] - shift[j] : 0;
                packed[(j + 1) * KM_GROUP + g] = coordinate;
                square += (double)coordinate * (double)coordinate;
            }
            packed[g] = (KM_REAL)(0.5 * square);
            if (is_there && !(square <= largest)) /* NaN, too */
                largest = square == square ? square : INFINITY;
        }
        packed += (n_features + 1) * KM_GROUP;
    }
    return largest;
}

/* Samples in rows to columns less the shift: feature j of the i-th one goes to columns[j * BLOCK + i]. */
KM_INLINE void KM(turn)(const KM_REAL *rows, ptrdiff_t n_features, const KM_REAL *shift, KM_REAL *columns)
{
    for (int i = 0; i < KM_BLOCK; i++)
        for (ptrdiff_t j = 0; j < n_features; j++)
            columns[j * KM_BLOCK + i] = rows[i * n_features + j] - shift[j];
}

KM_INLINE void KM(to_columns)(const KM_REAL *rows, ptrdiff_t n_features, const KM_REAL *shift, KM_REAL *columns)
{
#ifdef KM_BY_QUADS
    if (n_features == 8) {
        KM(turn_quads)(rows, 8, shift, columns);
        return;
    }
    if (n_features >= 4) {
        KM(turn_quads)(rows, n_features, shift, columns);
        return;
    }
#endif
    /* A constant number of features lets the compiler shuffle whole vectors. */
    switch (n_features) {
    case 2: KM(turn)(rows, 2, shift, columns); break;
    case 3: KM(turn)(rows, 3, shift, columns); break;
    case 4: KM(turn)(rows, 4, shift, columns); break;
    case 8: KM(turn)(rows, 8, shift, columns); break;
    default: KM(turn)(rows, n_features, shift, columns);
    }
}

/* Least of a(c) = |c|^2 / 2 - x.c, the second least, and the center of the least, for VECTORS vectors of samples. */
KM_INLINE void KM(two_least)(const KM_REAL *columns, const KM_REAL *packed, ptrdiff_t n_features, ptrdiff_t n_clusters,
                             KM(vec) *least, KM(vec) *second, KM(vec) *nearest)
{
    KM(vec) infinity = KM(km_set)((KM_REAL)INFINITY);
    KM_UNROLL
    for (int v = 0; v < KM(VECTORS); v++)
        least[v] = second[v] = infinity, nearest[v] = KM(km_bits)(0);
    for (ptrdiff_t group = 0; group < n_clusters; group += KM_GROUP) {
        KM(vec) sums[KM_GROUP][KM(VECTORS)];
        KM_UNROLL
        for (int g = 0; g < KM_GROUP; g++) {
            KM_UNROLL
            for (int v = 0; v < KM(VECTORS); v++)
                sums[g][v] = KM(km_set)(packed[g]);
        }
        packed += KM_GROUP;
        KM_AGAIN(columns);
        for (ptrdiff_t j = 0; j < n_features; j++, packed += KM_GROUP) {
            KM(vec) x[KM(VECTORS)];
            KM_UNROLL
            for (int v = 0; v < KM(VECTORS); v++)
                x[v] = KM(km_load)(columns + j * KM_BLOCK + v * KM(LANES));
            KM_UNROLL
            for (int g = 0; g < KM_GROUP; g++) {
                KM(vec) coordinate = KM(km_set)(packed[g]);
                KM_UNROLL
                for (int v = 0; v < KM(VECTORS); v++)
                    sums[g][v] = KM(km_less_dot)(x[v], coordinate, sums[g][v]);
            }
        }
        KM_UNROLL
        for (int g = 0; g < KM_GROUP; g++) {
            KM(vec) cluster = KM(km_bits)(group + g);
            KM_UNROLL
            for (int v = 0; v < KM(VECTORS); v++) {
                KM(mask) is_nearer = KM(km_below)(sums[g][v], least[v]);
                second[v] = KM(km_min)(second[v], KM(km_max)(sums[g][v], least[v]));
                least[v] = KM(km_min)(sums[g][v], least[v]);
                nearest[v] = KM(km_pick)(is_nearer, cluster, nearest[v]);
            }
        }
    }
}

/* Label a block by a(c). Returns the labels in doubt, a bit each. */
KM_INLINE uint64_t KM(label)(const KM_REAL *columns, const KM_REAL *packed, ptrdiff_t n_features, ptrdiff_t n_clusters,
                             KM_REAL slack, int32_t *labels, uint64_t *changed)
{
    uint64_t in_doubt = 0;
    KM(vec) margin = KM(km_set)(slack), least[KM(VECTORS)], second[KM(VECTORS)], nearest[KM(VECTORS)];
    *changed = 0;
    for (int i = 0; i < KM_BLOCK; i += KM(VECTORS) * KM(LANES)) {
        KM(two_least)(columns + i, packed, n_features, n_clusters, least, second, nearest);
        KM_UNROLL
        for (int v = 0; v < KM(VECTORS); v++) {
            int at = i + v * KM(LANES);
            in_doubt |= (uint64_t)(KM(km_bits_of)(KM(km_below)(margin, KM(km_sub)(second[v], least[v]))) ^ KM_ALL(KM(LANES))) << at;
            *changed |= (uint64_t)KM(km_changed)(labels + at, nearest[v]) << at;
            KM(km_store_labels)(labels + at, nearest[v]);
        }
    }
    return in_doubt;
}

/* Constant numbers of features, in functions of their own: registers are allotted to each apart. */
KM_APART uint64_t KM(label_3)(const KM(km_pass) *pass, int32_t *labels, uint64_t *changed)
{
    return KM(label)(pass->columns, pass->packed, 3, pass->n_clusters, pass->slack, labels, changed);
}

KM_APART uint64_t KM(label_8)(const KM(km_pass) *pass, int32_t *labels, uint64_t *changed)
{
    return KM(label)(pass->columns, pass->packed, 8, pass->n_clusters, pass->slack, labels, changed);
}

KM_APART uint64_t KM(label_any)(const KM(km_pass) *pass, int32_t *labels, uint64_t *changed)
{
    return KM(label)(pass->columns, pass->packed, pass->n_features, pass->n_clusters, pass->slack, labels, changed);
}

/* Label a sample by the distances themselves, of equal ones by the first. */
KM_APART int32_t KM(label_one)(const KM_REAL *row, const KM_REAL *centers, ptrdiff_t n_features, ptrdiff_t n_clusters)
{
    KM_REAL best = (KM_REAL)INFINITY;
    int32_t nearest = 0;
    for (ptrdiff_t c = 0; c < n_clusters; c += KM_GROUP) { /* several sums, none of which waits for another */
        KM_REAL distance[KM_GROUP] = {0};
        const KM_REAL *center = centers + c * n_features;
        int n = n_clusters - c < KM_GROUP ? (int)(n_clusters - c) : KM_GROUP;
        if (n == KM_GROUP)
            for (ptrdiff_t j = 0; j < n_features; j++)
                for (int g = 0; g < KM_GROUP; g++) {
                    KM_REAL difference = row[j] - center[g * n_features + j];
                    distance[g] += difference * difference;
                }
        else
            for (ptrdiff_t j = 0; j < n_features; j++)
                for (int g = 0; g < n; g++) {
                    KM_REAL difference = row[j] - center[g * n_features + j];
                    distance[g] += difference * difference;
                }
        for (int g = 0; g < n; g++)
            if (distance[g] < best) {
                best = distance[g];
                nearest = (int32_t)(c + g);
            }
    }
    return nearest;
}

/* The same for a block; `columns` are not shifted. */
KM_APART void KM(label_all)(const KM_REAL *columns, const KM_REAL *centers, ptrdiff_t n_features, ptrdiff_t n_clusters,
                            int32_t *labels)
{
    for (int i = 0; i < KM_BLOCK; i += KM(VECTORS) * KM(LANES)) {
        KM(vec) best[KM(VECTORS)], nearest[KM(VECTORS)];
        for (int v = 0; v < KM(VECTORS); v++)
            best[v] = KM(km_set)((KM_REAL)INFINITY), nearest[v] = KM(km_bits)(0);
        for (ptrdiff_t c = 0; c < n_clusters; c++) {
            KM(vec) distance[KM(VECTORS)], cluster = KM(km_bits)(c);
            KM_UNROLL
            for (int v = 0; v < KM(VECTORS); v++)
                distance[v] = KM(km_set)(0);
            for (ptrdiff_t j = 0; j < n_features; j++) {
                KM(vec) coordinate = KM(km_set)(centers[c * n_features + j]);
                KM_UNROLL
                for (int v = 0; v < KM(VECTORS); v++) {
                    KM(vec) x = KM(km_load)(columns + j * KM_BLOCK + i + v * KM(LANES));
                    KM(vec) difference = KM(km_sub)(x, coordinate);
                    distance[v] = KM(km_add)(distance[v], KM(km_mul)(difference, difference));
                }
            }
            KM_UNROLL
            for (int v = 0; v < KM(VECTORS); v++) {
                nearest[v] = KM(km_pick)(KM(km_below)(distance[v], best[v]), cluster, nearest[v]);
                best[v] = KM(km_min)(distance[v], best[v]);
            }
        }
        for (int v = 0; v < KM(VECTORS); v++)
            KM(km_store_labels)(labels + i + v * KM(LANES), nearest[v]);
    }
}

/* Add n <= 8 weighted coordinates to as many sums of two parts. No rounding is lost but that of the low parts (Knuth).
   In vectors: the compiler's own loads and stores differ in width, and then a load waits for the store before it (20 ns a
   sample at v3 in place of 9). */
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

/* The largest square of a sample of a block. */
static double KM(largest_square)(const KM_REAL *columns, ptrdiff_t n_features)
{
    KM_REAL squares[KM_BLOCK] = {0}, largest = 0;
    for (ptrdiff_t j = 0; j < n_features; j++)
        for (int i = 0; i < KM_BLOCK; i++)
            squares[i] += columns[j * KM_BLOCK + i] * columns[j * KM_BLOCK + i];
    for (int i = 0; i < KM_BLOCK; i++)
        if (!(squares[i] <= largest))
            largest = squares[i] == squares[i] ? squares[i] : (KM_REAL)INFINITY;
    return largest;
}

/* How far apart the least and the second least a(c) must be for the first to have the least distance; derived above. */
KM_INLINE KM_REAL KM(slack)(double reach, double largest, ptrdiff_t n_features)
{
    double span = (sqrt(reach) + sqrt(largest)) * (sqrt(reach) + sqrt(largest)), terms = (double)n_features + 5.0;
    if (!(4.0 * span < KM(KM_LARGEST)) || terms * KM(KM_ROUNDING) > 0.01)
        return (KM_REAL)INFINITY;
    return (KM_REAL)(terms * (2.5 * KM(KM_ROUNDING) * span + KM(KM_VANISHING)));
}

/* Labels in doubt, a bit each, by the definition; returns which of all labels changed. */
KM_APART uint64_t KM(settle)(KM(km_pass) *pass, const KM_REAL *rows, uint64_t in_doubt, const int32_t *before,
                             int32_t *labels)
{
    uint64_t changed = 0, left = in_doubt;
    int n = 0;
    for (; left && n < KM_FEW; left &= left - 1, n++) {
        int i = km_lowest(left);
        labels[i] = KM(label_one)(rows + i * pass->n_features, pass->centers, pass->n_features, pass->n_clusters);
    }
    if (left) {
        KM(to_columns)(rows, pass->n_features, pass->zeros, pass->columns);
        KM(label_all)(pass->columns, pass->centers, pass->n_features, pass->n_clusters, labels);
    }
    for (int i = 0; i < KM_BLOCK; i++)
        changed |= (uint64_t)(labels[i] != before[i]) << i;
    return changed;
}

static void KM(km_begin)(KM(km_pass) *pass)
{
    for (ptrdiff_t j = 0; j < pass->n_features; j++)
        pass->zeros[j] = 0;
    pass->largest = KM(pack)(pass->centers, pass->shift, pass->n_clusters, pass->n_features, pass->packed);
}

/* `reach` is what an earlier pass found, or -1. */
static void KM(km_begin_tile)(KM(km_pass) *pass, double reach, double *sums)
{
    pass->sums = sums;
    pass->knows_reach = reach >= 0.0;
    pass->reach = reach >= 0.0 ? reach : 0.0;
    pass->slack = KM(slack)(pass->reach, pass->largest, pass->n_features);
    pass->pause = 0;
    pass->n_changed = 0;
}

/* A block of a tile: labels, and sums where they changed. */
static void KM(km_assign)(KM(km_pass) *pass, const KM_REAL *rows, const double *weights, int n, int32_t *labels)
{
    ptrdiff_t n_features = pass->n_features;
    int32_t before[KM_BLOCK];
    uint64_t changed, in_doubt = ~(uint64_t)0;
    memcpy(before, labels, sizeof(before));
    if (pass->pause == 0) {
        KM(to_columns)(rows, n_features, pass->shift, pass->columns);
        if (KM_RARELY(!pass->knows_reach)) {
            double square = KM(largest_square)(pass->columns, n_features);
            pass->reach = square > pass->reach ? square : pass->reach;
            pass->slack = KM(slack)(pass->reach, pass->largest, n_features);
        }
        in_doubt = n_features == 3   ? KM(label_3)(pass, labels, &changed)
                   : n_features == 8 ? KM(label_8)(pass, labels, &changed)
                                     : KM(label_any)(pass, labels, &changed);
        if (in_doubt == ~(uint64_t)0)
            pass->pause = KM_PAUSE;
    } else
        pass->pause--;
    if (KM_RARELY(in_doubt))
        changed = KM(settle)(pass, rows, in_doubt, before, labels);
    changed &= ~(uint64_t)0 >> (KM_BLOCK - n);
    if (changed)
        pass->n_changed += n_features == 3 ? KM(move_3)(rows, weights, changed, before, labels, pass->sums)
                           : n_features == 8
                               ? KM(move_8)(rows, weights, changed, before, labels, pass->sums)
                               : KM(move_any)(rows, weights, n_features, changed, before, labels, pass->sums);
}

static void KM(km_add_block)(const KM_REAL *rows, const double *weights, ptrdiff_t n_features, int n,
                             const int32_t *labels, double *sums)
{
    for (int i = 0; i < n; i++)
        KM(add)(rows + i * n_features, weights ? weights[i] : 1.0, n_features, sums + labels[i] * km_sums_size(n_features));
}

/* Squared distances of a block to one center. */
static void KM(km_distances)(const KM_REAL *rows, const KM_REAL *center, ptrdiff_t n_features, KM_REAL *columns,
                             KM_REAL *distances)
{
    KM(to_columns)(rows, n_features, center, columns);
    for (int i = 0; i < KM_BLOCK; i++)
        distances[i] = 0;
    for (ptrdiff_t j = 0; j < n_features; j++)
        for (int i = 0; i < KM_BLOCK; i++)
            distances[i] += columns[j * KM_BLOCK + i] * columns[j * KM_BLOCK + i];
}

/* Squared distances of the samples of a block to the centers of their labels. */
static void KM(km_own_distances)(const KM_REAL *rows, const KM_REAL *centers, ptrdiff_t n_features,
                                 const int32_t *labels, KM_REAL *columns, KM_REAL *distances)
{
    for (int i = 0; i < KM_BLOCK; i++)
        for (ptrdiff_t j = 0; j < n_features; j++)
            columns[j * KM_BLOCK + i] = rows[i * n_features + j] - centers[labels[i] * n_features + j];
    for (int i = 0; i < KM_BLOCK; i++)
        distances[i] = 0;
    for (ptrdiff_t j = 0; j < n_features; j++)
        for (int i = 0; i < KM_BLOCK; i++)
            distances[i] += columns[j * KM_BLOCK + i] * columns[j * KM_BLOCK + i];
}
