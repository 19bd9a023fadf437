"""Histogram equalisation, global and adaptive."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import clahe as driver
from medfast._drivers import equalization, gray_levels, lab
from medfast.intensity import match_histograms, window

__all__ = ["clahe", "equalize_hist", "match_histograms", "window"]

_COLOUR_DTYPES = tuple(dtype for dtype in _validate.DTYPES if dtype.kind != "i")
_LARGE = 2**29
"""Pixels of an image from which on a tile, padded, may have 2**31."""
_MOST_BITS = {"uint8": 8, "int16": 15}
"""Most bits from 0 up that a dtype holds; 16 for all others."""


def equalize_hist(
    image: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Equalise the histogram of an image or a volume.

    Gray levels are spread so that each part of the range holds about as many pixels as any other.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes; any strides. A volume has one histogram.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that are counted and changed; those outside stay as they are. All pixels when omitted.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`, and may be `image` itself.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The equalised image; `out`, if it was given. A constant or empty image comes back unchanged, and so does every
        image under a mask that is False everywhere.

    Raises
    ------
    TypeError
        If `image`, `mask` or `out` has an unsupported dtype.
    ValueError
        If a shape does not fit, if a float is NaN or infinite, or if `out` overlaps `image` without being it.

    See Also
    --------
    clahe : Equalisation by neighbourhood, with a limit on contrast.

    Notes
    -----
    With the counts `c` of the B levels of an integer dtype and the lowest level in use `l`, level `v` becomes
    ``round((c[l+1] + … + c[v]) · (B − 1) / (n − c[l]))``, in float32, rounded half to even; for int16 level 0 is
    −32768, so that Hounsfield units keep their order. uint8 is bit for bit ``cv2.equalizeHist``.

    Floats are counted on 65536 levels, evenly spaced from the lowest value to the highest, each pixel on the nearest
    level; the result spans the same values: ``low + (c[1] + … + c[v]) / (n − c[0]) · (high − low)``, in float64.

    Complexity O(pixels + B); extra memory O(B), for floats also two bytes a pixel.

    References
    ----------
    .. [1] R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th ed., section 3.3, Pearson, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> medfast.equalize_hist(np.array([[10, 10], [20, 30]], np.uint8))
    array([[  0,   0],
           [128, 255]], dtype=uint8)
    """
    image = _validate.as_image(image)
    where = _validate.as_mask(mask, image.shape)
    out = _validate.as_out(out, image.shape, image.dtype, image, in_place=True, apart=where)
    num_threads = _validate.as_threads(num_threads)
    if not image.size:
        return out
    volume, out_volume = gray_levels.as_volume(image), gray_levels.as_volume(out)
    equalization.equalize(volume, gray_levels.as_bytes(where), out_volume, num_threads)
    return out


