"""Sums of non-local means with weights from a table, for nlm.py: exact, in integers."""

import numpy as np

from medfast._kernels.jit import inlined, kernel
from medfast._kernels.jit.nlm_lines import add, add_two, leave_out, line_of


@inlined
def difference(a, b):
    """Difference of gray levels of 8 bits, in 16 bits: of those one instruction makes a product of 32."""
    return np.int16(np.int16(a) - np.int16(b))


@inlined
def product(a, b):
    """Product of two numbers of 16 bits."""
    return np.int32(np.int32(a) * np.int32(b))


@inlined
def distance(a, b):
    """Absolute difference of gray levels."""
    return max(a, b) - min(a, b)


@inlined
def add_differences(a, b, norm, sums):
    """Add the differences of two lines."""
    if norm == 2:
        for x in range(len(sums)):
            d = difference(a[x], b[x])
            sums[x] += product(d, d)
    else:
        for x in range(len(sums)):
            sums[x] += distance(a[x], b[x])


@inlined
def replace_differences(a, b, old_a, old_b, norm, sums):
    """Add the differences of two lines, and take those of two others away."""
    if norm == 2:
        for x in range(len(sums)):
            d, old = difference(a[x], b[x]), difference(old_a[x], old_b[x])
            sums[x] += product(np.int16(d - old), np.int16(d + old))  # d² - old²
    else:
        for x in range(len(sums)):
            sums[x] += distance(a[x], b[x]) - distance(old_a[x], old_b[x])


@inlined
def add_neighbours(columns, size, sums):
    """Sums of `size` neighbours, in one pass: for sizes that the compiler knows."""
    for x in range(len(sums)):
        total = np.int32(0)
        for k in range(size):
            total += columns[x + k]
        sums[x] = total


@inlined
def box_sum(columns, size, sums):
    """Sums of `size` neighbours, `size` odd."""
    if size == 3:
        add_neighbours(columns, 3, sums)
    elif size == 5:
        add_neighbours(columns, 5, sums)
    elif size == 7:
        add_neighbours(columns, 7, sums)
    else:
        add_neighbours(columns, 1, sums)
        for k in range(1, size, 2):
            add_two(columns[k:], columns[k + 1 :], sums)


@inlined
def to_entries(distances, shift, last):
    """Turn distances into entries of the tables; beyond `last` all weights are zero."""
    for x in range(len(distances)):
        distances[x] = min(np.uint32(np.uint32(distances[x]) >> (shift & 31)), np.uint32(last))


@inlined
def look_up(entries, table, weights):
    """Weights from a table."""
    for x in range(len(weights)):
        weights[x] = table[np.uint32(entries[x])]  # unsigned: 1.6 times as fast as asking whether it is negative


@kernel
def first_zero(tables):
    """The first of the entries that are zero in all tables, where weights never rise; their number if there is none."""
    first = 0
    for table in tables:
        while first < len(table) and table[first] > 0:
            first += 1
    return first


@inlined
def add_four(w0, w1, w2, w3, sums):
    """Add four lines."""
    for x in range(len(sums)):
        sums[x] += (w0[x] + w1[x]) + (w2[x] + w3[x])


@inlined
def add_products(weights, values, sums):
    """Add the values times their weights."""
    kind = sums.dtype.type
    for x in range(len(sums)):
        sums[x] += weights[x] * kind(values[x])


@inlined
def add_four_products(w0, w1, w2, w3, v0, v1, v2, v3, sums):
    """Add the values of four lines times their weights."""
    kind = sums.dtype.type
    for x in range(len(sums)):
        sums[x] += (w0[x] * kind(v0[x]) + w1[x] * kind(v1[x])) + (w2[x] * kind(v2[x]) + w3[x] * kind(v3[x]))


