"""The half of `HOGDescriptor` that finds things: windows that a linear SVM likes, in one size and in many."""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate, transform
from medfast._drivers import hog_windows
from medfast.compat.opencv import grouping, hog_settings

__all__: list[str] = []

NO_SIZE = (0, 0)
"""The default of sizes: told from others by identity, for the checks take as long as a small window."""
_UINT8 = (np.dtype(np.uint8),)


class Detection:
    """Windows on images, and a detector that scores them. The settings are `HOGDescriptor`'s."""

    _settings: hog_settings.Settings
    _detector: NDArray[np.float32]

    @property
    def svmDetector(self) -> Any:
        """The coefficients of the linear SVM, float32; an empty tuple where none were set, as in OpenCV."""
        return self._detector.copy() if self._detector.size else ()

    def getDescriptorSize(self) -> int:
        """Count the values that describe a window.

        Returns
        -------
        int
            Bins of all cells of all blocks.
        """
        return hog_settings.descriptor_size(self._settings)

    def checkDetectorSize(self) -> bool:
        """Tell whether the detector fits the windows.

        Returns
        -------
        bool
            Whether there is none, or it has a coefficient for each value of a descriptor, and maybe one more.
        """
        return self._detector.size in (0, self.getDescriptorSize(), self.getDescriptorSize() + 1)

    def setSVMDetector(self, svmdetector: ArrayLike) -> None:
        """Set the coefficients of a linear SVM.

        Parameters
        ----------
        svmdetector : array_like
            As many as `getDescriptorSize` says, in the order of `compute`, and maybe one more, which is added to
            every score. An empty one unsets it.

        Raises
        ------
        TypeError
            If they are no real numbers.
        ValueError
            If they are not as many, or not finite.
        """
        self._detector = _validate.as_detector(svmdetector, "svmdetector", self.getDescriptorSize())

    def detect(
        self,
        img: ArrayLike,
        hitThreshold: float = 0.0,
        winStride: tuple[int, int] | None = (0, 0),
        padding: tuple[int, int] | None = (0, 0),
        searchLocations: Any = (),
    ) -> tuple[Any, Any]:
        """Find the windows whose score reaches a threshold, in one size.

        Parameters
        ----------
        img : array_like of shape (M, N) or (M, N, 3), dtype uint8
            Image.
        hitThreshold : float, default=0
            Least score.
        winStride : tuple of two ints, default=(0, 0)
            As in `compute`.
        padding : tuple of two ints, default=(0, 0)
            As in `compute`.
        searchLocations : sequence of (x, y), optional
            Upper left corners of the windows, in place of all of them; those outside of the padded image are left out.

        Returns
        -------
        foundLocations : ndarray of shape (n, 2), dtype int32
            Upper left corners (x, y). An empty tuple where there are none, as in OpenCV.
        weights : ndarray of shape (n,), dtype float64
            Scores: the product of descriptor and detector, plus the detector's last coefficient if it is one longer.
            An empty tuple where there are none.

        Raises
        ------
        TypeError
            If `img` is not uint8, or a parameter has the wrong type.
        ValueError
            As `compute`.
        """
        windows = self._windows(img, winStride, padding)
        threshold = _validate.as_threshold(hitThreshold, "hitThreshold")
        if len(searchLocations):
            return _found(*self._hits_at(windows, threshold, _validate.as_points(searchLocations, "searchLocations")))
        return _found(*_hits(windows, threshold, self._prepared(), None))

    def detectMultiScale(
        self,
        img: ArrayLike,
        hitThreshold: float = 0.0,
        winStride: tuple[int, int] | None = (0, 0),
        padding: tuple[int, int] | None = (0, 0),
        scale: float = 1.05,
        groupThreshold: float = 2.0,
        useMeanshiftGrouping: bool = False,
    ) -> tuple[Any, Any]:
        """Find windows whose score reaches a threshold, in many sizes, and group them.

        Parameters
        ----------
        img : array_like of shape (M, N) or (M, N, 3), dtype uint8
            Image.
        hitThreshold : float, default=0
            Least score.
        winStride : tuple of two ints, default=(0, 0)
            As in `compute`, but one block stride where both are 0.
        padding : tuple of two ints, default=(0, 0)
            As in `compute`.
        scale : float, default=1.05
            From size to size; one size where it is not above 1. The image is made smaller, by ``INTER_LINEAR_EXACT``,
            while it holds a window, `nlevels` sizes at most.
        groupThreshold : float, default=2
            Groups of similar rectangles count with more members than this, as their mean; 0 for no grouping. With
            `useMeanshiftGrouping`, modes count whose density is above it.
        useMeanshiftGrouping : bool, default=False
            Whether groups are the modes of a density over places and sizes.

        Returns
        -------
        foundLocations : ndarray of shape (n, 4), dtype int32
            Rectangles x, y, width, height, cut at the image's border. An empty tuple where there are none. Sizes follow
            each other; in OpenCV their order depends on the threads.
        foundWeights : ndarray of shape (n,), dtype float64
            Scores: of a group the highest; densities of modes. An empty tuple where there are none.

        Raises
        ------
        TypeError
            If `img` is not uint8, or a parameter has the wrong type.
        ValueError
            As `compute`.
        """
        image = self._image(img)
        threshold = _validate.as_threshold(hitThreshold, "hitThreshold")
        scale = _validate.as_float(scale, "scale")
        least = _validate.as_float(groupThreshold, "groupThreshold")
        if tuple(winStride or (0, 0)) == (0, 0):
            winStride = self._settings.blockStride
        size = image.shape[2], image.shape[1]
        divisors = grouping.pyramid(size, self._settings.winSize, scale, self._settings.nlevels)
        shapes = [(round(size[1] / divisor), round(size[0] / divisor)) for divisor in divisors]
        whole, detector = self._windows(image, winStride, padding), self._prepared()

        def hits(shape: tuple[int, int]) -> tuple[Any, Any]:
            windows = whole
            if shape != image.shape[1:3]:
                pixels = image[0, ..., 0] if image.shape[3] == 1 else image[0]
                level = transform.resize(
                    pixels, shape, interpolation="linear-exact", channel_axis=-1 if pixels.ndim == 3 else None,
                    num_threads=1,
                )  # fmt: skip
                windows = self._windows(level.reshape(1, *shape, -1), winStride, padding)
            return _hits(windows, threshold, detector, num_threads)

        work = hog_windows.work_of(whole.layout) / 2  # the mean, about
        num_threads = None if len(shapes) == 1 else 1
        rectangles, weights, scales = [np.empty((0, 4), np.int32)], [np.empty(0)], []
        for divisor, (places, scores) in zip(divisors, hog_windows.each(hits, shapes, work), strict=True):
            sides = [round(side * divisor) for side in self._settings.winSize]
            corners = np.rint(places * divisor)
            rectangles.append(np.hstack([corners, np.broadcast_to(sides, corners.shape)]).astype(np.int32))
            weights.append(scores)
            scales += [divisor] * len(scores)
        found, found_weights = np.concatenate(rectangles), np.concatenate(weights)
        if useMeanshiftGrouping:
            found, found_weights = grouping.group_by_mean_shift(
                found, found_weights, scales, least, self._settings.winSize
            )
        else:
            found, found_weights = grouping.group(found, found_weights, int(least))
        return _found(*grouping.clip(found, found_weights, size))

    def _image(self, img: ArrayLike) -> NDArray[np.uint8]:
        """`img` as one image of a batch, with channels."""
        if type(img) is np.ndarray and img.ndim == 2 and img.dtype == np.uint8:  # nearly always
            return img[np.newaxis, :, :, np.newaxis]
        image = _validate.as_image(img, "img", dtypes=_UINT8)
        _validate.check_channels(image.shape, None if image.ndim == 2 else 2, "img", (1, 3))
        return image[np.newaxis, ..., np.newaxis] if image.ndim == 2 else image[np.newaxis]

    def _windows(self, img: ArrayLike, winStride: Any, padding: Any) -> hog_windows.Windows:
        """Where windows lie on `img`; sizes come as (width, height), and None stands for (0, 0)."""
        image = img if isinstance(img, np.ndarray) and img.ndim == 4 else self._image(img)
        stride = pad = NO_SIZE  # nearly always
        if winStride is not None and winStride is not stride:
            stride = _validate.as_size(winStride, "winStride", minimum=0)
        if padding is not None and padding is not pad:
            pad = _validate.as_size(padding, "padding", minimum=None)
        layout = _layout(self._settings, image.shape[1:], stride, pad)
        if not image.size or min(layout.room) < 0:
            _validate.check_room(image, layout.room[::-1], self._settings.winSize)
        return hog_windows.Windows(image, layout)

    def _hits_at(self, windows: hog_windows.Windows, threshold: float, places: Any) -> tuple[Any, Any]:
        """Those of `places` (x, y) that hold a window whose score is at least `threshold`, and these scores."""
        if not self._detector.size:
            return _NONE
        places = places[hog_windows.fitting(windows, places)]
        features = hog_windows.describe_at(windows, places)
        scores = features @ self._detector[: features.shape[1]].astype(np.float64) + self._prepared().rho
        hits = scores >= threshold
        return places[hits].astype(np.int32), scores[hits]

    def _prepared(self) -> "_Detector":
        if not self._detector.size:
            return _Detector(None, 0.0)
        parameters, size = hog_settings.parameters(self._settings), self.getDescriptorSize()
        blocks = parameters.blocks_in(*self._settings.winSize[::-1])
        rho = float(self._detector[size]) if self._detector.size > size else 0.0
        return _Detector(hog_windows.as_detector(self._detector, blocks, parameters.block_length), rho)


