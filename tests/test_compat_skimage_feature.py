"""hog with scikit-image's signature, at every level, against scikit-image's own."""

import numpy as np
import pytest

from images import layouts, smooth_image
from medfast.compat.skimage.feature import hog

skimage_hog = pytest.importorskip("skimage.feature").hog


DTYPES = ["u1", "u2", "i2", "i4", "?", "f2", "f4", "f8"]


def random_case(rng, dtypes):
    cell, block = (tuple(map(int, rng.integers(1, most, 2))) for most in (12, 4))
    shape = [int(c * b + rng.integers(0, 30)) for c, b in zip(cell, block, strict=True)]
    parameters = {
        "pixels_per_cell": cell,
        "cells_per_block": block,
        "orientations": int(rng.integers(1, 20)),
        "block_norm": str(rng.choice(["L1", "L1-sqrt", "L2", "L2-Hys"])),
        "transform_sqrt": bool(rng.integers(2)),
        "feature_vector": bool(rng.integers(2)),
    }
    if rng.integers(2):
        parameters["channel_axis"] = int(rng.integers(-3, 3))
        shape.insert(parameters["channel_axis"] % 3, 3)
    dtype = np.dtype(rng.choice(dtypes))
    # few gray levels: most directions lie on the edge of a bin, and tenths put them beside it by a rounding
    image = rng.integers(0, rng.choice([3, 20, 250]), shape).astype(dtype)
    return (image * 0.1).astype(dtype) if dtype.kind == "f" and rng.integers(2) else image, parameters


def check(image, **parameters):
    features, picture = hog(image, visualize=True, **parameters)
    try:
        expected, expected_picture = skimage_hog(image, visualize=True, **parameters)
    except IndexError:  # strokes of cells of a single pixel leave its picture
        expected, expected_picture = skimage_hog(image, **parameters), picture
    assert (features.dtype, features.shape) == (expected.dtype, expected.shape)
    assert (picture.dtype, picture.shape) == (expected_picture.dtype, expected_picture.shape)
    np.testing.assert_allclose(features, expected, rtol=0, atol=1.5e-7, err_msg=str(parameters))
    np.testing.assert_allclose(picture, expected_picture, rtol=1e-6, atol=1e-6 * abs(expected_picture).max())


@pytest.mark.parametrize("seed", range(5))
def test_hog_equals_scikit_image_for_any_parameters(level, seed):
    rng = np.random.default_rng(seed)
    for _ in range(8 if level != "jit" else 2):
        image, parameters = random_case(rng, DTYPES if level != "jit" else ["u1", "f4"])
        check(image, **parameters)


@pytest.mark.parametrize("orientations", [4, 9, 36])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_hog_decides_bins_as_scikit_image(level, n_threads, rng, dtype, orientations):
    """Slow waves of few levels: half of the directions are multiples of 45 degrees, or a rounding away from one."""
    if level == "jit" and dtype not in (np.uint8, np.float32):
        pytest.skip("the twin takes seconds to compile for another dtype")
    image = (np.round(smooth_image(rng, (40, 48), "float64", noise=3) / 8) * (0.1 if dtype(0.5) else 1)).astype(dtype)
    check(image, orientations=orientations)
    colours = np.stack([image, image.T[:40, :40].repeat(2, axis=1)[:, :48], image[::-1]], axis=-1)
    check(colours, orientations=orientations, channel_axis=-1)


def test_hog_takes_any_layout(level, rng):
    image = smooth_image(rng, (33, 40))
    expected = hog(image)
    for name, view in layouts(image).items():
        np.testing.assert_array_equal(hog(view), expected, err_msg=name)


@pytest.mark.parametrize(
    ("image", "parameters", "error", "message"),
    [
        (np.zeros((23, 40)), {}, ValueError, "image is too small given .* 24 rows and 24 columns or more, got 23 x 40"),
        (np.zeros((3, 3, 3)), {}, ValueError, r"image must be 2-D, got shape \(3, 3, 3\)"),
        (np.zeros((30, 30)), {"channel_axis": -1}, ValueError, "image must be 3-D"),
        (np.zeros((30, 30)), {"block_norm": "Linf"}, ValueError, "block_norm must be one of 'L1'"),
        (np.zeros((30, 30)), {"orientations": 0}, ValueError, "orientations must be >= 1, got 0"),
        (np.full((30, 30), -1.0), {"transform_sqrt": True}, ValueError, "image must be >= 0 with transform_sqrt"),
        (np.full((30, 30), np.nan), {}, ValueError, "image must be finite"),
        (np.zeros((30, 30), complex), {}, TypeError, "image must have a real dtype, got complex128"),
    ],
)
def test_hog_names_the_bad_value(image, parameters, error, message):
    with pytest.raises(error, match=message):
        hog(image, **parameters)


def test_hog_of_bytes_is_that_of_the_same_numbers(level, rng):
    """Large images of bytes have a table of votes."""
    if level == "jit":
        pytest.skip("the twin has no tables")
    image = rng.integers(0, 256, (256, 300)).astype(np.uint8)
    image[:128] //= 64
    for orientations in (4, 9, 12):
        expected = hog(image.astype(np.float64), orientations)
        np.testing.assert_array_equal(hog(image, orientations), expected)
