"""OpenCV's HOGDescriptor, which its main wheel has no longer from version 5 on."""

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import hog as driver
from medfast._drivers import hog_windows
from medfast.compat.opencv import hog_files, hog_settings
from medfast.compat.opencv.detection import NO_SIZE, Detection

__all__ = [
    "HOGDESCRIPTOR_DEFAULT_NLEVELS",
    "HOGDESCRIPTOR_L2HYS",
    "HOGDescriptor",
    "HOGDescriptor_DEFAULT_NLEVELS",
    "HOGDescriptor_L2Hys",
    "HOGDescriptor_getDaimlerPeopleDetector",
    "HOGDescriptor_getDefaultPeopleDetector",
]

HOGDESCRIPTOR_L2HYS = HOGDescriptor_L2Hys = 0
HOGDESCRIPTOR_DEFAULT_NLEVELS = HOGDescriptor_DEFAULT_NLEVELS = 64


def _setting(name: str) -> Any:
    return property(lambda self: getattr(self._settings, name), doc=f"OpenCV's {name}; as there, it cannot be set.")


class HOGDescriptor(Detection):
    """Describe windows of an image by histograms of oriented gradients, and find those that a linear SVM likes.

    Without arguments, a window of 64 x 128 with `gammaCorrection`, which is off as soon as arguments are given:
    OpenCV's rule. Settings are attributes that cannot be set, as in OpenCV.

    Parameters
    ----------
    _winSize : tuple of two ints, or str
        Width and height of a window, in pixels. Less `_blockSize`, it must be a multiple of `_blockStride`. Or, alone,
        the name of a file that `save` wrote.
    _blockSize : tuple of two ints
        Width and height of a block, in pixels; a multiple of `_cellSize`.
    _blockStride : tuple of two ints
        Columns and rows from one block to the next, in pixels.
    _cellSize : tuple of two ints
        Width and height of a cell, in pixels.
    _nbins : int
        Bins of a histogram.
    _derivAperture : int, default=1
        Kept, without effect; as in OpenCV.
    _winSigma : float, default=-1
        Standard deviation of the Gaussian over a block, in pixels; (block width + block height) / 8 where it is not
        above 0.
    _histogramNormType : int, default=0
        Kept, without effect; the norm is always L2-Hys, as in OpenCV.
    _L2HysThreshold : float, default=0.2
        Largest value after the first normalisation. OpenCV uses the threshold of the process's first call for good;
        here each descriptor uses its own.
    _gammaCorrection : bool, default=False
        Whether the square root of the gray levels is taken first.
    _nlevels : int, default=64
        Most sizes that `detectMultiScale` looks at.
    _signedGradient : bool, default=False
        Whether opposite directions differ.
    filename : str, optional
        The same as a name in place of `_winSize`.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a size is not positive, or does not divide where it must; if a file is not one of a HOGDescriptor.
    OSError
        If there is no such file.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.compat.opencv.feature import HOGDescriptor
    >>> HOGDescriptor().compute(np.zeros((128, 64), np.uint8)).shape
    (3780,)
    """

    # OpenCV's names
    def __init__(
        self,
        _winSize: tuple[int, int] | str | os.PathLike[str] | None = None,
        _blockSize: tuple[int, int] | None = None,
        _blockStride: tuple[int, int] | None = None,
        _cellSize: tuple[int, int] | None = None,
        _nbins: int | None = None,
        _derivAperture: int = 1,
        _winSigma: float = -1.0,
        _histogramNormType: int = HOGDESCRIPTOR_L2HYS,
        _L2HysThreshold: float = 0.2,
        _gammaCorrection: bool = False,
        _nlevels: int = HOGDESCRIPTOR_DEFAULT_NLEVELS,
        _signedGradient: bool = False,
        *,
        filename: str | os.PathLike[str] | None = None,
    ) -> None:
        self._detector = np.empty(0, np.float32)
        sizes: tuple[Any, ...] = (_winSize, _blockSize, _blockStride, _cellSize, _nbins)
        if isinstance(_winSize, str | os.PathLike) and sizes[1:] == (None,) * 4 and filename is None:
            sizes, filename = (None,) * 5, _winSize
        if all(size is None for size in sizes):
            sizes, _gammaCorrection = ((64, 128), (16, 16), (8, 8), (8, 8), 9), True
        elif filename is not None or any(size is None for size in sizes):
            raise TypeError(
                "HOGDescriptor needs _winSize, _blockSize, _blockStride, _cellSize and _nbins,"
                " or a filename, or nothing"
            )
        self._settings = hog_settings.checked(
            *sizes, _derivAperture, _winSigma, _histogramNormType, _L2HysThreshold, _gammaCorrection, _nlevels,
            _signedGradient,
        )  # fmt: skip
        if filename is not None:
            self.load(filename)

    winSize = _setting("winSize")
    blockSize = _setting("blockSize")
    blockStride = _setting("blockStride")
    cellSize = _setting("cellSize")
    nbins = _setting("nbins")
    derivAperture = _setting("derivAperture")
    winSigma = _setting("winSigma")
    histogramNormType = _setting("histogramNormType")
    L2HysThreshold = _setting("L2HysThreshold")
    gammaCorrection = _setting("gammaCorrection")
    nlevels = _setting("nlevels")
    signedGradient = _setting("signedGradient")

    def getWinSigma(self) -> float:
        """Tell the standard deviation of the Gaussian over a block.

        Returns
        -------
        float
            `winSigma` where it is above 0, else (block width + block height) / 8; in pixels.
        """
        return hog_settings.sigma(self._settings)

    def compute(
        self,
        img: ArrayLike,
        winStride: tuple[int, int] | None = NO_SIZE,
        padding: tuple[int, int] | None = NO_SIZE,
        locations: Any = (),
    ) -> NDArray[np.float32]:
        """Describe every window of an image, or those at given places.

        Parameters
        ----------
        img : array_like of shape (M, N) or (M, N, 3), dtype uint8
            Image; of three channels the one with the strongest gradient counts, pixel by pixel.
        winStride : tuple of two ints, default=(0, 0)
            Columns and rows from one window to the next; one cell where both are 0.
        padding : tuple of two ints, default=(0, 0)
            Columns left and right, rows above and below, by which the image is continued by reflection. Rounded up to
            a multiple of d, the greatest common divisor of `winStride` and `blockStride`: OpenCV's ``(padding + d - 1)
            & -d``, which is one only for powers of 2. Negative ones count as 0.
        locations : sequence of (x, y), optional
            Upper left corners of the windows, in place of all of them. Windows outside of the padded image give zeros.

        Returns
        -------
        ndarray of shape (n_windows * getDescriptorSize(),), dtype float32
            One window after the other, in rows.

        Raises
        ------
        TypeError
            If `img` is not uint8, or a parameter has the wrong type.
        ValueError
            If `img` has another shape, or is smaller than a window with its padding; if a stride is not positive.

        Notes
        -----
        Values are within 1e-5 of OpenCV's. A block is computed once for all windows of a stride that it lies in.
        """
        windows = self._windows(img, winStride, padding)
        if len(locations):
            return hog_windows.describe_at(windows, _validate.as_points(locations, "locations")).ravel()
        return hog_windows.describe(windows).ravel()

    def computeGradient(
        self,
        img: ArrayLike,
        grad: NDArray[Any] | None = None,
        angleOfs: NDArray[Any] | None = None,
        paddingTL: tuple[int, int] | None = (0, 0),
        paddingBR: tuple[int, int] | None = (0, 0),
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Find the two bins that each pixel votes for, and its votes.

        Parameters
        ----------
        img : array_like of shape (M, N) or (M, N, 3), dtype uint8
            Image; of three channels the one with the strongest gradient counts, pixel by pixel.
        grad : ndarray, optional
            Where the votes go, if it has their shape and dtype; as in OpenCV it is else left alone.
        angleOfs : ndarray, optional
            The same for the bins.
        paddingTL : tuple of two ints, default=(0, 0)
            Columns on the left and rows above by which the image is continued by reflection.
        paddingBR : tuple of two ints, default=(0, 0)
            The same on the right and below.

        Returns
        -------
        grad : ndarray of shape (rows, columns, 2), dtype float32
            The gradient's magnitude, shared between the two nearest bins.
        angleOfs : ndarray of shape (rows, columns, 2), dtype uint8
            These bins.

        Raises
        ------
        TypeError
            If `img` is not uint8, or a parameter has the wrong type.
        ValueError
            If `img` has another shape or is empty, if a padding is negative, or if there are more than 256 bins.
        """
        image = self._image(img)
        _validate.check_room(image, (0, 0), self.winSize)
        _validate.check_bins(self.nbins)
        before = _validate.as_size(paddingTL or (0, 0), "paddingTL", minimum=0)
        after = _validate.as_size(paddingBR or (0, 0), "paddingBR", minimum=0)
        shape = image.shape[1] + before[1] + after[1], image.shape[2] + before[0] + after[0], 2
        votes, bins = _place(grad, shape, np.float32), _place(angleOfs, shape, np.uint8)
        driver.votes(image, hog_settings.parameters(self._settings), before[::-1], votes, bins)
        return votes, bins

    @staticmethod
    def getDefaultPeopleDetector() -> NDArray[np.float32]:
        """Give OpenCV's detector of people in windows of 64 x 128; its coefficients come from `cv2`.

        Returns
        -------
        ndarray of shape (3781,), dtype float32
            For `setSVMDetector`.

        Raises
        ------
        ImportError
            If `cv2` is not installed, or is one that has no HOGDescriptor.
        """
        return _from_opencv("getDefaultPeopleDetector")

    @staticmethod
    def getDaimlerPeopleDetector() -> NDArray[np.float32]:
        """Give Daimler's detector of people in windows of 48 x 96; its coefficients come from `cv2`.

        Returns
        -------
        ndarray of shape (1981,), dtype float32
            For `setSVMDetector`.

        Raises
        ------
        ImportError
            If `cv2` is not installed, or is one that has no HOGDescriptor.
        """
        return _from_opencv("getDaimlerPeopleDetector")

    def save(self, filename: str | os.PathLike[str], objname: str = "") -> None:
        """Write settings and detector to a file that OpenCV reads too.

        Parameters
        ----------
        filename : str
            Ends in .yml, .yaml, .xml or .json, and .gz for a compressed one.
        objname : str, default=""
            Name of the node; one made of the file's name where empty.

        Raises
        ------
        ValueError
            If the file's name ends otherwise.
        """
        hog_files.save(filename, objname, hog_settings.to_file(self._settings, self._detector))

    def load(self, filename: str | os.PathLike[str], objname: str = "") -> bool:
        """Take settings and detector from a file, of OpenCV's too; after an error, they are what they were.

        Parameters
        ----------
        filename : str
            YAML, XML or JSON, plain or compressed.
        objname : str, default=""
            Name of the node; the first one where empty.

        Returns
        -------
        bool
            True.

        Raises
        ------
        ValueError
            If the file is none of these, is cut off, or does not hold legal settings.
        """
        values = hog_files.load(filename, objname)
        self._settings, self._detector = hog_settings.from_file(values, self._detector)
        return True

    def read(self, fn: Any) -> bool:
        """Take settings and detector from an open file of OpenCV's.

        Parameters
        ----------
        fn : cv2.FileNode
            The node that holds them.

        Returns
        -------
        bool
            Whether the node holds anything by name; else nothing is changed.

        Raises
        ------
        ValueError
            If it does not hold legal settings.
        """
        values = hog_files.read_node(fn)
        if values is not None:
            self._settings, self._detector = hog_settings.from_file(values, self._detector)
        return values is not None

    def write(self, fs: Any, objname: str) -> None:
        """Write settings and detector into an open file of OpenCV's.

        Parameters
        ----------
        fs : cv2.FileStorage
            Open for writing.
        objname : str
            Name of the node.
        """
        hog_files.write_node(fs, objname, hog_settings.to_file(self._settings, self._detector))


def HOGDescriptor_getDefaultPeopleDetector() -> NDArray[np.float32]:
    """Give OpenCV's detector of people; the same as `HOGDescriptor.getDefaultPeopleDetector`.

    Returns
    -------
    ndarray of shape (3781,), dtype float32
        For `HOGDescriptor.setSVMDetector`.

    Examples
    --------
    >>> from medfast.compat.opencv.feature import HOGDescriptor_getDefaultPeopleDetector
    >>> detector = HOGDescriptor_getDefaultPeopleDetector()  # doctest: +SKIP
    """
    return _from_opencv("getDefaultPeopleDetector")


def HOGDescriptor_getDaimlerPeopleDetector() -> NDArray[np.float32]:
    """Give Daimler's detector of people; the same as `HOGDescriptor.getDaimlerPeopleDetector`.

    Returns
    -------
    ndarray of shape (1981,), dtype float32
        For `HOGDescriptor.setSVMDetector`.

    Examples
    --------
    >>> from medfast.compat.opencv.feature import HOGDescriptor_getDaimlerPeopleDetector
    >>> detector = HOGDescriptor_getDaimlerPeopleDetector()  # doctest: +SKIP
    """
    return _from_opencv("getDaimlerPeopleDetector")


def _from_opencv(name: str) -> NDArray[np.float32]:
    try:
        import cv2

        found = cv2.HOGDescriptor
    except (ImportError, AttributeError):
        raise ImportError(
            f"{name} has its coefficients from OpenCV: a cv2 with HOGDescriptor must be installed"
            ' (pip install "opencv-python-headless<5")'
        ) from None
    return getattr(found, name)()


def _place(given: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """`given`, if the result fits there, else a new array."""
    if isinstance(given, np.ndarray) and given.shape == shape and given.dtype == dtype and given.flags.writeable:
        return given
    return np.empty(shape, dtype)
