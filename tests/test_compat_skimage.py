"""scikit-image's drop-ins against scikit-image: values, shapes, dtypes; and that nothing falls back unless it must."""

import inspect
import logging

import numpy as np
import pytest

from images import random_image, smooth_image
from medfast.compat import skimage as ours
from medfast.compat._calls import FallBack
from medfast.compat.skimage import adapthist, exposure, filters, restoration

skimage = pytest.importorskip("skimage")
from skimage import exposure as theirs_exposure  # noqa: E402
from skimage import filters as theirs_filters  # noqa: E402
from skimage import restoration as theirs_restoration  # noqa: E402
from skimage import transform as theirs_transform  # noqa: E402

THEIRS = {
    "denoise_nl_means": theirs_restoration.denoise_nl_means,
    "equalize_adapthist": theirs_exposure.equalize_adapthist,
    "equalize_hist": theirs_exposure.equalize_hist,
    "estimate_sigma": theirs_restoration.estimate_sigma,
    "match_histograms": theirs_exposure.match_histograms,
    "resize": theirs_transform.resize,
    "threshold_multiotsu": theirs_filters.threshold_multiotsu,
}
DTYPES = ("uint8", "uint16", "int16", "float32", "float64")


def picture(rng, shape, dtype):
    """Over the range in which scikit-image takes the dtype, with more dark pixels than light ones."""
    values = rng.random(shape) ** 2
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return (limits.min + values * (float(limits.max) - limits.min)).astype(dtype)


def assert_same(found, expected, tolerance=0.0):
    assert np.shape(found) == np.shape(expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", THEIRS)
def test_signatures(name):
    mine, their = (inspect.signature(each).parameters for each in (getattr(ours, name), THEIRS[name]))
    assert [(each.name, each.kind, each.default) for each in mine.values()] == [
        (each.name, each.kind, each.default) for each in their.values()
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(47, 81), (5, 1), (9, 31, 29)], ids=str)
def test_equalize_hist(level, rng, shape, dtype):
    image, mask = picture(rng, shape, dtype), rng.random(shape) > 0.4
    tolerance = 1e-6 if np.dtype(dtype).kind == "f" else 0.0
    for keywords in ({}, {"mask": mask}, {"nbins": 37}):
        found = exposure.equalize_hist(image, **keywords)
        assert_same(found, theirs_exposure.equalize_hist(image, **keywords), tolerance)
    if image.ndim == 2:
        for view in (image[::-1, ::2], image.T):
            assert_same(exposure.equalize_hist(view), theirs_exposure.equalize_hist(view), tolerance)


def test_floats_on_the_edges_of_bins(rng):
    for dtype in (np.float32, np.float64):
        image = (rng.integers(0, 41, (50, 60)) / 40).astype(dtype) * dtype(0.7) + dtype(0.1)
        for n_bins in (1, 2, 40, 41, 255, 1000):
            counts, edges = exposure.histogram(image, n_bins)
            expected = np.histogram(image, n_bins)
            np.testing.assert_array_equal(counts, expected[0])
            np.testing.assert_array_equal(edges, expected[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(61, 45), (9, 21, 19), (3, 70)], ids=str)
