"""`resize` inside functions that Numba compiles: medfast/transform.py on one thread, with tables made at each call.

Images are (planes, rows, columns, channels) here; an image without planes has one.
"""

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.cpython.unsafe.tuple import tuple_setitem
from numba.extending import overload, register_jitable

from medfast import transform
from medfast._njit import arguments, kernels, tables
from medfast._njit.arguments import check_apart, check_finite, check_threads, result

resample, resample_area, resample_u8 = kernels.resample, kernels.resample_area, kernels.resample_u8
scratch_bytes = register_jitable(transform._scratch_bytes)
_EPSILON, _ROWS_HELD_BYTES = transform._EPSILON, transform._ROWS_HELD_BYTES
NEAREST, LINEAR, LINEAR_EXACT, AREA, CUBIC = (
    tables.NEAREST,
    tables.LINEAR,
    tables.LINEAR_EXACT,
    tables.AREA,
    tables.CUBIC,
)
MEAN = tables.MEAN


@overload(transform.resize, prefer_literal=True)
def _resize(
    image,
    shape=None,
    scale=None,
    spacing=None,
    new_spacing=None,
    interpolation="linear",
    channel_axis=None,
    out=None,
    num_threads=None,
):
    arguments.check_image(image, (2, 3, 4))
    axis = arguments.check_axis(channel_axis, image.ndim)
    arguments.check_image(image, (2, 3) if axis is None else (3, 4))
    arguments.check_out(out, image.dtype, image.ndim)
    kind = tables.KINDS.index(arguments.check_choice(interpolation, "interpolation", transform.INTERPOLATIONS))
    spatial = [i for i in range(image.ndim) if i != axis]
    targets = [not arguments.is_none(each) for each in (shape, scale, new_spacing)]
    if sum(targets) != 1:
        raise TypingError("exactly one of shape, scale and new_spacing must be given")
    if arguments.is_none(spacing) != arguments.is_none(new_spacing):
        raise TypingError("spacing and new_spacing must be given together")
    n = len(spatial)
    if targets[0] and not (isinstance(shape, types.BaseTuple) and len(shape) == n):
        raise TypingError(f"shape must be a tuple of {n} integers, one per axis, got {shape}")
    for name, each in (("scale", scale), ("spacing", spacing), ("new_spacing", new_spacing)):
        if isinstance(each, types.BaseTuple) and len(each) != n:
            raise TypingError(f"{name} must be a number or have {n} entries, one per axis, got {each}")
    to_four, dtype = four(image.ndim, axis), np.dtype(image.dtype.name)
    rows_axis, cols_axis, planes_axis = spatial[-2], spatial[-1], spatial[0]
    has_planes, by_shape, by_scale = n == 3, targets[0], targets[1]
    run = _resample_uint8 if dtype == np.uint8 else _resample_floats if dtype.kind == "f" else _resample_integers

    def resize(
        image,
        shape=None,
        scale=None,
        spacing=None,
        new_spacing=None,
        interpolation="linear",
        channel_axis=None,
        out=None,
        num_threads=None,
    ):
        check_threads(num_threads)
        check_finite(image)
        source = to_four(image)
        size, steps = target_of(source.shape, shape, scale, spacing, new_spacing)
        new_shape = image.shape
        if has_planes:
            new_shape = tuple_setitem(new_shape, planes_axis, size[0])
        new_shape = tuple_setitem(new_shape, rows_axis, size[1])
        new_shape = tuple_setitem(new_shape, cols_axis, size[2])
        check_apart(out, image, False)
        resized = result(out, new_shape, dtype)
        target = to_four(resized)
        if image.shape == new_shape:
            target[...] = source
        elif target.size > 0:
            run(source, target, steps, kind)
        return resized

    @register_jitable
    def target_of(old, shape, scale, spacing, new_spacing):
        size, steps = (old[0], old[1], old[2]), (1.0, 1.0, 1.0)
        for i in range(n):
            at = 3 - n + i
            if by_shape:
                new = np.int64(item(shape, i))
                if new < 0:
                    raise ValueError("shape must be >= 0")
                step = 1.0 / (new / old[at]) if old[at] and new else 1.0
            else:
                if by_scale:
                    factor = np.float64(item(scale, i))
                else:
                    factor = np.float64(item(spacing, i)) / np.float64(item(new_spacing, i))
                    if not item(spacing, i) > 0.0:
                        raise ValueError("spacing must be > 0")
                    if not item(new_spacing, i) > 0.0:
                        raise ValueError("new_spacing must be > 0")
                if not factor > 0.0:
                    raise ValueError("scale must be > 0")
                if not (2.0**-31 < factor < 2.0**31):
                    raise ValueError("scale must lie between 2**-31 and 2**31 on every axis")
                new = max(1, np.int64(round(old[at] * factor))) if old[at] else 0
                step = 1.0 / factor
            size, steps = tuple_setitem(size, at, new), tuple_setitem(steps, at, step)
        for i in range(3):
            if not max(size[i], old[i]) * max(1, old[3]) < 2**31:
                raise ValueError("shape must have fewer than 2**31 values along an axis")
        if min(old[0], old[1], old[2]) == 0 and min(size[0], size[1], size[2]) > 0:
            raise ValueError("image must have pixels to be resized")
        return size, steps

    return resize


