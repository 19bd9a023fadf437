"""Histogram equalisation, global and adaptive."""

import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _kernels, _validate
from medfast._parallel import for_rows

__all__ = ["clahe", "equalize_hist"]

_FLOAT_LEVELS = 65536
"""Levels on which floats are counted: as many as the 16-bit dtypes have."""


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
    volume, out_volume, inside = _as_volume(image), _as_volume(out), _as_bytes(where)
    if image.dtype.kind == "f":
        _equalize_floats(volume, inside, out_volume, num_threads)
        return out
    kernel = _kernels.histogram
    lowest, n_bins = _levels_of(image)
    n_rows, n_cols = _n_rows(volume), volume.shape[2]
    counts, table = np.zeros(n_bins, np.int64), np.empty(n_bins, image.dtype)
    done, lock = False, threading.Lock()

    def count(start: int, stop: int) -> None:
        if stop - start == n_rows:  # nobody else works on it
            kernel.equalize(volume, inside, -lowest, counts, table, out_volume)
            nonlocal done
            done = True
        else:
            _add_counts(volume, inside, -lowest, start, stop, counts, lock)

    def look_up(start: int, stop: int) -> None:
        kernel.look_up(volume, inside, table, -lowest, start, stop, out_volume)

    for_rows(n_rows, count, work_per_row=n_cols / 2, num_threads=num_threads)
    if not done:
        kernel.equalization_table(counts, table, -lowest)
        for_rows(n_rows, look_up, work_per_row=n_cols / 4, num_threads=num_threads)
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
    volume, out_volume, inside = _as_volume(image), _as_volume(out), _as_bytes(where)
    if inside is not None and not inside.any():
        out[...] = image
        return out
    if image.dtype.kind == "f":
        _clahe_floats(volume, clip_limit, grid, 1 << (bit_depth or 16), inside, out_volume, num_threads)
        return out
    lowest, n_bins = _levels_of(image)
    if bit_depth is not None:
        lowest, n_bins = (0 if lowest == 0 else -(1 << (bit_depth - 1))), 1 << bit_depth
    first, n_used = 0, n_bins
    if image.dtype != np.uint8 or bit_depth is not None:
        least, most = int(image.min()), int(image.max())
        _validate.check_levels(least, most, lowest, lowest + n_bins - 1, "image", f"bit_depth={bit_depth}")
        if image.dtype != np.uint8:  # tables of the levels in use
            first, n_used = least - lowest, most - least + 1
    for plane in range(len(volume)):
        _clahe_plane(
            volume[plane], clip_limit, grid, lowest, first, n_used, n_bins,
            None if inside is None else inside[plane], out_volume[plane], num_threads,
        )  # fmt: skip
    return out


