"""CLAHE of colours, at every level, against OpenCV and the formulas of CIE Lab."""

import numpy as np
import pytest

import medfast
import oracles_exposure as oracles
from images import layouts

SHAPES = ((16, 24), (33, 70), (1, 1))


def random_colours(rng, shape, dtype):
    colours = rng.random((*shape, 3)) * rng.random(3)
    white = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (colours * white).astype(dtype)


@pytest.mark.opencv
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_uint8_equals_opencv(level, n_threads, rng, shape):
    import cv2

    for clip_limit, grid in ((2.0, (2, 3)), (0, (1, 1)), (40.0, (8, 8))):
        image = random_colours(rng, shape, "uint8")
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        lab[:, :, 0] = cv2.createCLAHE(clip_limit, grid[::-1]).apply(np.ascontiguousarray(lab[:, :, 0]))
        expected = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        np.testing.assert_array_equal(medfast.clahe(image, clip_limit, grid, channel_axis=-1), expected)


@pytest.mark.opencv
@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_every_uint8_colour_comes_and_goes_as_in_opencv(level, first):
    import cv2

    values = np.arange(first, 256, 4, dtype=np.uint8)  # together all reds, with every green and blue
    image = np.stack(np.meshgrid(values, np.arange(256), np.arange(256), indexing="ij"), axis=-1).astype(np.uint8)
    image = image.reshape(2048, 2048, 3)
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(2.0, (3, 3)).apply(np.ascontiguousarray(lab[:, :, 0]))
    expected = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    np.testing.assert_array_equal(medfast.clahe(image, tile_grid=(3, 3), channel_axis=-1), expected)


@pytest.mark.parametrize(
    ("dtype", "bit_depth", "n_levels"),
    [("uint16", None, 65536), ("uint16", 12, 4096), ("uint8", 5, 32), ("float32", 10, 1024), ("float64", None, 65536)],
)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_other_dtypes_follow_the_formulas(level, n_threads, rng, shape, dtype, bit_depth, n_levels):
    image = random_colours(rng, shape, dtype)
    white = 1.0
    if image.dtype.kind == "u":
        image //= np.array(np.iinfo(dtype).max // (n_levels - 1), dtype)
        white = n_levels - 1
    colours = image.astype(np.float64) / white
    bits = int(np.log2(n_levels))
    new = oracles.clahe(oracles.lab_levels(colours, n_levels), 3.0, (2, 2), bits)
    expected = white * oracles.lab_with_levels(colours, new, n_levels)
    result = medfast.clahe(image, 3.0, (2, 2), bit_depth=bit_depth, channel_axis=-1)
    assert result.dtype == image.dtype
    if image.dtype.kind == "u":
        np.testing.assert_array_equal(result, np.rint(expected))
    else:
        np.testing.assert_allclose(result, expected, rtol=0, atol=6e-8 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_gray_stays_gray_and_colour_keeps_its_hue(level, rng, dtype):
    gray = random_colours(rng, (20, 30), dtype)[:, :, :1].repeat(3, axis=2)
    result = medfast.clahe(gray, channel_axis=-1)
    tolerance = {"uint8": 3, "uint16": 1, "float64": 1e-5}[dtype]  # OpenCV's 8 bits are that far from gray
    assert np.ptp(result.astype(np.float64), axis=-1).max() <= tolerance
    if dtype == "uint8":
        return
    white = 65535 if dtype == "uint16" else 1
    image = random_colours(rng, (20, 30), dtype)
    result = medfast.clahe(image, channel_axis=-1)
    whole = ((result > 0) & (result < 0.99999 * white)).all(axis=-1)  # nothing was cut off
    before, after = oracles.lab_roots(image[whole] / white), oracles.lab_roots(result[whole] / white)
    assert whole.sum() > 50
    np.testing.assert_allclose(np.diff(before), np.diff(after), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_volumes_masks_histograms_and_axes(level, n_threads, rng, dtype):
    image = random_colours(rng, (3, 20, 31), dtype)
    planes = np.stack([medfast.clahe(plane, 2.0, (2, 3), channel_axis=2) for plane in image])
    np.testing.assert_array_equal(medfast.clahe(image, 2.0, (2, 3), channel_axis=3), planes)
    first = np.moveaxis(image, 3, 0)
    np.testing.assert_array_equal(medfast.clahe(first, 2.0, (2, 3), channel_axis=0), np.moveaxis(planes, 3, 0))
    boxes = medfast.clahe(image, 2.0, (3, 2, 3), channel_axis=-1)
    np.testing.assert_array_equal(boxes, planes)
    mask = rng.random(image.shape[:3]) < 0.4
    result = medfast.clahe(image, 2.0, (2, 3), mask=mask, channel_axis=-1)
    np.testing.assert_array_equal(result[~mask], image[~mask])
    elsewhere = np.where(mask[..., None], image, random_colours(rng, mask.shape, dtype))
    again = medfast.clahe(elsewhere, 2.0, (2, 3), mask=mask, channel_axis=-1)
    np.testing.assert_array_equal(again[mask], result[mask])
    n_bins = 256 if dtype == "uint8" else 65536
    flat = medfast.clahe(image, 0, (1, 1), histogram=np.ones(n_bins, int), channel_axis=-1)
    # a flat histogram raises the lightness by one level
    np.testing.assert_allclose(flat, image, rtol=0, atol={"uint8": 8, "uint16": 5, "float32": 1e-4}[dtype])


def test_any_layout(level, rng):
    image = random_colours(rng, (19, 23), "uint16")
    expected = medfast.clahe(image, 2.0, (2, 2), channel_axis=-1)
    for name, view in layouts(image).items():
        before = view.copy()
        np.testing.assert_array_equal(medfast.clahe(view, 2.0, (2, 2), channel_axis=-1), expected, err_msg=name)
        np.testing.assert_array_equal(view, before, err_msg=name)
    for name, view in layouts(np.zeros_like(image)).items():
        if view.flags.writeable and view.dtype.isnative:
            assert medfast.clahe(image, 2.0, (2, 2), channel_axis=-1, out=view) is view
            np.testing.assert_array_equal(view, expected, err_msg=name)


def test_the_bad_argument_is_named(rng):
    image = random_colours(rng, (5, 6), "float32")
    with pytest.raises(ValueError, match=r"image must have 3 channels, got shape \(5, 6, 3\)"):
        medfast.clahe(image, channel_axis=0)
    with pytest.raises(ValueError, match="channel_axis must be an axis of the 3-D image, got 3"):
        medfast.clahe(image, channel_axis=3)
    with pytest.raises(TypeError, match="image must have dtype uint8, uint16, float32, float64, got int16"):
        medfast.clahe(np.zeros((5, 6, 3), np.int16), channel_axis=-1)
    with pytest.raises(ValueError, match=r"image must lie in 0 … 1 for colour, got values from 0\.0 to 2\.0"):
        medfast.clahe(np.linspace(0, 2, 30).reshape(2, 5, 3), channel_axis=-1)
    with pytest.raises(ValueError, match="image must lie in 0 … 4095 for colour"):
        medfast.clahe(np.full((5, 6, 3), 4096, np.uint16), channel_axis=-1, bit_depth=12)
    assert medfast.clahe(np.zeros((0, 6, 3)), channel_axis=-1).shape == (0, 6, 3)
