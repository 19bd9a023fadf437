"""Resampling of images and volumes."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _kernels, _validate
from medfast._drivers import sampling
from medfast._parallel import for_rows

__all__ = ["resize"]

INTERPOLATIONS = ("nearest", "linear", "linear-exact", "area", "cubic", "lanczos4")

_ROWS_HELD_BYTES = 1 << 17
"""Rows that are resampled together through all planes, few enough for what is kept of them to stay in the cache."""
_UINT8_FUNCTIONS = {
    "linear": "linear",
    "linear-exact": "linear_exact",
    "area": "linear",
    "cubic": "cubic",
    "lanczos4": "lanczos4",
}
_EPSILON = float(np.finfo(np.float64).eps)

_Tables = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def resize(
    image: ArrayLike,
    shape: Sequence[int] | None = None,
    *,
    scale: float | Sequence[float] | None = None,
    spacing: float | Sequence[float] | None = None,
    new_spacing: float | Sequence[float] | None = None,
    interpolation: Literal["nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"] = "linear",
    channel_axis: int | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Resample an image or a volume to another size.

    The target is given as a `shape`, as a `scale`, or as a `new_spacing` of pixels whose `spacing` is known.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes; any strides. With `channel_axis`, one more axis.
    shape : sequence of int, optional
        Target size along each axis but the channels; >= 0.
    scale : float or sequence of float, optional
        Output pixels per input pixel, one for all axes or one per axis; > 0. An axis of `n` pixels gets
        ``round(n · scale)``, at least 1.
    spacing : float or sequence of float, optional
        Distance of the input's pixels, one for all axes or one per axis; > 0. Needs `new_spacing`.
    new_spacing : float or sequence of float, optional
        Distance of the output's pixels, in the unit of `spacing`; > 0. The same as
        ``scale = spacing / new_spacing``: output pixels lie exactly `new_spacing` apart.
    interpolation : {"nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"}, default="linear"
        Nearest keeps labels as they are. Area is the mean over the pixels that an output pixel covers, and the choice
        for shrinking; the others look at 2, 4 or 8 pixels an axis whatever the step. Linear-exact is linear whose uint8
        weights have 8 bits and whose sum is rounded once.
    channel_axis : int, optional
        Axis of channels, each of which is resampled alike.
    out : ndarray, optional
        Where the result goes; of the target's shape and the dtype of `image`. Must not overlap `image`.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same dtype as `image`
        The resampled image; `out`, if it was given. Integers are rounded and saturated. An image that already has the
        size is copied. A target without pixels gives an empty array; one pixel, and a constant image, give that value
        everywhere.

    Raises
    ------
    TypeError
        If `image` or `out` has an unsupported dtype, or a parameter the wrong type.
    ValueError
        If not exactly one of `shape`, `scale` and `new_spacing` is given, if a parameter lies outside the ranges above,
        if `image` has no pixels but the target has, holds NaN or infinity, or shares memory with `out`.

    Notes
    -----
    Pixel centers lie at one half: output pixel `i` looks at input position ``(i + 1/2)·step − 1/2``, where `step` is
    ``n / shape`` or ``1 / scale``; beyond the outermost centers the outermost pixels are repeated. Nearest takes pixel
    ``floor(i·step)``, as OpenCV does. Cubic is Keys' with a = −0.75. Area with an axis of the plane that grows is a
    linear variant, as OpenCV has it; the planes of a volume are judged by themselves. Axes are resampled one after
    another: columns, rows, planes.

    uint8 images are bit for bit ``cv2.resize``, in its fixed-point arithmetic (cubic: with
    ``cv2.ipp.setUseIPP(False)``; Lanczos: but where OpenCV divides by zero, as in enlarging by 49), and so is each
    plane of a volume whose planes stay. All else is computed in float32 (integers) or float64 (floats) and rounded
    once, half to even: integers within one level, floats bit for bit of sums in float64. Complexity O(output pixels ·
    taps); for area O(input pixels). Extra memory: some rows per thread, and tables of the size of an axis, which are
    kept for the next call.

    References
    ----------
    .. [1] R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on Acoustics,
       Speech, and Signal Processing 29(6), 1981. :doi:`10.1109/TASSP.1981.1163711`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> image = np.array([[0, 40], [80, 120]], np.uint8)
    >>> medfast.resize(image, (2, 4))
    array([[  0,  10,  30,  40],
           [ 80,  90, 110, 120]], dtype=uint8)
    >>> medfast.resize(image, scale=0.5, interpolation="area")
    array([[60]], dtype=uint8)
    >>> volume = np.zeros((10, 64, 64), np.int16)
    >>> medfast.resize(volume, spacing=(3.0, 0.5, 0.5), new_spacing=1.0).shape
    (30, 32, 32)
    """
    kind = _validate.as_choice(interpolation, "interpolation", INTERPOLATIONS)
    num_threads = _validate.as_threads(num_threads)
    if channel_axis is None:
        image = _validate.as_image(image)
        size, steps = _target(image.shape, 1, shape, scale, spacing, new_spacing)
        out = _validate.as_out(out, size, image.dtype, image)
        resample(image[..., None], out[..., None], steps, kind, num_threads)
        return out
    image = _validate.as_image(image, ndim=(3, 4))
    axis = _validate.as_axis(channel_axis, image.ndim) or 0
    spatial = image.shape[:axis] + image.shape[axis + 1 :]
    size, steps = _target(spatial, image.shape[axis], shape, scale, spacing, new_spacing)
    out = _validate.as_out(out, (*size[:axis], image.shape[axis], *size[axis:]), image.dtype, image)
    resample(np.moveaxis(image, axis, -1), np.moveaxis(out, axis, -1), steps, kind, num_threads)
    return out