def _levels_of(image: NDArray[Any]) -> tuple[int, int]:
    """Lowest level and number of levels of an integer dtype."""
    n_levels = 1 << (8 * image.itemsize)
    return (-(n_levels // 2) if image.dtype.kind == "i" else 0), n_levels


def _as_volume(array: NDArray[Any]) -> NDArray[Any]:
    """`array` as (planes, rows, columns)."""
    return array if array.ndim == 3 else array[None]


def _as_bytes(mask: NDArray[np.bool_] | None) -> NDArray[np.uint8] | None:
    """`mask` as (planes, rows, columns) of bytes, which is how kernels read booleans."""
    return None if mask is None else _as_volume(mask.view(np.uint8))


def _n_rows(volume: NDArray[Any]) -> int:
    return volume.shape[0] * volume.shape[1]


def _add_counts(
    volume: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    offset: int,
    start: int,
    stop: int,
    total: NDArray[np.int64],
    lock: threading.Lock,
) -> None:
    """Count some rows beside other threads that count theirs."""
    counts = np.zeros_like(total)
    _kernels.histogram.count(volume, inside, offset, start, stop, counts)
    with lock:
        np.add(total, counts, out=total)


def _quantize(
    volume: NDArray[Any], inside: NDArray[np.uint8] | None, n_levels: int, num_threads: int | None
) -> tuple[NDArray[np.uint16] | None, NDArray[np.float64]]:
    """Level of each pixel, None where all pixels of the mask are equal, and the lowest and highest value as float64."""
    values = volume if inside is None else volume[inside.view(np.bool_)]
    ends = np.array([values.min(), values.max()], np.float64)
    if ends[0] == ends[1]:
        return None, ends
    unit = _unit(ends)
    low, high = (ends * unit).tolist()
    levels = np.empty(volume.shape, np.uint16)
    kernel = _kernels.histogram

    def quantize(start: int, stop: int) -> None:
        kernel.quantize(volume, unit, low, high - low, n_levels - 1.0, start, stop, levels)

    for_rows(_n_rows(volume), quantize, work_per_row=volume.shape[2], num_threads=num_threads)
    return levels, ends


def _unit(ends: NDArray[np.float64]) -> float:
    """What floats are multiplied by so that the difference of the two ends does not overflow."""
    with np.errstate(over="ignore"):
        return 1.0 if np.isfinite(ends[1] - ends[0]) else 0.5


def _restore(
    levels: NDArray[np.uint16],
    shares: NDArray[np.float64],
    ends: NDArray[np.float64],
    volume: NDArray[Any],
    inside: NDArray[np.uint8] | None,
    out_volume: NDArray[Any],
    num_threads: int | None,
) -> None:
    """Give each pixel the value that lies at the share of its level on the way from the lowest value to the highest."""
    unit = _unit(ends)
    low, high = ends * unit
    values = np.clip((low + shares * (high - low)) / unit, *ends)
    values[shares == 1.0] = ends[1]
    table = values.astype(volume.dtype)
    kernel = _kernels.histogram

    def restore(start: int, stop: int) -> None:
        kernel.restore(levels, inside, volume, table, start, stop, out_volume)

    for_rows(_n_rows(volume), restore, work_per_row=volume.shape[2], num_threads=num_threads)


def _equalize_floats(
    volume: NDArray[Any], inside: NDArray[np.uint8] | None, out_volume: NDArray[Any], num_threads: int | None
) -> None:
    if inside is not None and not inside.any():
        out_volume[...] = volume
        return
    levels, ends = _quantize(volume, inside, _FLOAT_LEVELS, num_threads)
    if levels is None:
        out_volume[...] = volume
        return
    counts, lock = np.zeros(_FLOAT_LEVELS, np.int64), threading.Lock()

    def count(start: int, stop: int) -> None:
        _add_counts(levels, inside, 0, start, stop, counts, lock)

    for_rows(_n_rows(levels), count, work_per_row=levels.shape[2], num_threads=num_threads)
    counts[0] = 0
    running = np.cumsum(counts)
    _restore(levels, running / running[-1], ends, volume, inside, out_volume, num_threads)


def _clahe_floats(
    volume: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, int],
    n_bins: int,
    inside: NDArray[np.uint8] | None,
    out_volume: NDArray[Any],
    num_threads: int | None,
) -> None:
    levels, ends = _quantize(volume, inside, n_bins, num_threads)
    if levels is None:
        out_volume[...] = volume
        return
    results = np.empty_like(levels)
    for plane in range(len(levels)):
        _clahe_plane(
            levels[plane], clip_limit, grid, 0, 0, n_bins, n_bins,
            None if inside is None else inside[plane], results[plane], num_threads,
        )  # fmt: skip
    _restore(results, np.arange(n_bins) / (n_bins - 1), ends, volume, inside, out_volume, num_threads)


def _clahe_plane(
    image: NDArray[Any],
    clip_limit: float,
    grid: tuple[int, int],
    lowest: int,
    first: int,
    n_used: int,
    n_bins: int,
    inside: NDArray[np.uint8] | None,
    out: NDArray[Any],
    num_threads: int | None,
) -> None:
    """CLAHE of a plane, whose pixels lie on `n_used` of `n_bins` levels, from level `first` up; level 0 is `lowest`."""
    kernel = _kernels.clahe
    n_rows, n_cols = image.shape
    grid_rows, grid_cols = grid
    tile_rows, tile_cols = n_rows // grid_rows, n_cols // grid_cols
    if n_rows % grid_rows or n_cols % grid_cols:  # OpenCV's rule: both sides grow to the next larger multiple
        tile_rows, tile_cols = tile_rows + 1, tile_cols + 1
    _validate.check_tile(tile_rows, tile_cols)
    offset = -lowest - first

    def make_tables(tables: NDArray[Any], fallback: NDArray[Any], shape: tuple[int, int], columns: int, work: float):
        def make(start: int, stop: int) -> None:
            kernel.tile_tables(
                image, inside, offset, first, n_bins, clip_limit, *shape, columns, start, stop,
                fallback, np.empty(n_used, np.uint32), tables,
            )  # fmt: skip

        for_rows(len(tables), make, work_per_row=work, num_threads=num_threads)

    tables = np.empty((grid_rows * grid_cols, n_used), np.uint16)
    fallback = tables[0]
    if inside is not None:
        fallback = np.zeros(n_used, np.uint16)
        make_tables(fallback[None], fallback, (n_rows, n_cols), 1, image.size)
    make_tables(tables, fallback, (tile_rows, tile_cols), grid_cols, tile_rows * tile_cols / 3 + n_used)

    weights, bounds = np.empty((2, n_cols), np.float32), np.empty(grid_cols + 2, np.int64)
    kernel.column_weights(tile_cols, weights, bounds)
    n_words = 0
    if tile_rows * tile_cols >= n_used:  # bringing the four tables of a cell together pays
        n_words = n_used * image.itemsize

    def interpolate(start: int, stop: int) -> None:
        kernel.interpolate(
            image, inside, offset, lowest, tables, tile_rows, weights, bounds, start, stop,
            np.empty((grid_cols + 1, n_words), np.uint32), out,
        )  # fmt: skip

    for_rows(n_rows, interpolate, work_per_row=n_cols / 2, num_threads=num_threads)
