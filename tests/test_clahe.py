"""CLAHE, at every level, against its oracle and OpenCV."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from images import DTYPES, layouts, random_image, smooth_image

import medfast
import oracles

# Divisible, one side divisible, neither, more tiles than pixels, one tile, one pixel, wider than a buffer.
CASES = (
    ((64, 96), (8, 8)),
    ((64, 97), (8, 8)),
    ((47, 130), (5, 3)),
    ((5, 7), (9, 11)),
    ((33, 70), (1, 1)),
    ((1, 1), (2, 3)),
    ((9, 1203), (3, 1)),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "grid"), CASES, ids=str)
def test_clahe_equals_oracle(level, n_threads, rng, shape, grid, dtype):
    image = random_image(rng, shape, dtype)
    result = medfast.clahe(image, 2.5, grid)
    assert result.dtype == image.dtype
    np.testing.assert_array_equal(result, oracles.clahe(image, 2.5, grid))


@pytest.mark.opencv
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("clip_limit", [0, 0.01, 2.0, 40.0, 1e6])
def test_clahe_equals_opencv(level, n_threads, rng, clip_limit, dtype):
    import cv2

    for shape, grid in CASES:
        for image in (random_image(rng, shape, dtype), smooth_image(rng, shape, dtype)):
            np.testing.assert_array_equal(
                medfast.clahe(image, clip_limit, grid), cv2.createCLAHE(clip_limit, grid[::-1]).apply(image)
            )


@pytest.mark.opencv
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    grid=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    clip_limit=st.floats(0, 100),
    top=st.sampled_from([1, 255, 4095, 65535]),
    seed=st.integers(0, 1000),
)
@example(shape=(8, 9), grid=(4, 4), clip_limit=2.0, top=255, seed=0)
def test_clahe_equals_opencv_on_whatever_hypothesis_finds(level, dtype, shape, grid, clip_limit, top, seed):
    import cv2

    image = np.random.default_rng(seed).integers(0, min(top, np.iinfo(dtype).max), shape, endpoint=True).astype(dtype)
    np.testing.assert_array_equal(
        medfast.clahe(image, clip_limit, grid), cv2.createCLAHE(clip_limit, grid[::-1]).apply(image)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_clahe_of_a_volume_goes_plane_by_plane(level, rng, dtype):
    image = random_image(rng, (3, 20, 37), dtype)
    result = medfast.clahe(image, 3.0, (2, 4))
    if np.dtype(dtype).kind == "f":  # the levels are those of the whole volume
        np.testing.assert_array_equal(result, oracles.clahe(image, 3.0, (2, 4)))
    else:
        for plane in range(3):
            np.testing.assert_array_equal(result[plane], medfast.clahe(image[plane], 3.0, (2, 4)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_clahe_under_a_mask(level, n_threads, rng, dtype):
    image = random_image(rng, (40, 67), dtype)
    mask = rng.random(image.shape) < 0.3
    mask[:14] = False  # whole tiles without a pixel
    result = medfast.clahe(image, 2.0, (6, 5), mask=mask)
    np.testing.assert_array_equal(result, oracles.clahe(image, 2.0, (6, 5), mask=mask))
    np.testing.assert_array_equal(result[~mask], image[~mask])
    everywhere = np.ones(image.shape, bool)
    np.testing.assert_array_equal(medfast.clahe(image, mask=everywhere), medfast.clahe(image))
    np.testing.assert_array_equal(medfast.clahe(image, mask=~everywhere), image)


@pytest.mark.parametrize("bit_depth", [1, 4, 8, 12, 16])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clahe_with_a_bit_depth(level, rng, dtype, bit_depth):
    if dtype == "uint8" and bit_depth > 8:
        with pytest.raises(ValueError, match=f"bit_depth must be <= 8, got {bit_depth}"):
            medfast.clahe(np.zeros((3, 3), dtype), bit_depth=bit_depth)
        return
    if np.dtype(dtype).kind == "f":
        image = random_image(rng, (31, 45), dtype)
    else:
        lowest = -(2 ** (bit_depth - 1)) if dtype == "int16" else 0
        image = (rng.integers(0, 2**bit_depth, (31, 45)) + lowest).astype(dtype)
    for clip_limit in (0, 2.0, 50.0):
        result = medfast.clahe(image, clip_limit, (3, 4), bit_depth=bit_depth)
        np.testing.assert_array_equal(result, oracles.clahe(image, clip_limit, (3, 4), bit_depth))


def test_clahe_refuses_what_does_not_fit_the_bit_depth():
    image = np.array([[0, 4096]], np.uint16)
    with pytest.raises(ValueError, match="image must lie in 0 … 4095 for bit_depth=12, got values from 0 to 4096"):
        medfast.clahe(image, bit_depth=12)
    with pytest.raises(ValueError, match="image must lie in -8 … 7 for bit_depth=4, got values from -9 to 0"):
        medfast.clahe(np.array([[0, -9]], np.int16), bit_depth=4)


def test_clahe_of_int16_is_that_of_uint16_shifted(level, rng):
    image = smooth_image(rng, (50, 60), "int16") - 1000
    shifted = (image.astype(np.int32) + 32768).astype(np.uint16)
    np.testing.assert_array_equal(medfast.clahe(image).astype(np.int32) + 32768, medfast.clahe(shifted))


@pytest.mark.parametrize("dtype", DTYPES)
def test_clahe_of_the_degenerate(level, dtype):
    for shape in ((0, 5), (5, 0), (2, 0, 3)):
        assert medfast.clahe(np.zeros(shape, dtype)).shape == shape
    for shape in ((1, 1), (1, 9), (20, 20)):
        image = np.full(shape, 17, dtype)
        np.testing.assert_array_equal(medfast.clahe(image), oracles.clahe(image))
        if np.dtype(dtype).kind == "f":
            np.testing.assert_array_equal(medfast.clahe(image), image)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_clahe_takes_any_layout(level, rng, dtype):
    image = random_image(rng, (19, 1130), dtype)
    expected = medfast.clahe(image, 2.0, (2, 2))
    for name, view in layouts(image).items():
        before = view.copy()
        np.testing.assert_array_equal(medfast.clahe(view, 2.0, (2, 2)), expected, err_msg=name)
        np.testing.assert_array_equal(view, before, err_msg=name)
    for name, view in layouts(np.zeros_like(image)).items():
        if view.flags.writeable and view.dtype.isnative:
            assert medfast.clahe(image, 2.0, (2, 2), out=view) is view
            np.testing.assert_array_equal(view, expected, err_msg=name)


def test_clahe_names_the_bad_argument(rng):
    image = random_image(rng, (20, 33), "uint8")
    with pytest.raises(ValueError, match="clip_limit must be >= 0, got -1"):
        medfast.clahe(image, -1)
    with pytest.raises(TypeError, match="clip_limit must be a number"):
        medfast.clahe(image, "2")
    with pytest.raises(ValueError, match=r"tile_grid\[1\] must be >= 1, got 0"):
        medfast.clahe(image, 2.0, (8, 0))
    with pytest.raises(ValueError, match="tile_grid must be two integers"):
        medfast.clahe(image, 2.0, (8, 8, 8))
    with pytest.raises(TypeError, match="tile_grid"):
        medfast.clahe(image, 2.0, 8)
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.clahe(image, out=image)
    with pytest.raises(ValueError, match="image must be finite"):
        medfast.clahe(np.array([[0.0, np.nan]]))
    with pytest.raises(ValueError, match=r"mask must have shape \(20, 33\)"):
        medfast.clahe(image, mask=np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="bit_depth must be >= 1, got 0"):
        medfast.clahe(image, bit_depth=0)
