"""Dask arrays: lazy, chunk by chunk, with the bits of the call in memory. Functions in memory do not take them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import medfast

da = pytest.importorskip("dask.array")
import dask  # noqa: E402

import medfast.dask as lazy  # noqa: E402

DTYPES = [
    np.int16,
    np.float32,
    *[pytest.param(dtype, marks=pytest.mark.slow) for dtype in (np.uint8, np.uint16, np.float64)],
]
LAYOUTS = [((41, 53), (17, 30)), ((9, 20, 23), (5, 19, 11)), ((13, 19), (3, 5)), ((20, 24), 24)]
FORMS = [
    {"search_size": 7},
    {"h": 40.0, "norm": "l1", "search_size": 5, "patch_size": 3},
    {"h": 11, "sigma": 4.0, "noise": "rician", "search_size": 7, "spacing": 2.0},
]


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def an_image(rng, dtype, shape):
    return rng.normal(100, 30, shape).clip(0).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "chunks"), LAYOUTS, ids=str)
def test_same_bits_as_in_memory(rng, dtype, shape, chunks):
    image = an_image(rng, dtype, shape)
    chunked, inside = da.from_array(image, chunks=chunks), image > 90
    for mask, memory_mask in ((None, None), (inside, inside), (da.from_array(inside, chunks=7), inside)):
        found = lazy.equalize_hist(chunked, mask=mask).compute()
        assert_array_equal(found, medfast.equalize_hist(image, mask=memory_mask))
        level = lazy.estimate_sigma(chunked, mask=mask).compute()
        assert level == medfast.estimate_sigma(image, mask=memory_mask)
        for form in FORMS if mask is None else FORMS[:1]:
            found = lazy.denoise_nl_means(chunked, mask=mask, **form).compute()
            assert_array_equal(found, medfast.denoise_nl_means(image, mask=memory_mask, **form))
        if found.dtype.kind == "f":
            continue
        found = lazy.clahe(chunked, 3.0, (3, 4), mask=mask).compute()
        assert_array_equal(found, medfast.clahe(image, 3.0, (3, 4), mask=memory_mask))
        reference = an_image(rng, np.uint16, (70, 70))
        found = lazy.match_histograms(chunked, reference, mask=mask).compute()
        assert_array_equal(found, medfast.match_histograms(image, reference, mask=memory_mask))
        result, expected = lazy.kmeans(chunked, 3, mask=mask), medfast.kmeans(image, 3, mask=memory_mask)
        assert_array_equal(result.labels.compute(), expected.labels)
        assert_array_equal(result.centers.compute(), expected.centers)
        assert result.inertia.compute() == expected.inertia
        labels, thresholds = lazy.segment(chunked, 4, mask=mask, return_thresholds=True)
        expected = medfast.segment(image, 4, mask=memory_mask, return_thresholds=True)
        assert_array_equal(labels.compute(), expected[0])
        assert_array_equal(thresholds.compute(), expected[1])
    assert_array_equal(lazy.window(chunked, 40, 90).compute(), medfast.window(image, 40, 90))


@pytest.mark.parametrize(("dtype", "factor"), [(np.float32, 1e30), (np.float64, 1e200), (np.float32, 1e-30)])
def test_floats_of_any_size_are_scaled_as_the_whole_is(rng, dtype, factor):
    image = (an_image(rng, np.float64, (50, 60)) * factor).astype(dtype)
    image[3, 4] *= 1e6  # in one chunk of nine
    chunked = da.from_array(image, chunks=20)
    found = lazy.denoise_nl_means(chunked, search_size=7).compute()
    assert_array_equal(found, medfast.denoise_nl_means(image, search_size=7))
    assert_array_equal(lazy.equalize_hist(chunked).compute(), medfast.equalize_hist(image))


RESIZES = [
    ((41, 53), (17, 30), {"shape": (20, 26)}),
    ((41, 53), (17, 30), {"scale": (0.4, 1.7)}),
    ((41, 53), (17, 30), {"scale": 0.5}),  # blocks of two by two, the last ones cut short
    ((40, 52), (20, 23), {"scale": 0.5}),
    ((40, 52), (20, 23), {"scale": (0.5, 1.0)}),  # cubic sums the last values of a row of bytes in another way
    ((40, 52), 23, {"scale": 0.25}),
    ((40, 52), 23, {"shape": (97, 69)}),
    ((9, 20, 24), (5, 11, 13), {"spacing": (3.0, 0.7, 0.7), "new_spacing": 1.0}),
    ((9, 20, 24), (5, 11, 13), {"scale": (1.0, 0.5, 0.5)}),
    ((9, 20, 24), (5, 11, 13), {"shape": (5, 20, 31)}),
    ((5, 7), (2, 3), {"scale": 0.01}),
    ((1, 1), 1, {"shape": (3, 5)}),
    ((5, 7), (2, 3), {"shape": (0, 3)}),
    ((5, 7), (2, 3), {"shape": (5, 7)}),
]


@pytest.mark.parametrize("dtype", [np.uint8, *DTYPES[:2], *DTYPES[3:]])
@pytest.mark.parametrize("kind", ["nearest", "linear", "linear-exact", "area", "cubic", "lanczos4"])
def test_resize_has_the_bits_of_the_call_in_memory(rng, dtype, kind):
    for shape, chunks, target in RESIZES:
        image = rng.normal(100, 60, shape).clip(0, 255).astype(dtype)
        found = lazy.resize(da.from_array(image, chunks=chunks), interpolation=kind, **target)
        expected = medfast.resize(image, interpolation=kind, **target)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert_array_equal(found.compute(), expected, err_msg=f"{shape} {target}")


def test_resize_at_every_level(level, rng):
    image = rng.integers(0, 256, (70, 90)).astype(np.uint8)
    for kind in ("linear", "cubic"):
        found = lazy.resize(da.from_array(image, chunks=(40, 37)), (50, 61), interpolation=kind)
        assert_array_equal(found.compute(), medfast.resize(image, (50, 61), interpolation=kind))


def test_resize_looks_at_little_more_than_a_chunk():
    loaded = []

    def load(block_info=None):
        loaded.append(block_info[None]["chunk-location"])
        return np.zeros((16, 16), np.int16)

    image = da.map_blocks(load, chunks=((16,) * 8, (16,) * 8), dtype=np.int16, meta=np.empty((0, 0), np.int16))
    lazy.resize(image, scale=0.5, interpolation="area")[:8, :8].compute()
    assert loaded == [(0, 0)]
    assert lazy.resize(image, scale=2.0).chunks == ((32,) * 8, (32,) * 8)


def test_nothing_is_computed_before_it_is_asked_for():
    def fail(block_info=None):
        raise AssertionError("computed")

    image = da.map_blocks(fail, chunks=((8, 8), (8, 8)), dtype=np.int16, meta=np.empty((0, 0), np.int16))
    lazy.denoise_nl_means(image)
    lazy.equalize_hist(image)
    lazy.segment(image, 3)
    lazy.clahe(image)
    lazy.resize(image, (9, 5))
    with pytest.raises(AssertionError, match="computed"):
        lazy.window(image, 1, 2).compute()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda image: lazy.equalize_hist(np.zeros((4, 4), np.uint8)), TypeError, "image must be a Dask array"),
        (lambda image: lazy.equalize_hist(image > 1), TypeError, "image must have dtype"),
        (lambda image: lazy.kmeans(image.astype(np.float32), 2), TypeError, "image must hold integers"),
        (lambda image: lazy.clahe(image, -1.0), ValueError, "clip_limit must be >= 0"),
        (lambda image: lazy.window(image, 1, 0), ValueError, "width must be >= 1"),
        (lambda image: lazy.resize(np.zeros((4, 4), np.uint8), (2, 2)), TypeError, "image must be a Dask array"),
        (lambda image: lazy.resize(image), ValueError, "exactly one of shape, scale and new_spacing"),
        (lambda image: lazy.resize(image, (2, 2), interpolation="best"), ValueError, "interpolation must be"),
        (lambda image: lazy.resize(image, (2, 2, 2)), ValueError, "shape must have"),
        (lambda image: lazy.resize(image.astype(np.float32) / 0, (3, 3)).compute(), ValueError, "image must be finite"),
        (lambda image: lazy.denoise_nl_means(image, noise="rician"), ValueError, "sigma must be given"),
        (lambda image: lazy.denoise_nl_means(image, mask=np.ones((2, 2), bool)), ValueError, "mask must have shape"),
        (lambda image: lazy.equalize_hist(image.astype(np.float32) / 0).compute(), ValueError, "image must be finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_wrong_arguments_are_told(call, error, message):
    with pytest.raises(error, match=message):
        call(da.zeros((4, 4), chunks=2, dtype=np.uint8))


@pytest.mark.parametrize("function", [medfast.equalize_hist, medfast.denoise_nl_means, medfast.hog, medfast.clahe])
def test_functions_in_memory_point_to_these(function):
    with pytest.raises(TypeError, match=r"image must be in memory, got a lazy Array .*medfast\.dask"):
        function(da.zeros((32, 32), chunks=8, dtype=np.uint8))


def test_empty_and_constant_images():
    assert lazy.denoise_nl_means(da.zeros((0, 4), dtype=np.uint8)).compute().shape == (0, 4)
    assert lazy.estimate_sigma(da.zeros((0, 4), dtype=np.float32)).compute() == 0.0
    for dtype in (np.int16, np.float32):
        constant = da.ones((40, 40), chunks=20, dtype=dtype)
        assert (lazy.denoise_nl_means(constant) == 1).all().compute()
        assert (lazy.equalize_hist(constant) == 1).all().compute()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of distributed, about ports and event loops
def test_two_processes_of_a_cluster(rng):
    distributed = pytest.importorskip("distributed")
    volume = an_image(rng, np.int16, (16, 200, 220))
    chunked = da.from_array(volume, chunks=(8, 64, 64))
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:

        def result_of(task):
            return client.compute(task).result(timeout=120)

        found = result_of(lazy.denoise_nl_means(chunked, patch_size=3, search_size=5))
        assert_array_equal(found, medfast.denoise_nl_means(volume, patch_size=3, search_size=5))
        assert_array_equal(result_of(lazy.equalize_hist(chunked)), medfast.equalize_hist(volume))
        assert_array_equal(result_of(lazy.resize(chunked, scale=0.7)), medfast.resize(volume, scale=0.7))
        assert_array_equal(result_of(lazy.segment(chunked, 4)), medfast.segment(volume, 4))