def resample(
    image: NDArray[Any],
    out: NDArray[Any],
    steps: tuple[float, ...],
    interpolation: str,
    num_threads: int | None = None,
) -> None:
    """Fill `out` from `image`, both ([planes,] rows, columns, channels); `steps` in input pixels, without channels.

    Beside the public interpolations there is ``"nearest-exact"``.
    """
    if image.shape == out.shape:
        out[...] = image
    elif not out.size:
        return
    elif image.ndim == 3 and image.dtype.char == "B":  # uint8
        _resample_uint8(image, out, steps, interpolation, num_threads)
    elif image.ndim == 3 and interpolation.startswith("nearest") and _move_as_bytes(image, out, steps[1]):
        # int16 from 512² to 256² in 11 µs, pixel by pixel in 25
        _resample_uint8(image.view(np.uint8), out.view(np.uint8), steps, interpolation, num_threads)
    else:
        if image.ndim == 3:
            image, out, steps = image[None], out[None], (1.0, *steps)
        if interpolation.startswith("nearest"):
            _resample_nearest(image, out, steps, interpolation, num_threads)
        elif image.dtype == np.uint8 and steps[0] == 1.0:
            for plane, out_plane in zip(image, out, strict=True):
                _resample_uint8(plane, out_plane, steps[1:], interpolation, num_threads)
        else:
            _resample_weighted(image, out, steps, interpolation, num_threads)


