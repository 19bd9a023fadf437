"""Sums of non-local means with weights from the formula, for nlm.py.

In float32 for images of float32 that come as such, else in float64, and with additions in an order that is the same
wherever tiles begin, so that every level gives the same bits.
"""

import numpy as np
from numba import types
from numba.extending import overload

from medfast._kernels.jit import inlined, kernel
from medfast._kernels.jit.nlm_lines import add, add_two, line_of

MOST_SHIFTS = 8  # of a group, whose sums are added as one
GROUPS = 4  # whose sums are in the working type, before they go into float64

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
    if n.dtype == types.float32:
        kind, bits, place = np.float32, np.int32, 20  # where the last three bits of k end up above the mantissa
        least = np.float32(-920.0)  # weights under exp(-80) are 0: no subnormal numbers
        polynomial = (1.0839105738809246e-04, 3.7540254676325189e-03, 8.6643401782693899e-02, 1.0)
    else:
        kind, bits, place = np.float64, np.int64, 49
        least = np.float64(-6900.0)
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
    polynomial = tuple([kind(c) for c in polynomial])
    ones = kind(1.5) / np.finfo(kind).eps  # where the last bit is one: adding it rounds, and leaves k in the last bits
    roots = EIGHTHS.astype(kind).view(bits).astype(np.int64) - (np.arange(8) << place)  # all of k is added to them

    def implementation(n, weights):
        for x in range(len(n)):
            counts = n[x] > least
            limited = n[x] if counts else least
            rounded = limited + ones
            r = limited - (rounded - ones)
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
def box_sum_in_pairs(columns, size, sums):
    """Sums of `size` neighbours: of pairs from the first on, and the last."""
    if size == 1:
        copy(columns, sums)
        return
    add_to(columns, columns[1:], sums)
    for k in range(2, size - 1, 2):
        add_two(columns[k:], columns[k + 1 :], sums)
    add(columns[size - 1 :], sums)


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


@kernel
def sum_shifts(lines, k, first, step, mask, z, y, col, side, total):
    """Sum over a group's shifts of the lines[:, k], without those of donors outside the mask."""
    for x in range(len(total)):
        total[x] = 0
    for i in range(len(lines)):
        line = lines[i, k, first + i * step :]
        if mask.size:
            inside = mask[z, y, col + i * side :]
            for x in range(len(total)):
                total[x] += line[x] if inside[x] else total.dtype.type(0)
        else:
            add(line, total)


@kernel
def add_signed(line, sign, totals):
    """Add a line, or take it away."""
    sign = totals.dtype.type(sign)
    for x in range(len(totals)):
        totals[x] += sign * line[x]


@kernel
def flush(totals, sums):
    """Add the totals in the working type to the sums in float64, and clear them."""
    for k in range(len(sums)):
        sums[k] += np.float64(totals[k])
        totals[k] = 0


@kernel
def sum_formula(padded, mask, radii, norm, factor, squares, plane_start, row_start, space, totals, sums):
    """Sums of what weighted donors, or their squares, differ by from the pixel, and of weights, for a tile."""
    pz, py, px, sz, sy, sx = radii[0], radii[1], radii[2], radii[3], radii[4], radii[5]
    n_planes, n_rows, n_sums, n_cols = sums.shape
    n_channels = n_sums - 1
    plane_start, row_start, col_start = plane_start + pz + sz, row_start + py + sy, px + sx  # in `padded` from here on
    rate = space.dtype.type(-RATE * factor)
    size, width = 2 * py + 1, n_cols + 2 * sx + 2 * px
    most_shifts = -(-(2 * sx + 1) // (-(-(2 * sx + 1) // MOST_SHIFTS)))  # groups of one size
    # Of each shift of a group: lines of weights, then of weighted channels, from column -sx of p on.
    group = space[: most_shifts * n_sums * width].reshape(most_shifts, n_sums, width)
    space = space[group.size :]
    terms = space[: most_shifts * size * width].reshape(most_shifts, size, width)
    space = space[terms.size :]
    columns, distances, gained, given = space[:width], space[width:], space[2 * width :], space[3 * width :]
    gained, given = gained[:n_cols], given[:n_cols]

    sums[:] = 0.0
    sums[:, :, n_channels:] = 1.0  # the weight of a pixel for itself
    totals[:] = 0
    n_groups = 0
    for dz in range(sz + 1):
        for dy in range(-sy if dz else 0, sy + 1):
            for first_dx in range(-sx if dz or dy else 1, sx + 1, most_shifts):
                n_shifts = min(most_shifts, sx + 1 - first_dx)
                for z in range(-dz, n_planes):
                    follows = False  # whether there are the differences of the line before
                    for y in range(-max(dy, 0), n_rows - min(dy, 0)):
                        here = line_of(totals, z, y)
                        there = line_of(totals, z + dz, y + dy)
                        if not (here.size or there.size):
                            follows = False
                            continue
                        plane, row = plane_start + z, row_start + y
                        for i in range(n_shifts):
                            dx = first_dx + i
                            # p = q - dx as far as q, or p itself, is in columns 0 ... n_cols - 1
                            left, n = max(dx, 0), n_cols + abs(dx)
                            start = col_start - px - left
                            for line in range(row + py if follows else row - py, row + py + 1):
                                for k in range(plane - pz, plane + pz + 1):
                                    for channel in range(n_channels):
                                        add_real_differences(
                                            padded[k, channel, line, start:],
                                            padded[k + dz, channel, line + dy, start + dx :],
                                            norm,
                                            k == plane - pz and channel == 0,
                                            terms[i, line % size, : n + 2 * px],
                                        )
                            add_in_pairs(terms[i], row - py, size, columns[: n + 2 * px])
                            box_sum_in_pairs(columns, 2 * px + 1, distances[:n])
                            for x in range(n):
                                d = distances[x]
                                distances[x] = (d * d if norm == 1 else d) * rate
                            powers(distances[:n], group[i, 0, sx - left :][:n])
                            for channel in range(n_channels):
                                p = padded[plane, channel, row, col_start - left :]
                                q = padded[plane + dz, channel, row + dy, col_start - left + dx :]
                                values = group[i, 1 + channel, sx - left :][:n]
                                weigh(group[i, 0, sx - left :], p, q, squares, values)
                        follows = True
                        used = group[:n_shifts]
                        # Reverse before forward, as the lines before have given already where dz or dy is not 0.
                        for k in range(n_sums):
                            place, sign = (n_channels, 1) if k == 0 else (k - 1, -1)
                            if there.size:
                                p = plane, row, col_start - first_dx
                                sum_shifts(used, k, sx - first_dx, -1, mask, p[0], p[1], p[2], -1, given)
                                add_signed(given, sign, there[place])
                            if here.size:
                                q = plane + dz, row + dy, col_start + first_dx
                                sum_shifts(used, k, sx, 0, mask, q[0], q[1], q[2], 1, gained)
                                add(gained, here[place])
                n_groups += 1
                if n_groups % GROUPS == 0:
                    flush(totals.reshape(totals.size), sums.reshape(sums.size))
    flush(totals.reshape(totals.size), sums.reshape(sums.size))
