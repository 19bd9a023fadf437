"""scikit-image's functions with scikit-image's own signatures, computed by medfast."""

from medfast.compat.skimage.feature import *  # noqa: F403
