"""Numba twin of src/nlm_skimage.pyx, whose formulas stand in src/nlm_skimage.h.

Sums are those of nlm_formula.py, and in the same order, but for other distances and weights: squares are summed along
the line, over the planes and then down the rows of the patch, donors down the columns of the search window. *Places*
are distances in units of the last bit of a weight.
"""

import numpy as np
from numba import types
from numba.extending import overload

from medfast._kernels.jit import inlined, kernel, uncounted
from medfast._kernels.jit.nlm_formula import COLUMNS, add_columns, add_to, copy, flush, hand_out
from medfast._kernels.jit.nlm_lines import add, add_two, line_of

PLACES = 1512775.3951951857  # 2^20 / ln 2: of t = 1 in float64, of which 20 bits of the mantissa are in use
LIMIT = 5.0
SELF = 0.9710078239440918  # the weight of t = 0


@kernel
def workspace(n_channels, n_planes, n_rows, n_cols, radii):
    """Bytes of scratch that a call needs for a tile of `n_planes` x `n_rows` lines."""
    pz, py, px, sx = radii[0], radii[1], radii[2], radii[5]
    n_sums = n_channels + 1
    n_lines = 4 * n_sums + 2 * (2 * py + 1) * (2 * pz + 1) + 7
    return 8 * (5 * n_sums * n_planes * n_rows * n_cols + n_lines * (n_cols + 2 * px + 2 * sx))


