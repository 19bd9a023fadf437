"""OpenCV's histogram equalisation: `equalizeHist` and `createCLAHE`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _validate, exposure
from medfast.compat.opencv.algorithm import Algorithm

__all__ = ["CLAHE", "createCLAHE", "equalizeHist"]

_8_BITS = (np.dtype(np.uint8),)
_8_OR_16_BITS = (*_8_BITS, np.dtype(np.uint16))


def equalizeHist(src: NDArray[np.uint8], dst: NDArray[np.uint8] | None = None) -> NDArray[np.uint8] | None:
    """Equalise the histogram of an 8-bit image, as ``cv2.equalizeHist`` does.

    Gray levels are spread so that each part of the range holds about as many pixels as any other.

    Parameters
    ----------
    src : ndarray of shape (M, N) or (M, N, 1), dtype uint8
        Image of one channel.
    dst : ndarray of shape (M, N), dtype uint8, optional
        Filled and returned where shape and dtype fit, else left alone; may be `src`.

    Returns
    -------
    ndarray of shape (M, N), dtype uint8
        The equalised image; None for an empty one.

    Raises
    ------
    TypeError
        If `src` is not an array of uint8.
    ValueError
        If `src` has several channels.

    See Also
    --------
    medfast.equalize_hist : The same for 16 bits, floats and volumes.

    Notes
    -----
    Bit for bit OpenCV 4.14 and 5.0.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.exposure import equalizeHist
    >>> equalizeHist(np.array([[10, 10], [20, 30]], np.uint8))
    array([[  0,   0],
           [128, 255]], dtype=uint8)
    """
    image = _validate.as_channel(src, "src", _8_BITS)
    if not image.size:
        return None
    result = exposure.equalize_hist(image)
    return result if dst is None else _fill(dst, image, result)


def createCLAHE(clipLimit: float = 40.0, tileGridSize: tuple[int, int] = (8, 8)) -> "CLAHE":
    """Make an object that equalises contrast by neighbourhood, as ``cv2.createCLAHE`` does.

    Its settings can be changed later, and it can be applied to any number of images.

    Parameters
    ----------
    clipLimit : float, default=40.0
        Most pixels in a bin, in multiples of the mean; no limit where it is 0 or less.
    tileGridSize : tuple of int, default=(8, 8)
        Tiles across and down (width, height).

    Returns
    -------
    CLAHE
        To be applied to images with its method ``apply``.

    Raises
    ------
    TypeError
        If a parameter is not of the type above.
    ValueError
        If `clipLimit` is NaN or infinite, or if `tileGridSize` has not two entries of at least 1.

    See Also
    --------
    medfast.clahe : The same for floats and volumes, with a mask.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.exposure import createCLAHE
    >>> createCLAHE(2.0, (4, 8)).apply(np.zeros((64, 64), np.uint8)).shape
    (64, 64)
    """
    return CLAHE(clipLimit, tileGridSize)


class CLAHE(Algorithm):
    """Contrast-limited adaptive histogram equalisation with OpenCV's methods; made by `createCLAHE`.

    It holds settings alone, no memory between calls, and may be used by several threads at once. As in OpenCV, `save`
    and `write` leave an empty node, for it stores no settings, and `read` changes none.

    Parameters
    ----------
    clipLimit : float
        Most pixels in a bin, in multiples of the mean; no limit where it is 0 or less.
    tileGridSize : tuple of int
        Tiles across and down (width, height).

    See Also
    --------
    createCLAHE : What makes such an object.

    Notes
    -----
    Bit for bit OpenCV 4.14 and 5.0, up to limits of 2**31 pixels a bin. A grid of 0, on which OpenCV's process dies, is
    a ValueError.

    Examples
    --------
    >>> from medfast.compat.opencv.exposure import createCLAHE
    >>> createCLAHE(2.0, (4, 8)).getTilesGridSize()
    (4, 8)
    """

    def __init__(self, clipLimit: float, tileGridSize: tuple[int, int]) -> None:
        self.setClipLimit(clipLimit)
        self.setTilesGridSize(tileGridSize)
        self.setBitShift(0)

    def apply(self, src: NDArray[Any], dst: NDArray[Any] | None = None) -> NDArray[Any]:
        """Equalise an image.

        Parameters
        ----------
        src : ndarray of shape (M, N) or (M, N, 1), dtype {uint8, uint16}
            Image of one channel, not empty.
        dst : ndarray of shape (M, N), optional
            Filled and returned where shape and dtype are those of `src`, else left alone; may be `src`.

        Returns
        -------
        ndarray of shape (M, N)
            The result, of the dtype of `src`.

        Raises
        ------
        TypeError
            If `src` is not an array of a dtype above.
        ValueError
            If `src` is empty, has several channels, or has no bit left after the bit shift.
        """
        image = _validate.as_channel(src, "src", _8_OR_16_BITS)
        if not image.size:
            _validate.check_not_empty(image, "src")
        limit, grid, shift = self._limit, self._tiles, self._bit_shift
        if shift == 0:
            result = exposure.clahe(image, limit, grid)
            return result if dst is None else _fill(dst, image, result)
        bit_depth = _validate.as_int(8 * image.itemsize - shift, "bits of src less bitShift", minimum=1)
        result = exposure.clahe(image >> image.dtype.type(shift), limit, grid, bit_depth=bit_depth)
        return _fill(dst, image, np.left_shift(result, image.dtype.type(shift), out=result))

    def setClipLimit(self, clipLimit: float) -> None:
        """Set the most pixels in a bin, in multiples of the mean.

        Parameters
        ----------
        clipLimit : float
            Finite; no limit where it is 0 or less.
        """
        self._clip_limit = _validate.as_float(clipLimit, "clipLimit")
        self._limit = max(self._clip_limit, 0.0)

    def getClipLimit(self) -> float:
        """Tell the most pixels in a bin.

        Returns
        -------
        float
            In multiples of the mean.
        """
        return self._clip_limit

    def setTilesGridSize(self, tileGridSize: tuple[int, int]) -> None:
        """Set the number of tiles.

        Parameters
        ----------
        tileGridSize : tuple of int
            Tiles across and down (width, height), >= 1.
        """
        self._grid = _validate.as_size(tileGridSize, "tileGridSize")
        self._tiles = self._grid[::-1]

    def getTilesGridSize(self) -> tuple[int, int]:
        """Tell the number of tiles.

        Returns
        -------
        tuple of int
            Tiles across and down (width, height).
        """
        return self._grid

    def setBitShift(self, bitShift: int) -> None:
        """Set by how many bits gray levels are shifted down for counting, and back up in the result.

        Parameters
        ----------
        bitShift : int
            0 to 15, and to 7 for images of 8 bits.
        """
        self._bit_shift = _validate.as_int(bitShift, "bitShift", minimum=0, maximum=15)

    def getBitShift(self) -> int:
        """Tell by how many bits gray levels are shifted down.

        Returns
        -------
        int
            0 to 15.
        """
        return self._bit_shift

    def collectGarbage(self) -> None:
        """Do nothing: there is no memory kept between calls that could be given back."""


def _fill(dst: Any, image: NDArray[Any], result: NDArray[Any]) -> NDArray[Any]:
    """OpenCV's rule for outputs: `dst` where it fits, else a new array."""
    target = _validate.as_dst(dst, image.shape, image.dtype)
    if target is None:
        return result
    np.copyto(target, result)
    return dst
