"""Histogram equalisation.

A histogram of integers is a table of counts, and equalisation a look-up in a table made from it: three steps, of which
the first and the last touch pixels and work on a range of rows. Values are shifted by `offset` (32 768 for int16, else
0), so that the lowest value of the dtype has bin 0. Floats are counted by levels: `quantize` numbers them evenly from
the lowest to the highest value, and `restore` looks up a float for each level.

Images are (planes, rows, columns); a range of rows counts through all planes.
"""
from libc.math cimport rintf
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memset

from counting cimport (
    MEDFAST_LEAST_FOR_PAIRS, MEDFAST_PAIRS, MEDFAST_SUBTABLES, medfast_count_line_u8, medfast_count_u8,
    medfast_gather_pairs,
)

ctypedef fused integer:
    uint8_t
    uint16_t
    int16_t

ctypedef fused floating:
    float
    double

cdef extern from "look_up.h" nogil:
    void medfast_count_u16(const uint16_t *line, Py_ssize_t n, uint16_t offset, uint16_t *few, int64_t *counts)
    void medfast_gather_few(const uint16_t *few, uint16_t offset, int64_t *counts)
    bint medfast_can_gather()
    void medfast_look_up_u16(const uint16_t *line, Py_ssize_t n, uint16_t offset, const uint16_t *table,
                             bint can_gather, uint16_t *out)
    void medfast_gather_counts(uint32_t *subtables, int64_t *counts)
    bint medfast_has_vbmi()
    void medfast_look_up_u8(const uint8_t *line, Py_ssize_t n, const uint8_t *table, bint has_vbmi, uint8_t *out)

cdef:  # asked once
    bint has_vbmi = medfast_has_vbmi()
    bint can_gather = medfast_can_gather()


def _set_beyond(bint is_wanted):
    """Use what a CPU may have beyond its level, or not; whether any of it is used now. For tests."""
    global has_vbmi, can_gather
    has_vbmi, can_gather = is_wanted and medfast_has_vbmi(), is_wanted and medfast_can_gather()
    return has_vbmi or can_gather


cdef enum:
    LINE = 1 << 24  # pixels of rows that are read as one
    AHEAD = 2048  # pixels that are asked for before they are counted


