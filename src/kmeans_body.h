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

/* Label a block by a(c), with the gap of each. Returns the labels in doubt, a bit each. */
KM_INLINE uint64_t KM(label)(const KM_REAL *columns, const KM_REAL *packed, ptrdiff_t n_features, ptrdiff_t n_clusters,
                             KM_REAL slack, int32_t *labels, float *gaps, uint64_t *changed)
{
    uint64_t in_doubt = 0;
    KM(vec) margin = KM(km_set)(slack), least[KM(VECTORS)], second[KM(VECTORS)], nearest[KM(VECTORS)];
    KM(vec) half = KM(km_set)((KM_REAL)0.5 * slack);
    *changed = 0;
    for (int i = 0; i < KM_BLOCK; i += KM(VECTORS) * KM(LANES)) {
        KM(vec) squares[KM(VECTORS)]; /* less |y|^2 */
        KM(two_least)(columns + i, packed, n_features, n_clusters, least, second, nearest);
        KM_UNROLL
        for (int v = 0; v < KM(VECTORS); v++)
            squares[v] = KM(km_set)(0);
        for (ptrdiff_t j = 0; j < n_features; j++) {
            KM_UNROLL
            for (int v = 0; v < KM(VECTORS); v++) {
                KM(vec) x = KM(km_load)(columns + j * KM_BLOCK + i + v * KM(LANES));
                squares[v] = KM(km_less_dot)(x, x, squares[v]);
            }
        }
        KM_UNROLL
        for (int v = 0; v < KM(VECTORS); v++) {
            KM(vec) apart = KM(km_sub)(second[v], least[v]), sum = KM(km_add)(second[v], least[v]);
            uint32_t certain = KM(km_bits_of)(KM(km_below)(margin, apart));
            int at = i + v * KM(LANES);
            in_doubt |= (uint64_t)(certain ^ KM_ALL(KM(LANES))) << at;
            KM(km_store_gaps)(gaps + at, KM(km_sub)(apart, half), KM(km_add)(KM(km_sub)(sum, squares[v]), margin));
            *changed |= (uint64_t)KM(km_changed)(labels + at, nearest[v]) << at;
            KM(km_store_labels)(labels + at, nearest[v]);
        }
    }
    return in_doubt;
}

/* Constant numbers of features, in functions of their own: registers are allotted to each apart. */
KM_APART uint64_t KM(label_3)(const KM(km_pass) *pass, int32_t *labels, float *gaps, uint64_t *changed)
{
    return KM(label)(pass->columns, pass->packed, 3, pass->n_clusters, pass->slack, labels, gaps, changed);
}

KM_APART uint64_t KM(label_8)(const KM(km_pass) *pass, int32_t *labels, float *gaps, uint64_t *changed)
{
    return KM(label)(pass->columns, pass->packed, 8, pass->n_clusters, pass->slack, labels, gaps, changed);
}

KM_APART uint64_t KM(label_any)(const KM(km_pass) *pass, int32_t *labels, float *gaps, uint64_t *changed)
{
    return KM(label)(pass->columns, pass->packed, pass->n_features, pass->n_clusters, pass->slack, labels, gaps,
                     changed);
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

#include "kmeans_sums.h"

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
                             int32_t *labels, float *gaps)
{
    uint64_t changed = 0, left = in_doubt;
    int n = 0;
    for (; left && n < KM_FEW; left &= left - 1, n++) {
        int i = km_lowest(left);
        gaps[i] = 0.0f;
        labels[i] = KM(label_one)(rows + i * pass->n_features, pass->centers, pass->n_features, pass->n_clusters);
    }
    if (left) {
        memset(gaps, 0, KM_BLOCK * sizeof(float));
        KM(to_columns)(rows, pass->n_features, pass->zeros, pass->columns);
        KM(label_all)(pass->columns, pass->centers, pass->n_features, pass->n_clusters, labels);
    }
    for (int i = 0; i < KM_BLOCK; i++)
        changed |= (uint64_t)(labels[i] != before[i]) << i;
    return changed;
}

/* Centers packed, and how far each gap shrinks at most: by what its cluster's center and any other have moved. */
static void KM(km_begin)(KM(km_pass) *pass, ptrdiff_t n_features, ptrdiff_t n_clusters, const KM_REAL *centers,
                         const KM_REAL *earlier, const KM_REAL *shift, KM_REAL *scratch)
{
    double first = 0.0, second = 0.0; /* the longest moves */
    pass->n_features = n_features;
    pass->n_clusters = n_clusters;
    pass->centers = centers;
    pass->earlier = earlier;
    pass->shift = shift;
    pass->columns = scratch;
    pass->packed = pass->columns + KM_BLOCK * n_features;
    pass->zeros = pass->packed + (n_clusters + KM_GROUP - 1) / KM_GROUP * KM_GROUP * (n_features + 1);
    pass->moves = (float *)(pass->zeros + n_features);
    for (ptrdiff_t j = 0; j < n_features; j++)
        pass->zeros[j] = 0;
    pass->largest = KM(pack)(pass->centers, pass->shift, pass->n_clusters, n_features, pass->packed);
    for (ptrdiff_t c = 0; c < pass->n_clusters; c++) {
        double square = 0.0, move;
        for (ptrdiff_t j = 0; j < n_features; j++) {
            double step = (double)pass->centers[c * n_features + j] - (double)pass->earlier[c * n_features + j];
            square += step * step;
        }
        move = square >= 0.0 ? 1.000001 * sqrt(square) : INFINITY;
        pass->moves[c] = (float)move;
        second = move > first ? first : move > second ? move : second;
        first = move > first ? move : first;
    }
    for (ptrdiff_t c = 0; c < pass->n_clusters; c++)
        pass->moves[c] += (float)(1.000001 * ((double)pass->moves[c] == (double)(float)first ? second : first));
}