def item(values, i):
    """An entry of a tuple, or the number that stands for all of them."""
    raise NotImplementedError


@overload(item)
def _item(values, i):
    if isinstance(values, types.BaseTuple):
        n = len(values)
        if not all(isinstance(each, types.Integer | types.Float) for each in values):
            raise TypingError(f"sizes must be numbers, got {values}")
        if isinstance(values, types.UniTuple):
            return lambda values, i: values[i]
        if n == 2:
            return lambda values, i: values[0] if i == 0 else values[1]
        return lambda values, i: values[0] if i == 0 else values[1] if i == 1 else values[2]
    return lambda values, i: values


def four(ndim, axis):
    """What makes a view (planes, rows, columns, channels) of an image."""
    if axis is None and ndim == 2:
        return register_jitable(lambda image: np.expand_dims(np.expand_dims(image, 0), 3))
    if axis is None:
        return register_jitable(lambda image: np.expand_dims(image, 3))
    order = (*[i for i in range(ndim) if i != axis], axis)
    if ndim == 3:
        return register_jitable(lambda image: np.expand_dims(image.transpose(order), 0))
    return register_jitable(lambda image: image.transpose(order))


@register_jitable
def _resample_uint8(image, out, steps, kind):
    if kind == NEAREST:
        planes = tables.nearest(image.shape[0], out.shape[0], steps[0], 1)
        _move_bytes(image, out, steps, planes)
    elif steps[0] == 1.0:
        _resample_planes(image, out, steps[1], steps[2], kind)
    else:
        _resample_weighted(image, out, steps, kind, False)


@register_jitable
def _resample_integers(image, out, steps, kind):
    if kind == NEAREST:
        _resample_nearest(image, out, steps)
    else:
        _resample_weighted(image, out, steps, kind, False)


@register_jitable
def _resample_floats(image, out, steps, kind):
    if kind == NEAREST:
        _resample_nearest(image, out, steps)
    else:
        _resample_weighted(image, out, steps, kind, True)


@register_jitable
def _move_bytes(image, out, steps, planes):
    n_channels = image.shape[3]
    columns = tables.nearest(image.shape[2], out.shape[2], steps[2], n_channels)
    rows = tables.nearest(image.shape[1], out.shape[1], steps[1], 1)
    scratch = np.empty(scratch_bytes(image.shape[2], len(columns), n_channels, 1), np.uint8)
    for plane in range(out.shape[0]):
        resample_u8.nearest(image[planes[plane]], columns, rows, 0, out.shape[1], scratch, out[plane])


@register_jitable
def _resample_nearest(image, out, steps):
    planes = tables.nearest(image.shape[0], out.shape[0], steps[0], 1)
    n_bytes = image.itemsize * image.shape[3]
    in_runs = image.strides[2] == n_bytes and out.strides[2] == n_bytes
    if image.shape[3] > 1:
        in_runs = in_runs and image.strides[3] == image.itemsize and out.strides[3] == image.itemsize
    if in_runs and (n_bytes == 2 or n_bytes == 4 or n_bytes == 8) and (steps[2] - 1) * n_bytes <= 14:
        _move_bytes(as_bytes(image), as_bytes(out), steps, planes)  # pixels in shuffles of bytes: faster
        return
    columns = tables.nearest(image.shape[2], out.shape[2], steps[2], 1)
    rows = tables.nearest(image.shape[1], out.shape[1], steps[1], 1)
    for plane in range(out.shape[0]):
        resample.nearest(image[planes[plane]], columns, rows, 0, out.shape[1], out[plane])


