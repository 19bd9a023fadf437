"""The cases done by pydicom."""

import importlib.metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels import apply_windowing

from medfast.bench.library import Prepared

VERSION = importlib.metadata.version("pydicom")


def window(image: NDArray[Any], *, center: float, width: float, function: str) -> Prepared:
    """It gives float64 over the range that the data set stores: here 0 to 255, not yet rounded."""
    dataset = Dataset()
    dataset.PhotometricInterpretation, dataset.PixelRepresentation, dataset.BitsStored = "MONOCHROME2", 0, 8
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = center, width, function.upper()
    return Prepared(lambda: apply_windowing(image, dataset), np.rint)
