"""Sums of non-local means with weights from the formula, for nlm.py.

In float32 for images of float32 that come as such, else in float64, and with additions in an order that is the same
wherever tiles begin, so that every level gives the same bits: differences are summed along the line, over the planes
and then down the rows of the patch, donors down the columns of the search window.
"""

import numpy as np
from numba import types
from numba.extending import overload

from medfast._kernels.jit import inlined, kernel
from medfast._kernels.jit.nlm_lines import add, add_two, line_of

COLUMNS = 16  # of the search window, whose sums are in the working type, before they go into float64

RATE = 11.541560327111707  # 8 / ln 2: exp(-t) = 2^(n / 8) for n = -RATE t
EIGHTHS = 2.0 ** (np.arange(8) / 8)


def working(scratch, padded, out):
    """The scratch in the type of the sums."""
    is_float32 = padded.dtype == np.float32 and out.dtype == np.float32
    return scratch.view(np.float32 if is_float32 else np.float64)


@overload(working)
def _working(scratch, padded, out):
    if padded.dtype == types.float32 and out.dtype == types.float32:
        return lambda scratch, padded, out: scratch.view(np.float32)
    return lambda scratch, padded, out: scratch.view(np.float64)


def powers(n, weights):
    """Weights 2^(n / 8) of a line; overwrites n."""


@overload(powers)
def _powers(n, weights):
    # n = k + r, k a whole number: 2^(k / 8) from a table and the exponent's bits, times a polynomial for 2^(r / 8).
    # In float32 it is one of r + 12, of which the square has the factor 0: cheaper by two operations.
    if n.dtype == types.float32:
        kind, bits, place = np.float32, np.int32, 20  # where the last three bits of k end up above the mantissa
        least = np.float32(-880.0)  # weights under exp(-76) are 0: no subnormal numbers
        scale, apart = 1.0428403527491581e-04, np.float32(12.0)
    else:
        kind, bits, place = np.float64, np.int64, 49
        least = np.float64(-6900.0)
        scale, apart = 1.0, np.float64(0.0)
    polynomial = (
        7.2635441012824734e-12,
        5.8763809990809137e-10,
        4.0690795203078385e-08,
        2.3481760454029152e-06,
        1.0840646223521454e-04,
        3.7535391712362359e-03,
        8.6643397569993196e-02,
        1.0,
    )
    ones = kind(1.5) / np.finfo(kind).eps  # where the last bit is one: adding it rounds, and leaves k in the last bits
    roots = (EIGHTHS * scale).astype(kind).view(bits).astype(np.int64)
    roots = roots - (np.arange(8) << place)  # all of k is added to them
    linear, constant = np.float32(398.84787), np.float32(3075.0208)
    is_float32 = kind is np.float32

    def implementation(n, weights):
        for x in range(len(n)):
            counts = n[x] > least
            limited = n[x] if counts else least
            rounded = limited + ones
            r = limited - (rounded - (ones + apart))
            if is_float32:
                power = (r * r + linear) * r + constant
            else:
                power = polynomial[0]
                for c in polynomial[1:]:
                    power = power * r + c
            weights[x] = power if counts else kind(0)
            n[x] = rounded
        k = n.view(bits)
        for x in range(len(n)):
            k[x] = roots[k[x] & 7] + (k[x] << place)
        for x in range(len(n)):
            weights[x] = n[x] * weights[x]

    return implementation


@inlined
def add_real_differences(a, b, norm, first, sums):
    """Add the differences of two lines, to nothing for the first of them."""
    kind = sums.dtype.type
    for x in range(len(sums)):
        d = kind(a[x]) - kind(b[x])
        d = abs(d) if norm == 1 else d * d
        sums[x] = d if first else sums[x] + d


