"""Histograms of oriented gradients, at every level, against their oracle and OpenCV."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import medfast
import oracles
from images import DTYPES, layouts, random_image, smooth_image
from medfast import _kernels

# Shares of a bin come from angles in float32, of up to 360 degrees: OpenCV's rounding, 2e-5 of a bin at worst.
TOLERANCE = {"float32": 2e-5, "float64": 1e-9}

CASES = {
    "default": ((40, 48), {}),
    "one block": ((16, 16), {}),
    "left over": ((45, 35), {}),
    "signed": ((32, 40), {"signed": True, "orientations": 7}),
    "one bin": ((24, 24), {"orientations": 1}),
    "stride": ((30, 41), {"stride": (3, 5), "cell": (4, 6)}),
    "far blocks": ((40, 45), {"stride": (20, 19), "cell": (4, 3)}),
    "single pixels": ((5, 6), {"cell": (1, 1), "block": (1, 1), "orientations": 4}),
    "many blocks": ((9, 75), {"cell": (2, 2), "block": (3, 2), "stride": (1, 2)}),
    "l1": ((24, 32), {"norm": "l1", "block": (3, 1)}),
    "l1-sqrt": ((24, 32), {"norm": "l1-sqrt", "block": (1, 2)}),
    "l2": ((24, 32), {"norm": "l2", "block": (1, 1)}),
    "clip": ((24, 32), {"clip": 0.1}),
    "own cells": ((24, 32), {"spatial_votes": False}),
    "own bins": ((24, 32), {"orientation_votes": False, "orientations": 8}),
    "own bins, signed": ((24, 32), {"orientation_votes": False, "orientations": 5, "signed": True}),
    "own bins, even": ((24, 32), {"orientation_votes": False, "orientations": 12, "signed": True}),
    "flat": ((24, 32), {"block_sigma": math.inf}),
    "narrow": ((24, 32), {"block_sigma": 2.5}),
    "wide": ((20, 300), {"cell": (4, 4), "stride": (3, 5)}),
    "four by four": ((40, 48), {"cell": (4, 4), "block": (4, 4), "stride": (16, 16)}),
    "one cell, overlapping": ((30, 33), {"cell": (8, 9), "block": (1, 1), "stride": (4, 5), "orientations": 3}),
    "tall strides": ((90, 50), {"cell": (20, 10), "block": (2, 2), "stride": (20, 10)}),
    "cells": ((26, 37), {"block_sigma": math.inf, "spatial_votes": False, "block": (2, 3), "stride": (16, 8)}),
    "cells, own bins": ((24, 32), {"block_sigma": math.inf, "spatial_votes": False, "orientation_votes": False}),
    "cells, one bin": ((24, 32), {"block_sigma": math.inf, "spatial_votes": False, "orientations": 1}),
    "all off, signed": (
        (24, 32),
        {"block_sigma": math.inf, "spatial_votes": False, "orientation_votes": False, "signed": True, "norm": "l1"},
    ),
}


def tolerance(image):
    return TOLERANCE["float64" if image.dtype == np.float64 else "float32"]


@pytest.mark.parametrize("case", CASES)
def test_hog_equals_oracle(level, n_threads, rng, case):
    shape, parameters = CASES[case]
    image = random_image(rng, shape, "uint8")
    features = medfast.hog(image, **parameters)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, oracles.hog(image, **parameters).ravel(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3])
def test_hog_equals_oracle_for_every_dtype(level, rng, dtype, channels):
    image = smooth_image(rng, (33, 40, channels), dtype)
    features = medfast.hog(image, channel_axis=-1)
    assert features.dtype == (np.float64 if dtype == "float64" else np.float32)
    np.testing.assert_allclose(features, oracles.hog(image).ravel(), rtol=0, atol=tolerance(image))


@pytest.mark.parametrize("dtype", DTYPES)
def test_hog_with_gamma_equals_oracle(level, rng, dtype):
    image = np.abs(smooth_image(rng, (24, 24), dtype))
    features = medfast.hog(image, gamma=True)
    np.testing.assert_allclose(features, oracles.hog(image, gamma=True).ravel(), rtol=0, atol=tolerance(image))


@pytest.mark.parametrize("orientations", [4, 6, 8, 12])
def test_hog_puts_diagonals_and_axes_into_their_own_bins(level, orientations):
    """Directions on the edge of a bin, by the thousand: every gradient is a multiple of 45 degrees."""
    image = (np.indices((24, 24)) // 3).sum(axis=0).astype(np.uint8) % 3 * 10
    parameters = {"orientations": orientations, "orientation_votes": False, "cell": (6, 6), "norm": "l1"}
    expected = oracles.hog(image, **parameters).ravel()
    np.testing.assert_allclose(medfast.hog(image, **parameters), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_hog_levels_are_halved_images(level, n_threads, rng, dtype):
    image = random_image(rng, (71, 90), dtype)
    features = medfast.hog(image, cell=(4, 4), levels=3)
    parts = []
    for _ in range(3):
        parts.append(medfast.hog(image, cell=(4, 4)))
        image = oracles.hog_halved(image)
    np.testing.assert_array_equal(features, np.concatenate(parts))


def test_hog_of_a_batch_is_that_of_each_image(level, n_threads, rng):
    images = random_image(rng, (5, 21, 30), "uint8")
    features = medfast.hog(images, cell=(4, 4), stride=(2, 4), levels=2)
    np.testing.assert_array_equal(
        features, [medfast.hog(image, cell=(4, 4), stride=(2, 4), levels=2) for image in images]
    )
    colours = random_image(rng, (3, 4, 20, 16), "float32")
    features = medfast.hog(colours, channel_axis=0)
    np.testing.assert_array_equal(features, [medfast.hog(colours[:, i], channel_axis=0) for i in range(4)])
    assert medfast.hog(images[:0]).shape == (0, 2 * 36)


def random_parameters(rng, shape):
    cell = tuple(int(rng.integers(1, min(n, 9) + 1)) for n in shape)
    block = tuple(int(rng.integers(1, min(3, n // c) + 1)) for n, c in zip(shape, cell, strict=True))
    parameters = {
        "cell": cell,
        "block": block,
        "stride": tuple(map(int, rng.integers(1, 14, 2))) if rng.integers(3) else None,
        "orientations": int(rng.integers(1, 20)),
        "norm": str(rng.choice(["l1", "l1-sqrt", "l2", "l2-hys"])),
    }
    switches = ("signed", "gamma", "spatial_votes", "orientation_votes", "visualize")
    parameters |= {name: bool(rng.integers(2)) for name in switches}
    return parameters | ({"block_sigma": math.inf} if rng.integers(3) == 0 else {})


@pytest.mark.parametrize("seed", range(6))
def test_hog_gives_the_same_bits_at_every_level(seed):
    rng = np.random.default_rng(seed)
    cases = []
    for dtype in ("uint8", "float64"):  # the twin takes seconds to compile for another one
        for n_channels in (1, 3):
            shape = tuple(map(int, rng.integers(4, 60, 2)))
            parameters = random_parameters(rng, shape) | {"channel_axis": 0}
            cases.append((rng.integers(0, 200, (n_channels, *shape)).astype(dtype), parameters))
    results = []
    for name in _kernels.supported_levels():
        _kernels._activate(name)
        results.append([medfast.hog(image, **parameters) for image, parameters in cases])
    _kernels._activate(_kernels.LEVEL)
    for result in results[1:]:
        for found, expected in zip(result, results[0], strict=True):
            np.testing.assert_equal(found, expected)


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"signed": True, "orientations": 7}, {"orientation_votes": False, "norm": "l1"}, {"orientations": 1}],
    ids=str,
)
def test_hog_looks_up_the_votes_that_it_would_find(level, rng, parameters, cells):
    """Large images of bytes have a table of votes; the same pixels as floats have none."""
    if level == "jit":
        pytest.skip("the twin has no tables")
    image = rng.integers(0, 256, (256, 300)).astype(np.uint8)  # all differences
    image[:128] //= 64  # few: directions on edges
    if cells:
        parameters = parameters | {"spatial_votes": False, "block_sigma": math.inf}
    expected = medfast.hog(image.astype(np.float32), **parameters)
    np.testing.assert_array_equal(medfast.hog(image, **parameters), expected)
    # once there is a table, smaller images have it, too
    np.testing.assert_array_equal(
        medfast.hog(image[:80, :90], **parameters), medfast.hog(image[:80, :90].astype(np.float32), **parameters)
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("orientation_votes", [False, True])
def test_hog_draws_strokes_along_edges(level, signed, orientation_votes):
    """Stripes that stand: their gradients lie, and the strokes stand as they do."""
    image = np.tile(np.array([0, 0, 100, 100], np.uint8), (24, 8))
    features, picture = medfast.hog(
        image, orientations=16, visualize=True, signed=signed, orientation_votes=orientation_votes
    )
    np.testing.assert_array_equal(features, medfast.hog(image, orientations=16, signed=signed,
                                                        orientation_votes=orientation_votes))  # fmt: skip
    assert picture.shape == image.shape
    assert picture.dtype == np.float32
    down, across = (np.abs(np.diff(picture, axis=axis)).sum() for axis in (0, 1))
    assert down < across


def test_hog_draws_the_picture_of_scikit_image(level, rng):
    theirs = pytest.importorskip("skimage.feature").hog
    images = smooth_image(rng, (2, 45, 52), "float32")
    _, pictures = medfast.hog(images, cell=(9, 8), orientation_votes=False, visualize=True)
    for image, picture in zip(images, pictures, strict=True):
        _, expected = theirs(image, 9, (9, 8), (2, 2), visualize=True)
        np.testing.assert_allclose(picture, expected, rtol=0, atol=1e-5 * expected.max())


def test_hog_takes_any_layout(level, rng):
    image = random_image(rng, (24, 33), "uint16")
    expected = medfast.hog(image)
    for name, view in layouts(image).items():
        np.testing.assert_array_equal(medfast.hog(view), expected, err_msg=name)


def test_hog_fills_out_of_any_layout(level, rng):
    images = random_image(rng, (3, 24, 33), "float32")
    expected = medfast.hog(images, levels=1)
    out = np.zeros((2 * expected.shape[1], 3), np.float32)[::2].T[::-1]
    assert medfast.hog(images, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_hog_ignores_brightness_and_hardly_feels_contrast(level, rng):
    image = smooth_image(rng, (32, 32), "float32")
    expected = medfast.hog(image)
    np.testing.assert_allclose(medfast.hog(image + 1024), expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(medfast.hog(image * 4), expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e37])
@pytest.mark.parametrize("norm", ["l1", "l1-sqrt", "l2", "l2-hys"])
def test_hog_of_extreme_values_is_finite(level, rng, dtype, scale, norm):
    features = medfast.hog((rng.uniform(-1, 1, (32, 32)) * scale).astype(dtype), norm=norm)
    assert np.isfinite(features).all()
    assert (features.max() > 0.01) == (scale > 1)


def test_hog_of_a_constant_image_is_zero(level):
    np.testing.assert_array_equal(medfast.hog(np.full((20, 20), 77, np.int16)), 0)
    np.testing.assert_array_equal(medfast.hog(np.full((1, 1), 7.0), cell=(1, 1), block=(1, 1)), np.zeros(9))


@pytest.mark.opencv
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shape", [(128, 64), (512, 512)], ids=str)
def test_hog_equals_opencv(level, n_threads, rng, shape, signed):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "HOGDescriptor"):
        pytest.skip("OpenCV 5 has no HOGDescriptor")
    image = smooth_image(rng, shape)
    rival = cv2.HOGDescriptor(shape[::-1], (16, 16), (8, 8), (8, 8), 9, 1, -1.0, 0, 0.2, False, 64, signed)
    np.testing.assert_allclose(medfast.hog(image, signed=signed), rival.compute(image), rtol=0, atol=1e-5)


@pytest.mark.opencv
def test_hog_halves_as_opencv(rng):
    cv2 = pytest.importorskip("cv2")
    image = random_image(rng, (64, 96), "uint8")
    half = cv2.resize(image, (48, 32), interpolation=cv2.INTER_AREA)
    features = medfast.hog(image, levels=2)
    np.testing.assert_array_equal(features[-len(medfast.hog(half)) :], medfast.hog(half))


@hypothesis.given(
    st.sampled_from(DTYPES), st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.booleans(), st.randoms()
)
def test_hog_equals_oracle_for_any_geometry(dtype, rows, cols, orientations, signed, random):
    cell = random.randint(1, min(rows, 9)), random.randint(1, min(cols, 9))
    block = random.randint(1, min(3, rows // cell[0])), random.randint(1, min(3, cols // cell[1]))
    stride = random.randint(3, 10), random.randint(3, 10)
    image = smooth_image(np.random.default_rng(random.randint(0, 99)), (rows, cols), dtype)
    parameters = {"cell": cell, "block": block, "stride": stride, "orientations": orientations, "signed": signed}
    features = medfast.hog(image, **parameters)
    np.testing.assert_allclose(features, oracles.hog(image, **parameters).ravel(), rtol=0, atol=5 * tolerance(image))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cell": (17, 8)}, "image must hold one block of 34 x 16 pixels, got 33 x 40"),
        ({"levels": 3}, "levels must be <= 2, the last one to hold a block of 16 x 16 pixels, got 3"),
        ({"levels": 0}, "levels must be >= 1, got 0"),
        ({"orientations": 0}, "orientations must be >= 1, got 0"),
        ({"norm": "L2"}, "norm must be one of 'l1', 'l1-sqrt', 'l2', 'l2-hys', got 'L2'"),
        ({"clip": 0}, "clip must be > 0, got 0"),
        ({"block_sigma": 0}, "block_sigma must be > 0, got 0"),
        ({"stride": (0, 8)}, r"stride\[0\] must be >= 1, got 0"),
        ({"cell": (8, 8, 8)}, "cell must be two integers"),
        ({"gamma": True}, "image must be >= 0 with gamma, got -5"),
        ({"channel_axis": 2}, "channel_axis must be an axis of the 2-D image, got 2"),
        ({"channel_axis": 0}, r"image must be 3-D or 4-D, got shape \(33, 40\)"),
        ({"out": np.zeros(3, np.float32)}, r"out must have shape \(432,\), got \(3,\)"),
    ],
)
def test_hog_names_the_bad_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        medfast.hog(np.full((33, 40), -5, np.int16), **parameters)


@pytest.mark.parametrize(("sigma", "same"), [(1e-300, 1e-2), (5e-324, 1e-2), (1e300, math.inf), (1.7e308, math.inf)])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_hog_with_extreme_block_sigma(rng, sigma, same, dtype):
    image = random_image(rng, (24, 32), dtype)
    features = medfast.hog(image, block_sigma=sigma)
    np.testing.assert_array_equal(features, medfast.hog(image, block_sigma=same))
    assert features.any()
    assert not medfast.hog(image, cell=(3, 3), block=(1, 1), block_sigma=1e-300).any()


@pytest.mark.parametrize(
    "parameters", [{"signed": "no"}, {"orientations": 9.0}, {"norm": 2}, {"cell": 8}, {"clip": None}]
)
def test_hog_names_the_bad_type(parameters):
    (name,) = parameters
    with pytest.raises(TypeError, match=f"{name} must be"):
        medfast.hog(np.zeros((33, 40), np.uint8), **parameters)


def test_hog_refuses_bad_images(rng):
    with pytest.raises(TypeError, match=r"image must have dtype .*, got int64"):
        medfast.hog(np.zeros((16, 16), np.int64))
    with pytest.raises(ValueError, match="image must be finite"):
        medfast.hog(np.full((16, 16), np.nan))
    with pytest.raises(ValueError, match=r"image must be 2-D or 3-D, got shape \(4,\)"):
        medfast.hog(np.zeros(4))
    with pytest.raises(ValueError, match="image must hold one block of 16 x 16 pixels, got 0 x 5"):
        medfast.hog(np.zeros((0, 5)))
    with pytest.raises(ValueError, match=r"image must have at least 1 channels, got shape \(16, 16, 0\)"):
        medfast.hog(np.zeros((16, 16, 0)), channel_axis=2)
    image = np.zeros((400, 400), np.float32)
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.hog(image[:16, :16], out=image.reshape(-1)[:36])
