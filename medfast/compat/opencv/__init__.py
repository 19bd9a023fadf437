"""OpenCV's functions with OpenCV's own signatures, constants and quirks, computed by medfast.

Whatever medfast does not have comes from `cv2`, where that is installed::

    import medfast.compat.opencv as cv2
"""

from typing import Any

from medfast.compat.opencv.cluster import *  # noqa: F403
from medfast.compat.opencv.denoise import *  # noqa: F403
from medfast.compat.opencv.exposure import *  # noqa: F403
from medfast.compat.opencv.feature import *  # noqa: F403
from medfast.compat.opencv.transform import *  # noqa: F403


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import cv2
    except ImportError:
        raise AttributeError(
            f"medfast.compat.opencv has no {name!r} of its own, and cv2, where it would come from, is not installed"
        ) from None
    return getattr(cv2, name)
