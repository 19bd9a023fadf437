"""The cases done by SciPy."""

import importlib.metadata
from typing import Any

from numpy.typing import NDArray
from scipy import ndimage

from medfast.bench.library import Prepared

VERSION = importlib.metadata.version("scipy")


def resize_volume(volume: NDArray[Any], *, spacing: tuple[float, ...], new_spacing: float) -> Prepared:
    """Half-pixel centers and repeated edges are its grid mode."""
    scale = [distance / new_spacing for distance in spacing]
    return Prepared(lambda: ndimage.zoom(volume, scale, order=1, mode="nearest", grid_mode=True))
