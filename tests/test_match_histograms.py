"""Matching of histograms: the definition, scikit-image, masks and channels."""

import numpy as np
import oracles_window as oracles
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import medfast
from images import DTYPES, SHAPES, layouts, random_image, smooth_image

pytestmark = pytest.mark.usefixtures("level")


def in_dtype(values, dtype):
    """Integers rounded half to even and saturated, as they come back."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [*SHAPES, (3, 40, 50)])
def test_is_the_oracle(rng, shape, dtype):
    image = random_image(rng, shape, dtype)
    for reference in (random_image(rng, (33, 70), dtype), smooth_image(rng, (90, 80), dtype), np.full(1, 7, dtype)):
        expected = in_dtype(oracles.match_histograms(image, reference), dtype)
        np.testing.assert_array_equal(medfast.match_histograms(image, reference), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reference_dtype", DTYPES)
def test_dtypes_may_differ(rng, dtype, reference_dtype):
    for shape in ((11, 13), (70, 80)):  # by sorting and by counting
        image, reference = smooth_image(rng, shape, dtype), random_image(rng, (75, 66), reference_dtype)
        expected = in_dtype(oracles.match_histograms(image, reference), dtype)
        np.testing.assert_array_equal(medfast.match_histograms(image, reference), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scikit_image_gives_the_same(rng, dtype):
    exposure = pytest.importorskip("skimage.exposure")
    image, reference = smooth_image(rng, (80, 90), dtype), smooth_image(rng, (60, 70), dtype, noise=30.0)
    expected = exposure.match_histograms(image, reference)
    found = medfast.match_histograms(image, reference)
    assert found.dtype == dtype
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, np.rint(expected))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(levels=st.integers(1, 40), spread=st.integers(1, 3000), seed=st.integers(0, 2**32 - 1))
def test_few_levels(levels, spread, seed):
    """Quantiles that are equal, gaps, levels before the first of the reference and after its last."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, levels, (65, 66)).astype(np.int16) * 3 - 20
    reference = (rng.integers(0, rng.integers(1, 30), (70, 71)) * spread - 30000).clip(-32768, 32767).astype(np.int16)
    expected = in_dtype(oracles.match_histograms(image, reference), np.int16)
    np.testing.assert_array_equal(medfast.match_histograms(image, reference), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_mask_counts_and_changes_what_is_inside(rng, dtype):
    for shape in ((20, 31), (2, 60, 50)):
        image, reference = smooth_image(rng, shape, dtype), random_image(rng, (70, 80), dtype)
        mask = rng.random(shape) < 0.4
        expected = in_dtype(oracles.match_histograms(image, reference, mask), dtype)
        np.testing.assert_array_equal(medfast.match_histograms(image, reference, mask=mask), expected)
        nothing = np.zeros(shape, bool)
        np.testing.assert_array_equal(medfast.match_histograms(image, reference, mask=nothing), image)


def test_reference_may_be_what_is_inside_of_a_mask(rng):
    image, other = smooth_image(rng, (40, 50), "uint8"), random_image(rng, (60, 61), "uint8")
    inside = other[other > 90]
    expected = in_dtype(oracles.match_histograms(image, inside), "uint8")
    np.testing.assert_array_equal(medfast.match_histograms(image, inside), expected)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_are_matched_one_by_one(rng, axis):
    image, reference = random_image(rng, (30, 40, 3), "uint8"), random_image(rng, (20, 25, 3), "uint8") // 2
    mask = rng.random((30, 40)) < 0.7
    expected = np.stack(
        [in_dtype(oracles.match_histograms(image[..., c], reference[..., c], mask), "uint8") for c in range(3)], -1
    )
    moved, moved_reference = np.moveaxis(image, -1, axis), np.moveaxis(reference, -1, axis)
    found = medfast.match_histograms(moved, moved_reference, mask=mask, channel_axis=axis)
    np.testing.assert_array_equal(np.moveaxis(found, axis, -1), expected)


def test_layouts_and_threads_change_nothing(rng, n_threads):
    for dtype in DTYPES:
        image, reference = random_image(rng, (2, 70, 61), dtype), smooth_image(rng, (80, 90), dtype)
        expected = medfast.match_histograms(image.copy(), reference.copy())
        for name, view in layouts(image).items():
            np.testing.assert_array_equal(medfast.match_histograms(view, reference), expected, err_msg=name)
        for name, view in layouts(reference).items():
            np.testing.assert_array_equal(medfast.match_histograms(image, view), expected, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_may_be_the_image(rng, dtype):
    image, reference = random_image(rng, (70, 77), dtype), smooth_image(rng, (30, 31), dtype)
    expected = medfast.match_histograms(image, reference)
    assert medfast.match_histograms(image, reference, out=image) is image
    np.testing.assert_array_equal(image, expected)


def test_an_image_matched_with_itself_stays_as_it_is(rng):
    for dtype in DTYPES:
        image = random_image(rng, (70, 71), dtype)
        np.testing.assert_array_equal(medfast.match_histograms(image, image), image)


def test_an_empty_image_stays_empty():
    reference = np.ones(3, np.uint8)
    assert medfast.match_histograms(np.empty((0, 4), np.uint8), reference).shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"reference": np.empty((0, 3), np.uint8)}, ValueError, "reference must not be empty"),
        ({"reference": np.ones((3, 3), np.int64)}, TypeError, "reference must have dtype"),
        ({"reference": np.array([1.0, np.inf])}, ValueError, "reference must be finite"),
        ({"image": np.ones(5, np.uint8)}, ValueError, "image must be 2-D or 3-D"),
        ({"image": np.full((2, 2), np.nan)}, ValueError, "image must be finite"),
        ({"mask": np.ones((4, 5))}, TypeError, "mask must be boolean"),
        ({"mask": np.ones((5, 4), bool)}, ValueError, "mask must have shape"),
        ({"channel_axis": 0}, ValueError, "image must be 3-D or 4-D"),
        ({"out": np.empty((4, 5), np.float32)}, TypeError, "out must have dtype uint8"),
    ],
)
def test_refuses(changes, error, message):
    arguments = {"image": np.zeros((4, 5), np.uint8), "reference": np.ones((2, 2), np.uint8), **changes}
    with pytest.raises(error, match=message):
        medfast.match_histograms(**arguments)


def test_refuses_other_channels(rng):
    with pytest.raises(ValueError, match="reference must have 3 axes and 3 channels along axis 2"):
        medfast.match_histograms(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, 2), np.uint8), channel_axis=-1)
    with pytest.raises(ValueError, match="reference must have 3 axes"):
        medfast.match_histograms(np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), channel_axis=-1)
