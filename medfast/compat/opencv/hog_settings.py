"""What a `HOGDescriptor` is made of, by OpenCV's names; pairs are (width, height)."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast import _validate
from medfast._drivers import hog as driver
from medfast.compat.opencv import hog_files

__all__: list[str] = []


class Settings(NamedTuple):
    """The constructor's arguments, checked."""

    winSize: tuple[int, int]
    blockSize: tuple[int, int]
    blockStride: tuple[int, int]
    cellSize: tuple[int, int]
    nbins: int
    derivAperture: int
    winSigma: float
    histogramNormType: int
    L2HysThreshold: float
    gammaCorrection: bool
    nlevels: int
    signedGradient: bool


def checked(*values: Any) -> Settings:
    """The constructor's arguments, in its order."""
    settings = Settings(
        winSize=_validate.as_size(values[0], "winSize"),
        blockSize=_validate.as_size(values[1], "blockSize"),
        blockStride=_validate.as_size(values[2], "blockStride"),
        cellSize=_validate.as_size(values[3], "cellSize"),
        nbins=_validate.as_int(values[4], "nbins", minimum=1),
        derivAperture=_validate.as_int(values[5], "derivAperture"),
        winSigma=_validate.as_float(values[6], "winSigma"),
        histogramNormType=_validate.as_int(values[7], "histogramNormType"),
        L2HysThreshold=_validate.as_float(values[8], "L2HysThreshold", above=0),
        gammaCorrection=bool(values[9]),
        nlevels=_validate.as_int(values[10], "nlevels"),
        signedGradient=bool(values[11]),
    )
    _validate.check_window(settings.winSize, settings.blockSize, settings.blockStride, settings.cellSize)
    return settings


def sigma(settings: Settings) -> float:
    """Of the Gaussian over a block, in pixels."""
    return settings.winSigma if settings.winSigma > 0 else sum(settings.blockSize) / 8


def descriptor_size(settings: Settings) -> int:
    """Values of a window."""
    found = parameters(settings)
    rows, cols = found.blocks_in(*settings.winSize[::-1])
    return rows * cols * found.block_length


@functools.lru_cache(maxsize=64)
def parameters(settings: Settings) -> driver.Parameters:
    """The settings as the driver takes them; pairs are (rows, columns)."""
    cell = settings.cellSize[::-1]
    cells = settings.blockSize[1] // cell[0], settings.blockSize[0] // cell[1]
    return driver.Parameters(
        orientations=settings.nbins,
        cell=cell,
        block=cells,
        stride=settings.blockStride[::-1],
        norm="l2-hys",
        clip=settings.L2HysThreshold,
        signed=settings.signedGradient,
        gamma=settings.gammaCorrection,
        spatial_votes=True,
        orientation_votes=True,
        sigma=sigma(settings),
        epsilon=driver.opencv_epsilon(cells[0] * cells[1] * settings.nbins),
    )


def to_file(settings: Settings, detector: NDArray[np.float32]) -> dict[str, Any]:
    """What OpenCV writes, in its order: sigma as it is used."""
    values = {key: getattr(settings, key) for key in hog_files.ORDER} | {"winSigma": sigma(settings)}
    return values | ({hog_files.DETECTOR: detector} if detector.size else {})


def from_file(values: Mapping[str, Any], before: NDArray[np.float32]) -> tuple[Settings, NDArray[np.float32]]:
    """What OpenCV reads: a detector that the file does not have stays, if it fits."""
    settings = checked(*[({"signedGradient": 0} | dict(values))[key] for key in Settings._fields])
    detector = values.get(hog_files.DETECTOR, before)
    return settings, _validate.as_detector(detector, hog_files.DETECTOR, descriptor_size(settings))
