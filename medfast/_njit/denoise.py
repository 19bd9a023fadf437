"""`denoise_nl_means` inside functions that Numba compiles: the arguments, and nlm.py beside it.

Images are (planes, channels, rows, columns) here.
"""

import math

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload, register_jitable

from medfast import denoise
from medfast._drivers import nlm_scale
from medfast._njit import arguments, noise_level
from medfast._njit.arguments import check_apart, check_finite, check_mask_shape, check_threads, result
from medfast._njit.nlm import largest_value, run_for
from medfast._njit.transform import item

_ROOM_FLOAT64, _ROOM_RICIAN = nlm_scale._ROOM_FLOAT64, nlm_scale._ROOM_RICIAN
_DEPTH_FLOAT64 = nlm_scale._DEPTH_FLOAT64


@overload(denoise.denoise_nl_means, prefer_literal=True)
def _denoise_nl_means(
    image,
    h=None,
    patch_size=None,
    search_size=None,
    sigma=None,
    norm="l2",
    noise="gaussian",
    mask=None,
    spacing=None,
    channel_axis=None,
    progress=None,
    out=None,
    num_threads=None,
):
    arguments.unsupported(progress=progress)
    arguments.check_image(image, (2, 3, 4))
    axis = arguments.check_axis(channel_axis, image.ndim)
    arguments.check_image(image, (2, 3) if axis is None else (3, 4))
    n = image.ndim - (axis is not None)
    arguments.check_mask(mask, n)
    arguments.check_out(out, image.dtype, image.ndim)
    order = 1 if arguments.check_choice(norm, "norm", denoise.NORMS) == "l1" else 2
    rician = arguments.check_choice(noise, "noise", denoise.NOISES) == "rician"
    has_h, has_sigma = not arguments.is_none(h), not arguments.is_none(sigma)
    for name, each in (("h", h), ("sigma", sigma)):
        if not arguments.is_none(each):
            arguments.check_number(each, name)
    if rician and not has_sigma:
        raise TypingError('sigma must be given with noise="rician" inside njit')
    for name, each in (("patch_size", patch_size), ("search_size", search_size), ("spacing", spacing)):
        if isinstance(each, types.BaseTuple) and len(each) != n:
            raise TypingError(f"{name} must be a number or have {n} entries, one per axis, got {each}")
    default_patch, default_search = denoise._DEFAULTS[n]
    to_planes, dtype = planes_of(image.ndim, axis), np.dtype(image.dtype.name)
    without = [i for i in range(image.ndim) if i != axis]
    mask_shape = shape_at(tuple(without))
    to_volume = register_jitable(lambda mask: mask) if n == 3 else arguments.as_volume
    may_have_table = not rician and (dtype == np.uint8 or (order == 1 and dtype.kind in "iu"))
    run = run_for(dtype, order, may_have_table)
    is_float64, working = dtype == np.float64, np.float32 if dtype == np.float32 else np.float64
    room = (_ROOM_RICIAN if rician else _ROOM_FLOAT64) + _DEPTH_FLOAT64

    def denoise_nl_means(
        image,
        h=None,
        patch_size=None,
        search_size=None,
        sigma=None,
        norm="l2",
        noise="gaussian",
        mask=None,
        spacing=None,
        channel_axis=None,
        progress=None,
        out=None,
        num_threads=None,
    ):
        check_finite(image)
        check_mask_shape(mask, mask_shape(image.shape))
        check_apart(out, image, False)
        check_apart(out, mask, False)
        check_threads(num_threads)
        patch = radii_of(patch_size, default_patch, spacing, n)
        search = radii_of(search_size, default_search, spacing, n)
        around = 1.0
        for i in range(n):
            around *= side_of(patch_size, default_patch, i) + side_of(search_size, default_search, i)
        if around > 2**27:
            raise ValueError("patch_size and search_size must be smaller: a window as long as both together")
        if has_h and not (positive(h) and math.isfinite(positive(h))):
            raise ValueError("h must be > 0 and finite")
        if has_sigma and not (number(sigma) >= 0 and math.isfinite(number(sigma))):
            raise ValueError("sigma must be >= 0 and finite")
        denoised = result(out, image.shape, dtype)
        if image.size == 0:
            return denoised
        planes, target = to_planes(image), to_planes(denoised)
        inside = to_volume(mask)
        if has_h:
            strength = positive(h)
        elif has_sigma:
            strength = number(sigma)
        else:
            strength = noise_level.estimate(planes, inside, n == 3, working)
        if strength == 0:  # nothing to remove
            target[...] = planes
            return denoised
        if is_float64:
            least = math.ldexp(largest_value(planes), -room)
            if strength < least:
                raise ValueError("h must be larger for an image with such values")
        if mask is not None:
            target[...] = planes
        run(planes, target, inside, strength, patch, search, number(sigma) if rician else -1.0)
        return denoised

    return denoise_nl_means


def planes_of(ndim, axis):
    """What makes a view (planes, channels, rows, columns) of an image."""
    if axis is None and ndim == 2:
        return register_jitable(lambda image: np.expand_dims(np.expand_dims(image, 0), 0))
    if axis is None:
        return register_jitable(lambda image: np.expand_dims(image, 1))
    others = [i for i in range(ndim) if i != axis]
    order = (*others[:-2], axis, *others[-2:])
    if ndim == 3:
        return register_jitable(lambda image: np.expand_dims(image.transpose(order), 0))
    return register_jitable(lambda image: image.transpose(order))


def shape_at(axes):
    """What picks the sides along some axes."""
    if len(axes) == 2:
        first, second = axes
        return register_jitable(lambda shape: (shape[first], shape[second]))
    first, second, third = axes
    return register_jitable(lambda shape: (shape[first], shape[second], shape[third]))


def number(value):
    """A number as float64; where there is none, 0."""
    raise NotImplementedError


@overload(number)
def _number(value):
    if arguments.is_none(value):
        return lambda value: 0.0
    return lambda value: np.float64(value)


@register_jitable
def positive(value):
    """A number, or NaN where it is not above 0."""
    found = number(value)
    return found if found > 0 else np.nan


def side_of(size, default, i):
    """A side of a window, which has to be odd."""
    raise NotImplementedError


@overload(side_of)
def _side_of(size, default, i):
    if arguments.is_none(size):
        return lambda size, default, i: default

    def given(size, default, i):
        side = np.int64(item(size, i))
        if side < 1 or side >= 2**31 or side % 2 == 0:
            raise ValueError("patch_size and search_size must be odd and >= 1")
        return side

    return given


def step_of(spacing, i):
    """The distance of pixels along an axis."""
    raise NotImplementedError


@overload(step_of)
def _step_of(spacing, i):
    if arguments.is_none(spacing):
        return lambda spacing, i: 1.0

    def given(spacing, i):
        step = np.float64(item(spacing, i))
        if not (step > 0 and math.isfinite(step)):
            raise ValueError("spacing must be > 0 and finite")
        return step

    return given


@register_jitable
def radii_of(size, default, spacing, n):
    """Of a window along planes, rows and columns."""
    least = step_of(spacing, 0)
    for i in range(1, n):
        least = min(least, step_of(spacing, i))
    radii = np.zeros(3, np.int64)
    for i in range(n):
        radii[3 - n + i] = np.int64(round(side_of(size, default, i) // 2 * (least / step_of(spacing, i))))
    return radii
