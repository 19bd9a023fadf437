/* Weighted sums along a row for src/resample.pyx, with what they need brought into place in registers.
 *
 * Outputs are worked on in blocks of a vector. Where all the values that a block looks at lie within one vector or two,
 * these are loaded once, and each tap is one shuffle of them, one product, one sum; tables are packed in that order, at
 * the start of a cache line. Values are only moved, so this gives the bits of the plain loops. Whole calls from 512² to
 * 800² gain 1.2 (float32 linear and cubic) to 1.9 times (uint16 cubic) with AVX-512, 1.2 to 1.3 times with AVX2.
 *
 * Rows are worked on in strips, whose tables and lines stay in the cache: a gain of 1.05 to 1.15 in rows of 4600.
 */
#ifndef MEDFAST_RESAMPLE_LINES_H
#define MEDFAST_RESAMPLE_LINES_H

#if defined(__AVX512F__)
enum { MEDFAST_EACH_IS_BETTER = 0, MEDFAST_BLOCK_FLOAT = 16, MEDFAST_BLOCK_MIXED = 8, MEDFAST_BLOCK_DOUBLE = 8 };
#elif defined(__AVX2__)
enum { MEDFAST_EACH_IS_BETTER = 1, MEDFAST_BLOCK_FLOAT = 8, MEDFAST_BLOCK_MIXED = 8, MEDFAST_BLOCK_DOUBLE = 0 };
#else
enum { MEDFAST_EACH_IS_BETTER = 0, MEDFAST_BLOCK_FLOAT = 0, MEDFAST_BLOCK_MIXED = 0, MEDFAST_BLOCK_DOUBLE = 0 };
#endif

/* Some outputs of a table of columns (taps, width), and what is made of it for them. */
typedef struct {
    const int32_t *columns;
    const void *weights;
    ptrdiff_t n_taps, width, n_channels;
    ptrdiff_t start, n;          /* the strip's outputs */
    ptrdiff_t base, n_values;    /* the values of a row that they look at, whole pixels */
    int windows, n_vectors;      /* how they lie, where packed; otherwise vectors that hold one, or 0 */
    int32_t *first;              /* where the window of a block, or of a tap of it, starts */
    void *picks, *packed;        /* of each block and tap: where in the window, and weights */
    void *in_place;              /* values tap by tap, where they are not packed */
} medfast_strip;

/* Outputs of a strip, whole blocks and whole pixels: strips of about the same length, whose tables and lines lie within
 * 40 KB, for a first-level cache has 48 or 32: cubic of float32 from 512² to 800² 0.13 ms along the columns, and 0.2
 * where they take 64 KB (AVX-512). */
static ptrdiff_t medfast_strip_size(ptrdiff_t width, ptrdiff_t n_channels, ptrdiff_t n_column_taps,
                                    ptrdiff_t n_row_taps, ptrdiff_t sum_size)
{
    const ptrdiff_t n_lines = 2 * n_column_taps + (n_row_taps < 8 ? n_row_taps : 8);
    const ptrdiff_t blocks = 16 * n_channels, n = (40 << 10) / (sum_size * n_lines) / blocks * blocks;
    const ptrdiff_t n_strips = n < blocks ? (width + blocks - 1) / blocks : (width + n - 1) / n;
    const ptrdiff_t size = (width + n_strips - 1) / n_strips;
    return n_strips == 1 ? width : (size + blocks - 1) / blocks * blocks;
}

/* How a window lies: one for all taps, in one vector or two, or one vector for each tap; or none that reaches. */
enum { MEDFAST_NONE, MEDFAST_ONE, MEDFAST_TWO, MEDFAST_EACH };

/* The least and the greatest offset of `lanes` outputs of some taps. */
static void medfast_extremes(const int32_t *columns, ptrdiff_t n_taps, ptrdiff_t width, ptrdiff_t lanes, int32_t *low,
                             int32_t *high)
{
    ptrdiff_t tap, i;
    *low = *high = columns[0];
    for (tap = 0; tap < n_taps; tap++)
        for (i = 0; i < lanes; i++) {
            const int32_t at = columns[tap * width + i];
            *low = at < *low ? at : *low;
            *high = at > *high ? at : *high;
        }
}

