/* One pass over a tile: which samples to look at, and their labels; included by kmeans_bounds.h for each kind of real
   numbers.

   Where the time goes, 20 passes over 100 000 x 8 in 8 clusters at v4, in microseconds. The samples are 3.2 MB, in a
   cache that takes 107 to read; half of them stay in the second level (2 MB), as tiles are taken back and forth.

       the first pass                     450    labels 180, sums 160 to 200
       one that looks at all of them      200    to columns 50, the two least a(c) 110: 490 vector operations a block
       one that looks at a fifth          150    gaps 20; the rest in equal parts lists, columns, a(c), memory
       one that looks at none              25    gaps 20
       a label that changes             0.008    two sums of 8 features in two parts

   Of samples drawn evenly from a cube a fifth has to be looked at to the end, of normal ones a seventh, of tissues (the
   benchmark) none. */

/* The largest square of a sample of a block, or infinity where one is not finite. In vectors, for a loop over squares
   mispredicts each new largest one (3 features: 2 ns a sample in place of 0.3). */
static double KM(largest_square)(const KM_REAL *columns, ptrdiff_t n_features)
{
    KM(vec) infinity = KM(km_set)((KM_REAL)INFINITY), most = KM(km_set)(0);
    KM_REAL lanes[KM(LANES)], largest = 0;
    uint32_t finite = KM_ALL(KM(LANES));
    for (int i = 0; i < KM_BLOCK; i += KM(LANES)) {
        KM(vec) square = KM(km_set)(0);
        for (ptrdiff_t j = 0; j < n_features; j++) {
            KM(vec) x = KM(km_load)(columns + j * KM_BLOCK + i);
            square = KM(km_add)(square, KM(km_mul)(x, x));
        }
        finite &= KM(km_bits_of)(KM(km_below)(square, infinity));
        most = KM(km_max)(square, most);
    }
    if (finite != KM_ALL(KM(LANES)))
        return INFINITY;
    KM(km_store)(lanes, most);
    for (int i = 0; i < KM(LANES); i++)
        largest = lanes[i] > largest ? lanes[i] : largest;
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

/* Centers packed, and how far each gap shrinks at most: by what its cluster's center and any other have moved. */
static void KM(km_begin)(KM(km_pass) *pass, ptrdiff_t n_features, ptrdiff_t n_clusters, const KM_REAL *centers,
                         const KM_REAL *earlier, const KM_REAL *shift, KM_REAL *scratch)
{
    double first = 0.0, second = 0.0; /* the longest moves */
    pass->n_features = n_features;
    pass->n_clusters = n_clusters;
    pass->centers = centers;
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
            double step = (double)centers[c * n_features + j] - (double)earlier[c * n_features + j];
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
    pass->n_ahead = 0;
    pass->ahead_list = NULL;
    span = sqrt(pass->reach) + sqrt(pass->largest);
    pass->rounding = (float)(4.0 * KM_ROUNDING_f32 * span);
    pass->least_gap = (float)(2.0 * ((double)pass->n_features + 5.0) * KM(KM_ROUNDING) * span
                              + sqrt(2.0 * ((double)pass->n_features + 5.0) * KM(KM_VANISHING)) + (double)FLT_MIN);
    if (!(pass->slack <= KM(KM_LARGEST))) /* squares of distances may be infinite */
        pass->least_gap = INFINITY;
}

/* Gaps of n <= CHUNK samples, less what the centers moved; lists the samples whose labels may change, in rising order:
   all in the first pass. Returns how many. `list` has room for LISTED. */
static int KM(km_open_chunk)(const KM(km_pass) *pass, const int32_t *labels, float *gaps, int n, int32_t *list)
{
    int n_open = 0, first = 0;
    if (!pass->knows_reach) {
        for (; first < n; first++)
            list[first] = first;
        return n;
    }
    for (; first + KM_BLOCK <= n; first += KM_BLOCK)
        n_open = km_list(km_open(pass->moves, pass->n_clusters, pass->rounding, pass->least_gap, labels + first,
                                 gaps + first), first, list, n_open);
    if (first < n) {
        int32_t some_labels[KM_BLOCK] = {0};
        float some_gaps[KM_BLOCK] = {0};
        uint64_t open;
        memcpy(some_labels, labels + first, (size_t)(n - first) * sizeof(int32_t));
        memcpy(some_gaps, gaps + first, (size_t)(n - first) * sizeof(float));
        open = km_open(pass->moves, pass->n_clusters, pass->rounding, pass->least_gap, some_labels, some_gaps);
        memcpy(gaps + first, some_gaps, (size_t)(n - first) * sizeof(float));
        n_open = km_list(open & (~(uint64_t)0 >> (KM_BLOCK - (n - first))), first, list, n_open);
    }
    return n_open;
}

/* The samples to be fetched next: the listed ones, a block at most; or the block that begins there. */
static void KM(km_fetch_listed)(KM(km_pass) *pass, const KM_REAL *from, const int32_t *list, int n)
{
    n = n < KM_BLOCK ? n : KM_BLOCK;
    for (int i = 0; i < n; i++)
        pass->ahead[i] = from + list[i] * pass->n_features;
    for (int i = n; i % KM_FETCHED; i++)
        pass->ahead[i] = pass->ahead[i - 1];
    pass->n_ahead = (n + KM_FETCHED - 1) / KM_FETCHED * KM_FETCHED;
    pass->ahead_list = list;
}

static void KM(km_fetch_block)(KM(km_pass) *pass, const KM_REAL *from)
{
    ptrdiff_t n = KM_BLOCK * pass->n_features * (ptrdiff_t)sizeof(KM_REAL) / 64; /* a multiple of FETCHED */
    pass->n_ahead = n < KM_BLOCK ? (int)n : KM_BLOCK;
    for (int i = 0; i < pass->n_ahead; i++)
        pass->ahead[i] = from + i * (64 / (int)sizeof(KM_REAL));
    pass->ahead_list = NULL;
}

/* A block of listed samples to columns less the shift. Fewer are filled up with the first. */
KM_INLINE void KM(listed_to_columns)(KM(km_pass) *pass, const KM_REAL *from, const int32_t *list, int n, KM_REAL *rows)
{
    ptrdiff_t n_features = pass->n_features;
    if (pass->ahead_list == list)
        memcpy(pass->here, pass->ahead, sizeof(pass->here));
    else
        for (int i = 0; i < n; i++)
            pass->here[i] = from + list[i] * n_features;
    for (int i = n; i < KM_BLOCK; i++)
        pass->here[i] = pass->here[0];
#ifdef KM_BY_QUADS
    if (n_features == 8) {
        KM(turn_quads)(NULL, pass->here, 8, pass->shift, pass->columns);
        return;
    }
    if (n_features >= 4) {
        KM(turn_quads)(NULL, pass->here, n_features, pass->shift, pass->columns);
        return;
    }
#endif
    if (n_features == 3)
        for (int i = 0; i < KM_BLOCK; i++)
            memcpy(rows + i * 3, pass->here[i], 3 * sizeof(KM_REAL));
    else
        for (int i = 0; i < KM_BLOCK; i++)
            memcpy(rows + i * n_features, pass->here[i], (size_t)n_features * sizeof(KM_REAL));
    KM(to_columns)(rows, n_features, pass->shift, pass->columns);
}

/* Copies of listed samples, a bit each, for what needs rows. */
KM_INLINE void KM(copy_rows)(const KM(km_pass) *pass, uint64_t some, KM_REAL *rows)
{
    for (; some; some &= some - 1) {
        int i = km_lowest(some);
        if (pass->n_features == 8) /* of constant size, a copy is a load and a store */
            memcpy(rows + i * 8, pass->here[i], 8 * sizeof(KM_REAL));
        else
            memcpy(rows + i * pass->n_features, pass->here[i], (size_t)pass->n_features * sizeof(KM_REAL));
    }
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

/* The block in the columns: labels, and sums where they changed, which is returned, a bit each. `copy` is where rows go
   if the samples are listed, else NULL. */
KM_INLINE uint64_t KM(assign)(KM(km_pass) *pass, const KM_REAL *rows, KM_REAL *copy, const double *weights, int n,
                              int32_t *labels, float *gaps)
{
    ptrdiff_t n_features = pass->n_features;
    int32_t before[KM_BLOCK];
    uint64_t changed, in_doubt = ~(uint64_t)0;
    memcpy(before, labels, sizeof(before));
    if (pass->pause == 0) {
        if (KM_RARELY(!pass->knows_reach)) {
            double square = KM(largest_square)(pass->columns, n_features);
            if (square > pass->reach) {
                pass->reach = square;
                pass->slack = KM(slack)(square, pass->largest, n_features);
            }
        }
        in_doubt = n_features == 3   ? KM(label_3)(pass, labels, gaps, &changed)
                   : n_features == 8 ? KM(label_8)(pass, labels, gaps, &changed)
                                     : KM(label_any)(pass, labels, gaps, &changed);
        if (in_doubt == ~(uint64_t)0)
            pass->pause = KM_PAUSE;
    } else
        pass->pause--;
    if (KM_RARELY(in_doubt)) {
        if (copy)
            KM(copy_rows)(pass, km_count(in_doubt) > KM_FEW ? ~(uint64_t)0 : in_doubt, copy);
        changed = KM(settle)(pass, rows, in_doubt, before, labels, gaps);
    }
    changed &= ~(uint64_t)0 >> (KM_BLOCK - n);
    pass->n_changed += km_count(changed);
    if (pass->sums == NULL || !changed)
        return changed;
    if (copy)
        KM(copy_rows)(pass, changed, copy);
    if (before[0] < 0) /* all are without a label, or none */
        KM(km_add_block)(rows, weights, n_features, pass->n_clusters, n, labels, pass->sums);
    else if (n_features == 3)
        KM(move_3)(rows, weights, changed, before, labels, pass->sums);
    else if (n_features == 8)
        KM(move_8)(rows, weights, changed, before, labels, pass->sums);
    else
        KM(move_any)(rows, weights, n_features, changed, before, labels, pass->sums);
    return changed;
}

/* A block of a tile, as it stands. */
static void KM(km_assign)(KM(km_pass) *pass, const KM_REAL *rows, const double *weights, int n, int32_t *labels,
                          float *gaps)
{
    KM(to_columns)(rows, pass->n_features, pass->shift, pass->columns);
    (void)KM(assign)(pass, rows, NULL, weights, n, labels, gaps);
}

/* A block of listed samples, whose labels and gaps stand where the list tells: of those from `from` on, or, where that
   is NULL, those in `rows`. */
static void KM(km_assign_listed)(KM(km_pass) *pass, const KM_REAL *from, KM_REAL *rows, const double *weights, int n,
                                 const int32_t *list, const KM_REAL *next_from, const int32_t *next_list, int n_next,
                                 int32_t *labels, float *gaps)
{
    int32_t some_labels[KM_BLOCK] = {0};
    float some_gaps[KM_BLOCK];
    double some_weights[KM_BLOCK];
    uint64_t changed;
    for (int i = 0; i < n; i++)
        some_labels[i] = labels[list[i]];
    if (weights)
        for (int i = 0; i < n; i++)
            some_weights[i] = weights[list[i]];
    if (from) {
        KM(listed_to_columns)(pass, from, list, n, rows);
        KM(km_fetch_listed)(pass, next_from, next_list, n_next);
    } else
        KM(to_columns)(rows, pass->n_features, pass->shift, pass->columns);
    changed = KM(assign)(pass, rows, from ? rows : NULL, weights ? some_weights : NULL, n, some_labels, some_gaps);
    for (; changed; changed &= changed - 1)
        labels[list[km_lowest(changed)]] = some_labels[km_lowest(changed)];
    for (int i = 0; i < n; i++)
        gaps[list[i]] = some_gaps[i];
}
