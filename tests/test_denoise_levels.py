"""Non-local means of floats: the same bits at every level, at the rims of tiles, strips, chunks and masks."""

import numpy as np
import pytest
from conftest import LEVELS

import medfast
from images import smooth_image
from medfast import _kernels


def assert_levels_agree(image, **arguments):
    results = []
    for name in LEVELS:
        _kernels._activate(name)
        results.append(medfast.denoise_nl_means(image, 10.0, **arguments))
    _kernels._activate(_kernels.LEVEL)
    for name, result in zip(LEVELS, results, strict=True):
        np.testing.assert_array_equal(result, results[-1], err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "patch_size", "search_size"),
    [
        ((45, 75), 7, 21),
        ((40, 37), 5, 9),
        ((13, 20), 1, 3),
        ((9, 33), 9, 3),
        ((4, 700), 3, 21),  # more columns than a strip
        ((3, 515), 3, 21),  # a strip narrower than the shifts
        ((11, 9), 3, 21),
        ((7, 5), 3, (3, 13)),
        ((5, 1), 3, 7),
        ((1, 600), 1, 301),  # shifts wider than a chunk
        ((2, 512), 1, (3, 1031)),  # and than a strip
    ],
    ids=str,
)
def test_windows(rng, dtype, shape, patch_size, search_size):
    image = smooth_image(rng, shape, dtype)
    assert_levels_agree(image, patch_size=patch_size, search_size=search_size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kinds(rng, dtype):
    image = smooth_image(rng, (37, 41), dtype)
    mask = np.zeros(image.shape, bool)
    mask[3:33, 5:40] = rng.random((30, 35)) < 0.8
    windows = {"patch_size": 5, "search_size": 9}
    assert_levels_agree(image, norm="l1", **windows)
    assert_levels_agree(image, noise="rician", sigma=9.0, **windows)
    assert_levels_agree(image, mask=mask, **windows)
    channels = np.stack([smooth_image(rng, (20, 37), dtype) for _ in range(3)])
    assert_levels_agree(channels, channel_axis=0, **windows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_volumes(rng, dtype):
    volume = np.stack([smooth_image(rng, (14, 23), dtype) for _ in range(6)])
    mask = np.zeros(volume.shape, bool)
    mask[1:5, 2:11, 3:20] = rng.random((4, 9, 17)) < 0.8
    assert_levels_agree(volume, patch_size=3, search_size=5)
    assert_levels_agree(volume[:, :7, :4], patch_size=3, search_size=11)
    assert_levels_agree(volume[:, :1, :9], patch_size=(5, 3, 3), search_size=(3, 15, 5))  # a row beside its donors
    assert_levels_agree(volume, patch_size=(3, 5, 3), search_size=(3, 5, 7), mask=mask, noise="rician", sigma=9.0)


@pytest.mark.parametrize("n_channels", [1, 2, 3])
@pytest.mark.parametrize(("h", "search_size"), [(10.0, 21), (20.0, 21), (10.0, 9), (6.0, 31)])
def test_products_by_one_instruction_or_two(rng, n_channels, h, search_size):
    """A CPU may have more than its level: what is done with that has the same bits."""
    image = smooth_image(rng, (40, 150, n_channels))
    if not getattr(_kernels.nlm, "_set_dot", lambda _: False)(True):
        pytest.skip("this CPU, or this level, has no dot products")
    with_them = medfast.denoise_nl_means(image, h, search_size=search_size, channel_axis=-1)
    try:
        assert not _kernels.nlm._set_dot(False)
        without = medfast.denoise_nl_means(image, h, search_size=search_size, channel_axis=-1)
    finally:
        _kernels.nlm._set_dot(True)
    np.testing.assert_array_equal(with_them, without)
