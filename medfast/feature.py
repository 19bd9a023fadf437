"""Features: histograms of oriented gradients."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import hog as driver
from medfast._drivers import hog_cells

__all__ = ["hog"]


def hog(
    image: ArrayLike,
    *,
    orientations: int = 9,
    cell: tuple[int, int] = (8, 8),
    block: tuple[int, int] = (2, 2),
    stride: tuple[int, int] | None = None,
    norm: str = "l2-hys",
    clip: float = 0.2,
    signed: bool = False,
    gamma: bool = False,
    spatial_votes: bool = True,
    orientation_votes: bool = True,
    block_sigma: float | None = None,
    levels: int = 1,
    channel_axis: int | None = None,
    visualize: bool = False,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> Any:
    """Describe an image, or each of a batch, by histograms of oriented gradients.

    The image is covered by cells, and each cell becomes a histogram of the directions of its gradients, weighted by
    their magnitude. Overlapping blocks of cells are normalised, so that contrast and brightness matter little.

    Parameters
    ----------
    image : array_like, dtype {uint8, uint16, int16, float32, float64}
        An image (M, N) or a batch of images (n, M, N), any strides; with `channel_axis` one dimension more.
    orientations : int, default=9
        Bins of a histogram, >= 1.
    cell : tuple of two ints, default=(8, 8)
        Rows and columns of a cell, in pixels.
    block : tuple of two ints, default=(2, 2)
        Rows and columns of a block, in cells.
    stride : tuple of two ints, optional
        Rows and columns from one block to the next, in pixels, >= 1; need not be a multiple of the cell. One cell when
        omitted.
    norm : {"l1", "l1-sqrt", "l2", "l2-hys"}, default="l2-hys"
        How a block is normalised.
    clip : float, default=0.2
        Largest value after the first of the two normalisations of ``"l2-hys"``, > 0.
    signed : bool, default=False
        Whether opposite directions differ: bins cover 360° instead of 180°.
    gamma : bool, default=False
        Whether the square root of the gray levels is taken first; they must be >= 0.
    spatial_votes : bool, default=True
        Whether a pixel votes in the up to four nearest cells of a block, in shares that fall off linearly; else in its
        own.
    orientation_votes : bool, default=True
        Whether a pixel votes for the two nearest bins, in shares that fall off linearly; else for the one it falls
        into.
    block_sigma : float, optional
        Standard deviation, in pixels, of the Gaussian that weighs the pixels of a block; infinity for equal weights.
        The sum of the block's rows and columns in pixels, over 8, when omitted. Far below a pixel, only the pixel at
        the centre of the block weighs anything, if there is one: blocks of odd sides have zeros.
    levels : int, default=1
        Levels of the pyramid, each of half the height and width of the one before; their descriptors follow each other.
    channel_axis : int, optional
        Axis of the channels; of each pixel the channel with the strongest gradient counts.
    visualize : bool, default=False
        Whether to give a picture too, of what the cells hold.
    out : ndarray, optional
        Where the features go; of their shape and dtype, sharing no memory with `image`.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    features : ndarray of shape (n_features,) or (n, n_features), dtype float32, or float64 for a float64 image
        All values are >= 0. The last axis of each level is (block columns, block rows, columns of cells in a block,
        rows of cells in a block, orientations), flattened: OpenCV's order. `out`, if it was given.
    picture : ndarray of shape (M, N) or (n, M, N), dtype as `features`
        With `visualize` alone. Each cell of the image shows a stroke per bin through its centre, across the bin's
        middle direction (along the edges that it stands for), as bright as the mean magnitude that votes for the bin;
        strokes add up. Cells are those of the first level, each pixel counts in its own. Unsigned and without
        `orientation_votes`, it is scikit-image's picture.

    Raises
    ------
    TypeError
        If `image` is not an array of a supported dtype, or a parameter has the wrong type.
    ValueError
        If `image` is smaller than a block, has NaN or infinity, or a parameter lies outside the ranges above; if
        `levels` is more than the most that hold a block, which the message names.

    Notes
    -----
    Gradients are centred differences without smoothing, the image reflected at its border without repeating it.
    Magnitudes are Euclidean. With `orientation_votes`, angles come from OpenCV's polynomial, off by up to 0.01°, and
    the centre of bin k is at k + 1/2 widths; without, bin k is [k, k + 1) widths, exact for integer gradients. Blocks
    start at the upper left corner; only those count that fit whole, so rows and columns may be left over.

    For the values v of a block and ε = (number of values) / 10 gray levels: l1 is ``v / (Σ|v| + ε)``, l1-sqrt its
    square root, l2 is ``v / (√Σv² + ε)``, l2-hys is l2, cut at `clip`, then l2 again with ε = 0.001. ε is in gray
    levels whatever the dtype: float images with values from 0 to 1 should be multiplied by 255. A constant image gives
    zeros.

    Each level of the pyramid is the mean of 2 × 2 pixels of the one before, in the dtype of the image, integers rounded
    half up; an odd last row or column is left out. Where the image is even, this is ``cv2.resize`` with ``INTER_AREA``.

    uint8 is within 1e-5 of ``cv2.HOGDescriptor(image size, …).compute(image)``, which takes sizes as (width, height),
    and `block` and `stride` in pixels. Where several channels are equally strong the first one counts. The arithmetic
    is float32 for images of integers and float32, else float64. The same bits come out at every CPU level and for every
    number of threads. Complexity O(pixels · orientations · (1 + block area / stride area)); extra memory O(columns ·
    orientations) per thread, and 3 MB for each table of votes of large uint8 images; up to four are kept.

    References
    ----------
    .. [1] N. Dalal, B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
       :doi:`10.1109/CVPR.2005.177`

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> ramp = np.tile(np.arange(0, 64, 2, dtype=np.uint8), (32, 1))
    >>> features = medfast.hog(ramp)
    >>> features.shape
    (324,)
    >>> np.flatnonzero(features[:9])  # a horizontal gradient lies between the first bin and the last
    array([0, 8])
    """
    image = _validate.as_array(image, "image")
    settings = orientations, norm, clip, signed, gamma, spatial_votes, orientation_votes, block_sigma, levels
    try:
        pairs = (*cell, _END, *block, _END, *(cell if stride is None else stride))
        call = _checked(image.shape, image.dtype, channel_axis, *settings, *pairs)
    except TypeError:  # not hashable, or refused: whichever it is, it is said once more
        call = _check(image.shape, image.dtype, channel_axis, *settings, cell, block, stride)
    _validate.check_finite(image, "image")
    num_threads = _validate.as_threads(num_threads)
    if call.parameters.gamma:
        _validate.check_minimum(image, "image", 0, "with gamma")
    images = image[..., np.newaxis] if channel_axis is None else np.moveaxis(image, channel_axis, -1)
    if call.is_one:
        images = images[np.newaxis]
    if out is None:
        features = np.empty((len(images), call.length), call.dtype)
        out = features[0] if call.is_one else features
    else:
        out = _validate.as_out(out, (call.length,) if call.is_one else (len(images), call.length), call.dtype, image)
        features = out[np.newaxis] if call.is_one else out
    images = driver.within_range(images)
    picture = _picture(images, call.parameters, num_threads) if _validate.as_flag(visualize, "visualize") else None
    for level, (blocks, begin, end) in enumerate(call.parts):
        if level:
            images = driver.halve(images, num_threads)
        if call.plans:
            driver.describe(images, call.plans[level], features[:, begin:end] if levels > 1 else features, num_threads)
        else:
            cells = hog_cells.histograms(images, call.parameters, call.dtype, num_threads=num_threads)
            view = driver.as_blocks(features[:, begin:end], blocks, call.parameters)
            hog_cells.blocks(cells, call.parameters, view, num_threads=num_threads)
    return out if picture is None else (out, picture[0] if call.is_one else picture)


_END: Any = object()
"""Ends a pair among arguments."""


class _Call(NamedTuple):
    """What a call needs to know, as far as it depends on all but the pixels: for a small image, that takes longer."""

    parameters: driver.Parameters
    channel_axis: int | None
    is_one: bool
    """Not a batch."""
    dtype: np.dtype
    parts: list[tuple[tuple[int, int], int, int]]
    """Of each level, block rows and columns, and where its values begin and end."""
    length: int
    plans: tuple[driver.Plan, ...]
    """Of each level, or none where histograms of whole cells are enough."""


@functools.lru_cache(maxsize=64, typed=True)
def _checked(shape: tuple[int, ...], dtype: np.dtype, channel_axis: Any, *settings: Any) -> _Call:
    """What `_check` says, whose pairs come number by number: so that also of these the type counts."""
    ends = [i for i, each in enumerate(settings) if each is _END]
    pairs = (settings[9 : ends[0]], settings[ends[0] + 1 : ends[1]], settings[ends[1] + 1 :])
    return _check(shape, dtype, channel_axis, *settings[:9], *pairs)


def _check(shape: tuple[int, ...], dtype: np.dtype, channel_axis: Any, *settings: Any) -> _Call:
    """Refuse what there is to refuse but for the pixels. `settings` are those of `hog`; the pairs come last."""
    *values, levels, cell, block, stride = settings
    channel_axis = _validate.as_axis(channel_axis, len(shape))
    of_shape = np.broadcast_to(np.empty((), dtype), shape)
    _validate.check_ndim(of_shape, "image", (2, 3) if channel_axis is None else (3, 4))
    _validate.check_channels(shape, channel_axis, "image")
    cell, block = _validate.as_pair(cell, "cell"), _validate.as_pair(block, "block")
    stride = cell if stride is None else _validate.as_pair(stride, "stride")
    parameters = _parameters(values[0], cell, block, stride, *values[1:])
    sides = [n for axis, n in enumerate(shape) if axis != channel_axis]
    is_one, n_channels = len(sides) == 2, 1 if channel_axis is None else shape[channel_axis]
    rows, cols = sides[-2:]
    levels = _validate.as_levels(levels, (rows, cols), parameters.block_pixels)
    parts = driver.layout(parameters, rows, cols, levels)
    work = driver.work_dtype(dtype)
    plans: tuple[driver.Plan, ...] = ()
    if not hog_cells.are_enough(parameters):
        plans = tuple(
            driver.plan((rows >> level, cols >> level, n_channels), blocks, (0, 0), None, parameters, work)
            for level, (blocks, _, _) in enumerate(parts)
        )
    return _Call(parameters, channel_axis, is_one, work, parts, parts[-1][2], plans)


def _picture(images: NDArray[Any], parameters: driver.Parameters, num_threads: int | None) -> NDArray[Any]:
    cells = hog_cells.histograms(images, parameters, driver.work_dtype(images.dtype), num_threads=num_threads)
    cells /= parameters.cell[0] * parameters.cell[1]
    return hog_cells.picture(cells, parameters, images.shape[1:3], cells.dtype)


def _parameters(
    orientations: Any,
    cell: tuple[int, int],
    block: tuple[int, int],
    stride: tuple[int, int],
    norm: Any,
    clip: Any,
    signed: Any,
    gamma: Any,
    spatial_votes: Any,
    orientation_votes: Any,
    block_sigma: Any,
) -> driver.Parameters:
    orientations = _validate.as_int(orientations, "orientations", minimum=1)
    if block_sigma is None:
        block_sigma = (block[0] * cell[0] + block[1] * cell[1]) / 8
    elif block_sigma != math.inf:
        block_sigma = _validate.as_float(block_sigma, "block_sigma", above=0)
    return driver.Parameters(
        orientations=orientations,
        cell=cell,
        block=block,
        stride=stride,
        norm=_validate.as_choice(norm, "norm", driver.NORMS),
        clip=_validate.as_float(clip, "clip", above=0),
        signed=_validate.as_flag(signed, "signed"),
        gamma=_validate.as_flag(gamma, "gamma"),
        spatial_votes=_validate.as_flag(spatial_votes, "spatial_votes"),
        # with one bin there is nothing to share, and the kernel keeps OpenCV's answer to that
        orientation_votes=_validate.as_flag(orientation_votes, "orientation_votes") and orientations > 1,
        sigma=block_sigma,
        epsilon=driver.opencv_epsilon(block[0] * block[1] * orientations),
    )
