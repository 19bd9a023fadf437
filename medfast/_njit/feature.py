"""`hog` inside functions that Numba compiles: medfast/_drivers/hog.py on one thread, with tables made at each call.

Images are (images, rows, columns, channels).
"""

import math

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast import feature
from medfast._drivers import hog as driver
from medfast._njit import arguments, kernels
from medfast._njit.arguments import check_apart, check_finite, check_threads, result

kernel, numpy_exp = kernels.hog, kernels.numpy_exp
_PADDING, _PLANES_SIZE, _NEVER, _LARGEST_EXPONENT = (
    driver._PADDING, driver._PLANES_SIZE, driver._NEVER, driver._LARGEST_EXPONENT
)  # fmt: skip
_HALF = math.sqrt(0.5)
padded_size = register_jitable(driver._padded)


@overload(feature.hog, prefer_literal=True)
def _hog(
    image,
    orientations=9,
    cell=(8, 8),
    block=(2, 2),
    stride=None,
    norm="l2-hys",
    clip=0.2,
    signed=False,
    gamma=False,
    spatial_votes=True,
    orientation_votes=True,
    block_sigma=None,
    levels=1,
    channel_axis=None,
    out=None,
    num_threads=None,
):
    arguments.check_image(image, (2, 3, 4))
    axis = arguments.check_axis(channel_axis, image.ndim)
    arguments.check_image(image, (2, 3) if axis is None else (3, 4))
    for name, each in (("orientations", orientations), ("levels", levels)):
        arguments.check_number(each, name, integer=True)
    for name, each in (("cell", cell), ("block", block), ("stride", stride)):
        is_pair = isinstance(each, tuple | types.BaseTuple) and len(each) == 2
        if not is_pair and not (name == "stride" and arguments.is_none(each)):
            raise TypingError(f"{name} must be a tuple of two integers (rows, columns), got {each}")
    code = driver.NORMS.index(arguments.check_choice(norm, "norm", driver.NORMS))
    is_one = image.ndim - (axis is not None) == 2
    work = driver.work_dtype(np.dtype(image.dtype.name))
    arguments.check_out(out, types.float64 if work == np.float64 else types.float32, 1 if is_one else 2)
    to_batch = batch_of(image.ndim, axis)
    within = _within_range if isinstance(image.dtype, types.Float) else register_jitable(lambda images: images)

    def hog(
        image,
        orientations=9,
        cell=(8, 8),
        block=(2, 2),
        stride=None,
        norm="l2-hys",
        clip=0.2,
        signed=False,
        gamma=False,
        spatial_votes=True,
        orientation_votes=True,
        block_sigma=None,
        levels=1,
        channel_axis=None,
        out=None,
        num_threads=None,
    ):
        check_finite(image)
        check_threads(num_threads)
        cell_, block_ = (np.int64(cell[0]), np.int64(cell[1])), (np.int64(block[0]), np.int64(block[1]))
        stride_ = pair_or(stride, cell_)
        if orientations < 1:
            raise ValueError("orientations must be >= 1")
        if min(cell_[0], cell_[1]) < 1 or min(block_[0], block_[1]) < 1 or min(stride_[0], stride_[1]) < 1:
            raise ValueError("cell, block and stride must be >= 1")
        if not (clip > 0 and math.isfinite(clip)):
            raise ValueError("clip must be > 0 and finite")
        tall, wide = block_[0] * cell_[0], block_[1] * cell_[1]
        sigma = sigma_or(block_sigma, (tall + wide) / 8)
        if not sigma > 0:
            raise ValueError("block_sigma must be > 0")
        images = to_batch(image)
        if images.shape[3] == 0:
            raise ValueError("image must have at least 1 channels")
        check_levels(levels, images.shape[1], images.shape[2], tall, wide)
        if gamma and images.size > 0:
            for value in images.flat:
                if value < 0:
                    raise ValueError("image must be >= 0 with gamma")
        length = 0
        for level in range(levels):
            length += n_values(images.shape[1] >> level, images.shape[2] >> level, tall, wide, stride_) * (
                block_[0] * block_[1] * orientations
            )
        shape = feature_shape(images, length, is_one)
        check_apart(out, image, False)
        features = result(out, shape, work)
        rows = np.expand_dims(features, 0) if is_one else features
        soft = orientation_votes and orientations > 1
        row_weights = weights_of(cell_[0], block_[0], spatial_votes, sigma).astype(work)
        column_weights = weights_of(cell_[1], block_[1], spatial_votes, sigma).astype(work)
        taps, edges = taps_of(column_weights), edges_of(orientations, signed).astype(work)
        epsilon = np.array([0.0, 0.1 * (block_[0] * block_[1] * orientations), 0.0, 1e-3])
        pyramid, begin = within(images), 0
        for level in range(levels):
            if level > 0:
                pyramid = halve(pyramid)
            n_rows = (pyramid.shape[1] - tall) // stride_[0] + 1
            n_cols = (pyramid.shape[2] - wide) // stride_[1] + 1
            sides = (len(pyramid), n_cols, n_rows, block_[1], block_[0], orientations)
            in_place, values = room(rows, sides, levels, out)
            if values.size > 0:
                describe(
                    pyramid, values.transpose((0, 2, 1, 4, 3, 5)), stride_, tall, wide, row_weights, column_weights,
                    taps, gamma, signed, soft, edges, code, float(clip), epsilon, work,
                )  # fmt: skip
            if in_place:
                break
            end = begin + values.size // max(len(pyramid), 1)
            for i in range(len(pyramid)):
                rows[i, begin:end] = values[i].ravel()
            begin = end
        return features

    return hog


