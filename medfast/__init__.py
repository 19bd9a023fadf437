"""CPU kernels for medical images: exact to the reference, many times faster."""

import sys

from medfast import _limits, runtime
from medfast._version import __version__
from medfast.cluster import KMeansResult, kmeans
from medfast.denoise import denoise_nl_means, denoise_nl_means_multi, estimate_sigma
from medfast.exposure import clahe, equalize_hist
from medfast.feature import hog
from medfast.intensity import match_histograms, window
from medfast.patching import patch, patched, unpatch
from medfast.regions import RegionMeasures, clean_labels, region_measures
from medfast.segmentation import segment, threshold_multiotsu
from medfast.transform import resize

__all__ = [
    "KMeansResult",
    "RegionMeasures",
    "__version__",
    "clahe",
    "clean_labels",
    "denoise_nl_means",
    "denoise_nl_means_multi",
    "equalize_hist",
    "estimate_sigma",
    "hog",
    "kmeans",
    "match_histograms",
    "patch",
    "patched",
    "region_measures",
    "resize",
    "runtime",
    "segment",
    "threshold_multiotsu",
    "unpatch",
    "window",
]

_limits.watch()
if "medfast._njit" in sys.modules:  # Numba asked for it while this was being imported
    sys.modules["medfast._njit"].init()