@kernel
def denoise(
    padded,
    mask,
    radii,
    gaussian,
    center,
    factor,
    excess,
    share,
    doubt,
    scale,
    scratch,
    plane_start,
    plane_stop,
    row_start,
    row_stop,
    out,
):
    """Denoise the tile."""
    n_channels, n_cols = out.shape[1], out.shape[3]
    shape = plane_stop - plane_start, row_stop - row_start, n_channels + 1, n_cols
    n_sums = shape[0] * shape[1] * shape[2] * shape[3]
    sums = scratch[: 8 * n_sums].view(np.float64).reshape(shape)
    rest = scratch[8 * n_sums :]
    if padded.itemsize == 4:  # such pixels are floats as they are
        center = 0.0
    arguments = (
        uncounted(padded),
        uncounted(mask),
        radii,
        uncounted(gaussian),
        center,
        factor * PLACES,
        excess * PLACES,
        share * PLACES,
        doubt,
        plane_start,
        row_start,
    )
    if doubt > 0:
        sum_weighted(*arguments, uncounted(rest[: rest.size // 4 * 4].view(np.float32)), uncounted(sums))
    else:
        sum_weighted(*arguments, uncounted(rest[: rest.size // 8 * 8].view(np.float64)), uncounted(sums))
    for z in range(plane_start, plane_stop):
        for y in range(row_start, row_stop):
            for channel in range(n_channels):
                own = padded[z + radii[0] + radii[3], channel, y + radii[1] + radii[4], radii[2] + radii[5] :]
                values = sums[z - plane_start, y - row_start, channel]
                weights = sums[z - plane_start, y - row_start, n_channels]
                for x in range(n_cols):
                    out[z, channel, y, x] = (values[x] / weights[x] + np.float64(own[x])) * scale


def weights_of(places, weights):
    """The weights of places, which are overwritten; 0 where there are none, which is marked by a negative number."""


@overload(weights_of)
def _weights_of(places, weights):
    if places.dtype == types.float32:
        kind, bits, one, up = np.float32, np.int32, 1064866808, 0
    else:
        kind, bits, one, up = np.float64, np.int64, 1072632447, 32

    def implementation(places, weights):
        k = weights.view(bits)
        for x in range(len(places)):
            counts = places[x] >= 0
            k[x] = (one - np.int64(places[x] if counts else kind(0))) << up if counts else 0

    return implementation


def scale_of(line):
    """How many times as many places weights in a line have as those of float64; and the largest t with a weight."""


@overload(scale_of)
def _scale_of(line):
    found = (8.0, 80.0) if line.dtype == types.float32 else (1.0, 700.0)
    return lambda line: found


@inlined
def add_squares(a, b, center, first, sums):
    """Add the squared differences of two lines, to nothing for the first of them."""
    kind = sums.dtype.type
    for x in range(len(sums)):
        d = kind(np.float64(b[x]) - center) - kind(np.float64(a[x]) - center)
        d = d * d
        sums[x] = d if first else sums[x] + d


@inlined
def weigh_centered(weights, p, q, center, values):
    """What the donors q differ by from p, times the weights: what is constant stays so to the last bit."""
    kind = values.dtype.type
    for x in range(len(values)):
        values[x] = weights[x] * (kind(np.float64(q[x]) - center) - kind(np.float64(p[x]) - center))


@inlined
def sums_in_pairs(values, first, radius, sums):
    """Sums of the neighbours 1 ... 2 radius of each, the first of which stands in column `first`: the pairs that begin
    at odd columns; of an even column the first of them comes last."""
    for x in range(len(sums)):
        if radius == 1:
            sums[x] = values[x + 1] + values[x + 2]
        elif (first + x) % 2 == 0:
            total = values[x + 3] + values[x + 4]
            for k in range(5, 2 * radius, 2):
                total += values[x + k] + values[x + k + 1]
            sums[x] = (values[x + 1] + values[x + 2]) + total
        else:
            total = values[x + 2] + values[x + 3]
            for k in range(4, 2 * radius - 1, 2):
                total += values[x + k] + values[x + k + 1]
            sums[x] = (values[x + 1] + total) + values[x + 2 * radius]


@inlined
def rows_in_pairs(lines, row, size, sums):
    """The same down the lines row ... row + size - 1, which stand at their number modulo `size`."""
    n, radius, odd = len(sums), size // 2, row % 2
    if radius == 1:
        add_to(lines[(row + 1) % size, :n], lines[(row + 2) % size, :n], sums)
        return
    for k in range(3 - odd, 2 * radius - odd, 2):
        one, two = lines[(row + k) % size, :n], lines[(row + k + 1) % size, :n]
        if k == 3 - odd:
            add_to(one, two, sums)
        else:
            add_two(one, two, sums)
    one, two = lines[(row + 1) % size], lines[(row + (2 * radius if odd else 2)) % size]
    for x in range(n):
        sums[x] = (one[x] + sums[x]) + two[x] if odd else (one[x] + two[x]) + sums[x]


@inlined
def weighted_along(values, gaussian, sums):
    """Sums of 2 radius + 1 neighbours, weighted; from the middle on."""
    radius, kind = len(gaussian) // 2, sums.dtype.type
    for x in range(len(sums)):
        total = values[x + radius] * kind(gaussian[radius])
        for k in range(radius - 1, -1, -1):
            total += (values[x + k] + values[x + 2 * radius - k]) * kind(gaussian[k])
        sums[x] = total


@inlined
def weighted_down(lines, row, gaussian, sums):
    """The same down lines, which stand at their number modulo how many there are."""
    size, radius, kind = len(gaussian), len(gaussian) // 2, sums.dtype.type
    middle = lines[(row + radius) % size]
    for x in range(len(sums)):
        sums[x] = middle[x] * kind(gaussian[radius])
    for k in range(radius - 1, -1, -1):
        one, two = lines[(row + k) % size], lines[(row + 2 * radius - k) % size]
        for x in range(len(sums)):
            sums[x] += (one[x] + two[x]) * kind(gaussian[k])


@inlined
def next_step(step, weight, noise, is_noisy, is_first, sums, most):
    """The weighted distance grows by a row or plane of the patch; before, `most` of it so far is kept."""
    for x in range(len(sums)):
        if not is_first:
            most[x] = max(most[x], sums[x])
        value = step[x] * weight
        if is_noisy:
            value = value - noise
        sums[x] = sums[x] + value


@kernel
def counts(padded, gaussian, factor, excess, share, radii, plane, row, col, dz, dy, dx):
    """Whether the pixel that a shift leads to counts for the one at (plane, row, column), in float64."""
    pz, py, px = radii[0], radii[1], radii[2]
    is_slow = len(gaussian) > 0
    skipped = 0 if is_slow else 1
    total, most = 0.0, 0.0
    for z in range(skipped if pz > 0 else 0, 2 * pz + 1):
        of_plane = 0.0
        for y in range(skipped, 2 * py + 1):
            of_row = 0.0
            for x in range(skipped, 2 * px + 1):
                for c in range(padded.shape[1]):
                    d = np.float64(padded[plane - pz + z + dz, c, row - py + y + dy, col - px + x + dx])
                    d -= np.float64(padded[plane - pz + z, c, row - py + y, col - px + x])
                    of_row += gaussian[x] * (d * d) if is_slow else d * d
            if is_slow and pz == 0:
                most = max(most, total) if y > 0 else most
                total += gaussian[y] * factor * of_row - gaussian[y] * share
            else:
                of_plane += gaussian[y] * of_row if is_slow else of_row
        if is_slow and pz > 0:
            most = max(most, total) if z > 0 else most
            total += gaussian[z] * factor * of_plane - gaussian[z] * share
        elif not is_slow:
            total += of_plane
    return (most if is_slow else total * factor - excess) <= LIMIT * PLACES


@kernel
def sum_weighted(
    padded, mask, radii, gaussian, center, factor, excess, share, doubt, plane_start, row_start, space, sums
):
    """Sums of what weighted donors differ by from the pixel, and of weights, for a tile."""
    pz, py, px, sz, sy, sx = radii[0], radii[1], radii[2], radii[3], radii[4], radii[5]
    n_planes, n_rows, n_sums, n_cols = sums.shape
    n_channels = n_sums - 1
    plane_start, row_start, col_start = plane_start + pz + sz, row_start + py + sy, px + sx  # in `padded` from here on
    kind, is_slow, is_noisy = space.dtype.type, len(gaussian) > 0, excess > 0
    scale, most_t = scale_of(space)
    rate, noise = kind(factor * scale), kind(excess * scale)
    low, high = kind((LIMIT * PLACES - doubt * PLACES) * scale), kind((LIMIT * PLACES + doubt * PLACES) * scale)
    last = kind(most_t * PLACES * scale)
    size, depth, width = 2 * py + 1, (2 * pz + 1 if is_slow else 1), n_cols + sx + 2 * px
    tile, space = space[: 4 * sums.size].reshape(4, *sums.shape), space[4 * sums.size :]
    gained, given, forward, reverse = tile[0], tile[1], tile[2], tile[3]
    group, space = space[: 4 * n_sums * width].reshape(2, 2, n_sums, width), space[4 * n_sums * width :]
    n_terms = 2 * depth * size * width
    terms, space = space[:n_terms].reshape(2, depth, size, width), space[n_terms:]
    line, flat, one, two = space[:width], space[width:], space[2 * width :][:n_cols], space[3 * width :][:n_cols]
    places, most = space[4 * width :], space[5 * width :]

    sums[:] = 0.0
    sums[:, :, n_channels:] = SELF
    forward[:] = 0
    reverse[:] = 0
    n_done = 0
    for dz in range(sz + 1):
        for dx in range(-sx if dz else 0, sx + 1):
            left, n = max(dx, 0), n_cols + abs(dx)
            start = col_start - px - left
            gained[:] = 0
            given[:] = 0
            for first_dy in range(-sy if dz or dx else 1, sy + 1, 2):
                n_shifts = min(2, sy + 1 - first_dy)
                for z in range(-dz, n_planes):
                    if z < 0 and z + dz >= n_planes:
                        continue
                    plane = plane_start + z
                    top, bottom = min(0, 1 - n_shifts - first_dy), max(n_rows, n_rows - first_dy)
                    for y in range(top, bottom):
                        row = row_start + y
                        now, before = group[y % 2], group[1 - y % 2]
                        for i in range(n_shifts):
                            dy = first_dy + i
                            for at in range(row - py if y == top else row + py, row + py + 1):
                                for k in range(plane - pz, plane + pz + 1):
                                    if not is_slow and pz > 0 and k == plane - pz:
                                        continue
                                    for channel in range(n_channels):
                                        add_squares(
                                            padded[k, channel, at, start:],
                                            padded[k + dz, channel, at + dy, start + dx :],
                                            center,
                                            channel == 0,
                                            line[: n + 2 * px],
                                        )
                                    if is_slow:
                                        weighted_along(line, gaussian, terms[i, k - plane + pz, at % size, :n])
                                    elif k == plane - pz + (pz > 0):
                                        sums_in_pairs(line, sx - left, px, terms[i, 0, at % size, :n])
                                    else:
                                        sums_in_pairs(line, sx - left, px, flat[:n])
                                        add(flat, terms[i, 0, at % size, :n])
                            if is_slow:
                                places[:n] = 0
                                most[:n] = 0
                                for k in range(depth if pz > 0 else size):
                                    if pz > 0:
                                        weighted_down(terms[i, k], row - py, gaussian, line[:n])
                                    else:
                                        copy(terms[i, 0, (row - py + k) % size], line[:n])
                                    weight, part = gaussian[k] * (factor * scale), share * gaussian[k] * scale
                                    next_step(line, kind(weight), kind(part), is_noisy, k == 0, places[:n], most[:n])
                                for x in range(n):
                                    places[x] = max(places[x], kind(0))
                            else:
                                rows_in_pairs(terms[i, 0], row - py, size, places[:n])
                                for x in range(n):
                                    t = places[x] * rate
                                    places[x] = max(t - noise, kind(0)) if is_noisy else t
                                copy(places, most[:n])
                            for x in range(n):
                                decides = most[x]
                                gone = decides > low
                                if gone and decides <= high:
                                    gone = not counts(
                                        padded, gaussian, factor, excess, share, radii, plane, row,
                                        col_start - left + x, dz, dy, dx,
                                    )  # fmt: skip
                                if gone or (is_slow and places[x] > last):
                                    places[x] = -1
                            weights_of(places[:n], now[i, 0, :n])
                            for channel in range(n_channels):
                                p = padded[plane, channel, row, col_start - left :]
                                q = padded[plane + dz, channel, row + dy, col_start - left + dx :]
                                weigh_centered(now[i, 0], p, q, center, now[i, 1 + channel, :n])
                        here, there = line_of(gained, z, y), line_of(given, z + dz, y + first_dy)
                        pixel, shift = (plane, row, col_start), (dz, first_dy, dx)
                        hand_out(now, before, n_shifts, mask, pixel, shift, here, there, one, two)
            add_columns(gained, given, forward, reverse)
            n_done += 1
            if n_done % COLUMNS == 0 or (dz == sz and dx == sx):
                flush(forward.reshape(forward.size), sums.reshape(sums.size))
                flush(reverse.reshape(reverse.size), sums.reshape(sums.size))