def batch_of(ndim, axis):
    """What makes a view (images, rows, columns, channels)."""
    if axis is None and ndim == 2:
        return register_jitable(lambda image: np.expand_dims(np.expand_dims(image, 0), 3)[:, :, :, :1])
    if axis is None:
        return register_jitable(lambda image: np.expand_dims(image, 3)[:, :, :, :1])
    order = (*[i for i in range(ndim) if i != axis], axis)
    if ndim == 3:
        return register_jitable(lambda image: np.expand_dims(image.transpose(order), 0))
    return register_jitable(lambda image: image.transpose(order))


def feature_shape(images, length, is_one):
    """That of the result."""
    raise NotImplementedError


@overload(feature_shape, prefer_literal=True)
def _feature_shape(images, length, is_one):
    if is_one.literal_value:
        return lambda images, length, is_one: (length,)
    return lambda images, length, is_one: (len(images), length)


def room(rows, sides, levels, out):
    """Where a level's values go, and whether that is the result itself: a new one of one level lies in one piece."""
    raise NotImplementedError


@overload(room)
def _room(rows, sides, levels, out):
    dtype = np.dtype(rows.dtype.name)
    if not arguments.is_none(out):
        return lambda rows, sides, levels, out: (False, np.empty(sides, dtype))

    def of_new(rows, sides, levels, out):
        if levels == 1 and rows.size > 0:
            return True, kernels.run_of(rows, rows.size).reshape(sides)
        return False, np.empty(sides, dtype)

    return of_new


def pair_or(given, default):
    """A pair of integers, or what stands for it."""
    raise NotImplementedError


@overload(pair_or)
def _pair_or(given, default):
    if arguments.is_none(given):
        return lambda given, default: default
    return lambda given, default: (np.int64(given[0]), np.int64(given[1]))


def sigma_or(given, default):
    """A number, or what stands for it."""
    raise NotImplementedError


@overload(sigma_or)
def _sigma_or(given, default):
    if arguments.is_none(given):
        return lambda given, default: default
    return lambda given, default: np.float64(given)


@register_jitable
def check_levels(levels, n_rows, n_cols, tall, wide):
    """Refuse more levels than hold a block."""
    most = 0
    while n_rows >= tall and n_cols >= wide:
        n_rows, n_cols, most = n_rows // 2, n_cols // 2, most + 1
    if most == 0:
        raise ValueError("image must hold one block")
    if levels < 1 or levels > most:
        raise ValueError("levels must be >= 1, and the last one must hold a block")