def test_equalize_adapthist(n_threads, rng, shape, dtype):
    image = picture(rng, shape, dtype)
    for keywords in (
        {},
        {"kernel_size": 7},
        {"kernel_size": np.arange(4, 4 + image.ndim), "clip_limit": 0.0},
        {"nbins": 100, "clip_limit": 0.03},
        {"kernel_size": 10, "nbins": 20000},
        {"clip_limit": 1.5},
    ):
        found = adapthist.equalize_adapthist(image, **keywords)
        assert_same(found, theirs_exposure.equalize_adapthist(image, **keywords), 1e-9)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_adapthist_of_a_constant(value):
    image = np.full((20, 30), value, np.uint8)
    assert_same(adapthist.equalize_adapthist(image), theirs_exposure.equalize_adapthist(image), 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_match_histograms(rng, dtype):
    for shape, other in (((64, 81), (37, 90)), ((40, 41, 3), (30, 50, 3)), ((6, 7), (1, 1))):
        image, reference = picture(rng, shape, dtype), picture(rng, other, dtype)
        found = exposure.match_histograms(image, reference)
        assert_same(found, theirs_exposure.match_histograms(image, reference), 1e-6)
        if len(shape) == 3:
            for axis in (-1, 2):
                found = exposure.match_histograms(image, reference, channel_axis=axis)
                assert_same(found, theirs_exposure.match_histograms(image, reference, channel_axis=axis), 1e-6)
    if dtype == "uint8":
        deep = picture(rng, (30, 40), "int16")
        assert_same(exposure.match_histograms(deep, image), theirs_exposure.match_histograms(deep, image))


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_threshold_multiotsu(rng, dtype, classes):
    """Also of few pixels, where scikit-image's rounding decides, and of few values, with empty bins between them."""
    for spread in (1, 9, 60):
        for shape in ((9, 12), (50, 41)):
            image = np.clip(rng.normal(rng.choice([40, 100, 190], shape), spread), 0, 255)
            if spread == 60:
                image = image // 20 * 20
            image = image.astype(dtype) / (255 if np.dtype(dtype).kind == "f" else 1)
            image = image.astype(dtype)
            assert_same(filters.threshold_multiotsu(image, classes), theirs_filters.threshold_multiotsu(image, classes))


def test_multiotsu_of_histograms(rng):
    image = np.clip(rng.normal(rng.choice([40, 100, 190], (40, 50)), 20), 0, 255).astype(np.uint8)
    counts, centers = np.bincount(image.ravel(), minlength=256), np.linspace(-1, 1, 256)
    for hist in (counts, (counts, centers), [counts / 7, centers], counts.astype(np.float32)):
        assert_same(filters.threshold_multiotsu(hist=hist), theirs_filters.threshold_multiotsu(hist=hist))


def test_multiotsu_of_as_many_values_as_classes():
    image = np.array([[3, 3, 9], [200, 9, 3]], np.uint8)
    assert_same(filters.threshold_multiotsu(image, 3), theirs_filters.threshold_multiotsu(image, 3))
    with pytest.raises(ValueError, match="only 3 different values"):
        ours.threshold_multiotsu(image, 4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_estimate_sigma(rng, dtype):
    image = smooth_image(rng, (61, 80), dtype)
    assert_same(
        restoration.estimate_sigma(image).astype(np.float64),
        np.float64(theirs_restoration.estimate_sigma(image)),
        1e-6 * float(image.max()),
    )
    colours = np.stack([image, image[::-1] // 2, image // 3], axis=-1)
    for axis in (-1, 2):
        found = restoration.estimate_sigma(colours, channel_axis=axis)
        expected = theirs_restoration.estimate_sigma(colours, channel_axis=axis)
        assert isinstance(found, list)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    found = restoration.estimate_sigma(colours, average_sigmas=True, channel_axis=-1)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-6)


def test_estimate_sigma_warns_of_what_looks_like_colours(rng):
    with pytest.warns(UserWarning, match="image is size 3 on the last axis"):
        restoration.estimate_sigma(random_image(rng, (30, 30, 3), "uint8"))


CALLS = {
    "denoise_nl_means": lambda image: (image, 3, 3),
    "equalize_adapthist": lambda image: (image,),
    "equalize_hist": lambda image: (image,),
    "estimate_sigma": lambda image: (image,),
    "match_histograms": lambda image: (image, image[::-1]),
    "resize": lambda image: (image, tuple(n // 2 for n in image.shape)),
    "threshold_multiotsu": lambda image: (image,),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["int32", "bool", "nan", "colours", "list"])
def test_what_goes_to_scikit_image_is_its_own_answer(rng, caplog, name, kind):
    """An answer or an error, the same as without medfast; and where it is not medfast's, the log says so."""
    caplog.set_level(logging.DEBUG, "medfast.patching")
    image = rng.random((24, 30))
    if kind in ("int32", "bool"):
        image = (image * 40 if kind == "int32" else image > 0.5).astype(kind)
    elif kind == "nan":
        image[3, 4] = np.nan
    elif kind == "colours":
        image = rng.random((24, 30, 3))
    else:
        image = image.tolist()
    arguments = CALLS[name](image) if kind != "list" else (image, *CALLS[name](rng.random((24, 30)))[1:])
    try:
        expected = THEIRS[name](*arguments)
    except Exception as error:  # of any class: it is to be the same
        expected = error
    if isinstance(expected, Exception):
        with pytest.raises(type(expected)) as caught:
            getattr(ours, name)(*arguments)
        assert str(caught.value) == str(expected)
        return
    found = getattr(ours, name)(*arguments)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.DEBUG or "fell back to scikit-image: " in caplog.text


def test_without_scikit_image(monkeypatch):
    from medfast.compat import _calls

    monkeypatch.setattr(_calls, "original", lambda path: None)
    with pytest.raises(NotImplementedError, match=r"image has shape.*scikit-image would do it"):
        ours.denoise_nl_means(np.ones((4, 4, 4, 4)))
    with pytest.raises(NotImplementedError, match="order is 3"):
        ours.resize(np.ones((8, 8)), (4, 4), order=3)
    assert ours.equalize_hist(np.ones((8, 8), np.uint8)).max() == 1.0


def test_drop_ins_say_why_they_fall_back():
    with pytest.raises(FallBack, match="hist is a list"):
        filters.threshold_multiotsu(hist=[1, 2, 3])
    with pytest.raises(FallBack, match="image is a list"):
        exposure.equalize_hist([[1, 2]])