class _Detector(NamedTuple):
    coefficients: NDArray[np.float32] | None
    """In order of rows of blocks; None where none were set."""
    rho: float
    """Added to every score."""


_NONE = np.empty((0, 2), np.int32), np.empty(0)


def _hits(windows: hog_windows.Windows, threshold: float, detector: _Detector, num_threads: int | None) -> Any:
    """Corners (x, y) of the windows whose score is at least `threshold`, and these scores."""
    if detector.coefficients is None:
        return _NONE
    scores = hog_windows.score(windows, detector.coefficients, detector.rho, num_threads)
    rows, cols = np.nonzero(scores >= threshold)
    return hog_windows.place(windows.layout, rows, cols), scores[rows, cols]


@functools.lru_cache(maxsize=64)
def _layout(
    settings: hog_settings.Settings, size: tuple[int, int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> hog_windows.Layout:
    """For images of `size` (rows, columns, channels); the others are (width, height)."""
    if stride == (0, 0):
        stride = settings.cellSize
    stride = _validate.as_size(stride, "winStride")
    parameters = hog_settings.parameters(settings)
    return hog_windows.layout(parameters, size, settings.winSize[::-1], stride[::-1], pad[::-1])


def _found(places: Any, weights: Any) -> tuple[Any, Any]:
    """What OpenCV's Python gives for vectors: arrays, or empty tuples."""
    return (places, weights) if len(places) else ((), ())