/* `reach` is what an earlier pass found, or -1. */
static void KM(km_begin_tile)(KM(km_pass) *pass, double reach, double *sums)
{
    double span;
    pass->sums = sums;
    pass->knows_reach = reach >= 0.0;
    pass->reach = reach >= 0.0 ? reach : 0.0;
    pass->slack = KM(slack)(pass->reach, pass->largest, pass->n_features);
    pass->pause = 0;
    pass->n_changed = 0;
    span = sqrt(pass->reach) + sqrt(pass->largest);
    pass->rounding = (float)(4.0 * KM_ROUNDING_f32 * span);
    pass->least_gap = (float)(2.0 * ((double)pass->n_features + 5.0) * KM(KM_ROUNDING) * span
                              + sqrt(2.0 * ((double)pass->n_features + 5.0) * KM(KM_VANISHING)) + (double)FLT_MIN);
    if (!(pass->slack <= KM(KM_LARGEST))) /* squares of distances may be infinite */
        pass->least_gap = INFINITY;
}

/* Gaps of a block, less what the centers moved; returns the samples whose labels may change, a bit each: all in the
   first pass. */
static uint64_t KM(km_open)(const KM(km_pass) *pass, const int32_t *labels, float *gaps)
{
    if (!pass->knows_reach)
        return ~(uint64_t)0;
    return km_open(pass->moves, pass->n_clusters, pass->rounding, pass->least_gap, labels, gaps);
}

/* A block of a tile: labels, and sums where they changed. */
static void KM(km_assign)(KM(km_pass) *pass, const KM_REAL *rows, const double *weights, int n, int32_t *labels,
                          float *gaps)
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
        in_doubt = n_features == 3   ? KM(label_3)(pass, labels, gaps, &changed)
                   : n_features == 8 ? KM(label_8)(pass, labels, gaps, &changed)
                                     : KM(label_any)(pass, labels, gaps, &changed);
        if (in_doubt == ~(uint64_t)0)
            pass->pause = KM_PAUSE;
    } else
        pass->pause--;
    if (KM_RARELY(in_doubt))
        changed = KM(settle)(pass, rows, in_doubt, before, labels, gaps);
    changed &= ~(uint64_t)0 >> (KM_BLOCK - n);
    if (pass->sums == NULL)
        pass->n_changed += km_count(changed);
    else if (before[0] < 0) { /* all are without a label, or none */
        KM(km_add_block)(rows, weights, n_features, pass->n_clusters, n, labels, pass->sums);
        pass->n_changed += n;
    } else if (changed)
        pass->n_changed += n_features == 3 ? KM(move_3)(rows, weights, changed, before, labels, pass->sums)
                           : n_features == 8
                               ? KM(move_8)(rows, weights, changed, before, labels, pass->sums)
                               : KM(move_any)(rows, weights, n_features, changed, before, labels, pass->sums);
}

/* Squared distances of a block to one center. */
KM_INLINE void KM(distances)(const KM_REAL *rows, const KM_REAL *center, ptrdiff_t n_features, KM_REAL *columns,
                             KM_REAL *distances)
{
    KM(to_columns)(rows, n_features, center, columns);
    for (int i = 0; i < KM_BLOCK; i++)
        distances[i] = 0;
    for (ptrdiff_t j = 0; j < n_features; j++)
        for (int i = 0; i < KM_BLOCK; i++)
            distances[i] += columns[j * KM_BLOCK + i] * columns[j * KM_BLOCK + i];
}

static void KM(km_distances)(const KM_REAL *rows, const KM_REAL *center, ptrdiff_t n_features, KM_REAL *columns,
                             KM_REAL *distances)
{
    if (n_features == 8)
        KM(distances)(rows, center, 8, columns, distances);
    else
        KM(distances)(rows, center, n_features, columns, distances);
}

/* Squared distances of the samples of a block to the centers of their labels; `rows` may be `differences`. */
KM_INLINE void KM(own_distances)(const KM_REAL *rows, const KM_REAL *centers, ptrdiff_t n_features,
                                 const int32_t *labels, const KM_REAL *zeros, KM_REAL *differences, KM_REAL *columns,
                                 KM_REAL *distances)
{
    for (int i = 0; i < KM_BLOCK; i++) {
        const KM_REAL *center = centers + labels[i] * n_features;
        ptrdiff_t j = 0, at = i * n_features;
        for (; j + 4 <= n_features; j += 4) {
            KM_REAL some[4]; /* apart from the rows, which the compiler must fear to be the differences */
            for (int f = 0; f < 4; f++)
                some[f] = rows[at + j + f] - center[j + f];
            memcpy(differences + at + j, some, sizeof(some));
        }
        for (; j < n_features; j++)
            differences[at + j] = rows[at + j] - center[j];
    }
    KM(distances)(differences, zeros, n_features, columns, distances);
}

static void KM(km_own_distances)(const KM_REAL *rows, const KM_REAL *centers, ptrdiff_t n_features,
                                 const int32_t *labels, const KM_REAL *zeros, KM_REAL *differences, KM_REAL *columns,
                                 KM_REAL *distances)
{
    if (n_features == 8)
        KM(own_distances)(rows, centers, 8, labels, zeros, differences, columns, distances);
    else
        KM(own_distances)(rows, centers, n_features, labels, zeros, differences, columns, distances);
}