/* `base` and `n_values`; how windows of `lanes` outputs lie, the last of which ends at the last output, and `first`.
 * Two vectors take two shuffles and a blend with AVX2, one shuffle with AVX-512. */
static int medfast_windows(medfast_strip *strip, int lanes)
{
    const int32_t *columns = strip->columns + strip->start;
    ptrdiff_t tap, i;
    int32_t low, high, widest = 0, widest_tap = 0;
    int found;
    medfast_extremes(columns, strip->n_taps, strip->width, strip->n, &low, &high);
    strip->base = low / strip->n_channels * strip->n_channels;
    strip->n_values = (high / strip->n_channels + 1) * strip->n_channels - strip->base;
    if (!lanes || strip->n < lanes)
        return MEDFAST_NONE;
    for (i = 0; i < strip->n; i += lanes) {
        const ptrdiff_t block = i + lanes <= strip->n ? i : strip->n - lanes;
        medfast_extremes(columns + block, strip->n_taps, strip->width, lanes, &low, &high);
        widest = high - low > widest ? high - low : widest;
        for (tap = 0; tap < strip->n_taps; tap++) {
            medfast_extremes(columns + tap * strip->width + block, 1, 0, lanes, &low, &high);
            widest_tap = high - low > widest_tap ? high - low : widest_tap;
        }
    }
    found = widest < lanes ? MEDFAST_ONE : widest < 2 * lanes ? MEDFAST_TWO : MEDFAST_NONE;
    if (widest_tap < lanes && (found == MEDFAST_NONE || (found == MEDFAST_TWO && MEDFAST_EACH_IS_BETTER)))
        found = MEDFAST_EACH;
    for (i = 0; i < strip->n; i += lanes) {
        const ptrdiff_t block = i + lanes <= strip->n ? i : strip->n - lanes;
        for (tap = 0; tap < (found == MEDFAST_EACH ? strip->n_taps : 1); tap++) {
            medfast_extremes(columns + tap * strip->width + block, found == MEDFAST_EACH ? 1 : strip->n_taps,
                             strip->width, lanes, &low, &high);
            strip->first[found == MEDFAST_EACH ? i / lanes * strip->n_taps + tap : i / lanes] =
                (int32_t)(low - strip->base);
        }
    }
    return found;
}

/* The packed table; INDEX and REAL are the types of a pick and a weight. */
#define MEDFAST_PACK(name, INDEX, REAL)                                                                    \
    static void medfast_pack_##name(medfast_strip *strip, int lanes)                                       \
    {                                                                                                      \
        const int32_t *columns = strip->columns + strip->start;                                            \
        const REAL *weights = (const REAL *)strip->weights + strip->start;                                 \
        INDEX *picks = (INDEX *)strip->picks;                                                              \
        REAL *packed = (REAL *)strip->packed;                                                              \
        ptrdiff_t i, j, tap;                                                                               \
        for (i = 0; i < strip->n; i += lanes) {                                                            \
            const ptrdiff_t block = i + lanes <= strip->n ? i : strip->n - lanes;                          \
            for (tap = 0; tap < strip->n_taps; tap++) {                                                    \
                const ptrdiff_t own = i / lanes * strip->n_taps + tap;                                     \
                const ptrdiff_t low =                                                                      \
                    strip->base + strip->first[strip->windows == MEDFAST_EACH ? own : i / lanes];          \
                for (j = block; j < block + lanes; j++) {                                                  \
                    *picks++ = (INDEX)(columns[tap * strip->width + j] - low);                             \
                    *packed++ = weights[tap * strip->width + j];                                           \
                }                                                                                          \
            }                                                                                              \
        }                                                                                                  \
    }

#if defined(__AVX512F__)

MEDFAST_PACK(float, int32_t, float)
MEDFAST_PACK(double, int64_t, double)

