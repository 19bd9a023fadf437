/* Steps of src/resample.pyx for one kind of PIXEL, included once for each: an input row is held as values (ELEMENT),
 * sums are REAL. STEP(name) names the functions; STORE(value) turns a sum into a pixel. Arrays come as void pointers, so
 * that all kinds fit one table. A PAIR of integers is read as one, which compilers make vectors of; which is first does
 * not matter. */

static void STEP(read)(const void *source, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t n_channels,
                       ptrdiff_t channel_stride, void *target)
{
    ELEMENT *MEDFAST_RESTRICT values = (ELEMENT *)target;
    ptrdiff_t i, channel;
    if (stride == n_channels * (ptrdiff_t)sizeof(PIXEL) && (n_channels == 1 || channel_stride == sizeof(PIXEL))) {
        const PIXEL *MEDFAST_RESTRICT pixels = (const PIXEL *)source;
        for (i = 0; i < n * n_channels; i++)
            values[i] = (ELEMENT)pixels[i];
        return;
    }
    for (i = 0; i < n; i++)
        for (channel = 0; channel < n_channels; channel++)
            *values++ = (ELEMENT) * (const PIXEL *)((const char *)source + i * stride + channel * channel_stride);
}

/* Windows and tables of a strip, whose table, outputs and buffers are given. */
static void STEP(prepare)(medfast_strip *strip)
{
    strip->windows = medfast_windows(strip, BLOCK);
    if (strip->windows != MEDFAST_NONE)
        PACK(strip, BLOCK);
    else
        strip->n_vectors = medfast_spread_windows(strip->columns + strip->start, strip->n_taps, strip->width, strip->n,
                                                  strip->base, LANES, strip->first);
}

/* line = sum over taps of values times weights. */
static void STEP(line)(const medfast_strip *strip, const void *row, void *sums)
{
    ELEMENT *MEDFAST_RESTRICT a = (ELEMENT *)strip->in_place;
    const ptrdiff_t n = strip->n, width = strip->width;
    const ELEMENT *MEDFAST_RESTRICT b = a + n, *MEDFAST_RESTRICT c = b + n, *MEDFAST_RESTRICT d = c + n;
    const REAL *MEDFAST_RESTRICT wa = (const REAL *)strip->weights + strip->start;
    const REAL *MEDFAST_RESTRICT wb = wa + width, *MEDFAST_RESTRICT wc = wb + width, *MEDFAST_RESTRICT wd = wc + width;
    REAL *MEDFAST_RESTRICT line = (REAL *)sums;
    ptrdiff_t i, tap;
    if (strip->windows != MEDFAST_NONE) {
        MEDFAST_SUMS(SUMS, strip, (const ELEMENT *)row, line);
        return;
    }
    for (tap = 0; tap < strip->n_taps; tap++)
        SPREAD((const ELEMENT *)row, strip->base, strip->columns + tap * width + strip->start, n,
               strip->n_vectors ? strip->first + tap * (n / (LANES + !LANES)) : strip->first, strip->n_vectors,
               a + tap * n);
    if (strip->n_taps == 1) {
        for (i = 0; i < n; i++)
            line[i] = a[i] * wa[i];
        return;
    }
    if (strip->n_taps < 4) {
        for (i = 0; i < n; i++)
            line[i] = a[i] * wa[i] + b[i] * wb[i];
        tap = 2;
    } else {
        for (i = 0; i < n; i++)
            line[i] = a[i] * wa[i] + b[i] * wb[i] + c[i] * wc[i] + d[i] * wd[i];
        tap = 4;
    }
    for (; tap < strip->n_taps; tap++) {
        const ELEMENT *MEDFAST_RESTRICT e = a + tap * n;
        const REAL *MEDFAST_RESTRICT w = wa + tap * width;
        for (i = 0; i < n; i++)
            line[i] += e[i] * w[i];
    }
}

/* totals = weighted sum of the lines, in their order; added to `totals` unless these are the first. Weights lie
 * `stride` apart. */