@inlined
def add_in_pairs(lines, row, size, sums):
    """Sum of the lines row ... row + size - 1, which stand at their number modulo `size`.

    Rows 2 j and 2 j + 1 share the sums of pairs: those of lines 2 j + 1 and 2 j + 2, and so on; then the line that is
    left, the first or the last.
    """
    n = len(sums)
    single = row if row % 2 == 0 else row + size - 1
    if size == 1:
        copy(lines[0], sums)
        return
    for first in range(row + 1 - row % 2, row + size - 1, 2):
        one, two = lines[first % size, :n], lines[(first + 1) % size, :n]
        if first - row < 2 - row % 2:
            add_to(one, two, sums)
        else:
            add_two(one, two, sums)
    add(lines[single % size], sums)


@inlined
def copy(values, target):
    """Copy a line."""
    for x in range(len(target)):
        target[x] = values[x]


@inlined
def add_to(one, two, target):
    """The sum of two lines."""
    for x in range(len(target)):
        target[x] = one[x] + two[x]


@inlined
def box_sum_in_pairs(values, first, size, sums):
    """Sums of `size` neighbours, the first of which stands in column `first`.

    Columns 2 j and 2 j + 1 share the sums of pairs, as rows do; of three none do: pairs begin at each.
    """
    if size == 1:
        copy(values, sums)
        return
    for x in range(len(sums)):
        skip = 0 if size == 3 else (first + x + 1) % 2
        total = values[x + skip] + values[x + skip + 1]
        for k in range(skip + 2, skip + size - 1, 2):
            total += values[x + k] + values[x + k + 1]
        sums[x] = total + (values[x] if skip else values[x + size - 1])


@inlined
def weigh(weights, p, q, squares, values):
    """What the donors q differ by from p, times the weights: what is constant stays so to the last bit. With `squares`
    what their squares differ by."""
    kind = values.dtype.type
    for x in range(len(values)):
        own, other = kind(p[x]), kind(q[x])
        value = other - own
        if squares:
            value = value * (other + own)
        values[x] = weights[x] * value


@inlined
def select(values, inside, chosen):
    """The values, 0 for donors outside the mask."""
    for x in range(len(chosen)):
        chosen[x] = values[x] if len(inside) == 0 or inside[x] else chosen.dtype.type(0)


@inlined
def subtract(values, sums):
    """Take the values away."""
    for x in range(len(sums)):
        sums[x] -= values[x]


@kernel
def flush(totals, sums):
    """Add the totals in the working type to the sums in float64, and clear them."""
    for k in range(len(sums)):
        sums[k] += np.float64(totals[k])
        totals[k] = 0


@kernel
def mask_from(mask, z, y, x):
    """The mask from a pixel on; an empty one where there is none."""
    return mask[z, y, x:] if mask.size else mask.reshape(0)


@kernel
def hand_out(now, before, n_shifts, mask, pixel, shift, here, there, one, two):
    """Add what a line of pixels gains of its donors to `here`, and what the donors gain of it to `there`.

    `now` has weights and weighted channels of one or two shifts, the second a row further down, and `before` those of
    the line before; a line of the tile that is not in it is empty.
    """
    plane, row, col = pixel
    dz, dy, dx = shift
    left = max(dx, 0)
    n_channels = now.shape[1] - 1
    for k in range(n_channels + 1):
        place = n_channels if k == 0 else k - 1
        if here.size:  # from both shifts at once
            select(now[0, k, left:], mask_from(mask, plane + dz, row + dy, col + dx), one)
            if n_shifts == 2:
                select(now[1, k, left:], mask_from(mask, plane + dz, row + dy + 1, col + dx), two)
                add_two(one, two, here[place])
            else:
                add(one, here[place])
        if there.size:  # from this line by the first shift, from the one before by the second
            select(now[0, k, left - dx :], mask_from(mask, plane, row, col - dx), one)
            if n_shifts == 2:
                select(before[1, k, left - dx :], mask_from(mask, plane, row - 1, col - dx), two)
                add_two(one, two, there[place])
            else:
                add(one, there[place])