cdef inline Py_ssize_t rows_a_line(const integer[:, :, :] image) noexcept nogil:
    """How many rows may be read as one line, since they follow each other without a gap: a line costs by itself."""
    if (image.strides[2] != sizeof(integer) or image.strides[1] != image.shape[2] * image.strides[2]
            or (image.shape[0] > 1 and image.strides[0] != image.shape[1] * image.strides[1])):
        return 1
    return max(LINE // max(image.shape[2], 1), 1)


cdef void count_rows(const integer[:, :, :] image, const uint8_t[:, :, :] mask, int64_t offset, Py_ssize_t row_start,
                     Py_ssize_t row_stop, int64_t[::1] counts) noexcept nogil:
    cdef:
        Py_ssize_t n_rows = image.shape[1], n_cols = image.shape[2], row = row_start, col, plane, n_counted = 0
        Py_ssize_t n_pixels = (row_stop - row_start) * n_cols, n_joined = rows_a_line[integer](image), n
        const integer *line
        uint32_t[MEDFAST_SUBTABLES * 256] subtables
        uint16_t[65536] few  # counts that still fit: of values, or as bytes of pairs
        uint8_t *pairs = <uint8_t *> few
        bint everywhere = mask is None, in_pairs = n_pixels >= MEDFAST_LEAST_FOR_PAIRS
    if everywhere and image.strides[2] == sizeof(integer) and (integer is uint8_t or in_pairs):
        if in_pairs:
            memset(few, 0, MEDFAST_PAIRS if integer is uint8_t else sizeof(few))
        if integer is uint8_t:
            memset(subtables, 0, sizeof(subtables))
        while row < row_stop:
            line = &image[row // n_rows, row % n_rows, 0]
            n = min(n_joined, row_stop - row) * n_cols
            if integer is uint8_t:
                if in_pairs:
                    medfast_count_line_u8(line, n, AHEAD, pairs, subtables)
                else:
                    medfast_count_u8(line, n, subtables)
                n_counted += n
                if n_counted >= 1 << 30:  # before a count of 32 bits is full
                    medfast_gather_counts(subtables, &counts[0])
                    n_counted = 0
            else:
                medfast_count_u16(<const uint16_t *> line, n, <uint16_t> offset, few, &counts[0])
            row += n_joined
        if integer is uint8_t:
            if in_pairs:
                medfast_gather_pairs(pairs, subtables)
            medfast_gather_counts(subtables, &counts[0])
        else:
            medfast_gather_few(few, <uint16_t> offset, &counts[0])
        return
    for row in range(row_start, row_stop):
        plane = row // n_rows
        for col in range(n_cols):
            if everywhere or mask[plane, row % n_rows, col]:
                counts[<int64_t> image[plane, row % n_rows, col] + offset] += 1


cdef void make_table(const int64_t[::1] counts, integer[::1] table, int64_t offset) noexcept nogil:
    cdef:
        Py_ssize_t n_bins = counts.shape[0], value, lowest = 0
        int64_t total = 0, running = 0, n_above, level
        float scale
    for value in range(n_bins):
        total += counts[value]
    while lowest < n_bins - 1 and counts[lowest] == 0:
        lowest += 1
    n_above = total - counts[lowest]
    if n_above == 0:  # a constant image stays as it is
        for value in range(n_bins):
            table[value] = <integer> (value - offset)
        return
    scale = <float> (n_bins - 1) / <float> n_above
    for value in range(n_bins):
        if value > lowest:
            running += counts[value]
        # float32, rounded half to even: OpenCV's arithmetic
        level = <int64_t> rintf(<float> running * scale)
        table[value] = <integer> (min(level, n_bins - 1) - offset)


cdef void look_up_rows(const integer[:, :, :] image, const uint8_t[:, :, :] mask, const integer[::1] table,
                       int64_t offset, Py_ssize_t row_start, Py_ssize_t row_stop,
                       integer[:, :, :] out) noexcept nogil:
    cdef:
        Py_ssize_t n_rows = image.shape[1], n_cols = image.shape[2], row = row_start, col, plane, line, n, n_joined
        bint everywhere = mask is None
    if everywhere and image.strides[2] == sizeof(integer) and out.strides[2] == sizeof(integer):
        n_joined = min(rows_a_line[integer](image), rows_a_line[integer](out))
        while row < row_stop:
            plane = row // n_rows
            line = row % n_rows
            n = min(n_joined, row_stop - row) * n_cols
            if integer is uint8_t:
                medfast_look_up_u8(&image[plane, line, 0], n, &table[0], has_vbmi, &out[plane, line, 0])
            else:
                medfast_look_up_u16(<const uint16_t *> &image[plane, line, 0], n, <uint16_t> offset,
                                    <const uint16_t *> &table[0], can_gather, <uint16_t *> &out[plane, line, 0])
            row += n_joined
        return
    for row in range(row_start, row_stop):
        plane = row // n_rows
        line = row % n_rows
        if everywhere:
            for col in range(n_cols):
                out[plane, line, col] = table[<int64_t> image[plane, line, col] + offset]
        else:
            for col in range(n_cols):
                out[plane, line, col] = (table[<int64_t> image[plane, line, col] + offset]
                                         if mask[plane, line, col] else image[plane, line, col])


def count(const integer[:, :, :] image,    # IN     gray levels
          const uint8_t[:, :, :] mask,     # IN     pixels that count, or None for all
          int64_t offset,                  # IN     bin of level 0
          Py_ssize_t row_start,
          Py_ssize_t row_stop,
          int64_t[::1] counts):            # INOUT  pixels per bin
    """Add 1 to `counts[value + offset]` for each pixel of the rows."""
    with nogil:
        count_rows[integer](image, mask, offset, row_start, row_stop, counts)


def equalization_table(const int64_t[::1] counts,   # IN   pixels per bin
                       integer[::1] table,          # OUT  gray level per bin
                       int64_t offset):             # IN   bin of level 0
    """Gray level for each bin: the share of pixels above the lowest level in use, scaled to the whole range."""
    with nogil:
        make_table[integer](counts, table, offset)


def look_up(const integer[:, :, :] image,    # IN   gray levels
            const uint8_t[:, :, :] mask,     # IN   pixels that change, or None for all
            const integer[::1] table,        # IN   new gray level per bin
            int64_t offset,                  # IN   bin of level 0
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            integer[:, :, :] out):           # OUT  may be `image`
    """Replace each pixel of the rows by its entry in `table`."""
    with nogil:
        look_up_rows[integer](image, mask, table, offset, row_start, row_stop, out)


def equalize(const integer[:, :, :] image,    # IN     gray levels
             const uint8_t[:, :, :] mask,     # IN     pixels that count and change, or None for all
             int64_t offset,                  # IN     bin of level 0
             int64_t[::1] counts,             # INOUT  pixels per bin, 0 at first
             integer[::1] table,              # OUT    gray level per bin
             integer[:, :, :] out):           # OUT    may be `image`
    """The three steps for all rows in one call, which a small image would spend most of its time on."""
    cdef Py_ssize_t n_rows = image.shape[0] * image.shape[1]
    with nogil:
        count_rows[integer](image, mask, offset, 0, n_rows, counts)
        make_table[integer](counts, table, offset)
        look_up_rows[integer](image, mask, table, offset, 0, n_rows, out)


def quantize(const floating[:, :, :] image,    # IN   values
             double unit,                      # IN   1, or 1/2 where high - low would overflow
             double low,                       # IN   value of level 0, times `unit`
             double span,                      # IN   (high - low), times `unit`, > 0
             double n_steps,                   # IN   level of the highest value
             Py_ssize_t row_start,
             Py_ssize_t row_stop,
             uint16_t[:, :, :] levels):        # OUT  levels, 0 ... n_steps
    """Nearest of `n_steps + 1` evenly spaced levels for each pixel of the rows; values outside go to the nearer end."""
    cdef:
        Py_ssize_t n_rows = image.shape[1], n_cols = image.shape[2], row, col, plane, line
        double level
    with nogil:
        for row in range(row_start, row_stop):
            plane = row // n_rows
            line = row % n_rows
            for col in range(n_cols):
                level = (<double> image[plane, line, col] * unit - low) / span * n_steps + 0.5
                level = level if level > 0.0 else 0.0
                level = level if level < n_steps else n_steps
                levels[plane, line, col] = <uint16_t> <int> level


def restore(const uint16_t[:, :, :] levels,     # IN     level per pixel
            const uint8_t[:, :, :] mask,        # IN     pixels that change, or None for all
            const floating[:, :, :] image,      # IN     values of the others
            const floating[::1] table,          # IN     value per level
            Py_ssize_t row_start,
            Py_ssize_t row_stop,
            floating[:, :, :] out):             # OUT    may be `image`
    """Look up the value of each pixel's level in the rows; pixels outside the mask keep theirs."""
    cdef:
        Py_ssize_t n_rows = levels.shape[1], n_cols = levels.shape[2], row, col, plane, line
        bint everywhere = mask is None
    with nogil:
        for row in range(row_start, row_stop):
            plane = row // n_rows
            line = row % n_rows
            for col in range(n_cols):
                if everywhere or mask[plane, line, col]:
                    out[plane, line, col] = table[levels[plane, line, col]]
                else:
                    out[plane, line, col] = image[plane, line, col]
