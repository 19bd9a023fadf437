"""Tiles of 8 bits with more rows than a kernel holds at a time, whatever the rows, channels, frames, mask, layout."""

import numpy as np
import pytest

import medfast
from images import layouts, smooth_image
from medfast._drivers import nlm

OPTIONS = {"patch_size": 5, "search_size": 11}


def in_small_tiles(monkeypatch, call):
    """What comes of tiles of 16 rows, none of which is held in parts."""
    with monkeypatch.context() as patched:
        patched.setattr(nlm, "TILE_ROWS_8_BITS", 16)
        return call()


@pytest.mark.parametrize("n_rows", [63, 64, 65, 129, 200])
@pytest.mark.parametrize("h", [8.0, 30.0])
def test_images(level, rng, monkeypatch, n_rows, h):
    image = smooth_image(rng, (n_rows, 37))
    result = medfast.denoise_nl_means(image, h, **OPTIONS)
    np.testing.assert_array_equal(
        result, in_small_tiles(monkeypatch, lambda: medfast.denoise_nl_means(image, h, **OPTIONS))
    )


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("search_size", [(1, 11), (11, 1), (35, 9)], ids=str)
def test_channels_and_mask(level, rng, monkeypatch, norm, search_size):
    image = smooth_image(rng, (140 * 2, 50)).reshape(2, 140, 50)
    mask = rng.random((140, 50)) < 0.8
    mask[30:110, :20] = False

    def call():
        return medfast.denoise_nl_means(
            image, 10.0, patch_size=3, search_size=search_size, norm=norm, mask=mask, channel_axis=0
        )

    result = call()
    np.testing.assert_array_equal(result, in_small_tiles(monkeypatch, call))
    np.testing.assert_array_equal(result[:, ~mask], image[:, ~mask])


@pytest.mark.parametrize("n_rows", [66, 131])
def test_frames(level, rng, monkeypatch, n_rows):
    frames = smooth_image(rng, (5, n_rows, 45))

    def call():
        return medfast.denoise_nl_means_multi(frames, 2, 5, 10.0, **OPTIONS)

    np.testing.assert_array_equal(call(), in_small_tiles(monkeypatch, call))


def test_volumes_of_one_tile(level, rng, monkeypatch):
    volume = smooth_image(rng, (4, 100, 30))

    def call():
        return medfast.denoise_nl_means(volume, 10.0, patch_size=3, search_size=(3, 9, 7))

    result = call()
    monkeypatch.setattr(nlm, "TILE_ROWS", 256)
    np.testing.assert_array_equal(call(), result)


def test_layouts_of_out(level, rng):
    image = smooth_image(rng, (90, 41))
    expected = medfast.denoise_nl_means(image, 10.0, **OPTIONS)
    for out in layouts(np.zeros_like(image)).values():
        if not out.flags.writeable:
            continue
        medfast.denoise_nl_means(image, 10.0, out=out, **OPTIONS)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("n_cols", [1, 2, 5, 31, 33, 100])
@pytest.mark.parametrize("search_size", [3, 41, 99])
def test_windows_around_narrow_images(level, rng, n_cols, search_size):
    """A vector of weights may stand several lanes away from where a sum looks for it."""
    image = smooth_image(rng, (70, n_cols))
    result = medfast.denoise_nl_means(image, 9.0, patch_size=3, search_size=search_size)
    transposed = medfast.denoise_nl_means(image.T.copy(), 9.0, patch_size=3, search_size=search_size)
    np.testing.assert_array_equal(result, transposed.T)
