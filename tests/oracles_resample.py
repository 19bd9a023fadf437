"""The definition of resizing, in real numbers and in OpenCV's fixed point."""

import math

import numpy as np

# --- resample --------------------------------------------------------------------------------------------------------


def resize(image, shape, interpolation="linear", steps=None):
    """Resample an array of (rows, cols), (rows, cols, channels) or, with three entries in `shape`, (planes, rows,
    cols).

    `steps` is the distance of two output pixels in input pixels, per axis; the ratio of the sizes when omitted. uint8
    in two dimensions is OpenCV's arithmetic; everything else is computed in float64 and rounded once.
    """
    steps = [1 / (m / n) for n, m in zip(image.shape, shape, strict=False)] if steps is None else list(steps)
    if tuple(shape) == image.shape[: len(shape)]:
        return image.copy()
    if interpolation == "nearest":
        for axis, (size, step) in enumerate(zip(shape, steps, strict=True)):
            image = image.take(np.minimum(np.floor(np.arange(size) * step).astype(int), image.shape[axis] - 1), axis)
        return image
    if image.dtype == np.uint8 and len(shape) == 3 and shape[0] == image.shape[0] and steps[0] == 1:
        return np.stack([resize(plane, shape[1:], interpolation, steps[1:]) for plane in image])
    if image.dtype == np.uint8 and len(shape) == 2:
        return _resize_uint8(image, shape, interpolation, steps)
    values = image.astype(np.float64)
    in_plane = range(len(shape) - 2, len(shape))
    averages = interpolation == "area" and all(steps[axis] >= 1 for axis in in_plane)
    for axis in reversed(range(len(shape))):  # columns, rows, planes
        mean = averages if axis in in_plane else interpolation == "area" and steps[axis] >= 1
        kind = "mean" if mean else interpolation.removesuffix("-exact")
        values = _weighted_sum(values, axis, *_axis_weights(kind, image.shape[axis], shape[axis], steps[axis]))
    if image.dtype.kind == "f":
        return values.astype(image.dtype)
    limits = np.iinfo(image.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(image.dtype)


def _weighted_sum(values, axis, indices, weights):
    """Sum of `values` at `indices` (outputs, taps), tap after tap in the precision of `weights`."""
    total = 0
    for tap in range(indices.shape[1]):
        shape = [1] * values.ndim
        shape[axis] = -1
        total = total + values.take(indices[:, tap], axis) * weights[:, tap].reshape(shape)
    return total


def _axis_weights(kind, n, size, step):
    """Indices and float64 weights (outputs, taps) along one axis; pixel centers lie at one half."""
    output = np.arange(size)
    if kind == "mean":  # the share that each input pixel has in [i·step, (i+1)·step]
        taps = int(np.ceil(step)) + 1
        first = np.floor(output * step).astype(int)
        indices = first[:, None] + np.arange(taps)
        stop = np.minimum((output + 1) * step, n)[:, None]
        start = (output * step)[:, None]
        overlap = np.maximum(np.minimum(indices + 1, stop) - np.maximum(indices, start), 0)
        return np.minimum(indices, n - 1), overlap / (stop - start)
    if kind == "area":  # enlarging: linear, with the boundary between two input pixels where the areas have it
        base = np.floor(output * step)
        fraction = (output + 1) - (base + 1) * (1 / step)
        fraction = np.where(fraction <= 0, 0, fraction - np.floor(fraction))
    else:
        position = (output + 0.5) * step - 0.5
        base = np.floor(position)
        fraction = position - base
    if kind in ("linear", "area"):
        fraction = np.where((base < 0) | (base >= n - 1), 0, fraction)
        offsets, weights = (0, 1), [1 - fraction, fraction]
    elif kind == "cubic":
        offsets, weights = (-1, 0, 1, 2), _cubic(fraction, -0.75)
    else:
        offsets = range(-3, 5)
        distances = fraction[:, None] - np.array(offsets)
        lanczos = np.sinc(distances) * np.sinc(distances / 4)
        weights = list((lanczos / lanczos.sum(1, keepdims=True)).T)
    return np.clip(base.astype(int)[:, None] + np.array(offsets), 0, n - 1), np.stack(weights, 1)


def _cubic(x, a):
    """Keys' cubic at distances x+1, x, 1-x, 2-x; the last makes the sum one."""
    w0 = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    w1 = ((a + 2) * x - (a + 3)) * x * x + 1
    w2 = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    return [w0, w1, w2, 1 - w0 - w1 - w2]


def _resize_uint8(image, shape, interpolation, steps):
    """OpenCV's fixed point: 11-bit weights (linear-exact: 8), and float32 for the mean over areas."""
    halved = all(abs(step - 2) < np.finfo(float).eps for step in steps)
    if halved and (interpolation == "linear" or (interpolation == "linear-exact" and image[0, 0].size != 2)):
        interpolation = "area"
    if interpolation == "area" and all(step >= 1 for step in steps):
        return _area_uint8(image, shape, steps, halved)
    kind = interpolation.removesuffix("-exact")
    rows = image.astype(np.int64)
    tables = [
        _fixed_weights(kind, n, size, step, interpolation == "linear-exact")
        for n, size, step in zip(image.shape, shape, steps, strict=False)
    ]
    rows = _weighted_sum(rows, 1, tables[1][0], tables[1][1])
    if interpolation == "linear-exact":
        return ((_weighted_sum(rows, 0, *tables[0]) + (1 << 15)) >> 16).astype(np.uint8)
    if kind in ("linear", "area"):  # the sum is made of high halves of 16-bit products
        (indices, weights) = tables[0]
        weights = weights.reshape(*weights.shape, *[1] * (rows.ndim - 1))
        high = [((rows[indices[:, tap]] >> 4) * weights[:, tap]) >> 16 for tap in (0, 1)]
        return ((high[0] + high[1] + 2) >> 2).astype(np.uint8)
    result = (_weighted_sum(rows, 0, *tables[0]) + (1 << 21)) >> 22
    if kind == "cubic":  # all but the last few values of a row in float32, from the last tap to the first
        indices, weights = tables[0][0][:, ::-1], (tables[0][1][:, ::-1] * 2.0**-22).astype(np.float32)
        single = np.rint(_weighted_sum(rows.astype(np.float32), 0, indices, weights)).astype(np.int64)
        flat, flat_single = result.reshape(shape[0], -1), single.reshape(shape[0], -1)
        stop = flat.shape[1] // 8 * 8
        flat[:, :stop] = flat_single[:, :stop]
    return np.clip(result, 0, 255).astype(np.uint8)


def _fixed_weights(kind, n, size, step, exact):
    """Indices and integer weights (outputs, taps)."""
    if exact:
        indices, weights = _axis_weights("linear", n, size, step)
        second = np.rint(weights[:, 1] * 256).astype(np.int64)
        return indices, np.stack([256 - second, second], 1)
    output = np.arange(size)
    if kind == "area":
        base = np.floor(output * step)
        fraction = ((output + 1) - (base + 1) * (1 / step)).astype(np.float32)
        fraction = np.where(fraction <= 0, np.float32(0), fraction - np.floor(fraction))
    else:
        position = ((output + 0.5) * step - 0.5).astype(np.float32)
        base = np.floor(position)
        fraction = position - base
    base = base.astype(int)
    if kind in ("linear", "area"):
        offsets, weights = (0, 1), np.stack([1 - fraction, fraction], 1)
    elif kind == "cubic":
        offsets, weights = (-1, 0, 1, 2), np.stack(_cubic(fraction, np.float32(-0.75)), 1)
    else:
        offsets, weights = range(-3, 5), np.stack([_lanczos4(float(x)) for x in fraction])
    return np.clip(base[:, None] + np.array(offsets), 0, n - 1), np.rint(weights * np.float32(2048)).astype(np.int64)


def _lanczos4(x):
    """Eight weights of Lanczos' window, each rounded to float32, then divided by their float32 sum."""
    if x < np.finfo(np.float32).eps:
        return np.array([0, 0, 0, 1, 0, 0, 0, 0], np.float32)
    if x == 1:  # OpenCV divides by zero
        return np.array([0, 0, 0, 0, 1, 0, 0, 0], np.float32)
    weights = np.empty(8, np.float32)
    total = np.float32(0)
    h = 0.70710678118654752440084436210485
    signs = [(1, 0), (-h, -h), (0, 1), (h, -h), (-1, 0), (h, h), (0, -1), (-h, h)]
    x = np.float32(x)
    start = -float(x + np.float32(3)) * math.pi * 0.25
    for i, (s, c) in enumerate(signs):
        y = -float(x + np.float32(3) - np.float32(i)) * math.pi * 0.25
        weights[i] = (s * math.sin(start) + c * math.cos(start)) / (y * y)
        total += weights[i]
    return weights * (np.float32(1) / total)


def _area_uint8(image, shape, steps, halved):
    """The mean over each output pixel's area: integer sums where the steps are whole, else float32 weights."""
    n_channels = image[0, 0].size
    if all(abs(step - round(step)) < np.finfo(float).eps for step in steps):
        out = np.empty((*shape, *image.shape[2:]), np.uint8)
        tall, wide = (round(step) for step in steps)
        for row, col in np.ndindex(*shape):
            block = image[row * tall : (row + 1) * tall, col * wide : (col + 1) * wide]
            total, count = block.sum((0, 1), np.int64), block.shape[0] * block.shape[1]
            if count < tall * wide:
                out[row, col] = np.rint(total.astype(np.float32) / np.float32(count))
            elif halved and n_channels in (1, 3, 4):
                out[row, col] = (total + 2) >> 2
            else:
                out[row, col] = np.rint(total.astype(np.float32) * (np.float32(1) / np.float32(tall * wide)))
        return out
    values = image.astype(np.float32)
    for axis in (1, 0):
        indices, weights = _area_weights(image.shape[axis], shape[axis], steps[axis])
        values = _weighted_sum(values, axis, indices, weights)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _area_weights(n, size, step):
    """OpenCV's table of areas: slivers below a thousandth of a pixel are left out, and 0 stands in unused taps."""
    taps = int(np.ceil(step)) + 2
    indices, weights = np.zeros((size, taps), int), np.zeros((size, taps), np.float32)
    for i in range(size):
        start, stop = i * step, i * step + step
        width = min(step, n - start)
        last = min(math.floor(stop), n - 1)
        first = min(math.ceil(start), last)
        entries = [(pixel, 1 / width) for pixel in range(first, last)]
        if first - start > 1e-3:
            entries.insert(0, (first - 1, (first - start) / width))
        if stop - last > 1e-3:
            entries.append((last, min(stop - last, 1.0, width) / width))
        for tap, (pixel, weight) in enumerate(entries):
            indices[i, tap], weights[i, tap] = pixel, weight
    return indices, weights
