/* Squared distances by the definition; included by kmeans_bounds.h for each kind of real numbers. */

/* Of a block to one center. */
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

/* What the distances to the centers of labels are computed with. */
#define KM_OWN KM(km_own)
typedef struct {
    ptrdiff_t n_features, n_clusters;
    const KM_REAL *centers;
    KM_REAL *zeros, *differences, *columns, *table; /* scratch */
} KM_OWN;

static void KM(km_begin_own)(KM_OWN *own, ptrdiff_t n_features, ptrdiff_t n_clusters, const KM_REAL *centers,
                             KM_REAL *scratch)
{
    own->n_features = n_features;
    own->n_clusters = n_clusters;
    own->centers = centers;
    own->differences = scratch;
    own->columns = own->differences + KM_BLOCK * n_features;
    own->zeros = own->columns + KM_BLOCK * n_features;
    own->table = own->zeros + n_features;
    for (ptrdiff_t j = 0; j < n_features; j++)
        own->zeros[j] = 0;
#ifdef KM_LOOKED_UP
    if (n_clusters <= KM_LOOKED_UP)
        for (ptrdiff_t j = 0; j < n_features; j++)
            for (ptrdiff_t c = 0; c < KM_LOOKED_UP; c++)
                own->table[j * KM_LOOKED_UP + c] = c < n_clusters ? centers[c * n_features + j] : 0;
#endif
}

/* Few centers: coordinates are looked up in registers (8 features, 8 clusters: 1.4 ns a sample in place of 2.8). */
#ifdef KM_LOOKED_UP
KM_INLINE void KM(distances_looked_up)(const KM_OWN *own, const KM_REAL *rows, ptrdiff_t n_features,
                                       const int32_t *labels, KM_REAL *distances)
{
    KM(to_columns)(rows, n_features, own->zeros, own->columns);
    for (int i = 0; i < KM_BLOCK; i += KM(LANES)) {
        KM(vec) sum = KM(km_set)(0);
        for (ptrdiff_t j = 0; j < n_features; j++) {
            KM(vec) center = KM(km_look_up)(own->table + j * KM_LOOKED_UP, labels + i);
            KM(vec) difference = KM(km_sub)(KM(km_load)(own->columns + j * KM_BLOCK + i), center);
            sum = KM(km_add)(sum, KM(km_mul)(difference, difference));
        }
        KM(km_store)(distances + i, sum);
    }
}
#endif

KM_INLINE void KM(distances_apart)(const KM_OWN *own, const KM_REAL *rows, ptrdiff_t n_features, const int32_t *labels,
                                   KM_REAL *distances)
{
    KM_REAL *differences = own->differences;
    for (int i = 0; i < KM_BLOCK; i++) {
        const KM_REAL *center = own->centers + labels[i] * n_features;
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
    KM(distances)(differences, own->zeros, n_features, own->columns, distances);
}

/* Of the samples of a block to the centers of their labels; `rows` may be the scratch itself. */
static void KM(km_own_distances)(const KM_OWN *own, const KM_REAL *rows, const int32_t *labels, KM_REAL *distances)
{
#ifdef KM_LOOKED_UP
    if (own->n_clusters <= KM_LOOKED_UP) {
        if (own->n_features == 8)
            KM(distances_looked_up)(own, rows, 8, labels, distances);
        else
            KM(distances_looked_up)(own, rows, own->n_features, labels, distances);
        return;
    }
#endif
    if (own->n_features == 8)
        KM(distances_apart)(own, rows, 8, labels, distances);
    else
        KM(distances_apart)(own, rows, own->n_features, labels, distances);
}
#undef KM_OWN