@register_jitable
def _resample_planes(image, out, row_step, col_step, kind):
    """Planes of uint8 as OpenCV does them: see `_plan` of medfast/transform.py."""
    n_planes, height, width, n_channels = image.shape
    new_height, new_width = out.shape[1], out.shape[2]
    n_values = new_width * n_channels
    tall, wide = round(row_step), round(col_step)
    in_blocks = abs(row_step - tall) < _EPSILON and abs(col_step - wide) < _EPSILON
    halved = in_blocks and tall == 2 and wide == 2
    like_area = kind == LINEAR or (kind == LINEAR_EXACT and n_channels != 2)
    half_up = halved and (n_channels == 1 or n_channels == 3 or n_channels == 4)
    if (kind == AREA and row_step >= 1 and col_step >= 1) or (halved and like_area):
        scratch = np.empty(scratch_bytes(width, n_values, n_channels, 1), np.uint8)
        if half_up and height == 2 * new_height and width == 2 * new_width:
            for plane in range(n_planes):
                resample_area.halve(image[plane], 0, new_height, out[plane])
        elif in_blocks:
            for plane in range(n_planes):
                resample_area.average_blocks(image[plane], tall, wide, half_up, 0, new_height, scratch, out[plane])
        else:
            columns, column_weights = tables.area(width, new_width, col_step, n_channels)
            rows, row_weights = tables.area(height, new_height, row_step, 1)
            for plane in range(n_planes):
                resample_area.average(
                    image[plane], columns, column_weights, rows, row_weights, 0, new_height, scratch, out[plane]
                )
        return
    taps, tap_weights = tables.fixed(kind, width, new_width, col_step, n_channels)
    lines, line_weights = tables.fixed(kind, height, new_height, row_step, 1)
    scratch = np.empty(scratch_bytes(width, n_values, n_channels, len(taps)), np.uint8)
    for plane in range(n_planes):
        one, new = image[plane], out[plane]
        if kind == LINEAR_EXACT:
            resample_u8.linear_exact(one, taps, tap_weights, lines, line_weights, 0, new_height, scratch, new)
        elif kind == CUBIC:
            resample_u8.cubic(one, taps, tap_weights, lines, line_weights, 0, new_height, scratch, new)
        elif kind in (LINEAR, AREA):
            resample_u8.linear(one, taps, tap_weights, lines, line_weights, 0, new_height, scratch, new)
        else:
            resample_u8.lanczos4(one, taps, tap_weights, lines, line_weights, 0, new_height, scratch, new)


@register_jitable
def _resample_weighted(image, out, steps, kind, is_float):
    """Weighted sums in floating point, along columns, rows and planes."""
    exact = LINEAR if kind == LINEAR_EXACT else kind
    n_planes, height, width, n_channels = out.shape
    halves = steps[0] == 1.0 and steps[1] == 2.0 and steps[2] == 2.0 and exact in (LINEAR, AREA)
    halves = halves and n_channels == 1 and image.shape == (n_planes, 2 * height, 2 * width, 1)
    if halves and in_one_piece(image) and in_one_piece(out):
        resample.halve(image[:, :, :, 0], 0, height, out[:, :, :, 0])
        return
    of_planes = of_lines = exact
    if exact == AREA:
        of_planes = MEAN if steps[0] >= 1 else AREA
        of_lines = MEAN if min(steps[1], steps[2]) >= 1 else AREA
    planes, plane_weights = tables.real(of_planes, image.shape[0], n_planes, steps[0], 1)
    rows, row_weights = tables.real(of_lines, image.shape[1], height, steps[1], 1)
    columns, column_weights = tables.real(of_lines, image.shape[2], width, steps[2], n_channels)
    n_values = columns.shape[1]
    n_held = max(1, _ROWS_HELD_BYTES // (n_values * (8 if is_float else 4)))
    n_scratch = resample.scratch_size(
        image.shape[2] * n_channels, n_values, n_channels, len(columns), len(rows), len(planes), n_held
    )
    _run_weighted(image, columns, column_weights, rows, row_weights, planes, plane_weights, n_held, n_scratch, out)


def _run_weighted(image, columns, column_weights, rows, row_weights, planes, plane_weights, n_held, n_scratch, out):
    raise NotImplementedError


@overload(_run_weighted)
def _in_precision(image, columns, column_weights, rows, row_weights, planes, plane_weights, n_held, n_scratch, out):
    precision = np.float64 if isinstance(image.dtype, types.Float) else np.float32

    def run(image, columns, column_weights, rows, row_weights, planes, plane_weights, n_held, n_scratch, out):
        resample.weighted(
            image,
            columns,
            column_weights.astype(precision),
            rows,
            row_weights.astype(precision),
            planes,
            plane_weights.astype(precision),
            0,
            out.shape[1],
            n_held,
            np.empty(n_scratch, precision),
            out,
        )

    return run


@register_jitable
def in_one_piece(array):
    """Whether an array (planes, rows, columns, 1) lies in one piece, in order."""
    row = array.shape[2] * array.itemsize
    return (
        array.strides[2] == array.itemsize
        and array.strides[1] == row
        and (array.shape[0] == 1 or array.strides[0] == array.shape[1] * row)
    )


@register_jitable
def as_bytes(image):
    """An image whose pixels lie in runs, as one whose channels are its bytes."""
    n_bytes = image.itemsize * image.shape[3]
    shape = (image.shape[0], image.shape[1], image.shape[2], n_bytes)
    return kernels.bytes_at(image, shape, (image.strides[0], image.strides[1], image.strides[2], 1))