def _target(
    shape: tuple[int, ...],
    n_channels: int,
    new_shape: Sequence[int] | None,
    scale: float | Sequence[float] | None,
    spacing: float | Sequence[float] | None,
    new_spacing: float | Sequence[float] | None,
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Size of the result, and the step between its pixels in input pixels, per axis."""
    if new_shape is not None and scale is None and spacing is None and new_spacing is None:
        size = _validate.as_sizes(new_shape, "shape", len(shape))
        return size, _steps(shape, size, n_channels)
    if (new_shape is not None) + (scale is not None) + (new_spacing is not None) != 1:
        raise ValueError("exactly one of shape, scale and new_spacing must be given")
    if (spacing is None) != (new_spacing is None):
        raise ValueError("spacing and new_spacing must be given together")
    if scale is not None:
        scales = _validate.as_positives(scale, "scale", len(shape))
    else:
        old = _validate.as_positives(spacing, "spacing", len(shape))
        new = _validate.as_positives(new_spacing, "new_spacing", len(shape))
        scales = tuple(a / b for a, b in zip(old, new, strict=True))
    _validate.check_scales(scales)
    size = tuple(n and max(1, round(n * factor)) for n, factor in zip(shape, scales, strict=True))
    _check(shape, size, n_channels)
    return size, tuple(1.0 / factor for factor in scales)


@lru_cache(256)
def _steps(shape: tuple[int, ...], size: tuple[int, ...], n_channels: int) -> tuple[float, ...]:
    """OpenCV's steps: the reciprocal of the scale, which n / size is not in the last bit."""
    _check(shape, size, n_channels)
    return tuple([1.0 / (m / n) if n and m else 1.0 for n, m in zip(shape, size, strict=True)])


def _check(shape: tuple[int, ...], size: tuple[int, ...], n_channels: int) -> None:
    _validate.check_sides(shape, n_channels, "image")
    _validate.check_sides(size, n_channels, "shape")
    if 0 in shape and 0 not in size:
        raise ValueError(f"image must have pixels to be resized to {size}, got shape {shape}")


def _resample_nearest(
    image: NDArray[Any], out: NDArray[Any], steps: tuple[float, ...], kind: str, num_threads: int | None
) -> None:
    planes, rows = [
        sampling.nearest(kind, n, size, step)
        for n, size, step in zip(image.shape[:2], out.shape[:2], steps[:2], strict=True)
    ]
    as_bytes = _move_as_bytes(image, out, steps[2])
    if as_bytes:
        image, out = image.view(np.uint8), out.view(np.uint8)
    width, n_channels = image.shape[2:]
    columns = sampling.nearest(kind, width, out.shape[2], steps[2], n_channels if as_bytes else 1)
    scratch_bytes = _scratch_bytes(width, len(columns), n_channels, 1) if as_bytes else 0

    def body(plane: int, start: int, stop: int) -> None:
        source, target = image[planes[plane]], out[plane]
        if as_bytes:
            scratch = np.empty(scratch_bytes, np.uint8)
            _kernels.resample_u8.nearest(source, columns, rows, start, stop, scratch, target)
        else:
            _kernels.resample.nearest(source, columns, rows, start, stop, target)

    _for_plane_rows(out, body, 0.3, num_threads)


def _move_as_bytes(image: NDArray[Any], out: NDArray[Any], step: float) -> bool:
    """Whether pixels are moved fastest as bytes, by shuffles, which asks for rows of pixels ([planes,] rows, columns,
    channels) in one run and for a step that leaves some of them within 16 bytes."""
    itemsize, n_channels = image.itemsize, image.shape[-1]
    n_bytes = itemsize * n_channels
    return (
        n_bytes in (2, 4, 8)
        and (step - 1) * n_bytes <= 14
        and image.strides[-2] == n_bytes == out.strides[-2]
        and (n_channels == 1 or image.strides[-1] == itemsize == out.strides[-1])
    )


class _Plan(NamedTuple):
    """A kernel's function for a uint8 image, what it is given beside image, rows, scratch and result, and its cost."""

    kernel: str
    function: str
    arguments: tuple[Any, ...]
    scratch_bytes: int
    work_per_row: float


def _resample_uint8(
    image: NDArray[np.uint8],
    out: NDArray[np.uint8],
    steps: tuple[float, ...],
    interpolation: str,
    num_threads: int | None,
) -> None:
    """An image (rows, columns, channels) as OpenCV does it."""
    kernel, function_name, arguments, scratch_bytes, work_per_row = _plan(image.shape, out.shape, steps, interpolation)
    function = getattr(getattr(_kernels, kernel), function_name)

    def body(start: int, stop: int) -> None:
        if scratch_bytes:
            function(image, *arguments, start, stop, np.empty(scratch_bytes, np.uint8), out)
        else:
            function(image, *arguments, start, stop, out)

    for_rows(len(out), body, work_per_row=work_per_row, num_threads=num_threads)


@lru_cache(64)
def _plan(shape: tuple[int, ...], new_shape: tuple[int, ...], steps: tuple[float, ...], interpolation: str) -> _Plan:
    """Made once per pair of sizes: tables and all take longer than the resampling of a small image."""
    height, width, n_channels = shape
    new_height, new_width, _ = new_shape
    row_step, col_step = steps
    n_values = new_width * n_channels
    arguments: tuple[Any, ...]
    if interpolation.startswith("nearest"):
        columns = sampling.nearest(interpolation, width, new_width, col_step, n_channels)
        arguments = (columns, sampling.nearest(interpolation, height, new_height, row_step))
        return _Plan(
            "resample_u8", "nearest", arguments, _scratch_bytes(width, n_values, n_channels, 1), 0.3 * n_values
        )
    in_blocks = abs(row_step - round(row_step)) < _EPSILON and abs(col_step - round(col_step)) < _EPSILON
    halved = in_blocks and round(row_step) == round(col_step) == 2
    like_area = interpolation == "linear" or (interpolation == "linear-exact" and n_channels != 2)
    half_up = halved and n_channels in (1, 3, 4)  # as OpenCV
    if (interpolation == "area" and row_step >= 1 and col_step >= 1) or (halved and like_area):
        work = 0.1 * row_step * col_step * n_values
        if half_up and (height, width) == (2 * new_height, 2 * new_width):
            return _Plan("resample_area", "halve", (), 0, work)
        if in_blocks:
            arguments = (round(row_step), round(col_step), half_up)
            return _Plan(
                "resample_area", "average_blocks", arguments, _scratch_bytes(width, n_values, n_channels, 1), work
            )
        arguments = (
            *sampling.area(width, new_width, col_step, n_channels),
            *sampling.area(height, new_height, row_step),
        )
        return _Plan("resample_area", "average", arguments, _scratch_bytes(width, n_values, n_channels, 1), 5 * work)
    arguments = (
        *sampling.fixed(interpolation, width, new_width, col_step, n_channels),
        *sampling.fixed(interpolation, height, new_height, row_step),
    )
    n_taps = len(arguments[0])
    lines = min(row_step, n_taps)  # input rows that an output row needs anew
    work = 0.06 * n_taps * n_values + lines * (0.05 * n_taps * n_values + 0.03 * width * n_channels)
    scratch_bytes = _scratch_bytes(width, n_values, n_channels, n_taps)
    return _Plan("resample_u8", _UINT8_FUNCTIONS[interpolation], arguments, scratch_bytes, work)


def _scratch_bytes(width: int, n_values: int, n_channels: int, n_taps: int) -> int:
    """What the kernels' stubs ask for."""
    return 5 * (width * n_channels + 64) + (16 + 8 * n_taps) * (n_values + 64)


def _resample_weighted(
    image: NDArray[Any], out: NDArray[Any], steps: tuple[float, ...], interpolation: str, num_threads: int | None
) -> None:
    """Weighted sums in floating point, along columns, rows and planes."""
    kernel = _kernels.resample
    if _can_halve(image, out, steps, interpolation):

        def body_of_halves(start: int, stop: int) -> None:
            kernel.halve(image[..., 0], start, stop, out[..., 0])

        work_per_row = 0.5 * len(out) * out.shape[2]
        for_rows(out.shape[1], body_of_halves, work_per_row=work_per_row, num_threads=num_threads)
        return
    precision = np.float64 if image.dtype.kind == "f" else np.float32
    tables, sizes, work_per_row = _weights(image.shape, out.shape, steps, interpolation, precision)
    n_scratch = kernel.scratch_size(*sizes)

    def body(start: int, stop: int) -> None:
        kernel.weighted(image, *tables, start, stop, sizes[-1], np.empty(n_scratch, precision), out)

    for_rows(out.shape[1], body, work_per_row=work_per_row, num_threads=num_threads)


@lru_cache(64)
def _weights(
    shape: tuple[int, ...], new_shape: tuple[int, ...], steps: tuple[float, ...], interpolation: str, precision: type
) -> tuple[_Tables, tuple[int, ...], float]:
    """Tables of columns, rows and planes; what the kernel's scratch depends on; the work of a row of the result."""
    kinds = [interpolation.removesuffix("-exact")] * 3
    if interpolation == "area":
        kinds = ["mean" if step >= 1 else "area" for step in (steps[0], min(steps[1:]), min(steps[1:]))]
    n_channels = shape[3]
    planes, plane_weights = sampling.real(kinds[0], shape[0], new_shape[0], steps[0], precision)
    rows, row_weights = sampling.real(kinds[1], shape[1], new_shape[1], steps[1], precision)
    columns, column_weights = sampling.real(kinds[2], shape[2], new_shape[2], steps[2], precision, n_channels)
    width = columns.shape[1]
    n_rows_held = max(1, _ROWS_HELD_BYTES // (width * np.dtype(precision).itemsize))
    sizes = (shape[2] * n_channels, width, n_channels, len(columns), len(rows), len(planes), n_rows_held)
    work = 0.1 * len(planes) + 0.02 * len(rows) * len(columns) * shape[0] / new_shape[0]  # of a value, in float32
    work_per_row = new_shape[0] * width * work * np.dtype(precision).itemsize / 4
    return (columns, column_weights, rows, row_weights, planes, plane_weights), sizes, work_per_row


def _can_halve(image: NDArray[Any], out: NDArray[Any], steps: tuple[float, ...], interpolation: str) -> bool:
    """Whether each output pixel is the mean of two by two pixels of its plane, and both lie in one piece."""
    n_planes, height, width, n_channels = out.shape
    return (
        steps == (1.0, 2.0, 2.0)
        and interpolation in ("linear", "linear-exact", "area")
        and image.shape == (n_planes, 2 * height, 2 * width, n_channels)
        and n_channels == 1
        and image.flags.c_contiguous
        and out.flags.c_contiguous
    )


def _for_plane_rows(
    out: NDArray[Any], body: Callable[[int, int, int], None], work_per_value: float, num_threads: int | None
) -> None:
    """Call ``body(plane, start, stop)`` until all rows of all planes of `out` are done."""
    n_planes, height, width, n_channels = out.shape

    def rows(start: int, stop: int) -> None:
        for plane in range(start // height, (stop - 1) // height + 1):
            body(plane, max(start - plane * height, 0), min(stop - plane * height, height))

    for_rows(n_planes * height, rows, work_per_row=work_per_value * width * n_channels, num_threads=num_threads)
