"""OpenCV's HOGDescriptor, which its main wheel has no longer from version 5 on."""

import functools
import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._drivers import hog as driver

__all__ = [
    "HOGDESCRIPTOR_DEFAULT_NLEVELS",
    "HOGDESCRIPTOR_L2HYS",
    "HOGDescriptor",
    "HOGDescriptor_DEFAULT_NLEVELS",
    "HOGDescriptor_L2Hys",
]

HOGDESCRIPTOR_L2HYS = HOGDescriptor_L2Hys = 0
HOGDESCRIPTOR_DEFAULT_NLEVELS = HOGDescriptor_DEFAULT_NLEVELS = 64


class HOGDescriptor:
    """Describe windows of an image by histograms of oriented gradients.

    Without arguments, a window of 64 x 128 with `gammaCorrection`, which is off as soon as arguments are given:
    OpenCV's rule.

    Parameters
    ----------
    _winSize : tuple of two ints
        Width and height of a window, in pixels. Less `_blockSize`, it must be a multiple of `_blockStride`.
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
        Kept for detection; without effect on `compute`.
    _signedGradient : bool, default=False
        Whether opposite directions differ.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a size is not positive, or does not divide where it must.

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
        _winSize: tuple[int, int] | None = None,
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
    ) -> None:
        sizes = (_winSize, _blockSize, _blockStride, _cellSize, _nbins)
        if all(size is None for size in sizes):
            sizes, _gammaCorrection = ((64, 128), (16, 16), (8, 8), (8, 8), 9), True
        elif any(size is None for size in sizes):
            raise TypeError("HOGDescriptor needs _winSize, _blockSize, _blockStride, _cellSize and _nbins, or nothing")
        self.winSize = _validate.as_size(sizes[0], "winSize")
        self.blockSize = _validate.as_size(sizes[1], "blockSize")
        self.blockStride = _validate.as_size(sizes[2], "blockStride")
        self.cellSize = _validate.as_size(sizes[3], "cellSize")
        self.nbins = _validate.as_int(sizes[4], "nbins", minimum=1)
        self.derivAperture = _validate.as_int(_derivAperture, "derivAperture")
        self.winSigma = _validate.as_float(_winSigma, "winSigma")
        self.histogramNormType = _validate.as_int(_histogramNormType, "histogramNormType")
        self.L2HysThreshold = _validate.as_float(_L2HysThreshold, "L2HysThreshold", above=0)
        self.gammaCorrection = bool(_gammaCorrection)
        self.nlevels = _validate.as_int(_nlevels, "nlevels")
        self.signedGradient = bool(_signedGradient)
        _validate.check_window(self.winSize, self.blockSize, self.blockStride, self.cellSize)

    def getDescriptorSize(self) -> int:
        """Count the values that describe a window.

        Returns
        -------
        int
            Bins of all cells of all blocks.
        """
        rows, cols = self._blocks()
        return rows * cols * self._parameters().block_length

    def getWinSigma(self) -> float:
        """Tell the standard deviation of the Gaussian over a block.

        Returns
        -------
        float
            `winSigma` where it is above 0, else (block width + block height) / 8; in pixels.
        """
        return self.winSigma if self.winSigma > 0 else sum(self.blockSize) / 8

    def compute(
        self,
        img: ArrayLike,
        winStride: tuple[int, int] = (0, 0),
        padding: tuple[int, int] = (0, 0),
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
        img = _validate.as_image(img, "img", dtypes=(np.dtype(np.uint8),))
        _validate.check_channels(img.shape, None if img.ndim == 2 else 2, "img", (1, 3))
        image = img[np.newaxis, ..., np.newaxis] if img.ndim == 2 else img[np.newaxis]
        stride = _validate.as_size(winStride, "winStride", minimum=0)
        if stride == (0, 0):
            stride = self.cellSize
        stride = _validate.as_size(stride, "winStride")
        # rounded up to a multiple of the divisor where that is a power of 2, and as OpenCV does elsewhere
        pad = [
            (max(0, width) + divisor - 1) & -divisor
            for width, divisor in zip(
                _validate.as_size(padding, "padding", minimum=None),
                (math.gcd(*pair) for pair in zip(stride, self.blockStride, strict=True)),
                strict=True,
            )
        ]
        room = image.shape[2] + 2 * pad[0] - self.winSize[0], image.shape[1] + 2 * pad[1] - self.winSize[1]
        _validate.check_room(img, room, self.winSize)
        if len(locations):
            return self._compute_at(image, pad, room, _validate.as_points(locations, "locations"))
        return self._compute_all(image, pad, room, stride)

    def _compute_at(self, image: NDArray[Any], pad: list[int], room: tuple[int, int], places: Any) -> NDArray[Any]:
        features = np.zeros((len(places), self.getDescriptorSize()), np.float32)
        parameters, blocks = self._parameters(), self._blocks()
        for i, (x, y) in enumerate(places):
            col, row = int(x) + pad[0], int(y) + pad[1]
            if 0 <= col <= room[0] and 0 <= row <= room[1]:
                view = driver.as_blocks(features[i : i + 1], blocks, parameters)
                self._describe(image, pad, (row, col), parameters, view)
        return features.ravel()

    def _compute_all(
        self, image: NDArray[Any], pad: list[int], room: tuple[int, int], stride: tuple[int, int]
    ) -> NDArray[Any]:
        """Windows whose blocks lie on one grid share them: those that are a multiple of the block stride apart."""
        n_rows, n_cols = room[1] // stride[1] + 1, room[0] // stride[0] + 1
        parameters = self._parameters()
        block_rows, block_cols = parameters.blocks_in(self.winSize[1], self.winSize[0])
        if n_rows == n_cols == 1:  # an image that is one window: nothing is shared
            single = np.empty((1, block_rows * block_cols * parameters.block_length), np.float32)
            view = driver.as_blocks(single, (block_rows, block_cols), parameters)
            self._describe(image, pad, (0, 0), parameters, view)
            return single.ravel()
        step_x, step_y = (math.lcm(*pair) // pair[0] for pair in zip(stride, self.blockStride, strict=True))
        apart_x, apart_y = (math.lcm(*pair) // pair[1] for pair in zip(stride, self.blockStride, strict=True))
        column_length = block_rows * parameters.block_length  # blocks stand in columns
        features = np.empty((n_rows, n_cols, block_cols, column_length), np.float32)
        for first_row in range(min(step_y, n_rows)):
            for first_col in range(min(step_x, n_cols)):
                windows = features[first_row::step_y, first_col::step_x]
                shape = (len(windows) - 1) * apart_y + block_rows, (windows.shape[1] - 1) * apart_x + block_cols
                grid = np.empty((1, shape[0] * shape[1] * parameters.block_length), np.float32)
                corner = first_row * stride[1], first_col * stride[0]
                self._describe(image, pad, corner, parameters, driver.as_blocks(grid, shape, parameters))
                columns = sliding_window_view(grid.reshape(shape[1], -1), (block_cols, column_length))
                windows[:] = columns[::apart_x, :: apart_y * parameters.block_length].swapaxes(0, 1)
        return features.ravel()

    def _describe(
        self,
        image: NDArray[Any],
        pad: list[int],
        corner: tuple[int, int],
        parameters: driver.Parameters,
        blocks: NDArray[Any],
    ) -> None:
        """Fill `blocks`, the first of which has its `corner` (row, column) in the padded image."""
        width = image.shape[2] + 2 * pad[0]
        origin = corner[0] - pad[1], corner[1] - pad[0]
        # OpenCV takes columns in fours, and among equally strong channels the first; in what is left over, the last.
        ties_high_from = width - width % 4 - corner[1]
        driver.describe(image, parameters, blocks, origin=origin, ties_high_from=ties_high_from)

    def _blocks(self) -> tuple[int, int]:
        """Block rows and block columns of a window."""
        return self._parameters().blocks_in(self.winSize[1], self.winSize[0])

    def _parameters(self) -> driver.Parameters:
        return _parameters(
            self.nbins,
            self.cellSize[::-1],
            self.blockSize[::-1],
            self.blockStride[::-1],
            self.L2HysThreshold,
            self.signedGradient,
            self.gammaCorrection,
            self.getWinSigma(),
        )


@functools.lru_cache(maxsize=64)
def _parameters(
    n_bins: int,
    cell: tuple[int, int],
    block: tuple[int, int],
    stride: tuple[int, int],
    clip: float,
    signed: bool,
    gamma: bool,
    sigma: float,
) -> driver.Parameters:
    """The settings as the driver takes them; pairs are (rows, columns) of pixels."""
    cells = block[0] // cell[0], block[1] // cell[1]
    return driver.Parameters(
        orientations=n_bins,
        cell=cell,
        block=cells,
        stride=stride,
        norm="l2-hys",
        clip=clip,
        signed=signed,
        gamma=gamma,
        spatial_votes=True,
        orientation_votes=True,
        sigma=sigma,
        epsilon=driver.opencv_epsilon(cells[0] * cells[1] * n_bins),
    )
