"""The tables of medfast/_drivers/sampling.py, value by value: the same numbers, in loops that Numba compiles.

`kind` is a number here: the place in KINDS.
"""

import math

import numpy as np
from numba.extending import register_jitable

KINDS = ("nearest", "linear", "linear-exact", "area", "cubic", "lanczos4", "mean")
NEAREST, LINEAR, LINEAR_EXACT, AREA, CUBIC, LANCZOS4, MEAN = range(7)
_HALF = math.sqrt(0.5)
_TURNS = ((1, 0), (-_HALF, -_HALF), (0, 1), (_HALF, -_HALF), (-1, 0), (_HALF, _HALF), (0, -1), (-_HALF, _HALF))
_OF_SINE = tuple(float(turn[0]) for turn in _TURNS)
_OF_COSINE = tuple(float(turn[1]) for turn in _TURNS)
_EPSILON32 = float(np.finfo(np.float32).eps)


@register_jitable
def nearest(n, size, step, n_channels):
    """The input pixel of each output, one per channel."""
    offsets = np.empty(size * n_channels, np.int32)
    for i in range(size):
        pixel = np.int64(min(math.floor(i * step), n - 1))
        for channel in range(n_channels):
            offsets[i * n_channels + channel] = pixel * n_channels + channel
    return offsets


@register_jitable
def n_taps(kind):
    """Input pixels of an output."""
    return 8 if kind == LANCZOS4 else 4 if kind == CUBIC else 2


@register_jitable
def put_taps(taps, base, n, n_channels):
    """Taps `base`, `base` + 1, …, of each output, kept inside the axis, once for each channel."""
    for tap in range(taps.shape[0]):
        for i in range(base.size):
            pixel = min(max(base[i] + tap, 0), n - 1)
            for channel in range(n_channels):
                taps[tap, i * n_channels + channel] = pixel * n_channels + channel


@register_jitable
def before(kind):
    """Taps before the pixel that an output follows."""
    return 3 if kind == LANCZOS4 else 1 if kind == CUBIC else 0


@register_jitable
def fixed(kind, n, size, step, n_channels):
    """OpenCV's table for uint8."""
    taps = np.empty((n_taps(kind), size * n_channels), np.int32)
    weights = np.empty((n_taps(kind), size * n_channels), np.int16)
    base = np.empty(size, np.int64)
    if kind == LANCZOS4:
        w = np.empty(8, np.float32)
        for i in range(size):
            before_it, x = position32(kind, i, step)
            lanczos32(x, w)
            base[i] = np.int64(before_it) - 3
            for tap in range(8):
                put(weights[tap], i, n_channels, w[tap] * np.float32(2048))
    elif kind == CUBIC:
        first, second, third, fourth = weights[0], weights[1], weights[2], weights[3]
        for i in range(size):  # in numbers, not in an array of four: a third of the time
            before_it, x = position32(kind, i, step)
            base[i] = np.int64(before_it) - 1
            a, b, c, d = keys32(x)
            put(first, i, n_channels, a * np.float32(2048))
            put(second, i, n_channels, b * np.float32(2048))
            put(third, i, n_channels, c * np.float32(2048))
            put(fourth, i, n_channels, d * np.float32(2048))
    elif kind == LINEAR_EXACT:
        for i in range(size):
            before_it, fraction = position64(kind, n, i, step)
            base[i] = np.int64(before_it)
            share = np.rint(fraction * 256)
            put(weights[0], i, n_channels, 256 - share)
            put(weights[1], i, n_channels, share)
    else:
        first, second = weights[0], weights[1]
        for i in range(size):
            before_it, x = position32(kind, i, step)
            base[i] = np.int64(before_it)
            put(first, i, n_channels, (np.float32(1) - x) * np.float32(2048))
            put(second, i, n_channels, x * np.float32(2048))
    put_taps(taps, base, n, n_channels)
    return taps, weights


@register_jitable
def put(line, i, n_channels, weight):
    """A weight, rounded, once for each channel."""
    rounded = np.int16(np.rint(weight))
    for channel in range(n_channels):
        line[i * n_channels + channel] = rounded


@register_jitable
def real(kind, n, size, step, n_channels):
    """The table in float64."""
    if n == size and step == 1.0:
        count = 1
    elif kind == MEAN:
        count = overlapping(n, size, step)
    else:
        count = n_taps(kind)
    taps = np.empty((count, size * n_channels), np.int32)
    weights = np.empty((count, size * n_channels))
    base, w = np.empty(size, np.int64), np.empty(max(count, 8))
    for i in range(size):
        if n == size and step == 1.0:
            base[i], w[0] = i, 1.0
        elif kind == MEAN:
            start, stop = i * step, min((i + 1) * step, float(n))
            base[i] = np.int64(math.floor(start))
            for tap in range(count):
                w[tap] = overlap_of(base[i] + tap, start, stop) / (stop - start)
        else:
            before_it, x = position64(kind, n, i, step)
            base[i] = np.int64(before_it) - before(kind)
            weigh64(kind, x, w)
        for tap in range(count):
            for channel in range(n_channels):
                weights[tap, i * n_channels + channel] = w[tap]
    put_taps(taps, base, n, n_channels)
    return taps, weights