static void STEP(add)(void *const *lines, const void *line_weights, ptrdiff_t stride, ptrdiff_t n_lines, int is_first,
                      ptrdiff_t n, void *sums)
{
    const REAL *weights = (const REAL *)line_weights;
    REAL *MEDFAST_RESTRICT totals = (REAL *)sums;
    ptrdiff_t i, tap = 0;
    if (is_first && n_lines >= 2) {
        const REAL *MEDFAST_RESTRICT a = (const REAL *)lines[0], *MEDFAST_RESTRICT b = (const REAL *)lines[1];
        const REAL wa = weights[0], wb = weights[stride];
        for (i = 0; i < n; i++)
            totals[i] = a[i] * wa + b[i] * wb;
        tap = 2;
    } else if (is_first) {
        const REAL *MEDFAST_RESTRICT a = (const REAL *)lines[0];
        for (i = 0; i < n; i++)
            totals[i] = a[i] * weights[0];
        tap = 1;
    }
    for (; tap + 1 < n_lines; tap += 2) {
        const REAL *MEDFAST_RESTRICT a = (const REAL *)lines[tap], *MEDFAST_RESTRICT b = (const REAL *)lines[tap + 1];
        const REAL wa = weights[tap * stride], wb = weights[(tap + 1) * stride];
        for (i = 0; i < n; i++)
            totals[i] = totals[i] + a[i] * wa + b[i] * wb;
    }
    if (tap < n_lines) {
        const REAL *MEDFAST_RESTRICT a = (const REAL *)lines[tap];
        const REAL w = weights[tap * stride];
        for (i = 0; i < n; i++)
            totals[i] += a[i] * w;
    }
}

/* An output row that lies in one piece, of 2 or 4 lines: what `add` and `store` give, in one pass. */
static void STEP(blend)(void *const *lines, const void *line_weights, ptrdiff_t stride, ptrdiff_t n_lines, ptrdiff_t n,
                        void *target)
{
    const REAL *weights = (const REAL *)line_weights;
    const REAL *MEDFAST_RESTRICT a = (const REAL *)lines[0], *MEDFAST_RESTRICT b = (const REAL *)lines[1];
    const REAL wa = weights[0], wb = weights[stride];
    PIXEL *MEDFAST_RESTRICT out = (PIXEL *)target;
    ptrdiff_t i;
    if (n_lines == 2)
        for (i = 0; i < n; i++)
            out[i] = STORE(a[i] * wa + b[i] * wb);
    else {
        const REAL *MEDFAST_RESTRICT c = (const REAL *)lines[2], *MEDFAST_RESTRICT d = (const REAL *)lines[3];
        const REAL wc = weights[2 * stride], wd = weights[3 * stride];
        for (i = 0; i < n; i++)
            out[i] = STORE(a[i] * wa + b[i] * wb + c[i] * wc + d[i] * wd);
    }
}

static void STEP(store)(const void *sums, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t n_channels, ptrdiff_t channel_stride,
                        void *target)
{
    const REAL *MEDFAST_RESTRICT totals = (const REAL *)sums;
    ptrdiff_t i, channel;
    if (stride == n_channels * (ptrdiff_t)sizeof(PIXEL) && (n_channels == 1 || channel_stride == sizeof(PIXEL))) {
        PIXEL *MEDFAST_RESTRICT out = (PIXEL *)target;
        for (i = 0; i < n * n_channels; i++)
            out[i] = STORE(totals[i]);
        return;
    }
    for (i = 0; i < n; i++)
        for (channel = 0; channel < n_channels; channel++, totals++)
            *(PIXEL *)((char *)target + i * stride + channel * channel_stride) = STORE(*totals);
}

/* Means of two by two pixels of one channel: what the sums give with weights of one half, which are exact. */
static void STEP(halve)(const void *above, const void *below, ptrdiff_t n, void *target)
{
    PIXEL *MEDFAST_RESTRICT out = (PIXEL *)target;
    ptrdiff_t i;
#ifdef PAIR
    const char *MEDFAST_RESTRICT top = (const char *)above, *MEDFAST_RESTRICT bottom = (const char *)below;
    for (i = 0; i < n; i++) {
        PAIR a, b;
        int32_t sum;
        memcpy(&a, top + i * sizeof a, sizeof a);
        memcpy(&b, bottom + i * sizeof b, sizeof b);
        sum = FIRST(a) + SECOND(a) + FIRST(b) + SECOND(b);
        out[i] = (PIXEL)((sum + 1 + (sum >> 2 & 1)) >> 2);
    }
#else
    const PIXEL *MEDFAST_RESTRICT top = (const PIXEL *)above, *MEDFAST_RESTRICT bottom = (const PIXEL *)below;
    const REAL half = (REAL)0.5;
    for (i = 0; i < n; i++)
        out[i] = STORE((top[2 * i] * half + top[2 * i + 1] * half) * half +
                       (bottom[2 * i] * half + bottom[2 * i + 1] * half) * half);
#endif
}

#undef PAIR
#undef FIRST
#undef SECOND
#undef PIXEL
#undef ELEMENT
#undef REAL
#undef STEP
#undef STORE
#undef SPREAD
#undef LANES
#undef BLOCK
#undef PACK
#undef SUMS