@kernel
def gain(weights, first_dx, side, padded, mask, z, y, col, chosen, sums):
    """Add to the line `sums` what it gains by the shifts first_dx ... sx: of donors padded[z, :, y], and of weights.

    Weights (shifts, weights, cols) are those of columns -sx ... of p. Forward, where `side` is 1, column 0 of `sums` is
    that of p, its donor is q = p + dx. In reverse, where it is -1, it is that of q, and its donor p = q - dx. In
    `padded` column 0 is `col`.
    """
    n_shifts, n_weights = weights.shape[:2]
    n_channels = len(sums) - n_weights
    sx = first_dx + n_shifts - 1
    step, first, start = min(side, 0), sx - (first_dx if side < 0 else 0), col + side * first_dx
    for k in range(n_weights):
        n_fours = 0 if mask.size else n_shifts // 4
        for i in range(0, 4 * n_fours, 4):  # sums are loaded and stored once for four shifts: 1.3 times as fast
            w0, w1 = weights[i, k, first + i * step :], weights[i + 1, k, first + (i + 1) * step :]
            w2, w3 = weights[i + 2, k, first + (i + 2) * step :], weights[i + 3, k, first + (i + 3) * step :]
            add_four(w0, w1, w2, w3, sums[n_channels + k])
            for channel in range(n_channels):
                if channel == k or n_weights == 1:
                    line, x = padded[z, channel, y], start + i * side
                    v0, v1, v2, v3 = line[x:], line[x + side :], line[x + 2 * side :], line[x + 3 * side :]
                    add_four_products(w0, w1, w2, w3, v0, v1, v2, v3, sums[channel])
        for i in range(4 * n_fours, n_shifts):
            x = start + i * side
            used = weights[i, k, first + i * step :]
            if mask.size:
                leave_out(mask[z, y, x:], used, chosen)
                used = chosen
            add(used, sums[n_channels + k])
            for channel in range(n_channels):
                if channel == k or n_weights == 1:
                    add_products(used, padded[z, channel, y, x:], sums[channel])


@kernel
def sum_integer(padded, mask, radii, norm, shift, tables, plane_start, row_start, scratch, sums):
    """Sums of weighted pixels and of weights, for the tile that starts at a plane and a row."""
    pz, py, px, sz, sy, sx = radii[0], radii[1], radii[2], radii[3], radii[4], radii[5]
    n_planes, n_rows, n_sums, n_cols = sums.shape
    n_weights = len(tables)
    n_channels = n_sums - n_weights
    plane_start, row_start, col_start = plane_start + pz + sz, row_start + py + sy, px + sx  # in `padded` from here on
    last = min(first_zero(tables), tables.shape[1] - 1)
    # Columns of p from -sx on; column sums and distances of each dx start where the first p of that dx is.
    n_shifts, width = 2 * sx + 1, n_cols + 2 * sx + 2 * px
    space = scratch.view(tables.dtype)
    weights, space = space[: n_shifts * n_weights * width], space[n_shifts * n_weights * width :]
    weights, chosen = weights.reshape(n_shifts, n_weights, width), space[:n_cols]
    space = space[n_cols:].view(np.int32)
    columns, distances = space[: n_shifts * width].reshape(n_shifts, width), space[n_shifts * width :][:width]

    for z in range(n_planes):  # the weight of a pixel for itself
        for y in range(n_rows):
            sums[z, y] = 0
            for k in range(n_weights):
                sums[z, y, n_channels + k] = tables[k, 0]
            for channel in range(n_channels):
                own = padded[plane_start + z, channel, row_start + y, col_start:]
                add_products(sums[z, y, n_channels + min(channel, n_weights - 1)], own, sums[z, y, channel])

    for dz in range(sz + 1):
        for dy in range(-sy if dz else 0, sy + 1):
            first_dx = -sx if dz or dy else 1
            for z in range(-dz, n_planes):
                follows = False  # whether there are the column sums of the line before
                for y in range(-max(dy, 0), n_rows - min(dy, 0)):
                    here, there = line_of(sums, z, y), line_of(sums, z + dz, y + dy)
                    if not (here.size or there.size):
                        follows = False
                        continue
                    plane, row = plane_start + z, row_start + y
                    for dx in range(first_dx, sx + 1):
                        # p = q - dx as far as q, or p itself, is in columns 0 ... n_cols - 1
                        left, n = max(dx, 0), n_cols + abs(dx)
                        line, start = columns[dx + sx, : n + 2 * px], col_start - px - left
                        if not follows:
                            line[:] = 0
                        for k in range(plane - pz, plane + pz + 1):
                            for channel in range(n_channels):
                                a, b = padded[k, channel], padded[k + dz, channel]
                                if follows:
                                    new, old = row + py, row - py - 1
                                    replace_differences(
                                        a[new, start:],
                                        b[new + dy, start + dx :],
                                        a[old, start:],
                                        b[old + dy, start + dx :],
                                        norm,
                                        line,
                                    )
                                else:
                                    for new in range(row - py, row + py + 1):
                                        add_differences(a[new, start:], b[new + dy, start + dx :], norm, line)
                        box_sum(line, 2 * px + 1, distances[:n])
                        to_entries(distances[:n], shift, last)
                        for k in range(n_weights):
                            look_up(distances, tables[k], weights[dx - first_dx, k, sx - left :][:n])
                    follows = True
                    used = weights[: sx - first_dx + 1]
                    for side, line, z2, y2 in ((1, here, plane + dz, row + dy), (-1, there, plane, row)):
                        if line.size:
                            gain(used, first_dx, side, padded, mask, z2, y2, col_start, chosen, line)