@register_jitable
def n_values(n_rows, n_cols, tall, wide, stride):
    """Blocks of an image."""
    return ((n_rows - tall) // stride[0] + 1) * ((n_cols - wide) // stride[1] + 1)


@register_jitable
def _within_range(images):
    """Floats, scaled down by a power of two where squares would overflow."""
    largest = 0.0
    for value in images.flat:
        largest = max(largest, abs(np.float64(value)))
    exponent = math.frexp(largest)[1]
    scaled = images
    if exponent > _LARGEST_EXPONENT:
        copy = np.empty(images.shape, images.dtype)
        for i in range(images.shape[0]):
            for y in range(images.shape[1]):
                for x in range(images.shape[2]):
                    for channel in range(images.shape[3]):
                        value = np.float64(images[i, y, x, channel])
                        copy[i, y, x, channel] = math.ldexp(value, _LARGEST_EXPONENT - exponent)
        scaled = copy[:, :, :, :1] if images.shape[3] == 1 else copy[:, :, :, : images.shape[3]]
    return scaled


@register_jitable
def halve(images):
    """Each image at half the height and width."""
    n_images, rows, cols, n_channels = images.shape
    out = np.empty((n_images, rows // 2, cols // 2, n_channels), images.dtype)
    kernel.halve(images, 0, n_images * (rows // 2), out)
    return out[:, :, :, :n_channels]


@register_jitable
def weights_of(cell, n_cells, spatial_votes, sigma):
    """What each of the pixels along one axis of a block weighs in each of its cells."""
    n = cell * n_cells
    sigma = min(max(sigma, 1e-3), 1e150)
    exponents = np.empty(n)
    for pixel in range(n):
        distance = pixel - n / 2
        exponents[pixel] = -(distance * distance) / (2 * (sigma * sigma))
    powers = numpy_exp(exponents)
    weights = np.empty((n_cells, n))
    for i in range(n_cells):
        for pixel in range(n):
            if spatial_votes:
                share = max(0.0, 1.0 - abs((pixel + 0.5) / cell - 0.5 - i))
            else:
                share = 1.0 if pixel // cell == i else 0.0
            weights[i, pixel] = share * powers[pixel]
    return weights


@register_jitable
def taps_of(column_weights):
    """First column of a cell that weighs anything, and the one after the last."""
    taps = np.zeros((len(column_weights), 2), np.int64)
    for i in range(len(column_weights)):
        used = np.flatnonzero(column_weights[i])
        if len(used) > 0:
            taps[i, 0], taps[i, 1] = used[0], used[-1] + 1
    return taps


@register_jitable
def edges_of(orientations, signed):
    """Cosine and sine of the edges of the bins: exact on the axes, alike on the diagonals."""
    edges = np.empty((orientations, 2))
    for k in range(orientations):
        above, below = ((2 if signed else 1) * (k + 1)) % orientations, orientations
        mirrored = 2 * above > below
        if mirrored:
            above = below - above
        swapped = 4 * above > below
        if swapped:
            above, below = below - 2 * above, 2 * below
        if 4 * above == below:
            cosine = sine = _HALF
        else:
            angle = math.pi * above / below
            cosine, sine = math.cos(angle), math.sin(angle)
        if swapped:
            cosine, sine = sine, cosine
        edges[k, 0], edges[k, 1] = -cosine if mirrored else cosine, sine
    return edges


@register_jitable
def reflected(place, n):
    """A position outside, reflected at the first and the last, which are not repeated."""
    if n == 1:
        return 0
    place %= 2 * (n - 1)
    return min(place, 2 * (n - 1) - place)


@register_jitable
def describe(
    images, out, stride, tall, wide, row_weights, column_weights, taps, gamma, signed, soft, edges, norm, clip, epsilon,
    dtype,
):  # fmt: skip
    """Fill `out` (images, block rows, block columns, cell rows, cell columns, bins)."""
    n_block_rows, n_block_cols, n_bins = out.shape[1], out.shape[2], out.shape[5]
    n_groups = n_block_cols - 1 + np.int64(math.ceil(wide / stride[1]))
    n_phases = stride[1] + 2
    row_of = np.empty((n_block_rows - 1) * stride[0] + tall + 2, np.int64)
    for i in range(len(row_of)):
        row_of[i] = reflected(i - 1, images.shape[1])
    column_of = np.empty((n_phases, n_groups), np.int32)
    first, last = images.shape[2], 0
    for phase in range(n_phases):
        for group in range(n_groups):
            column = reflected(phase - 1 + stride[1] * group, images.shape[2])
            column_of[phase, group] = column
            first, last = min(first, column), max(last, column)
    for phase in range(n_phases):
        for group in range(n_groups):
            column_of[phase, group] -= first
    slots = np.empty(wide, np.int64)
    for tap in range(wide):
        slots[tap] = tap % stride[1] * n_groups + tap // stride[1]
    n_slots, n_padded = padded_size((n_phases - 2) * n_groups), padded_size(n_block_cols)
    n_planes = min(n_bins, max(1, _PLANES_SIZE // n_slots))
    n_open = np.int64(math.ceil(tall / stride[0]))
    kernel.describe(
        images[:, :, first : last + 1],
        row_of,
        column_of,
        slots,
        stride[0],
        _NEVER,
        row_weights,
        column_weights,
        taps,
        gamma,
        signed,
        soft,
        edges,
        norm,
        clip,
        epsilon,
        0,
        len(out) * n_block_rows,
        np.empty(last + 1 - first, dtype),
        np.zeros((3, images.shape[3], n_phases * n_groups + _PADDING), dtype),
        np.empty((5, n_slots), dtype),
        np.zeros(n_planes * n_slots + _PADDING, dtype),
        np.empty((out.shape[4], n_bins, n_padded), dtype),
        np.empty((n_open, out.shape[3], out.shape[4], n_bins, n_padded), dtype),
        out,
    )
