"""Windows of gray levels, after DICOM PS3.3 C.11.2.1: modality rescale, window and conversion in one pass.

A value `v` becomes x = v · slope + intercept, then the share y of the window that lies below x,

    linear     y = (x − center) / width + 1/2,                    cut off at 0 and 1
    sigmoid    y = 1 / (1 + exp(−4 · (x − center) / width))

and then y · span + bottom, rounded half to even where the result holds integers. A linear window of width 0 is a step:
1 above the center, else 0. (The standard's LINEAR is `linear` with center − 1/2 and width − 1.) All of it in float64,
and in this order of operations, which is that of pydicom.

Eight bits seldom need float64: a value is computed in float32 first, with a bound on the error, and as defined only
where it lies so near a half that the bound does not tell how it is rounded. The bits are the same.

Images are (planes, rows, columns); a range of rows counts through all planes.
"""
from libc.math cimport fabs, rint, rintf
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.string cimport memcpy

ctypedef fused value:
    uint8_t
    uint16_t
    int16_t
    float
    double

ctypedef fused result:
    uint8_t
    uint16_t
    int16_t
    float
    double

cdef enum:
    LANES = 128  # values at a time in float32: 0.24 ns a pixel (linear, v4), 0.29 with 64, 0.4 with 32
    FEW_DOUBTS = 8  # of them, from which float64 is faster for all
    BLOCK = 512  # values at a time, as float64: 4 KB, within the nearest cache

cdef:
    double LOG2_E = 1.4426950408889634
    double LN2_HIGH = 0.693147180369123816490  # 32 bits: times a whole number of 11 bits it is exact
    double LN2_LOW = 1.90821492927058770002e-10
    double WHOLE = 6755399441055744.0  # 1.5 · 2^52: added to a small number, it leaves a whole one in the last bits
    float WHOLE32 = 12582912.0  # 1.5 · 2^23
    float LN2_HIGH32 = 0.693359375
    float LN2_LOW32 = -2.12194440e-4
    float FARTHEST32 = 16.0  # exp(16) is a share that 8 bits show as none
    double UNIT32 = 5.9604644775390625e-08  # 2^-24
    double FARTHEST = 708.0  # exp of it, and of its negative, is finite and normal


cdef struct Window:
    double slope
    double intercept
    bint is_sigmoid
    double center
    double width
    double span


cdef inline double exponential(double t) noexcept nogil:
    """exp(t) = 2^n · exp(r) for |t| <= FARTHEST, |r| <= ln 2 / 2, by Taylor's series; right to two last places.

    Of + − × alone: the same bits everywhere, which no mathematical library promises.
    """
    cdef:
        double shifted = t * LOG2_E + WHOLE
        double n = shifted - WHOLE
        double r = (t - n * LN2_HIGH) - n * LN2_LOW
        double series = 1.0 / 6227020800.0, power
        int64_t bits
    series = series * r + 1.0 / 479001600.0
    series = series * r + 1.0 / 39916800.0
    series = series * r + 1.0 / 3628800.0
    series = series * r + 1.0 / 362880.0
    series = series * r + 1.0 / 40320.0
    series = series * r + 1.0 / 5040.0
    series = series * r + 1.0 / 720.0
    series = series * r + 1.0 / 120.0
    series = series * r + 1.0 / 24.0
    series = series * r + 1.0 / 6.0
    series = series * r + 0.5
    series = series * r + 1.0
    series = series * r + 1.0
    memcpy(&bits, &shifted, sizeof(bits))
    bits = (bits + 1023) << 52  # 2^n
    memcpy(&power, &bits, sizeof(power))
    return series * power


cdef inline double share(double x, const Window *w) noexcept nogil:
    """How much of the window lies below x, 0 ... 1."""
    cdef double y
    if w.is_sigmoid:
        y = -4.0 * (x - w.center) / w.width
        y = y if y > -FARTHEST else -FARTHEST
        return 1.0 / (1.0 + exponential(y if y < FARTHEST else FARTHEST))
    if w.width == 0.0:
        return 1.0 if x > w.center else 0.0
    y = (x - w.center) / w.width + 0.5
    y = y if y > 0.0 else 0.0
    return y if y < 1.0 else 1.0


cdef inline float exponential32(float t) noexcept nogil:
    """The same in float32, |t| <= FARTHEST32; off by less than 2^-21 of it."""
    cdef:
        float shifted = t * <float> LOG2_E + WHOLE32
        float n = shifted - WHOLE32
        float r = (t - n * LN2_HIGH32) - n * LN2_LOW32
        float series = <float> (1.0 / 720.0), power
        int32_t bits
    series = series * r + <float> (1.0 / 120.0)
    series = series * r + <float> (1.0 / 24.0)
    series = series * r + <float> (1.0 / 6.0)
    series = series * r + <float> 0.5
    series = series * r + <float> 1.0
    series = series * r + <float> 1.0
    memcpy(&bits, &shifted, sizeof(bits))
    bits = (bits + 127) << 23
    memcpy(&power, &bits, sizeof(power))
    return series * power


cdef struct Line:  # in float32: factor · v + offset, which is the level (linear) or the exponent (sigmoid)
    float factor
    float offset
    float span
    float clear  # distance to the nearest whole number up to which rounding is beyond doubt; < 0 for never


