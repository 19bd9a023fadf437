/* Nearest of src/resample_u8.pyx: the bytes of a row that lie at the output's columns. Included by resample_u8.h, which
 * says what vectors there are. */
#ifndef MEDFAST_RESAMPLE_PICKS_H
#define MEDFAST_RESAMPLE_PICKS_H

/* Whether the outputs are every second item of a row, of so many bytes, of which it has a whole number of pairs. */
static int medfast_are_every_second(const int32_t *columns, ptrdiff_t n, ptrdiff_t row_bytes, ptrdiff_t item)
{
    const uint16_t one = 1;
    uint8_t low;
    ptrdiff_t i, j;
    memcpy(&low, &one, 1);
    if (!low || n % item || 2 * n > row_bytes) /* halves of a number, of which the first is the low one */
        return 0;
    for (i = 0; i < n; i += item)
        for (j = 0; j < item; j++)
            if (columns[i + j] != 2 * i + j)
                return 0;
    return 1;
}

#define MEDFAST_EVERY_SECOND(pair, half)                      \
    for (i = 0; i < n / (ptrdiff_t)sizeof(half); i++) {       \
        pair both;                                            \
        half low;                                             \
        memcpy(&both, row + i * sizeof(pair), sizeof(pair));  \
        low = (half)both;                                     \
        memcpy(out + i * sizeof(half), &low, sizeof(half));   \
    }

/* The first of each pair of items, which compilers make vectors of: int16 from 512² to 256², as a whole call, in 11 µs,
 * and 18 by shuffles of 16 bytes. */
static void medfast_every_second(const uint8_t *MEDFAST_RESTRICT row, ptrdiff_t n, int item,
                                 uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i;
    if (item == 1)
        MEDFAST_EVERY_SECOND(uint16_t, uint8_t)
    else if (item == 2)
        MEDFAST_EVERY_SECOND(uint32_t, uint16_t)
    else
        MEDFAST_EVERY_SECOND(uint64_t, uint32_t)
}

/* How many of 16, 8 or 4 neighbouring outputs are always picked from 16 bytes, and these picks; 0 if no number is.
 * Minus the bytes of an item where every second one is taken. */
static int medfast_picks(const int32_t *MEDFAST_RESTRICT columns, ptrdiff_t n, ptrdiff_t row_bytes,
                         int32_t *MEDFAST_RESTRICT first, uint8_t *MEDFAST_RESTRICT picks)
{
    int item;
#ifdef MEDFAST_SHUFFLES
    ptrdiff_t i, j;
    int n_sharing = row_bytes < 16 ? 0 : 16;
#else
    (void)first, (void)picks;
#endif
    for (item = 1; item <= 4; item *= 2)
        if (medfast_are_every_second(columns, n, row_bytes, item))
            return -item;
#ifdef MEDFAST_SHUFFLES
    while (n_sharing >= 4) {
        for (i = 0; i + n_sharing <= n; i += n_sharing) {
            int32_t low = columns[i], high = columns[i];
            for (j = i + 1; j < i + n_sharing; j++) {
                low = columns[j] < low ? columns[j] : low;
                high = columns[j] > high ? columns[j] : high;
            }
            low = low > row_bytes - 16 ? (int32_t)(row_bytes - 16) : low;
            if (high - low > 15)
                break;
            first[i / n_sharing] = low;
            for (j = i; j < i + n_sharing; j++)
                picks[i / n_sharing * 16 + j - i] = (uint8_t)(columns[j] - low);
        }
        if (i + n_sharing > n)
            return n_sharing;
        n_sharing /= 2;
    }
#endif
    return 0;
}

/* out[i] = row[columns[i]]. From 512² to 256², shuffles took 15 µs where the plain loop took 26. */
static void medfast_pick(const uint8_t *MEDFAST_RESTRICT row, const int32_t *MEDFAST_RESTRICT columns, ptrdiff_t n,
                         int n_sharing, const int32_t *MEDFAST_RESTRICT first, const uint8_t *MEDFAST_RESTRICT picks,
                         uint8_t *MEDFAST_RESTRICT out)
{
    ptrdiff_t i = 0;
    if (n_sharing < 0) {
        medfast_every_second(row, n, -n_sharing, out);
        return;
    }
#ifdef MEDFAST_SHUFFLES
#define LOAD(from) _mm_loadu_si128((const __m128i *)(from))
#define PICK(j) _mm_shuffle_epi8(LOAD(row + first[j]), LOAD(picks + 16 * (j)))
    if (n_sharing == 16)
        for (; i <= n - 16; i += 16)
            _mm_storeu_si128((__m128i *)(out + i), PICK(i / 16));
    else if (n_sharing == 8)
        for (; i <= n - 8; i += 8)
            _mm_storel_epi64((__m128i *)(out + i), PICK(i / 8));
    else if (n_sharing == 4)
        for (; i <= n - 4; i += 4) {
            const int32_t four = _mm_cvtsi128_si32(PICK(i / 4));
            memcpy(out + i, &four, 4);
        }
#undef PICK
#undef LOAD
#else
    (void)n_sharing, (void)first, (void)picks;
#endif
    for (; i < n; i++)
        out[i] = row[columns[i]];
}

#endif
