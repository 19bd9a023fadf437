"""What the tests of non-local means share: strengths, the oracle's answer, and how close it must be met."""

import numpy as np

import oracles

INTEGERS = ("uint8", "uint16", "int16")
_answers = {}
"""What the oracle has said: a test of every level asks the same of it each time, and it is slow."""


def strength(dtype):
    """An `h` at which the weights of `smooth_image` are spread: it is 16 times as strong in 16 bits."""
    return 160.0 if dtype in ("uint16", "int16") else 10.0


def expected(image, h, patch=None, search=None, norm="l2", mask=None, channel_axis=None, rician_sigma=None):
    """What the oracle says for an image or a volume, rounded as its dtype asks for; windows have one side or three."""
    values = (None if array is None else array.tobytes() for array in (image, mask))
    question = (image.shape, image.dtype.str, repr((h, patch, search, norm, channel_axis, rician_sigma)), *values)
    if question not in _answers:
        answer = _ask(image, h, patch, search, norm, mask, channel_axis, rician_sigma)
        answer.flags.writeable = False
        _answers[question] = answer
    return _answers[question]


def _ask(image, h, patch, search, norm, mask, channel_axis, rician_sigma):
    order = 1 if norm == "l1" else 2
    planes = image[..., None, :, :] if channel_axis is None else np.moveaxis(image, channel_axis, -3)
    planes = planes[None] if planes.ndim == 3 else planes
    is_volume = image.ndim - (channel_axis is not None) == 3
    patch, search = patch or (3 if is_volume else 7), search or (11 if is_volume else 21)
    if is_volume:
        patch, search = ((size,) * 3 if np.ndim(size) == 0 else size for size in (patch, search))
    if mask is not None and not is_volume:
        mask = mask[None]
    if rician_sigma is None and (image.dtype == np.uint8 or (order == 1 and image.dtype.kind in "iu")):
        result = oracles.nl_means_integer(planes, h, patch, search, order, mask)
    else:
        result = oracles.nl_means(planes, h, patch, search, order, rician_sigma, mask)
        if image.dtype.kind in "iu":
            result = np.rint(result).astype(image.dtype)
    result = result if is_volume else result[0]
    return np.squeeze(result, -3) if channel_axis is None else np.moveaxis(result, -3, channel_axis)


def assert_same(result, exact, image=None):
    """Integers equal. Floats within the error of some 450 weights and sums, in units of the largest value of the
    result: it is differences of those that are averaged; in float32 eight units in the last place. With `image`, and so
    with any strength and window, float32 within what is promised, four units in the last place of its largest value.
    """
    if result.dtype.kind in "iu":
        np.testing.assert_array_equal(result, exact)
        return
    error = 1e-12 if result.dtype == np.float64 else 2**-23
    largest = np.abs(exact if image is None else image).max()
    bound = error * largest
    if image is not None and result.dtype == np.float32:
        error, bound = 0.0, 4.0 * np.spacing(np.float32(largest))
    np.testing.assert_allclose(result, exact, rtol=error, atol=bound)
