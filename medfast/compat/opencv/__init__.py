"""OpenCV's functions with OpenCV's own signatures, constants and quirks, computed by medfast.

Whatever medfast does not have comes from `cv2`, where that is installed::

    import medfast.compat.opencv as cv2

So do types that medfast does not take (`UMat`, 32-bit integers). What OpenCV would refuse, or die of, is a
``cv2.error``, which is a `TypeError` or a `ValueError` as well.
"""

import functools
from typing import Any

from medfast.compat import _calls
from medfast.compat.opencv import _classes, cluster, denoise, exposure, feature, transform
from medfast.compat.opencv.cluster import *  # noqa: F403
from medfast.compat.opencv.denoise import *  # noqa: F403
from medfast.compat.opencv.feature import *  # noqa: F403
from medfast.compat.opencv.transform import *  # noqa: F403

fastNlMeansDenoising = _calls.drop_in("cv2.fastNlMeansDenoising")(denoise.fastNlMeansDenoising)
fastNlMeansDenoisingColored = _calls.drop_in("cv2.fastNlMeansDenoisingColored")(denoise.fastNlMeansDenoisingColored)
fastNlMeansDenoisingMulti = _calls.drop_in("cv2.fastNlMeansDenoisingMulti")(denoise.fastNlMeansDenoisingMulti)
fastNlMeansDenoisingColoredMulti = _calls.drop_in("cv2.fastNlMeansDenoisingColoredMulti")(
    denoise.fastNlMeansDenoisingColoredMulti
)
equalizeHist = _calls.drop_in("cv2.equalizeHist")(exposure.equalizeHist)
resize = _calls.drop_in("cv2.resize")(transform.resize)
kmeans = _calls.drop_in("cv2.kmeans")(cluster.kmeans)
CLAHE = _classes.with_opencv_errors(exposure.CLAHE, {"apply": _classes.clahe_of_opencv})
HOGDescriptor = _classes.with_opencv_errors(feature.HOGDescriptor)  # type: ignore[misc, assignment]


def _create_clahe(clipLimit: float = 40.0, tileGridSize: tuple[int, int] = (8, 8)) -> exposure.CLAHE:
    return CLAHE(clipLimit, tileGridSize)


createCLAHE = _calls.drop_in("cv2.createCLAHE")(functools.wraps(exposure.createCLAHE)(_create_clahe))


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "error":
        return _calls.opencv_error_class()
    try:
        import cv2
    except ImportError:
        raise AttributeError(
            f"medfast.compat.opencv has no {name!r} of its own, and cv2, where it would come from, is not installed"
        ) from None
    return getattr(cv2, name)