def clahe(
    image: ArrayLike,
    clip_limit: float = 2.0,
    tile_grid: tuple[int, ...] = (8, 8),
    *,
    bit_depth: int | None = None,
    mask: ArrayLike | None = None,
    histogram: ArrayLike | None = None,
    channel_axis: int | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Equalise contrast by neighbourhood, with a limit on how far it is stretched (CLAHE).

    The image is cut into a grid of tiles, each with a histogram and a table of its own; each pixel takes the bilinear
    mean of what the four nearest tiles make of it.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), with one more axis for `channel_axis`
        Image of rows and columns, or volume of planes, dtype {uint8, uint16, int16, float32, float64}; any strides.
    clip_limit : float, default=2.0
        Most pixels that a bin may hold, as a multiple of what it would hold were all bins equal; what is above is
        spread over all bins. At least one pixel; 0 for no limit. Must be >= 0.
    tile_grid : tuple of int, default=(8, 8)
        Tiles along rows and columns (down, across), >= 1; the planes of a volume are then treated one by one. Three
        entries (along planes, rows and columns) make the tiles of a volume boxes, and the mean trilinear.
    bit_depth : int, optional
        Bits in use, 1 to 16 (uint8: to 8, int16: to 15): there are ``2**bit_depth`` levels from 0 up, larger values
        are an error, and the result spans those levels. When omitted, all levels of the dtype; 16 bits for floats.
    mask : array_like of bool, same shape as `image` without `channel_axis`, optional
        Pixels that are counted and changed; those outside stay as they are, and may have any value. All pixels when
        omitted.
    histogram : array_like of int, shape (bins,) or (*tile_grid, bins), optional
        Pixels per level, from the lowest up, which tables are made from in place of the image's own: one for all tiles,
        or one for each, such as those of the whole image for a patch of it. As many bins as there are levels, and
        from one pixel to fewer than 2**31 in all; a tile without any takes the sum of all. Not for gray floats, whose
        levels depend on the image.
    channel_axis : int, optional
        Axis of the channels red, green, blue: the lightness L* of CIE Lab is equalised, hue and chroma stay. Not for
        int16. When omitted, the image is gray.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`. Must not overlap it.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The result; `out`, if it was given. An empty image comes back empty; floats that are all the same, and what an
        empty mask leaves out, unchanged. The table of a tile of one gray level depends on that level, as in OpenCV:
        such a tile does not stay as it is. There may be more tiles than pixels.

    Raises
    ------
    TypeError
        If a dtype or the type of a parameter is not supported.
    ValueError
        If a parameter lies outside the ranges above, if a tile has 2**31 pixels or more, if a pixel does not fit
        `bit_depth`, if a float is NaN or infinite, if a shape does not fit, or if `out` overlaps `image` or `mask`.

    See Also
    --------
    equalize_hist : Equalisation by the histogram of the whole image.

    Notes
    -----
    uint8 and uint16 images are bit for bit ``cv2.createCLAHE(clip_limit, tile_grid[::-1]).apply``, up to limits of
    2**31 pixels a bin. Where a side is no multiple of the grid, the image is extended for counting, mirrored about its
    last row and column; a side that is a multiple then grows by one pixel a tile. With the counts `c` of a tile of `n`
    pixels in B bins, limited to ``max(int(clip_limit * n / B), 1)`` and with the excess spread evenly, level `v`
    becomes ``round((c[0] + ... + c[v]) * ((B - 1) / n))``, and the mean of four tables is taken in float32, along rows
    first. A tile's centre is where OpenCV has it, half a pixel after the middle.

    int16 without `bit_depth` is treated as uint16, shifted by 32768. Floats are rounded to ``2**bit_depth`` levels,
    evenly spaced from the lowest value to the highest, inside the mask, of the whole volume; the result lies on the
    same levels.

    Boxes of a volume reach over ``ceil(P / planes of tiles)`` planes, mirrored about the last one. Plane `z` lies at
    ``(z + 1/2) / planes of a box - 1/2``, in boxes from the centre of the first, and takes the mean of the bilinear
    means of the two nearest planes of boxes. With as many boxes as planes, that is plane by plane.

    With a mask, `n` is the number of pixels of the tile inside it, and a tile without any takes the table of the whole
    mask (of a plane, where planes are treated one by one).

    Colours are sRGB under D65. uint8 is bit for bit what ``cv2.cvtColor`` to ``COLOR_RGB2LAB``, CLAHE of the first
    channel, and ``COLOR_LAB2RGB`` give, with the rounding of a* and b* to 8 bits on the way. Otherwise white is the
    highest level, 1 for floats, which must lie in 0 ... 1; L* is rounded to as many levels as the image has (floats:
    ``2**bit_depth``), and a* and b* are kept in float64; colours that leave the range are cut off.

    Complexity O(pixels + tiles * B). Extra memory is some bytes for each tile of two rows of the grid and each of the
    levels between the lowest and the highest in use (uint8: all levels), under a mask, in boxes and with a histogram
    for every tile; for floats and colours also two to four bytes a pixel. Up to a mebibyte is kept for the next call.

    References
    ----------
    .. [1] S. M. Pizer et al., "Adaptive histogram equalization and its variations", Computer Vision, Graphics, and
       Image Processing 39(3), 1987. :doi:`10.1016/S0734-189X(87)80186-X`
    .. [2] K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, Academic Press, 1994.
    .. [3] IEC 61966-2-1, "Colour management - Default RGB colour space - sRGB", 1999.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> medfast.clahe(np.array([[10, 10], [20, 30]], np.uint8), clip_limit=0, tile_grid=(1, 1))
    array([[128, 128],
           [191, 255]], dtype=uint8)

    A patch, with the statistics of the whole slice of 12 bits:

    >>> slice12 = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
    >>> whole = np.bincount(slice12.ravel(), minlength=4096)
    >>> medfast.clahe(slice12[:16, :16], bit_depth=12, histogram=whole).shape
    (16, 16)

    A volume, with boxes of 4 planes:

    >>> volume = np.repeat(slice12[np.newaxis], 8, axis=0)
    >>> medfast.clahe(volume, tile_grid=(2, 4, 4), bit_depth=12).shape
    (8, 64, 64)
    """
    channel_axis = None if channel_axis is None else _validate.as_int(channel_axis, "channel_axis")
    if channel_axis is None:
        image, axis = _validate.as_image(image), None
    else:
        image = _validate.as_image(image, ndim=(3, 4), dtypes=_COLOUR_DTYPES)
        axis = _validate.as_axis(channel_axis, image.ndim)
        _validate.check_channels(image.shape, axis, "image", (3,))
    shape = image.shape if axis is None else tuple([n for i, n in enumerate(image.shape) if i != axis])
    clip_limit = _validate.as_float(clip_limit, "clip_limit", minimum=0)
    grid = _validate.as_grid(tile_grid, "tile_grid", (2, 3) if len(shape) == 3 else (2,))
    if bit_depth is not None:
        bit_depth = _validate.as_int(bit_depth, "bit_depth", minimum=1, maximum=_MOST_BITS.get(image.dtype.name, 16))
    lowest, n_bins = gray_levels.span(image.dtype, bit_depth)
    if histogram is not None:
        if axis is None:
            _validate.check_integers(image, "image", "with a histogram")
        histogram = _validate.as_histogram(histogram, n_bins, grid)
    where = _validate.as_mask(mask, shape)
    out = _validate.as_out(out, image.shape, image.dtype, image, apart=where)
    num_threads = _validate.as_threads(num_threads)
    if image.size >= _LARGE:
        _validate.check_tile(driver.tile_shape((1, *shape)[-3:], grid))
    if not image.size:
        return out
    inside = gray_levels.as_bytes(where)
    if inside is not None and not inside.any():
        out[...] = image
        return out
    if axis is not None:
        coloured, target = lab.as_volume(image, axis), lab.as_volume(out, axis)
        highest = n_bins - 1 if image.dtype.kind == "u" else 1
        if image.dtype.kind == "f" or bit_depth is not None:
            everywhere = None if inside is None else inside[..., np.newaxis]
            _validate.check_levels(*gray_levels.extremes(coloured, everywhere), 0, highest, "image", "colour")
        driver.equalize_colours(coloured, clip_limit, grid, n_bins, highest, histogram, inside, target, num_threads)
        return out
    volume, target = gray_levels.as_volume(image), gray_levels.as_volume(out)
    if image.dtype.kind == "f":
        driver.equalize_floats(volume, clip_limit, grid, n_bins, inside, target, num_threads)
        return out
    scale = driver.Scale(lowest, n_bins, 0, n_bins)
    if image.dtype != np.uint8 or bit_depth is not None:
        least, most = gray_levels.extremes(volume, inside)
        _validate.check_levels(least, most, lowest, lowest + n_bins - 1, "image", f"bit_depth={bit_depth}")
        if image.dtype != np.uint8:  # tables of the levels in use
            scale = scale._replace(first=least - lowest, n_used=most - least + 1)
    driver.equalize(volume, clip_limit, grid, scale, histogram, inside, target, num_threads)
    return out
