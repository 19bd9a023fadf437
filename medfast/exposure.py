"""Histogram equalisation."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _kernels, _validate
from medfast._parallel import for_rows

__all__ = ["equalize_hist"]


def equalize_hist(image: ArrayLike, *, out: NDArray[Any] | None = None, num_threads: int | None = None) -> NDArray[Any]:
    """Equalise the histogram of an image or a volume.

    Gray levels are spread so that each part of the range holds about as many pixels as any other.

    Parameters
    ----------
    image : array_like of shape (M, N) or (P, M, N), dtype {uint8, uint16, int16}
        Image of rows and columns, or volume of planes; any strides. A volume has one histogram.
    out : ndarray, optional
        Where the result goes; same shape and dtype as `image`, and may be `image` itself.
    num_threads : int, optional
        Most threads to use, >= 1.

    Returns
    -------
    ndarray, same shape and dtype as `image`
        The equalised image; `out`, if it was given. A constant or empty image comes back unchanged.

    Raises
    ------
    TypeError
        If `image` or `out` has an unsupported dtype.
    ValueError
        If a shape does not fit, or `out` overlaps `image` without being it.

    Notes
    -----
    With the counts `c` of the B levels of the dtype and the lowest level in use `l`, level `v` becomes
    ``round((c[l+1] + … + c[v]) · (B − 1) / (n − c[l]))``, in float32, rounded half to even. uint8 is bit for bit
    ``cv2.equalizeHist``. Complexity O(pixels + B); extra memory O(B).

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
    image = _validate.as_image(image, dtypes=_validate.INTEGER_DTYPES)
    out = _validate.as_out(out, image.shape, image.dtype, image, in_place=True)
    num_threads = _validate.as_threads(num_threads)
    if not image.size:
        return out
    kernel = _kernels.histogram
    limits = np.iinfo(image.dtype)
    n_bins, offset = int(limits.max) - int(limits.min) + 1, -int(limits.min)
    planes, out_planes = np.atleast_3d(image.T).T, np.atleast_3d(out.T).T
    partial_counts = []

    def count(start: int, stop: int) -> None:
        counts = np.zeros(n_bins, np.int64)
        kernel.count(plane, offset, start, stop, counts)
        partial_counts.append(counts)

    def look_up(start: int, stop: int) -> None:
        kernel.look_up(plane, table, offset, start, stop, out_plane)

    for plane in planes:
        for_rows(plane.shape[0], count, work_per_row=plane.shape[1], num_threads=num_threads)
    table = np.empty(n_bins, image.dtype)
    kernel.equalization_table(np.sum(partial_counts, axis=0), table, offset)
    for plane, out_plane in zip(planes, out_planes, strict=True):
        for_rows(plane.shape[0], look_up, work_per_row=plane.shape[1] / 4, num_threads=num_threads)
    return out
