"""Masked arrays are refused everywhere: what their mask hides would count like the rest."""

import numpy as np
import pytest

import medfast
from medfast import io
from medfast.compat import opencv

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
MASKED = np.ma.masked_greater(IMAGE, 200)
COLOUR = np.ma.array(np.repeat(IMAGE[..., None], 3, axis=2), mask=False)

CALLS = {
    "denoise_nl_means": ("image", lambda: medfast.denoise_nl_means(MASKED, 3.0)),
    "denoise_nl_means, mask": ("mask", lambda: medfast.denoise_nl_means(IMAGE, 3.0, mask=MASKED > 100)),
    "denoise_nl_means, out": ("out", lambda: medfast.denoise_nl_means(IMAGE, 3.0, out=MASKED.copy())),
    "denoise_nl_means_multi": (r"frames\[0\]", lambda: medfast.denoise_nl_means_multi([MASKED] * 3, 1, h=3.0)),
    "denoise_nl_means_multi, stack": (
        r"frames\[0\]",
        lambda: medfast.denoise_nl_means_multi(np.ma.array([MASKED]), 0, 1),
    ),
    "estimate_sigma": ("image", lambda: medfast.estimate_sigma(MASKED)),
    "equalize_hist": ("image", lambda: medfast.equalize_hist(MASKED)),
    "clahe": ("image", lambda: medfast.clahe(MASKED)),
    "clahe, histogram": ("histogram", lambda: medfast.clahe(IMAGE, histogram=np.ma.array(np.ones(256, np.int64)))),
    "window": ("image", lambda: medfast.window(MASKED, 40, 400)),
    "match_histograms": ("image", lambda: medfast.match_histograms(MASKED, IMAGE)),
    "match_histograms, reference": ("reference", lambda: medfast.match_histograms(IMAGE, MASKED)),
    "resize": ("image", lambda: medfast.resize(MASKED, (8, 8))),
    "hog": ("image", lambda: medfast.hog(MASKED)),
    "kmeans": ("data", lambda: medfast.kmeans(MASKED, 2)),
    "kmeans, sample_weight": (
        "sample_weight",
        lambda: medfast.kmeans(IMAGE, 2, sample_weight=np.ma.array(np.ones(IMAGE.shape))),
    ),
    "segment": ("image", lambda: medfast.segment(MASKED, 2)),
    "threshold_multiotsu": ("image", lambda: medfast.threshold_multiotsu(MASKED, 2)),
    "clean_labels": ("labels", lambda: medfast.clean_labels(MASKED, 2)),
    "region_measures": ("labels", lambda: medfast.region_measures(MASKED)),
    "region_measures, image": ("image", lambda: medfast.region_measures(IMAGE, MASKED)),
    "write_image": ("image", lambda: io.write_image("never.png", MASKED)),
    "cv2.fastNlMeansDenoising": ("src", lambda: opencv.fastNlMeansDenoising(MASKED)),
    "cv2.fastNlMeansDenoising, dst": ("dst", lambda: opencv.fastNlMeansDenoising(IMAGE, MASKED.copy())),
    "cv2.fastNlMeansDenoisingColored": ("src", lambda: opencv.fastNlMeansDenoisingColored(COLOUR)),
    "cv2.fastNlMeansDenoisingMulti": ("srcImgs", lambda: opencv.fastNlMeansDenoisingMulti([MASKED] * 3, 1, 3)),
    "cv2.equalizeHist": ("src", lambda: opencv.equalizeHist(MASKED)),
    "cv2.createCLAHE": ("src", lambda: opencv.createCLAHE().apply(MASKED)),
    "cv2.resize": ("src", lambda: opencv.resize(MASKED, (8, 8))),
    "cv2.kmeans": (
        "data",
        lambda: opencv.kmeans(np.ma.array(np.ones((9, 2), np.float32)), 2, None, (3, 9, 0.1), 1, 0),
    ),
    "cv2.HOGDescriptor": (
        "img",
        lambda: opencv.HOGDescriptor((16, 16), (16, 16), (8, 8), (8, 8), 9).compute(MASKED),
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_refused(call):
    name, function = CALLS[call]
    with pytest.raises(TypeError, match=f"^{name} must be a plain array, got a masked one"):
        function()


def test_refused_by_the_pipeline():
    pytest.importorskip("sklearn")
    from medfast.pipeline import Model
    from medfast.sklearn import Denoiser

    stack = np.ma.array(np.stack([IMAGE] * 4))
    with pytest.raises(TypeError, match="images must be a plain array"):
        Model().fit(stack, [0, 1, 0, 1])
    with pytest.raises(TypeError, match="images must be a plain array"):
        Model().fit([MASKED, MASKED], [0, 1])
    for images in (stack, [MASKED, MASKED]):
        with pytest.raises(TypeError, match="X must be a plain array"):
            Denoiser(3.0).fit(images)


def test_other_subclasses_are_welcome():
    class Named(np.ndarray):
        pass

    np.testing.assert_array_equal(medfast.equalize_hist(IMAGE.view(Named)), medfast.equalize_hist(IMAGE))
