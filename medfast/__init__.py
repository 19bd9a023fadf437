"""CPU kernels for medical images: exact to the reference, many times faster."""

from medfast import runtime
from medfast._version import __version__
from medfast.exposure import clahe, equalize_hist
from medfast.cluster import KMeansResult, kmeans, segment, threshold_multiotsu
from medfast.denoise import denoise_nl_means, denoise_nl_means_multi, estimate_sigma
from medfast.exposure import equalize_hist
from medfast.transform import resize
from medfast.feature import hog

__all__ = [
    "KMeansResult",
    "__version__",
    "clahe",
    "equalize_hist",
    "resize",
    "kmeans",
    "hog",
    "denoise_nl_means",
    "denoise_nl_means_multi",
    "equalize_hist",
    "estimate_sigma",
    "runtime",
    "segment",
    "threshold_multiotsu",
]
