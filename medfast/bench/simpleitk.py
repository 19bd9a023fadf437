"""The cases done by SimpleITK."""

from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from medfast import runtime
from medfast.bench.library import Prepared

VERSION = sitk.Version.VersionString()


def resize_volume(volume: NDArray[Any], *, spacing: tuple[float, ...], new_spacing: float) -> Prepared:
    """Axes come as columns, rows, planes; positions are those of centers, so that the first one lies elsewhere."""
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing(spacing[::-1])
    resample = sitk.ResampleImageFilter()
    resample.SetInterpolator(sitk.sitkLinear)
    size = [round(n * distance / new_spacing) for n, distance in zip(volume.shape, spacing, strict=True)]
    resample.SetSize(size[::-1])
    resample.SetOutputSpacing([new_spacing] * 3)
    resample.SetOutputOrigin([(new_spacing - distance) / 2 for distance in spacing[::-1]])
    resample.SetNumberOfThreads(runtime.info()["threads"])
    return Prepared(lambda: resample.Execute(image), sitk.GetArrayFromImage)
