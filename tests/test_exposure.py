"""Histogram equalisation, at every level, against its oracle and OpenCV."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import medfast
import oracles_exposure as oracles
from images import DTYPES, SHAPES, layouts, random_image
from medfast import _kernels

INTEGERS = ("uint8", "uint16", "int16")


@pytest.mark.parametrize("shape", [*SHAPES, (3, 9, 17)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equalize_hist_equals_oracle(level, n_threads, rng, shape, dtype):
    image = random_image(rng, shape, dtype)
    result = medfast.equalize_hist(image)
    assert result.dtype == image.dtype
    np.testing.assert_array_equal(result, oracles.equalize_hist(image))


@pytest.mark.parametrize("shape", [(33, 70), (3, 9, 17)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_equalize_hist_under_a_mask(level, n_threads, rng, shape, dtype):
    image = random_image(rng, shape, dtype)
    mask = rng.random(shape) < 0.4
    result = medfast.equalize_hist(image, mask=mask)
    np.testing.assert_array_equal(result, oracles.equalize_hist(image, mask))
    np.testing.assert_array_equal(result[~mask], image[~mask])
    np.testing.assert_array_equal(medfast.equalize_hist(image, mask=mask.astype(np.uint8)), result)
    np.testing.assert_array_equal(medfast.equalize_hist(image, mask=np.ones(shape, bool)), medfast.equalize_hist(image))
    np.testing.assert_array_equal(medfast.equalize_hist(image, mask=np.zeros(shape, bool)), image)


@pytest.mark.opencv
@pytest.mark.parametrize("shape", [(1, 1), (1, 63), (64, 64), (65, 127), (513, 511)], ids=str)
def test_equalize_hist_equals_opencv(level, n_threads, rng, shape):
    import cv2

    for image in (rng.integers(40, 90, shape, np.uint8), random_image(rng, shape, "uint8")):
        np.testing.assert_array_equal(medfast.equalize_hist(image), cv2.equalizeHist(image))


def test_equalize_hist_of_more_pixels_than_one_thread_takes(level, rng):
    image = np.tile(random_image(rng, (200, 300), "uint16"), (4, 3))
    np.testing.assert_array_equal(medfast.equalize_hist(image), oracles.equalize_hist(image))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_equalize_hist_of_whatever_fills_small_counters(level, rng, dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    shape = 300, 1111
    rows, cols = np.indices(shape)
    for image in (
        np.where((rows + cols) % 2, low, high),  # two levels in turn, each more often than 16 bits count
        np.where(rng.random(shape) < 0.9, low, rng.integers(low, high, shape)),  # hardly anything but one level
        np.where(rows < 150, 7, rng.integers(0, 3, shape)),  # runs, then few levels
        low + rows // 3 + cols // 8,  # slow ramps
    ):
        image = image.astype(dtype)
        np.testing.assert_array_equal(medfast.equalize_hist(image), oracles.equalize_hist(image))


@pytest.mark.parametrize("dtype", DTYPES)
def test_equalize_hist_leaves_a_constant_image(level, dtype):
    for shape in ((1, 1), (5, 70)):
        image = np.full(shape, 17, dtype)
        np.testing.assert_array_equal(medfast.equalize_hist(image), image)


@pytest.mark.parametrize("dtype", DTYPES)
def test_equalize_hist_of_nothing_is_nothing(level, dtype):
    for shape in ((0, 5), (5, 0), (2, 0, 3)):
        assert medfast.equalize_hist(np.zeros(shape, dtype)).shape == shape


def test_equalize_hist_keeps_the_order_of_hounsfield_units(level, rng):
    image = rng.integers(-1024, 3072, (64, 64)).astype(np.int16)
    result = medfast.equalize_hist(image)
    assert (np.diff(result.ravel()[np.argsort(image, axis=None, kind="stable")].astype(int)) >= 0).all()
    assert len(np.unique(result[image < 0])) == len(np.unique(image[image < 0]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equalize_hist_of_extreme_floats(level, dtype):
    limits = np.finfo(dtype)
    for low, high in (
        (limits.min, limits.max),
        (0.0, limits.smallest_subnormal),
        (1.0, np.nextafter(limits.dtype.type(1), 2)),
    ):
        image = np.array([[low, high, high], [low, low, high]], dtype)
        result = medfast.equalize_hist(image)
        np.testing.assert_array_equal(result, image)  # two values: already spread over the whole range
        np.testing.assert_array_equal(result, oracles.equalize_hist(image))


def test_equalize_hist_of_floats_resembles_scikit_image(level, rng):
    from skimage import exposure

    image = rng.normal(0.0, 1.0, (128, 128))
    result = medfast.equalize_hist(image)
    share = (result - image.min()) / (image.max() - image.min())
    # scikit-image interpolates between the middles of its bins and counts the lowest level too: off by a bin at most
    tolerance = (np.histogram(image, 65536)[0].max() + 1) / image.size
    np.testing.assert_allclose(share, exposure.equalize_hist(image, nbins=65536), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_equalize_hist_takes_any_layout(level, rng, dtype):
    image = random_image(rng, (19, 133), dtype)
    expected = medfast.equalize_hist(image)
    mask = random_image(rng, (19, 133), "uint8") > 100
    expected_inside = medfast.equalize_hist(image, mask=mask)
    for name, view in layouts(image).items():
        before = view.copy()
        np.testing.assert_array_equal(medfast.equalize_hist(view), expected, err_msg=name)
        np.testing.assert_array_equal(medfast.equalize_hist(view, mask=mask), expected_inside, err_msg=name)
        np.testing.assert_array_equal(view, before, err_msg=name)
    for name, view in layouts(np.zeros_like(image)).items():
        if view.flags.writeable and view.dtype.isnative:
            assert medfast.equalize_hist(image, out=view) is view
            np.testing.assert_array_equal(view, expected, err_msg=name)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_equalize_hist_in_place(level, rng, dtype):
    image = random_image(rng, (19, 133), dtype)
    mask = rng.random(image.shape) < 0.5
    for inside in (None, mask):
        given_image = image.copy()
        expected = medfast.equalize_hist(image, mask=inside)
        assert medfast.equalize_hist(given_image, mask=inside, out=given_image) is given_image
        np.testing.assert_array_equal(given_image, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    image=st.sampled_from(INTEGERS).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=80))
    )
)
def test_equalize_hist_equals_oracle_on_whatever_hypothesis_finds(level, image):
    np.testing.assert_array_equal(medfast.equalize_hist(image), oracles.equalize_hist(image))


def test_equalize_hist_refuses_an_overlap(rng):
    image = random_image(rng, (20, 33), "uint8")
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.equalize_hist(image[1:], out=image[:-1])


def test_equalize_hist_names_the_bad_argument():
    image = np.zeros((3, 3), np.float32)
    with pytest.raises(TypeError, match="image must have dtype uint8, uint16, int16, float32, float64, got int64"):
        medfast.equalize_hist(np.zeros((3, 3), np.int64))
    with pytest.raises(ValueError, match=r"image must be 2-D or 3-D, got shape \(4,\)"):
        medfast.equalize_hist(np.zeros(4, np.uint8))
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="image must be finite, got NaN or infinity"):
            medfast.equalize_hist(np.array([[0.0, bad]]))
    with pytest.raises(ValueError, match=r"mask must have shape \(3, 3\), got \(3,\)"):
        medfast.equalize_hist(image, mask=np.ones(3, bool))
    with pytest.raises(TypeError, match="mask must be boolean, got dtype float64"):
        medfast.equalize_hist(image, mask=np.ones((3, 3)))
    with pytest.raises(TypeError, match="out must have dtype float32"):
        medfast.equalize_hist(image, out=np.zeros((3, 3)))
    with pytest.raises(ValueError, match="num_threads must be >= 1, got 0"):
        medfast.equalize_hist(image, num_threads=0)


@pytest.mark.parametrize("function", [medfast.equalize_hist, medfast.clahe])
def test_out_is_apart_from_the_mask_and_from_itself(rng, function):
    image = random_image(rng, (20, 33), "uint8")
    mask = image > 90
    with pytest.raises(ValueError, match="out must not overlap mask"):
        function(image, mask=mask, out=mask.view(np.uint8))
    row = np.lib.stride_tricks.as_strided(np.zeros(33, np.uint8), (20, 33), (0, 1))
    with pytest.raises(ValueError, match="out must have a place of its own for each pixel"):
        function(image, out=row)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_counts_of_runs_and_of_more_than_fits_a_word(level, n_threads, rng, dtype):
    """Runs around the blocks that are counted at once, and pairs and values that are frequent beyond 16 bits."""
    pieces = [random_image(rng, 300, dtype)]
    for n in (31, 32, 33, 63, 64, 65, 127, 128, 129, 130, 1000):
        pieces += [np.full(n, value, dtype) for value in (0, 7)] + [random_image(rng, 37, dtype)]
    pieces.append(np.tile(np.array([3, 100], dtype), 70_000))  # pairs that are alike, and values that are not
    pieces.append(np.tile(np.array([3, 100, 5], dtype), 70_000))
    image = np.concatenate(pieces)
    image = np.ascontiguousarray(image[: len(image) // 250 * 250].reshape(-1, 250))
    np.testing.assert_array_equal(medfast.equalize_hist(image), oracles.equalize_hist(image))
    cut = image[:, 3:247]  # lines with gaps
    np.testing.assert_array_equal(medfast.equalize_hist(cut), oracles.equalize_hist(cut))
    out = np.zeros_like(image)[:, :244]
    np.testing.assert_array_equal(medfast.equalize_hist(cut, out=out), oracles.equalize_hist(cut))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_same_without_what_lies_beyond_the_level(level, rng, dtype):
    if not getattr(_kernels.histogram, "_set_beyond", lambda _: False)(True):
        pytest.skip("this CPU, or this level, has nothing beyond")
    image = random_image(rng, (47, 130), dtype)
    with_it = medfast.equalize_hist(image)
    try:
        assert not _kernels.histogram._set_beyond(False)
        np.testing.assert_array_equal(medfast.equalize_hist(image), with_it)
    finally:
        _kernels.histogram._set_beyond(True)
