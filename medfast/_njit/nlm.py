"""Non-local means of planes inside functions that Numba compiles: medfast/_drivers/nlm.py on one thread.

Images are (planes, channels, rows, columns) here. They are cut into boxes, so that memory stays flat, and boxes into
tiles, as there: neither changes a bit.
"""

import math

import numpy as np
from numba.core import types
from numba.extending import overload, register_jitable

from medfast._drivers import nlm, nlm_scale, nlm_weights
from medfast._njit import arguments, kernels

kernel, numpy_exp = kernels.nlm, kernels.numpy_exp
INT_MAX, SLACK, TILE_PLANES, TILE_ROWS = nlm_weights.INT_MAX, nlm.SLACK, nlm.TILE_PLANES, nlm.TILE_ROWS
TILE_ROWS_8_BITS, TILE_PIXELS, BOX_COLS, LEAST_ROWS = (
    nlm.TILE_ROWS_8_BITS,
    nlm.TILE_PIXELS,
    nlm.BOX_COLS,
    nlm.LEAST_ROWS,
)
BOX_BYTES = 3 * nlm.BOX_BYTES
_ROOM_FLOAT32, _ROOM_FLOAT64, _ROOM_RICIAN = nlm_scale._ROOM_FLOAT32, nlm_scale._ROOM_FLOAT64, nlm_scale._ROOM_RICIAN


@register_jitable
def size_of(radii):
    """Pixels in a window."""
    return (2 * radii[0] + 1) * (2 * radii[1] + 1) * (2 * radii[2] + 1)


@register_jitable
def largest_value(planes):
    """The largest magnitude of an image."""
    largest = 0.0
    for value in planes.flat:
        largest = max(largest, abs(np.float64(value)))
    return largest


# --- boxes and tiles -------------------------------------------------------------------------------------------------


