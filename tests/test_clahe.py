"""CLAHE, at every level, against its oracle and OpenCV."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import medfast
import oracles_exposure as oracles
from images import DTYPES, layouts, random_image, smooth_image
from medfast import _kernels

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


@pytest.mark.opencv
@pytest.mark.parametrize("tile", [(64, 64), (63, 126), (127, 65), (200, 254), (301, 300), (32, 1024)], ids=str)
def test_means_in_whole_numbers_equal_opencv(level, rng, tile):
    import cv2

    for grid in ((2, 3), (1, 1)):
        shape = tile[0] * grid[0], tile[1] * grid[1]
        for image in (random_image(rng, shape, "uint8"), rng.choice(np.array([0, 1, 255], np.uint8), shape)):
            for clip_limit in (0, 3.0):
                np.testing.assert_array_equal(
                    medfast.clahe(image, clip_limit, grid), cv2.createCLAHE(clip_limit, grid[::-1]).apply(image)
                )


@pytest.mark.opencv
@pytest.mark.parametrize("shape", [(255, 257), (256, 256), (300, 310)], ids=str)
def test_tiles_around_65536_pixels_equal_opencv(level, rng, shape):
    import cv2

    for image in (
        np.full(shape, 65535, np.uint16),
        random_image(rng, shape, "uint16"),
        rng.choice(np.array([3, 40000], np.uint16), shape),
        rng.integers(1000, 1017, shape, np.uint16),
    ):
        for clip_limit in (0, 2.0, 40.0, 65535.0):
            expected = cv2.createCLAHE(clip_limit, (1, 1)).apply(image)
            np.testing.assert_array_equal(medfast.clahe(image, clip_limit, (1, 1)), expected)


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
    most = {"uint8": 8, "int16": 15}.get(dtype, 16)
    if bit_depth > most:
        with pytest.raises(ValueError, match=f"bit_depth must be <= {most}, got {bit_depth}"):
            medfast.clahe(np.zeros((3, 3), dtype), bit_depth=bit_depth)
        return
    if np.dtype(dtype).kind == "f":
        image = random_image(rng, (31, 45), dtype)
    else:
        image = rng.integers(0, 2**bit_depth, (31, 45)).astype(dtype)
    for clip_limit in (0, 2.0, 50.0):
        result = medfast.clahe(image, clip_limit, (3, 4), bit_depth=bit_depth)
        np.testing.assert_array_equal(result, oracles.clahe(image, clip_limit, (3, 4), bit_depth))


def test_clahe_refuses_what_does_not_fit_the_bit_depth():
    image = np.array([[0, 4096]], np.uint16)
    with pytest.raises(ValueError, match="image must lie in 0 … 4095 for bit_depth=12, got values from 0 to 4096"):
        medfast.clahe(image, bit_depth=12)
    with pytest.raises(ValueError, match="image must lie in 0 … 15 for bit_depth=4, got values from -9 to 0"):
        medfast.clahe(np.array([[0, -9]], np.int16), bit_depth=4)


def test_clahe_takes_whatever_is_outside_the_mask(level, rng):
    image = rng.integers(0, 4096, (40, 70)).astype(np.int16)
    mask = rng.random(image.shape) < 0.5
    expected = medfast.clahe(image, tile_grid=(3, 4), bit_depth=12, mask=mask)
    padded = np.where(mask, image, rng.choice([-32768, -1, 4096, 32767], image.shape)).astype(np.int16)
    result = medfast.clahe(padded, tile_grid=(3, 4), bit_depth=12, mask=mask)
    np.testing.assert_array_equal(result, np.where(mask, expected, padded))


def test_clahe_of_int16_is_that_of_uint16_shifted(level, rng):
    image = smooth_image(rng, (50, 60), "int16") - 1000
    shifted = (image.astype(np.int32) + 32768).astype(np.uint16)
    np.testing.assert_array_equal(medfast.clahe(image).astype(np.int32) + 32768, medfast.clahe(shifted))


# Planes a multiple of the boxes, not a multiple, fewer planes than boxes, one plane; rows and columns likewise.
VOLUMES = (
    ((8, 24, 32), (2, 3, 4)),
    ((7, 25, 33), (3, 3, 4)),
    ((2, 9, 700), (5, 2, 3)),
    ((1, 20, 21), (1, 2, 3)),
    ((6, 5, 4), (6, 1, 9)),
)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "grid"), VOLUMES, ids=str)
def test_clahe_of_boxes_equals_oracle(level, n_threads, rng, shape, grid, dtype):
    image = smooth_image(rng, shape, dtype)
    np.testing.assert_array_equal(medfast.clahe(image, 3.0, grid), oracles.clahe(image, 3.0, grid))
    mask = rng.random(shape) < 0.3
    mask[: shape[0] // 2, :, : shape[2] // 2] = False  # whole boxes without a pixel
    result = medfast.clahe(image, 3.0, grid, mask=mask)
    np.testing.assert_array_equal(result, oracles.clahe(image, 3.0, grid, mask=mask))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_as_many_boxes_as_planes_are_the_planes_one_by_one(level, n_threads, rng, dtype):
    image = random_image(rng, (5, 19, 26), dtype)
    np.testing.assert_array_equal(medfast.clahe(image, 2.0, (5, 2, 3)), medfast.clahe(image, 2.0, (2, 3)))


def test_boxes_hide_the_step_between_planes(level, rng):
    volume = np.stack([smooth_image(rng, (64, 64)) // 2 + 12 * plane for plane in range(8)])
    blended = medfast.clahe(volume, 4.0, (2, 4, 4)).astype(int)
    apart = np.concatenate([medfast.clahe(half, 4.0, (1, 4, 4)) for half in (volume[:4], volume[4:])]).astype(int)
    across = np.abs(np.diff(blended.mean(axis=(1, 2))))[3], np.abs(np.diff(apart.mean(axis=(1, 2))))[3]
    assert across[0] < across[1] / 2


@pytest.mark.parametrize(("dtype", "bit_depth"), [("uint8", None), ("uint8", 6), ("uint16", 12), ("int16", None)])
def test_clahe_from_a_histogram(level, n_threads, rng, dtype, bit_depth):
    n_bins = 2 ** (bit_depth or 8 * np.dtype(dtype).itemsize)
    lowest = -32768 if (dtype, bit_depth) == ("int16", None) else 0
    whole = np.clip(rng.normal(n_bins * 0.4, n_bins * 0.1, (90, 120)), 0, n_bins - 1).astype(np.int64)
    patch = (whole[10:45, 30:101] + lowest).astype(dtype)
    counts = np.bincount(whole.ravel(), minlength=n_bins)
    mask = rng.random(patch.shape) < 0.5
    for clip_limit in (0, 1.5):
        for inside in (None, mask):
            result = medfast.clahe(patch, clip_limit, (3, 4), bit_depth=bit_depth, histogram=counts, mask=inside)
            expected = oracles.clahe(patch, clip_limit, (3, 4), bit_depth, inside, counts)
            np.testing.assert_array_equal(result, expected)
        of_tiles = np.zeros((3, 4, n_bins), np.int32)
        for i, j in np.ndindex(3, 4):
            of_tiles[i, j] = np.bincount(whole[i * 30 : i * 30 + 30, j * 30 : j * 30 + 30].ravel(), minlength=n_bins)
        of_tiles[1, 2] = 0  # a tile without a pixel
        given = of_tiles.copy()
        result = medfast.clahe(patch, clip_limit, (3, 4), bit_depth=bit_depth, histogram=of_tiles)
        np.testing.assert_array_equal(result, oracles.clahe(patch, clip_limit, (3, 4), bit_depth, None, of_tiles))
        np.testing.assert_array_equal(of_tiles, given)


def test_the_histograms_of_the_tiles_themselves_change_nothing(level, rng):
    image = smooth_image(rng, (40, 60))
    tiles = image.reshape(4, 10, 3, 20).swapaxes(1, 2)
    counts = np.array([[np.bincount(tile.ravel(), minlength=256) for tile in row] for row in tiles])
    np.testing.assert_array_equal(
        medfast.clahe(image, 2.0, (4, 3), histogram=counts), medfast.clahe(image, 2.0, (4, 3))
    )
    volume = np.stack([image, image[::-1]])
    stacked = np.stack([counts, counts[::-1]])
    np.testing.assert_array_equal(
        medfast.clahe(volume, 2.0, (2, 4, 3), histogram=stacked), medfast.clahe(volume, 2.0, (4, 3))
    )
    np.testing.assert_array_equal(
        medfast.clahe(volume, 2.0, (4, 3), histogram=counts)[0], medfast.clahe(image, 2.0, (4, 3))
    )


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
    with pytest.raises(ValueError, match="tile_grid must be 2 integers, rows and columns, got"):
        medfast.clahe(image, 2.0, (8, 8, 8))
    with pytest.raises(ValueError, match="tile_grid must be 2 or 3 integers, planes, rows and columns, got"):
        medfast.clahe(image[None], 2.0, (8,))
    huge = np.broadcast_to(image[:1, :1], (1 << 16, 1 << 16))
    with pytest.raises(
        ValueError, match=r"tile_grid must give tiles of fewer than 2\*\*31 pixels, got 1 x 65536 x 65536"
    ):
        medfast.clahe(huge, tile_grid=(1, 1), out=np.zeros(huge.shape, np.uint8))
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


def test_clahe_names_the_bad_histogram(rng):
    image = random_image(rng, (20, 33), "uint8")
    with pytest.raises(ValueError, match=r"histogram must have shape \(256,\) or \(8, 8, 256\), got \(255,\)"):
        medfast.clahe(image, histogram=np.ones(255, int))
    with pytest.raises(TypeError, match="histogram must hold integers, got dtype float64"):
        medfast.clahe(image, histogram=np.ones(256))
    with pytest.raises(ValueError, match="histogram must be >= 0, got -1"):
        medfast.clahe(image, histogram=np.arange(-1, 255))
    with pytest.raises(ValueError, match="histogram must count at least 1 pixel and fewer than 2\\*\\*31, got 0"):
        medfast.clahe(image, histogram=np.zeros(256, int))
    with pytest.raises(ValueError, match="histogram must count at least 1 pixel"):
        medfast.clahe(image, histogram=np.full(256, 2**24))
    with pytest.raises(TypeError, match="image must hold integers with a histogram, got dtype float32"):
        medfast.clahe(image.astype(np.float32), histogram=np.ones(65536, int))


@pytest.mark.parametrize("grid", [(1, 4, 4), (1, 1, 1), (2, 4, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_grid_of_few_boxes_and_many_levels(level, rng, dtype, grid):
    """Tables of so many levels that those of a plane are made a part at a time: planes in one box have one table."""
    volume = rng.integers(0, 32768, (3, 24, 20)).astype(dtype)
    everywhere = np.ones(volume.shape, bool)
    out = np.full_like(volume, 7)
    medfast.clahe(volume, 2.0, grid, out=out)
    np.testing.assert_array_equal(out, medfast.clahe(volume, 2.0, grid, mask=everywhere))
    if grid[0] == 1 and dtype != "float32":
        histogram = np.bincount(volume.ravel().astype(np.int64) - np.iinfo(dtype).min, minlength=65536)
        if grid == (1, 1, 1):
            np.testing.assert_array_equal(out, medfast.clahe(volume, 2.0, grid, histogram=histogram))


@pytest.mark.parametrize("tile_cols", [23, 24, 31, 32, 33, 63, 64, 65, 100, 126, 127, 128, 200, 513])
def test_cells_of_any_width(level, rng, tile_cols):
    """Around the vectors of pixels, and around what fits the weights of bytes."""
    for tile_rows, extra in ((16, 0), (31, 5)):
        image = smooth_image(rng, (2 * tile_rows, 3 * tile_cols + extra))
        np.testing.assert_array_equal(medfast.clahe(image, 2.0, (2, 3)), oracles.clahe(image, 2.0, (2, 3)))


def test_the_same_without_permutations_of_bytes(level, rng):
    if not getattr(_kernels.clahe, "_set_vbmi", lambda _: False)(True):
        pytest.skip("this CPU, or this level, has none")
    image = smooth_image(rng, (150, 611))
    with_them = medfast.clahe(image, 2.0, (3, 4))
    try:
        assert not _kernels.clahe._set_vbmi(False)
        np.testing.assert_array_equal(medfast.clahe(image, 2.0, (3, 4)), with_them)
    finally:
        _kernels.clahe._set_vbmi(True)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("bit_depth", [13, 14, 15])
@pytest.mark.parametrize("clip_limit", [0.0, 0.5, 30.0, 800.0])
def test_bits_in_place_of_tables(level, n_threads, rng, clip_limit, bit_depth, dtype):
    """A limit of one pixel a bin or of more, bins enough for bits or not, and values that many pixels have."""
    image = rng.integers(0, 2**bit_depth, (90, 130)).astype(dtype)
    image[20:60, 30:70] = image[0, 0]
    image[0, :2] = 0, 2**bit_depth - 1
    result = medfast.clahe(image, clip_limit, (4, 5), bit_depth=bit_depth)
    np.testing.assert_array_equal(result, oracles.clahe(image, clip_limit, (4, 5), bit_depth=bit_depth))


def test_planes_and_bands_by_threads(level, n_threads, rng):
    """A thread may begin within a plane, between two rows of tile centres."""
    for shape, grid in (((1, 70, 64), (5, 2)), ((3, 40, 33), (4, 4)), ((13, 20, 33), (3, 2))):
        volume = random_image(rng, shape, "uint16")
        result = medfast.clahe(volume, 2.0, grid)
        for plane in range(len(volume)):
            np.testing.assert_array_equal(result[plane], oracles.clahe(volume[plane], 2.0, grid))