cdef Line line32(const Window *w) noexcept nogil:
    """Bounds: with u = 2^-24, factor · v + offset is off by 4u · (|offset| + what it is at most), see its roundings."""
    cdef:
        Line line
        double factor, offset, error
    if w.is_sigmoid:
        factor = -4.0 * w.slope / w.width
        offset = -4.0 * (w.intercept - w.center) / w.width
        # the sigmoid's steepest slope is 1/4; 2^-21 of the exponential makes 2^-23 of the share; three roundings more
        error = UNIT32 * w.span * ((fabs(offset) + FARTHEST32) + 2.0 + 3.0)
    else:
        factor = w.slope / w.width * w.span
        offset = ((w.intercept - w.center) / w.width + 0.5) * w.span
        error = UNIT32 * 4.0 * (fabs(offset) + w.span + 1.0)
    line.factor, line.offset, line.span, line.clear = <float> factor, <float> offset, <float> w.span, -1.0
    # Factors that float32 holds as they are: infinite values then stay infinite. Twice the bound, for what is left out.
    if error < 0.03 and 1e-30 < fabs(factor) < 1e30:
        line.clear = <float> (0.5 - 2.0 * error)
    return line


cdef inline bint levels32(const value *v, const Window *w, Line line, uint8_t *out) noexcept nogil:
    """LANES values to levels of 8 bits in float32; those in doubt one by one, unless they are many: then False, and
    `out` is untouched.
    """
    cdef:
        float[LANES] z
        int32_t[LANES] levels, doubts
        int32_t n_doubts = 0
        float nearest, distance
        Py_ssize_t i
    for i in range(LANES):
        z[i] = <float> v[i] * line.factor + line.offset
    if w.is_sigmoid:
        for i in range(LANES):
            z[i] = z[i] if z[i] > -FARTHEST32 else -FARTHEST32
            z[i] = z[i] if z[i] < FARTHEST32 else FARTHEST32
            z[i] = line.span / (<float> 1.0 + exponential32(z[i]))
    for i in range(LANES):
        z[i] = z[i] if z[i] > <float> 0.0 else <float> 0.0
        z[i] = z[i] if z[i] < line.span else line.span
        nearest = rintf(z[i])
        levels[i] = <int32_t> nearest
        distance = z[i] - nearest
        distance = distance if distance > <float> 0.0 else -distance
        doubts[i] = not distance <= line.clear
        n_doubts += doubts[i]
    if n_doubts:
        if n_doubts > FEW_DOUBTS:
            return False
        for i in range(LANES):
            if doubts[i]:
                levels[i] = <int32_t> rint(share(<double> v[i] * w.slope + w.intercept, w) * w.span)
    for i in range(LANES):
        out[i] = <uint8_t> levels[i]
    return True


cdef inline void fetch(const value[:, :, :] image, Py_ssize_t plane, Py_ssize_t line, Py_ssize_t start, Py_ssize_t n,
                       double *x) noexcept nogil:
    cdef:
        Py_ssize_t i
        const value *pixels = &image[plane, line, start]
    if image.strides[2] == sizeof(value):
        for i in range(n):
            x[i] = <double> pixels[i]
    else:
        for i in range(n):
            x[i] = <double> image[plane, line, start + i]


cdef inline void shares(double *x, Py_ssize_t n, const Window *w) noexcept nogil:
    cdef Py_ssize_t i
    if w.is_sigmoid:  # asked here, so that each loop becomes vectors
        for i in range(n):
            x[i] = share(x[i] * w.slope + w.intercept, w)
    elif w.width == 0.0:
        for i in range(n):
            x[i] = share(x[i] * w.slope + w.intercept, w)
    else:
        for i in range(n):
            x[i] = share(x[i] * w.slope + w.intercept, w)


cdef inline void put(const double *y, Py_ssize_t n, double span, double bottom, result[:, :, :] out, Py_ssize_t plane,
                     Py_ssize_t line, Py_ssize_t start) noexcept nogil:
    cdef:
        Py_ssize_t i
        result *pixels = &out[plane, line, start]
        int lowest = <int> bottom
    if out.strides[2] == sizeof(result):
        for i in range(n):
            if result is float or result is double:
                pixels[i] = <result> (y[i] * span + bottom)
            else:
                pixels[i] = <result> (<int> rint(y[i] * span) + lowest)
    else:
        for i in range(n):
            if result is float or result is double:
                out[plane, line, start + i] = <result> (y[i] * span + bottom)
            else:
                out[plane, line, start + i] = <result> (<int> rint(y[i] * span) + lowest)


def window(const value[:, :, :] image,   # IN   values as stored
           double slope,                 # IN   of the modality rescale
           double intercept,
           bint is_sigmoid,              # IN   else linear
           double center,                # IN   of the window, after the rescale
           double width,                 # IN   > 0, or >= 0 if linear
           double span,                  # IN   highest value of the result less the lowest
           double bottom,                # IN   lowest value of the result
           Py_ssize_t row_start,
           Py_ssize_t row_stop,
           result[:, :, :] out):         # OUT  may be `image`
    """Bring the rows through the window."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], n_cols = image.shape[2], row, plane, line, col, n
        double[BLOCK] buffer
        Window w
        Line fast
        bint is_fast = False
    w.slope, w.intercept, w.is_sigmoid, w.center, w.width, w.span = slope, intercept, is_sigmoid, center, width, span
    with nogil:
        if result is uint8_t:
            fast = line32(&w)
            is_fast = fast.clear > 0.0 and image.strides[2] == sizeof(value) and out.strides[2] == 1
        for row in range(row_start, row_stop):
            plane = row // n_rows
            line = row % n_rows
            col = 0
            while col < n_cols:
                n = min(BLOCK, n_cols - col)
                if result is uint8_t:
                    if is_fast and n >= LANES:
                        n = LANES
                        if levels32[value](&image[plane, line, col], &w, fast, &out[plane, line, col]):
                            col += n
                            continue
                fetch[value](image, plane, line, col, n, buffer)
                shares(buffer, n, &w)
                put[result](buffer, n, span, bottom, out, plane, line, col)
                col += n