/* Sums in float32 of float32 values; the number of taps and how windows lie are constants where this is inlined. */
static inline void medfast_sums_float(const medfast_strip *strip, const float *row, ptrdiff_t n_taps, int windows,
                                      float *sums)
{
    const int32_t *picks = (const int32_t *)strip->picks;
    const float *weights = (const float *)strip->packed;
    ptrdiff_t i, tap;
    for (i = 0; i < strip->n; i += 16) {
        const int32_t *first = strip->first + i / 16 * (windows == MEDFAST_EACH ? n_taps : 1);
        const __m512 low = _mm512_loadu_ps(row + *first);
        const __m512 high = windows == MEDFAST_TWO ? _mm512_loadu_ps(row + *first + 16) : low;
        __m512 sum = low;
        for (tap = 0; tap < n_taps; tap++, picks += 16, weights += 16) {
            const __m512i pick = _mm512_loadu_si512(picks);
            const __m512 values =
                windows == MEDFAST_TWO ? _mm512_permutex2var_ps(low, pick, high)
                : windows == MEDFAST_ONE ? _mm512_permutexvar_ps(pick, low)
                                         : _mm512_permutexvar_ps(pick, _mm512_loadu_ps(row + first[tap]));
            const __m512 term = _mm512_mul_ps(values, _mm512_loadu_ps(weights));
            sum = tap ? _mm512_add_ps(sum, term) : term;
        }
        _mm512_storeu_ps(sums + (i + 16 <= strip->n ? i : strip->n - 16), sum);
    }
}

/* The same of float64. */
static inline void medfast_sums_double(const medfast_strip *strip, const double *row, ptrdiff_t n_taps, int windows,
                                       double *sums)
{
    const int64_t *picks = (const int64_t *)strip->picks;
    const double *weights = (const double *)strip->packed;
    ptrdiff_t i, tap;
    for (i = 0; i < strip->n; i += 8) {
        const int32_t *first = strip->first + i / 8 * (windows == MEDFAST_EACH ? n_taps : 1);
        const __m512d low = _mm512_loadu_pd(row + *first);
        const __m512d high = windows == MEDFAST_TWO ? _mm512_loadu_pd(row + *first + 8) : low;
        __m512d sum = low;
        for (tap = 0; tap < n_taps; tap++, picks += 8, weights += 8) {
            const __m512i pick = _mm512_loadu_si512(picks);
            const __m512d values =
                windows == MEDFAST_TWO ? _mm512_permutex2var_pd(low, pick, high)
                : windows == MEDFAST_ONE ? _mm512_permutexvar_pd(pick, low)
                                         : _mm512_permutexvar_pd(pick, _mm512_loadu_pd(row + first[tap]));
            const __m512d term = _mm512_mul_pd(values, _mm512_loadu_pd(weights));
            sum = tap ? _mm512_add_pd(sum, term) : term;
        }
        _mm512_storeu_pd(sums + (i + 8 <= strip->n ? i : strip->n - 8), sum);
    }
}
#define medfast_pack_mixed medfast_pack_double
#define medfast_sums_mixed medfast_sums_double

#elif defined(__AVX2__)

MEDFAST_PACK(float, int32_t, float)
MEDFAST_PACK(mixed, int32_t, double)

/* A tap's values of a block; `own` is the start of its own window, if it has one. */
static inline __m256 medfast_picked(__m256 low, __m256 high, const float *own, const int32_t *picks, int windows)
{
    const __m256i pick = _mm256_loadu_si256((const __m256i *)picks);
    const __m256 values = _mm256_permutevar8x32_ps(windows == MEDFAST_EACH ? _mm256_loadu_ps(own) : low, pick);
    if (windows != MEDFAST_TWO)
        return values;
    return _mm256_blendv_ps(values, _mm256_permutevar8x32_ps(high, pick),
                            _mm256_castsi256_ps(_mm256_slli_epi32(pick, 28)));
}