@kernel
def add_columns(gained, given, forward, reverse):
    """Add what one column of shifts gave to the totals; what donors gain of a pixel differs from it the other way."""
    n_planes, n_rows, n_sums, _ = gained.shape
    for z in range(n_planes):
        for y in range(n_rows):
            for k in range(n_sums):
                add(gained[z, y, k], forward[z, y, k])
                if k == n_sums - 1:
                    add(given[z, y, k], reverse[z, y, k])
                else:
                    subtract(given[z, y, k], reverse[z, y, k])


@kernel
def sum_formula(padded, mask, radii, norm, factor, squares, plane_start, row_start, space, sums):
    """Sums of what weighted donors, or their squares, differ by from the pixel, and of weights, for a tile."""
    pz, py, px, sz, sy, sx = radii[0], radii[1], radii[2], radii[3], radii[4], radii[5]
    n_planes, n_rows, n_sums, n_cols = sums.shape
    n_channels = n_sums - 1
    plane_start, row_start, col_start = plane_start + pz + sz, row_start + py + sy, px + sx  # in `padded` from here on
    rate = space.dtype.type(-RATE * factor)
    size, width = 2 * py + 1, n_cols + sx + 2 * px
    # What p gains of q, and q of p: by the shifts of one column of the search window, and by some columns.
    tile, space = space[: 4 * sums.size].reshape(4, *sums.shape), space[4 * sums.size :]
    gained, given, forward, reverse = tile[0], tile[1], tile[2], tile[3]
    # Of two lines, one after the other, and of two shifts: weights, and weighted channels.
    group, space = space[: 4 * n_sums * width].reshape(2, 2, n_sums, width), space[4 * n_sums * width :]
    terms, space = space[: 2 * size * width].reshape(2, size, width), space[2 * size * width :]
    line, flat, one, two = space[:width], space[width:], space[2 * width :][:n_cols], space[3 * width :][:n_cols]

    sums[:] = 0.0
    sums[:, :, n_channels:] = 1.0  # the weight of a pixel for itself
    forward[:] = 0
    reverse[:] = 0
    n_done = 0
    for dz in range(sz + 1):
        for dx in range(-sx if dz else 0, sx + 1):
            # p = q - dx as far as q, or p itself, is in columns 0 ... n_cols - 1: n of them from column -left on
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
                                term = terms[i, at % size, :n]
                                for k in range(plane - pz, plane + pz + 1):
                                    for channel in range(n_channels):
                                        add_real_differences(
                                            padded[k, channel, at, start:],
                                            padded[k + dz, channel, at + dy, start + dx :],
                                            norm,
                                            channel == 0,
                                            line[: n + 2 * px],
                                        )
                                    if k == plane - pz:
                                        box_sum_in_pairs(line, sx - left, 2 * px + 1, term)
                                    else:
                                        box_sum_in_pairs(line, sx - left, 2 * px + 1, flat[:n])
                                        add(flat, term)
                            add_in_pairs(terms[i], row - py, size, line[:n])
                            for x in range(n):
                                d = line[x]
                                line[x] = (d * d if norm == 1 else d) * rate
                            powers(line[:n], now[i, 0, :n])
                            for channel in range(n_channels):
                                p = padded[plane, channel, row, col_start - left :]
                                q = padded[plane + dz, channel, row + dy, col_start - left + dx :]
                                weigh(now[i, 0], p, q, squares, now[i, 1 + channel, :n])
                        here, there = line_of(gained, z, y), line_of(given, z + dz, y + first_dy)
                        pixel, shift = (plane, row, col_start), (dz, first_dy, dx)
                        hand_out(now, before, n_shifts, mask, pixel, shift, here, there, one, two)
            add_columns(gained, given, forward, reverse)
            n_done += 1
            if n_done % COLUMNS == 0 or (dz == sz and dx == sx):
                flush(forward.reshape(forward.size), sums.reshape(sums.size))
                flush(reverse.reshape(reverse.size), sums.reshape(sums.size))