@register_jitable
def sides_of_box(shape, border, itemsize, tile_rows):
    """Planes, rows and columns of a box that takes about BOX_BYTES with its surroundings."""
    n_planes, n_channels, n_rows, n_cols = shape
    cols = math.ceil(n_cols / math.ceil(n_cols / BOX_COLS))
    cols += cols % 2  # all begin at even rows and columns: kernels may share sums among pairs of them
    line = (cols + 2 * border[2] + SLACK) * n_channels * itemsize
    planes, rows = n_planes, n_rows
    if line * (planes + 2 * border[0]) * (rows + 2 * border[1]) > BOX_BYTES:
        planes = BOX_BYTES // (line * (rows + 2 * border[1])) - 2 * border[0]
        planes = max(planes // TILE_PLANES * TILE_PLANES, min(TILE_PLANES, n_planes))
        rows = BOX_BYTES // (line * (planes + 2 * border[0])) - 2 * border[1]
        rows = max(rows // tile_rows, 1) * tile_rows
    return planes, rows, np.int64(cols)


@register_jitable
def mirrored(n, place):
    """Index of the pixel at a place: 2 1 | 0 1 2 | 1 0, again and again."""
    period = max(2 * n - 2, 1)
    place %= period
    return min(place, period - place)


@register_jitable
def pad(planes, first, padded, n_cols, offset):
    """Fill `padded` with the image from `first` on; beyond its outermost pixels it goes on as its mirror image."""
    for z in range(padded.shape[0]):
        plane = mirrored(planes.shape[0], first[0] + z)
        for channel in range(padded.shape[1]):
            for y in range(padded.shape[2]):
                source = planes[plane, channel, mirrored(planes.shape[2], first[1] + y)]
                line = padded[z, channel, y]
                start = min(max(-first[2], 0), n_cols)
                stop = max(min(planes.shape[3] - first[2], n_cols), start)
                for x in range(start):
                    line[x] = source[mirrored(planes.shape[3], first[2] + x)] + offset
                for x in range(start, stop):
                    line[x] = source[first[2] + x] + offset
                for x in range(stop, n_cols):
                    line[x] = source[mirrored(planes.shape[3], first[2] + x)] + offset
                line[n_cols:] = 0


@register_jitable
def pad_mask(inside, first, shape, n_cols):
    """The same of a mask."""
    padded = np.zeros((shape[0], shape[2], shape[3]), np.uint8)
    if inside is not None:
        for z in range(shape[0]):
            plane = mirrored(inside.shape[0], first[0] + z)
            for y in range(shape[2]):
                row = mirrored(inside.shape[1], first[1] + y)
                for x in range(n_cols):
                    padded[z, y, x] = inside[plane, row, mirrored(inside.shape[2], first[2] + x)]
    return padded


@register_jitable
def holds_any(inside, planes, rows, cols):
    """Whether a tile has a pixel inside."""
    if inside is None:
        return True
    for z in range(planes[0], planes[1]):
        for y in range(rows[0], rows[1]):
            if inside[z, y, cols[0] : cols[1]].any():
                return True
    return False


# --- weights ---------------------------------------------------------------------------------------------------------


@register_jitable
def has_table(largest, n_channels, patch, search):
    """Whether sums of distances and of weights fit int32."""
    return size_of(patch) * n_channels * largest <= INT_MAX and size_of(search) * 255 <= INT_MAX


@register_jitable
def weight_table(table_dtype, h, largest_value, n_channels, n_pixels, n_shifts, norm):
    """`weight_tables` of the driver for one strength: shift, table, rate."""
    shift = 0
    while (1 << shift) < n_pixels:
        shift += 1
    step = 2.0**shift / n_pixels
    largest_distance = largest_value**norm * n_channels
    most = INT_MAX if largest_value == 255 else 2**63 - 1
    top = min(most // (n_shifts * largest_value), INT_MAX)
    n_entries = int(largest_distance / step + 1)
    tables = np.zeros((1, n_entries), table_dtype)
    h2 = np.float64(np.float32(h) * np.float32(h) * np.float32(n_channels))
    reach = math.sqrt(8.0 * h2) if norm == 1 else 8.0 * h2
    n_used = int(min(reach / step + 2, n_entries))
    exponents = np.empty(n_used)
    for i in range(n_used):
        distance = i * step
        if norm == 1:
            distance *= distance
        exponents[i] = -distance / h2 if h2 > 0 else (0.0 if i == 0 else -np.inf)
    weights = numpy_exp(exponents)
    for i in range(n_used):
        scaled = np.rint(top * weights[i])
        tables[0, i] = 0 if scaled < 0.001 * top else np.int64(scaled)
    return shift, tables, step / h2 if h2 > 0 else np.inf


@register_jitable
def factor_of(h, n_pixels, n_channels, norm, most):
    """What turns a summed distance into the exponent."""
    h2 = h * h
    inverse = 1.0 / h2 if h2 > 0 else np.inf
    return min(inverse / (n_pixels ** (2 if norm == 1 else 1) * n_channels), most)


def run_for(dtype, norm, may_have_table):
    """What denoises an image of a dtype."""
    is_float, n_bytes = dtype.kind == "f", dtype.itemsize
    table_dtype = np.int32 if n_bytes == 1 else np.int64
    largest_distance = 65535 if norm == 1 else 255 * 255
    top_value, offset = 255 if n_bytes == 1 else 65535, 32768 if dtype == np.int16 else 0
    rows_of_tile = TILE_ROWS_8_BITS if n_bytes == 1 else TILE_ROWS
    is_float32 = dtype == np.float32
    near, far_room = (_ROOM_FLOAT32, _ROOM_FLOAT32) if is_float32 else (_ROOM_RICIAN, _ROOM_FLOAT64)

    @register_jitable
    def by_table(planes, out, inside, h, patch, search, sigma):
        n_planes, n_channels, n_rows, n_cols = planes.shape
        border, radii = patch + search, np.concatenate((patch, search))
        shift, tables, rate = weight_table(table_dtype, h, top_value, n_channels, size_of(patch), size_of(search), norm)
        tile_rows = rows_of_tile
        box = sides_of_box(planes.shape, border, 2, tile_rows)
        for z in range(0, n_planes, box[0]):
            for y in range(0, n_rows, box[1]):
                for x in range(0, n_cols, box[2]):
                    stops = min(z + box[0], n_planes), min(y + box[1], n_rows), min(x + box[2], n_cols)
                    sides = stops[0] - z, stops[1] - y, stops[2] - x
                    padded = room_for(sides, border, n_channels, np.uint16)
                    first = (z - border[0], y - border[1], x - border[2])
                    pad(planes, first, padded, sides[2] + 2 * border[2], offset)
                    padded_mask = np.zeros((0, 0, 0), np.uint8)
                    if inside is not None:
                        padded_mask = pad_mask(inside, first, padded.shape, sides[2] + 2 * border[2])
                    target = out[z : stops[0], :, y : stops[1], x : stops[2]]
                    unsigned = as_unsigned(target, offset)
                    depth = min(TILE_PLANES, sides[0])
                    height = min(tile_rows if sides[0] == 1 else max(TILE_ROWS // 2, 1), sides[1])
                    n_scratch = kernel.workspace(n_channels, 1, depth, height, sides[2], radii)
                    scratch = np.empty(n_scratch, np.uint8)
                    for top in range(0, sides[0], depth):
                        for row in range(0, sides[1], height):
                            ends = min(top + depth, sides[0]), min(row + height, sides[1])
                            if holds_any(inside, (z + top, z + ends[0]), (y + row, y + ends[1]), (x, stops[2])):
                                kernel.denoise_integer(
                                    padded, padded_mask, radii, norm, shift, tables, rate, scratch, top, ends[0], row,
                                    ends[1], unsigned,
                                )  # fmt: skip
                    if offset:
                        target[...] = (unsigned.astype(np.int64) - offset).astype(dtype)

    @register_jitable
    def by_formula(planes, out, inside, h, patch, search, sigma, precision, itemsize, exponent, largest):
        n_planes, n_channels, n_rows, n_cols = planes.shape
        border, radii = patch + search, np.concatenate((patch, search))
        most = 1e30 if itemsize == 4 else 1e300
        factor = factor_of(math.ldexp(h, -exponent), size_of(patch), n_channels, norm, most)
        bias = -1.0
        if sigma >= 0:
            scaled = math.ldexp(min(sigma, 2.0 * largest), -exponent)
            bias = 2.0 * scaled * scaled
        box = sides_of_box(planes.shape, border, itemsize, TILE_ROWS)
        for z in range(0, n_planes, box[0]):
            for y in range(0, n_rows, box[1]):
                for x in range(0, n_cols, box[2]):
                    stops = min(z + box[0], n_planes), min(y + box[1], n_rows), min(x + box[2], n_cols)
                    sides = stops[0] - z, stops[1] - y, stops[2] - x
                    padded = room_for(sides, border, n_channels, precision)
                    first = (z - border[0], y - border[1], x - border[2])
                    pad(planes, first, padded, sides[2] + 2 * border[2], 0)
                    multiply(padded, -exponent, None)
                    padded_mask = np.zeros((0, 0, 0), np.uint8)
                    if inside is not None:
                        padded_mask = pad_mask(inside, first, padded.shape, sides[2] + 2 * border[2])
                    target = out[z : stops[0], :, y : stops[1], x : stops[2]]
                    depth, height = min(TILE_PLANES, sides[0]), min(TILE_ROWS, sides[1])
                    if sides[0] > 1:
                        height = min(height, max(TILE_PIXELS // (depth * sides[2]) // 2 * 2, LEAST_ROWS))
                    n_scratch = kernel.workspace(n_channels, 1, depth, height, sides[2], radii)
                    scratch = np.empty(n_scratch, np.uint8)
                    for top in range(0, sides[0], depth):
                        for row in range(0, sides[1], height):
                            ends = min(top + depth, sides[0]), min(row + height, sides[1])
                            if holds_any(inside, (z + top, z + ends[0]), (y + row, y + ends[1]), (x, stops[2])):
                                kernel.denoise_formula(
                                    padded, padded_mask, radii, norm, factor, bias, scratch, top, ends[0], row,
                                    ends[1], target,
                                )  # fmt: skip
                    if exponent != 0:
                        part = part_of(inside, z, stops[0], y, stops[1], x, stops[2])
                        clip(target, math.ldexp(largest, -exponent), part)
                        multiply(target, exponent, part)

    if is_float:

        @register_jitable
        def of_floats(planes, out, inside, h, patch, search, sigma):
            largest = largest_value(planes)
            h = min(h, 2.0**60 * largest) if largest > 0 else 1.0
            if is_float32:
                h = max(h, 2.0**-200)
                if math.frexp(largest)[1] - math.frexp(h)[1] > _ROOM_FLOAT32:
                    by_formula(planes, out, inside, h, patch, search, sigma, np.float64, 8, 0, largest)
                    return
            room = far_room if sigma < 0 or is_float32 else _ROOM_RICIAN
            here, top = math.frexp(h)[1], math.frexp(largest)[1]
            exponent = max(min(here, top), top - room)
            if abs(exponent) < near // 4 and top < near // 2:
                exponent = 0
            by_formula(planes, out, inside, h, patch, search, sigma, dtype, n_bytes, exponent, largest)

        return of_floats

    @register_jitable
    def of_integers(planes, out, inside, h, patch, search, sigma):
        by_formula(planes, out, inside, h, patch, search, sigma, np.float32, 4, 0, 65536.0)

    if not may_have_table:
        return of_integers

    @register_jitable
    def of_either(planes, out, inside, h, patch, search, sigma):
        if has_table(largest_distance, planes.shape[1], patch, search):
            by_table(planes, out, inside, h, patch, search, sigma)
        else:
            of_integers(planes, out, inside, h, patch, search, sigma)

    return of_either


@register_jitable
def room_for(sides, border, n_channels, dtype):
    """A padded box, before which there are as many pixels that may be read as after each of its rows."""
    planes, rows = sides[0] + 2 * border[0], sides[1] + 2 * border[1]
    row = sides[2] + 2 * border[2] + SLACK
    return np.zeros(SLACK + planes * n_channels * rows * row, dtype)[SLACK:].reshape((planes, n_channels, rows, row))


def as_unsigned(target, offset):
    """Where a kernel puts its unsigned pixels: the target itself, but for int16."""
    raise NotImplementedError


@overload(as_unsigned)
def _as_unsigned(target, offset):
    if target.dtype == types.int16:
        return lambda target, offset: (target.astype(np.int64) + offset).astype(np.uint16)
    return lambda target, offset: target


def part_of(inside, z, z_stop, y, y_stop, x, x_stop):
    """A box of a mask, if there is one."""
    raise NotImplementedError


@overload(part_of)
def _part_of(inside, z, z_stop, y, y_stop, x, x_stop):
    if arguments.is_none(inside):
        return lambda inside, z, z_stop, y, y_stop, x, x_stop: None
    return lambda inside, z, z_stop, y, y_stop, x, x_stop: inside[z:z_stop, y:y_stop, x:x_stop]


@register_jitable
def multiply(values, exponent, inside):
    """Multiply by 2**exponent, in steps that are numbers of the dtype."""
    most = 120 if values.itemsize == 4 else 1000
    while exponent != 0:
        step = max(-most, min(exponent, most))
        factor = 2.0**step
        for z in range(values.shape[0]):
            for channel in range(values.shape[1]):
                for y in range(values.shape[2]):
                    for x in range(values.shape[3]):
                        if inside is None or inside[z, y, x]:
                            values[z, channel, y, x] = values[z, channel, y, x] * values.dtype.type(factor)
        exponent -= step


@register_jitable
def clip(values, bound, inside):
    """A mean may be rounded to beyond its largest donor."""
    for z in range(values.shape[0]):
        for channel in range(values.shape[1]):
            for y in range(values.shape[2]):
                for x in range(values.shape[3]):
                    if inside is None or inside[z, y, x]:
                        values[z, channel, y, x] = min(max(values[z, channel, y, x], -bound), bound)