/* Sums in float32 of float32 values; the number of taps and how windows lie are constants where this is inlined. */
static inline void medfast_sums_float(const medfast_strip *strip, const float *row, ptrdiff_t n_taps, int windows,
                                      float *sums)
{
    const int32_t *picks = (const int32_t *)strip->picks;
    const float *weights = (const float *)strip->packed;
    ptrdiff_t i, tap;
    for (i = 0; i < strip->n; i += 8) {
        const int32_t *first = strip->first + i / 8 * (windows == MEDFAST_EACH ? n_taps : 1);
        const __m256 low = _mm256_loadu_ps(row + *first);
        const __m256 high = windows == MEDFAST_TWO ? _mm256_loadu_ps(row + *first + 8) : low;
        __m256 sum = low;
        for (tap = 0; tap < n_taps; tap++, picks += 8, weights += 8) {
            const float *own = row + first[windows == MEDFAST_EACH ? tap : 0];
            const __m256 values = medfast_picked(low, high, own, picks, windows);
            const __m256 term = _mm256_mul_ps(values, _mm256_loadu_ps(weights));
            sum = tap ? _mm256_add_ps(sum, term) : term;
        }
        _mm256_storeu_ps(sums + (i + 8 <= strip->n ? i : strip->n - 8), sum);
    }
}

/* Sums in float64 of float32 values. */
static inline void medfast_sums_mixed(const medfast_strip *strip, const float *row, ptrdiff_t n_taps, int windows,
                                      double *sums)
{
    const int32_t *picks = (const int32_t *)strip->picks;
    const double *weights = (const double *)strip->packed;
    ptrdiff_t i, tap;
    for (i = 0; i < strip->n; i += 8) {
        const int32_t *first = strip->first + i / 8 * (windows == MEDFAST_EACH ? n_taps : 1);
        const __m256 low = _mm256_loadu_ps(row + *first);
        const __m256 high = windows == MEDFAST_TWO ? _mm256_loadu_ps(row + *first + 8) : low;
        double *to = sums + (i + 8 <= strip->n ? i : strip->n - 8);
        __m256d sum = _mm256_setzero_pd(), more = sum;
        for (tap = 0; tap < n_taps; tap++, picks += 8, weights += 8) {
            const float *own = row + first[windows == MEDFAST_EACH ? tap : 0];
            const __m256 values = medfast_picked(low, high, own, picks, windows);
            const __m256d term = _mm256_mul_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(values)),
                                               _mm256_loadu_pd(weights));
            const __m256d next = _mm256_mul_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(values, 1)),
                                               _mm256_loadu_pd(weights + 4));
            sum = tap ? _mm256_add_pd(sum, term) : term;
            more = tap ? _mm256_add_pd(more, next) : next;
        }
        _mm256_storeu_pd(to, sum);
        _mm256_storeu_pd(to + 4, more);
    }
}
#define medfast_pack_double(strip, lanes) (void)(strip)
#define medfast_sums_double(strip, row, n_taps, windows, sums) (void)(row)

#else

#define medfast_pack_float(strip, lanes) (void)(strip)
#define medfast_pack_mixed medfast_pack_float
#define medfast_pack_double medfast_pack_float
#define medfast_sums_float(strip, row, n_taps, windows, sums) (void)(row)
#define medfast_sums_mixed medfast_sums_float
#define medfast_sums_double medfast_sums_float

#endif

/* The usual numbers of taps, and how windows lie, are constants in loops of their own. */
#define MEDFAST_SUMS(name, strip, row, sums)                                 \
    do {                                                                     \
        if ((strip)->windows == MEDFAST_ONE)                                 \
            MEDFAST_SUMS_OF_TAPS(name, strip, row, sums, MEDFAST_ONE);       \
        else if ((strip)->windows == MEDFAST_TWO)                            \
            MEDFAST_SUMS_OF_TAPS(name, strip, row, sums, MEDFAST_TWO);       \
        else                                                                 \
            MEDFAST_SUMS_OF_TAPS(name, strip, row, sums, MEDFAST_EACH);      \
    } while (0)
#define MEDFAST_SUMS_OF_TAPS(name, strip, row, sums, windows) \
    do {                                                      \
        if ((strip)->n_taps == 2)                             \
            name(strip, row, 2, windows, sums);               \
        else if ((strip)->n_taps == 4)                        \
            name(strip, row, 4, windows, sums);               \
        else                                                  \
            name(strip, row, (strip)->n_taps, windows, sums); \
    } while (0)

#endif
