"""`hog` inside functions that Numba compiles, without pictures. Images are (images, rows, columns, channels)."""

import math

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast import feature
from medfast._drivers import hog as driver
from medfast._njit import arguments, hog, kernels
from medfast._njit.arguments import check_apart, check_finite, check_threads, result

kernel = kernels.hog
weights_of, tables_of, edges_of = hog.weights_of, hog.tables_of, hog.edges_of
_LARGEST_EXPONENT = driver._LARGEST_EXPONENT


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
    visualize=False,
    out=None,
    num_threads=None,
):
    arguments.check_image(image, (2, 3, 4))
    if arguments.constant(visualize) is not False:
        raise TypingError("visualize is not supported inside njit")
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
    fill = hog.describe if arguments.is_none(block_sigma) else hog.describe_either_way
    within = _within_range if isinstance(image.dtype, types.Float) else register_jitable(lambda images: images)

    def of_image(
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
        visualize=False,
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
        edges = edges_of(orientations, signed).astype(work)
        epsilon = np.array([0.0, 0.1 * (block_[0] * block_[1] * orientations), 0.0, 1e-3])
        plan = tables_of(
            weights_of(cell_[0], block_[0], spatial_votes, sigma),
            weights_of(cell_[1], block_[1], spatial_votes, sigma),
            stride_,
            edges,
            clip,
            epsilon,
        )
        on_cells = stride_[0] % cell_[0] == 0 and stride_[1] % cell_[1] == 0
        are_enough = on_cells and not spatial_votes and math.isinf(sigma)
        pyramid, begin = within(images), 0
        for level in range(levels):
            if level > 0:
                pyramid = halve(pyramid)
            n_rows = (pyramid.shape[1] - tall) // stride_[0] + 1
            n_cols = (pyramid.shape[2] - wide) // stride_[1] + 1
            sides = (len(pyramid), n_cols, n_rows, block_[1], block_[0], orientations)
            in_place, values = room(rows, sides, levels, out)
            if values.size > 0:
                fill(
                    pyramid, values, cell_, stride_, plan, edges, (gamma, signed, soft), (code, float(clip), epsilon),
                    are_enough,
                )  # fmt: skip
            if in_place:
                break
            end = begin + values.size // max(len(pyramid), 1)
            for i in range(len(pyramid)):
                rows[i, begin:end] = values[i].ravel()
            begin = end
        return features

    return of_image


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
