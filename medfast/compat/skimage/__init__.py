"""scikit-image's functions with scikit-image's own signatures and results, computed by medfast where it has them.

What medfast has no kernel for, or does not take, scikit-image does itself; the logger ``medfast.patching`` says so.
"""

from medfast.compat import _calls
from medfast.compat.skimage import adapthist, exposure, feature, filters, restoration, transform

__all__ = [
    "denoise_nl_means",
    "equalize_adapthist",
    "equalize_hist",
    "estimate_sigma",
    "hog",
    "match_histograms",
    "resize",
    "threshold_multiotsu",
]

denoise_nl_means = _calls.drop_in("skimage.restoration.denoise_nl_means")(restoration.denoise_nl_means)
equalize_adapthist = _calls.drop_in("skimage.exposure.equalize_adapthist")(adapthist.equalize_adapthist)
equalize_hist = _calls.drop_in("skimage.exposure.equalize_hist")(exposure.equalize_hist)
estimate_sigma = _calls.drop_in("skimage.restoration.estimate_sigma")(restoration.estimate_sigma)
hog = _calls.drop_in("skimage.feature.hog")(feature.hog)
match_histograms = _calls.drop_in("skimage.exposure.match_histograms")(exposure.match_histograms)
resize = _calls.drop_in("skimage.transform.resize")(transform.resize)
threshold_multiotsu = _calls.drop_in("skimage.filters.threshold_multiotsu")(filters.threshold_multiotsu)