@register_jitable
def overlap_of(tap, start, stop):
    """The share of an input pixel in a range."""
    return max(min(tap + 1.0, stop) - max(float(tap), start), 0.0)


@register_jitable
def overlapping(n, size, step):
    """Most input pixels that an output covers."""
    most = 1
    for i in range(size):
        start, stop = i * step, min((i + 1) * step, float(n))
        first = np.int64(math.floor(start))
        for tap in range(most, np.int64(math.ceil(step)) + 1):
            if overlap_of(first + tap, start, stop) > 0.0:
                most = tap + 1
    return most


@register_jitable
def area(n, size, step, n_channels):
    """OpenCV's table of areas for uint8."""
    count = 0
    base = np.empty(size, np.int64)
    for i in range(size):
        start, stop, width, first, last = edges(n, i, step)
        base[i] = np.int64(first - (first - start > 1e-3))
        count = max(count, np.int64(last + (stop - last > 1e-3) - base[i]))
    taps = np.empty((count, size * n_channels), np.int32)
    weights = np.empty((count, size * n_channels), np.float32)
    for i in range(size):
        start, stop, width, first, last = edges(n, i, step)
        for number in range(count):
            tap = base[i] + number
            weight = 1 / width if tap < last else 0.0
            if tap < first and first - start > 1e-3:
                weight = (first - start) / width
            if tap == last and stop - last > 1e-3:
                weight = min(min(stop - last, 1.0), width) / width
            for channel in range(n_channels):
                weights[number, i * n_channels + channel] = np.float32(weight)
    put_taps(taps, base, n, n_channels)
    return taps, weights


@register_jitable
def edges(n, i, step):
    """Of the area of an output: where it starts and stops, its width, the first and the last whole pixel's edge."""
    start = i * step
    stop = start + step
    last = min(math.floor(stop), n - 1.0)
    return start, stop, min(step, n - start), min(math.ceil(start), last), last


@register_jitable
def between(output, step):
    """Enlarging as OpenCV's area does: the pixel before an output, and how far it lies beyond, before it is rounded."""
    base = math.floor(output * step)
    inverse = 1 / step
    return base, (output + 1) - (base + 1) * inverse


@register_jitable
def position32(kind, output, step):
    """The pixel before an output, and how far the output lies beyond, in float32."""
    if kind == AREA:
        base, beyond = between(output, step)
        fraction = np.float32(beyond)
        return np.float64(base), np.float32(0) if fraction <= 0 else fraction - np.floor(fraction)
    position = np.float32((output + 0.5) * step - 0.5)
    base32 = np.floor(position)
    return np.float64(base32), position - base32


@register_jitable
def position64(kind, n, output, step):
    """The same in float64."""
    if kind == AREA:
        base, fraction = between(output, step)
        base = np.float64(base)
        fraction = 0.0 if fraction <= 0 else fraction - np.floor(fraction)
    else:
        position = (output + 0.5) * step - 0.5
        base = np.floor(position)
        fraction = position - base
    if kind <= AREA and (base < 0 or base >= n - 1):  # of two taps
        fraction = 0.0
    return base, fraction


@register_jitable
def weigh64(kind, x, w):
    """Weights of the taps in float64."""
    if kind == CUBIC:
        w[0], w[1], w[2], w[3] = keys(x, -0.75, 1.0, 2.0, 3.0, 4.0, 5.0, 8.0)
    elif kind == LANCZOS4:
        total = 0.0
        for tap in range(8):
            distance = (x + 3) - tap
            w[tap] = sinc(distance) * sinc(distance / 4)
            total += w[tap]
        for tap in range(8):
            w[tap] /= total
    else:
        w[0], w[1] = 1 - x, x


@register_jitable
def keys32(x):
    """Keys' cubic in float32."""
    a, one, two, three = np.float32(-0.75), np.float32(1), np.float32(2), np.float32(3)
    return keys(x, a, one, two, three, np.float32(4), np.float32(5), np.float32(8))


@register_jitable
def keys(x, a, one, two, three, four, five, eight):
    """Keys' cubic, in the precision of all its numbers."""
    first = ((a * (x + one) - five * a) * (x + one) + eight * a) * (x + one) - four * a
    second = ((a + two) * x - (a + three)) * x * x + one
    third = ((a + two) * (one - x) - (a + three)) * (one - x) * (one - x) + one
    return first, second, third, one - first - second - third


@register_jitable
def lanczos32(x, w):
    """Lanczos' window as OpenCV computes it."""
    on_pixel, on_next = x < _EPSILON32, x == 1
    angle = -np.float64(x + np.float32(3)) * math.pi * 0.25
    sine, cosine = math.sin(angle), math.cos(angle)
    total = np.float32(0)
    for tap in range(8):
        if on_next or on_pixel:
            w[tap] = np.float32(tap == (4 if on_next else 3))
        else:
            y = -np.float64(x + np.float32(3) - np.float32(tap)) * math.pi * 0.25
            w[tap] = np.float32((_OF_SINE[tap] * sine + _OF_COSINE[tap] * cosine) / (y * y))
        total = w[tap] if tap == 0 else total + w[tap]
    scale = np.float32(1) / total
    for tap in range(8):
        w[tap] = w[tap] * scale


@register_jitable
def sinc(t):
    """Of π t."""
    return math.sin(math.pi * t) / (math.pi * t) if t != 0 else 1.0
