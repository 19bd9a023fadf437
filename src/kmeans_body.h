/* The steps on a block of samples in one kind of real numbers; included by kmeans_bounds.h, with KM_REAL and KM(name)
   set. */

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
        KM(turn_quads)(rows, NULL, 8, shift, columns);
        return;
    }
    if (n_features >= 4) {
        KM(turn_quads)(rows, NULL, n_features, shift, columns);
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

/* Least of a(c) = |c|^2 / 2 - x.c, the second least, and the center of the least, for VECTORS vectors of samples. What
   is needed next is fetched on the way, a little at a time: 16 lines may be under way, and 64 asked for at once waited
   for each other (14 % of a run over 100 000 x 8). Rejected: to fetch into the second-level cache alone (no gain). */
KM_INLINE void KM(two_least)(const KM_REAL *columns, const KM_REAL *packed, ptrdiff_t n_features, ptrdiff_t n_clusters,
                             const KM_REAL *const **ahead, const KM_REAL *const *end, KM(vec) *least, KM(vec) *second,
                             KM(vec) *nearest)
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
            if (*ahead < end) {
                KM_UNROLL
                for (int i = 0; i < KM_FETCHED; i++)
                    KM_PREFETCH((*ahead)[i]);
                *ahead += KM_FETCHED;
            }
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
KM_INLINE uint64_t KM(label)(const KM(km_pass) *pass, ptrdiff_t n_features, int32_t *labels, float *gaps,
                             uint64_t *changed)
{
    const KM_REAL *columns = pass->columns, slack = pass->slack;
    const KM_REAL *const *ahead = pass->ahead, *const *end = ahead + pass->n_ahead;
    uint64_t in_doubt = 0;
    KM(vec) margin = KM(km_set)(slack), least[KM(VECTORS)], second[KM(VECTORS)], nearest[KM(VECTORS)];
    KM(vec) half = KM(km_set)((KM_REAL)0.5 * slack);
    *changed = 0;
    for (int i = 0; i < KM_BLOCK; i += KM(VECTORS) * KM(LANES)) {
        KM(vec) squares[KM(VECTORS)]; /* less |y|^2 */
        KM(two_least)(columns + i, pass->packed, n_features, pass->n_clusters, &ahead, end, least, second, nearest);
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
    return KM(label)(pass, 3, labels, gaps, changed);
}

KM_APART uint64_t KM(label_8)(const KM(km_pass) *pass, int32_t *labels, float *gaps, uint64_t *changed)
{
    return KM(label)(pass, 8, labels, gaps, changed);
}

KM_APART uint64_t KM(label_any)(const KM(km_pass) *pass, int32_t *labels, float *gaps, uint64_t *changed)
{
    return KM(label)(pass, pass->n_features, labels, gaps, changed);
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
