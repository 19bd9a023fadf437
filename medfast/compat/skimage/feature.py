"""scikit-image's `hog`, as version 0.26 has it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from medfast import _validate
from medfast._drivers import hog as driver
from medfast._drivers import hog_cells

__all__ = ["hog"]

_NORMS = {"L1": "l1", "L1-sqrt": "l1-sqrt", "L2": "l2", "L2-Hys": "l2-hys"}
_TINY = 1e-5  # scikit-image's constant against a division by 0


def hog(
    image: ArrayLike,
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    cells_per_block: tuple[int, int] = (3, 3),
    block_norm: str = "L2-Hys",
    visualize: bool = False,
    transform_sqrt: bool = False,
    feature_vector: bool = True,
    *,
    channel_axis: int | None = None,
) -> Any:
    """Describe an image by histograms of oriented gradients, as scikit-image does.

    Each pixel votes for one bin of one cell. Blocks of cells, one cell apart, are normalised.

    Parameters
    ----------
    image : array_like of shape (M, N), or with `channel_axis` one dimension more
        Image of any real dtype.
    orientations : int, default=9
        Bins over 180 degrees, >= 1.
    pixels_per_cell : tuple of two ints, default=(8, 8)
        Rows and columns of a cell.
    cells_per_block : tuple of two ints, default=(3, 3)
        Rows and columns of a block, in cells.
    block_norm : {"L1", "L1-sqrt", "L2", "L2-Hys"}, default="L2-Hys"
        How a block is normalised.
    visualize : bool, default=False
        Whether to give a picture too: in each cell a stroke per bin, as bright as the bin is strong.
    transform_sqrt : bool, default=False
        Whether the square root of the gray levels is taken first; they must be >= 0.
    feature_vector : bool, default=True
        Whether the result is flattened.
    channel_axis : int, optional
        Axis of the channels; of each pixel the channel with the strongest gradient counts.

    Returns
    -------
    out : ndarray of shape (block rows, block columns, rows and columns of cells, orientations), or flattened
        Features, float32 for an image of float16 or float32, else float64.
    hog_image : ndarray of shape (M, N), dtype as `out`
        With `visualize` alone: the picture.

    Raises
    ------
    TypeError
        If `image` has no real dtype, or a parameter has the wrong type.
    ValueError
        If `image` has another number of dimensions, is smaller than a block or has NaN or infinity (where scikit-image
        gives NaN), or a parameter lies outside the ranges above.

    Notes
    -----
    Within 1.5e-7 of ``skimage.feature.hog``. A direction belongs to the bin that ``rad2deg(arctan2(dy, dx)) % 180`` in
    float64 falls into, for many lie on an edge; sums over a cell are float32, in the same order. ``medfast.hog`` is
    faster and takes 16 bits, batches and pyramids.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.skimage.feature import hog
    >>> hog(np.eye(32), pixels_per_cell=(4, 4), feature_vector=False).shape
    (6, 6, 3, 3, 9)
    """
    image = np.atleast_2d(_validate.as_real(image, "image"))
    channel_axis = _validate.as_axis(channel_axis, image.ndim)
    image = _validate.as_image(image, ndim=(2,) if channel_axis is None else (3,))
    _validate.check_channels(image.shape, channel_axis, "image")
    cell = _validate.as_pair(pixels_per_cell, "pixels_per_cell")
    block = _validate.as_pair(cells_per_block, "cells_per_block")
    norm = _NORMS[_validate.as_choice(block_norm, "block_norm", tuple(_NORMS))]
    if transform_sqrt:
        _validate.check_minimum(image, "image", 0, "with transform_sqrt")
    square = _TINY * _TINY
    parameters = driver.Parameters(
        orientations=_validate.as_int(orientations, "orientations", minimum=1),
        cell=cell,
        block=block,
        stride=cell,
        norm=norm,
        clip=0.2,
        signed=False,
        gamma=bool(transform_sqrt),
        spatial_votes=False,
        orientation_votes=False,
        sigma=np.inf,
        epsilon=(0.0, _TINY, 0.0, 0.0) if norm in ("l1", "l1-sqrt") else (square, 0.0, square, 0.0),
    )
    images = image[np.newaxis, ..., np.newaxis] if channel_axis is None else np.moveaxis(image, channel_axis, -1)[None]
    _validate.check_cells(images.shape[1:3], cell, block)
    dtype = np.float32 if image.dtype == np.float32 else np.float64
    cells = hog_cells.histograms(images, parameters, np.dtype(np.float64), single=True)
    out = np.empty((*parameters.blocks_in(*images.shape[1:3]), *block, parameters.orientations), dtype)
    hog_cells.blocks(cells, parameters, out[np.newaxis], rows_first=True)
    features = out.ravel() if feature_vector else out
    if not visualize:
        return features
    return features, hog_cells.picture(cells, parameters, images.shape[1:3], np.dtype(dtype))[0]
