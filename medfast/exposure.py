"""Histogram equalisation, global and adaptive."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import clahe as driver
from medfast._drivers import equalization, gray_levels

__all__ = ["clahe", "equalize_hist"]


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
    tile_grid: tuple[int, int] = (8, 8),
    *,
    bit_depth: int | None = None,
    mask: ArrayLike | None = None,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """Equalise contrast by neighbourhood, with a limit on how far it is stretched (CLAHE).

    The image is cut into a grid of tiles, each with a histogram and a table of its own; each pixel takes the bilinear
    mean of what the four nearest tiles make of it.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16, float32, float64}
        Image of rows and columns, or volume of planes, each of which is treated by itself; any strides.
    clip_limit : float, default=2.0
        Most pixels that a bin may hold, as a multiple of what it would hold were all bins equal; what is above is
        spread over all bins. At least one pixel; 0 for no limit. Must be >= 0.
    tile_grid : tuple of int, default=(8, 8)
        Tiles along rows and columns (down, across), >= 1.
    bit_depth : int, optional
        Bits in use, 1 to 16 (1 to 8 for uint8): there are ``2**bit_depth`` levels, from 0 up, for int16 from
        ``-2**(bit_depth - 1)`` up, and the result spans them. As many as the dtype has when omitted; 16 for floats.
    mask : array_like of bool, same shape as `image`, optional
        Pixels that are counted and changed; those outside stay as they are. All pixels when omitted.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`. Must not overlap it.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The result; `out`, if it was given. An empty image comes back empty, floats that are all the same unchanged. The
        table of a tile of one gray level depends on that level, as in OpenCV: such a tile does not stay as it is.

    Raises
    ------
    TypeError
        If a dtype or the type of a parameter is not supported.
    ValueError
        If a parameter lies outside the ranges above, if a tile has 2**31 pixels or more, if a pixel does not fit
        `bit_depth`, if a float is NaN or infinite, if a shape does not fit, or if `out` overlaps `image`.

    See Also
    --------
    equalize_hist : Equalisation by the histogram of the whole image.

    Notes
    -----
    uint8 and uint16 are bit for bit ``cv2.createCLAHE(clip_limit, tile_grid[::-1]).apply``, up to limits of 2**31
    pixels a bin. Where a side is no multiple of the grid, the image is extended for counting, mirrored about its last
    row and column; a side that is a multiple then grows by one pixel a tile. With the counts `c` of a tile of `n`
    pixels in B bins, limited to ``max(int(clip_limit · n / B), 1)`` and with the excess spread evenly, level `v`
    becomes ``round((c[0] + … + c[v]) · ((B − 1) / n))``, and the mean of four tables is taken in float32, along rows
    first.

    int16 is treated as uint16, shifted by 32768. Floats are rounded to ``2**bit_depth`` levels, evenly spaced from the
    lowest value to the highest, inside the mask, of the whole volume; the result lies on the same levels.

    With a mask, `n` is the number of pixels of the tile inside it, and a tile without any takes the table of the
    plane's whole mask.

    Complexity O(pixels + tiles · B); extra memory two bytes for each tile and each of the levels between the lowest and
    the highest in use (uint8: all levels), and for floats two bytes a pixel.

    References
    ----------
    .. [1] S. M. Pizer et al., "Adaptive histogram equalization and its variations", Computer Vision, Graphics, and
    Image
       Processing 39(3), 1987. :doi:`10.1016/S0734-189X(87)80186-X`
    .. [2] K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, Academic Press, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> import medfast
    >>> medfast.clahe(np.array([[10, 10], [20, 30]], np.uint8), clip_limit=0, tile_grid=(1, 1))
    array([[128, 128],
           [191, 255]], dtype=uint8)
    """
    image = _validate.as_image(image)
    clip_limit = _validate.as_float(clip_limit, "clip_limit", minimum=0)
    grid = _validate.as_pair(tile_grid, "tile_grid")
    if bit_depth is not None:
        bit_depth = _validate.as_int(bit_depth, "bit_depth", minimum=1, maximum=min(8 * image.dtype.itemsize, 16))
    where = _validate.as_mask(mask, image.shape)
    out = _validate.as_out(out, image.shape, image.dtype, image, apart=where)
    num_threads = _validate.as_threads(num_threads)
    if not image.size:
        return out
    volume, out_volume, inside = gray_levels.as_volume(image), gray_levels.as_volume(out), gray_levels.as_bytes(where)
    _validate.check_tile(*driver.tile_shape(volume.shape[1:], grid))
    if inside is not None and not inside.any():
        out[...] = image
        return out
    lowest, n_bins = gray_levels.of_dtype(image.dtype) if image.dtype.kind != "f" else (0, 65536)
    if bit_depth is not None:
        lowest, n_bins = (0 if lowest == 0 else -(1 << (bit_depth - 1))), 1 << bit_depth
    used = 0, n_bins
    if image.dtype.kind != "f" and (image.dtype != np.uint8 or bit_depth is not None):
        least, most = int(image.min()), int(image.max())
        _validate.check_levels(least, most, lowest, lowest + n_bins - 1, "image", f"bit_depth={bit_depth}")
        if image.dtype != np.uint8:  # tables of the levels in use
            used = least - lowest, most - least + 1
    driver.equalize(volume, clip_limit, grid, lowest, n_bins, used, inside, out_volume, num_threads)
    return out
