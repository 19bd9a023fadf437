"""Non-local means of volumes, with masks, windows per axis and spacing, at every level, against the oracles."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from conftest import LEVELS

import medfast
from denoising import INTEGERS, assert_same, expected, strength
from images import DTYPES, layouts, random_image, smooth_image
from medfast import _kernels
from medfast._drivers import nlm

SHAPES = ((1, 1, 1), (1, 5, 9), (5, 1, 9), (5, 9, 1), (3, 7, 17), (9, 11, 13))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_equals_oracle(level, rng, shape, norm, dtype):
    volume = smooth_image(rng, shape, dtype)
    h = strength(dtype)
    result = medfast.denoise_nl_means(volume, h, patch_size=3, search_size=5, norm=norm)
    assert result.dtype == volume.dtype
    assert_same(result, expected(volume, h, 3, 5, norm))


def test_default_windows(level, rng):
    volume = smooth_image(rng, (5, 8, 9), "float32")
    assert_same(medfast.denoise_nl_means(volume, 10.0), expected(volume, 10.0, 3, 11))


@pytest.mark.parametrize(
    "windows", [((1, 3, 5), (3, 7, 1)), ((3, 1, 1), (1, 5, 9)), ((5, 5, 3), (1, 1, 5)), ((1, 7, 7), (1, 9, 9))], ids=str
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_windows_per_axis(level, rng, windows, dtype, norm):
    volume = smooth_image(rng, (6, 13, 35), dtype)
    h = strength(dtype)
    patch, search = windows
    result = medfast.denoise_nl_means(volume, h, patch_size=patch, search_size=search, norm=norm)
    assert_same(result, expected(volume, h, patch, search, norm))
    image = volume[0]
    result = medfast.denoise_nl_means(image, h, patch_size=patch[1:], search_size=list(search[1:]), norm=norm)
    assert_same(result, expected(image, h, (1, *patch[1:]), (1, *search[1:]), norm))


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_plane_is_an_image(level, rng, dtype):
    image = smooth_image(rng, (23, 34), dtype)
    h = strength(dtype)
    options = {"patch_size": (1, 5, 3), "search_size": (1, 9, 7)}
    as_volume = medfast.denoise_nl_means(image[None], h, **options)
    options = {name: sizes[1:] for name, sizes in options.items()}
    np.testing.assert_array_equal(as_volume[0], medfast.denoise_nl_means(image, h, **options))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_planes_apart_are_images(level, rng, dtype):
    """A search window of one plane, and patches of one: a volume is so many images."""
    volume = smooth_image(rng, (3, 40, 37), dtype)
    result = medfast.denoise_nl_means(volume, 10.0, patch_size=(1, 7, 7), search_size=(1, 21, 21))
    for plane, image in zip(result, volume, strict=True):
        np.testing.assert_array_equal(plane, medfast.denoise_nl_means(image, 10.0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_planes_between_others_are_frames(level, rng, dtype, norm):
    """Where the search meets no border, the planes above and below a plane are as the frames before and after it."""
    volume = smooth_image(rng, (5, 24, 35), dtype)
    h = strength(dtype)
    result = medfast.denoise_nl_means(volume, h, patch_size=(1, 5, 5), search_size=(3, 9, 9), norm=norm)
    for index in (1, 2, 3):
        frame = medfast.denoise_nl_means_multi(volume, index, 3, h, patch_size=5, search_size=9, norm=norm)
        np.testing.assert_array_equal(result[index], frame)


@pytest.mark.parametrize(
    ("spacing", "patch", "search"),
    [
        ((2.0, 1.0, 1.0), (3, 5, 5), (5, 9, 9)),
        ((5.0, 0.5, 0.5), (1, 5, 5), (1, 9, 9)),
        ((1.0, 1.5, 3.0), (5, 3, 3), (9, 7, 3)),
        (0.7, (5, 5, 5), (9, 9, 9)),
    ],
    ids=str,
)
def test_spacing(rng, spacing, patch, search):
    volume = smooth_image(rng, (6, 12, 15), "float32")
    np.testing.assert_array_equal(
        medfast.denoise_nl_means(volume, 10.0, patch_size=5, search_size=9, spacing=spacing),
        medfast.denoise_nl_means(volume, 10.0, patch_size=patch, search_size=search),
    )
    if not isinstance(spacing, float):
        np.testing.assert_array_equal(  # the windows are meant along the axis of the smallest spacing
            medfast.denoise_nl_means(volume[0], 10.0, patch_size=(7, 5), search_size=(9, 7), spacing=(3, 2)),
            medfast.denoise_nl_means(volume[0], 10.0, patch_size=(5, 5), search_size=(7, 7)),
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_mask(level, rng, dtype, norm):
    volume = smooth_image(rng, (5, 10, 21), dtype)
    h = strength(dtype)
    for mask in (rng.random(volume.shape) < 0.5, np.zeros(volume.shape, bool), np.ones(volume.shape, bool)):
        result = medfast.denoise_nl_means(volume, h, patch_size=3, search_size=5, norm=norm, mask=mask)
        assert_same(result, expected(volume, h, 3, 5, norm, mask=mask))
        np.testing.assert_array_equal(result[~mask], volume[~mask])
    np.testing.assert_array_equal(result, medfast.denoise_nl_means(volume, h, patch_size=3, search_size=5, norm=norm))


@pytest.mark.parametrize("dtype", DTYPES)
def test_mask_of_an_image(level, n_threads, rng, dtype):
    image = smooth_image(rng, (70, 45), dtype)
    h = strength(dtype)
    mask = np.zeros(image.shape, bool)
    mask[11:52, 7:31] = rng.random((41, 24)) < 0.8
    mask[30:40] = False
    for windows in ((7, 9), (3, 5)):
        result = medfast.denoise_nl_means(image, h, patch_size=windows[0], search_size=windows[1], mask=mask)
        assert_same(result, expected(image, h, *windows, mask=mask))
    view = np.repeat(np.repeat(mask, 2, 0), 2, 1)[::2, ::-2][:, ::-1].astype(np.uint8)
    np.testing.assert_array_equal(medfast.denoise_nl_means(image, h, patch_size=3, search_size=5, mask=view), result)


def test_values_outside_the_mask_are_no_donors(level, rng):
    volume = smooth_image(rng, (4, 12, 14), "int16")
    mask = np.zeros(volume.shape, bool)
    mask[:, 3:9, 4:11] = True
    options = {"patch_size": 1, "search_size": 5, "mask": mask}
    result = medfast.denoise_nl_means(volume, 160.0, **options)
    volume[~mask] = 32767
    np.testing.assert_array_equal(medfast.denoise_nl_means(volume, 160.0, **options)[mask], result[mask])


@pytest.mark.parametrize("dtype", DTYPES)
def test_rician_inside_a_mask(level, rng, dtype):
    volume = smooth_image(rng, (4, 9, 17), dtype, noise=4.0)
    mask = rng.random(volume.shape) < 0.6
    h, sigma = strength(dtype), strength(dtype) * 4
    options = {"patch_size": 3, "search_size": 5, "mask": mask}
    exact = expected(volume, h, 3, 5, mask=mask, rician_sigma=sigma)
    assert_same(medfast.denoise_nl_means(volume, h, sigma=sigma, noise="rician", **options), exact)


def test_noise_level_inside_the_mask(rng):
    volume = smooth_image(rng, (9, 24, 25), "float32")
    volume[:, :12] += rng.normal(0, 60, (9, 12, 25))
    mask = np.zeros(volume.shape, bool)
    mask[:, 13:] = True
    sigma = medfast.estimate_sigma(volume, mask=mask)
    assert sigma < 15
    np.testing.assert_array_equal(
        medfast.denoise_nl_means(volume, mask=mask), medfast.denoise_nl_means(volume, sigma, mask=mask)
    )


@pytest.mark.parametrize("n_channels", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_channels(level, rng, n_channels, dtype, norm):
    channels = np.stack([smooth_image(rng, (4, 7, 18), dtype) for _ in range(n_channels)])
    mask = rng.random(channels.shape[1:]) < 0.7
    for h in ([strength(dtype)], [strength(dtype) * (1 + 0.3 * channel) for channel in range(n_channels)]):
        exact = expected(channels, h, 3, (3, 5, 3), norm, channel_axis=0, mask=mask)
        for axis in (0, 1, 2, -1):
            volume = np.moveaxis(channels, 0, axis)
            result = medfast.denoise_nl_means(
                volume, h, patch_size=3, search_size=(3, 5, 3), norm=norm, channel_axis=axis, mask=mask
            )
            assert result.shape == volume.shape
            assert_same(np.moveaxis(result, axis, 0), exact)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_any_layout(level, rng, dtype):
    volume = smooth_image(rng, (4, 13, 18), dtype)
    h = strength(dtype)
    reference = medfast.denoise_nl_means(volume, h, search_size=5)
    untouched = volume.copy()
    for name, view in layouts(volume).items():
        result = medfast.denoise_nl_means(view, h, search_size=5)
        np.testing.assert_array_equal(result, reference, err_msg=name)
        assert result.dtype.isnative
    out = np.zeros((8, 13, 36), dtype)[::-2, :, ::2]
    assert medfast.denoise_nl_means(volume, h, search_size=5, out=out) is out
    np.testing.assert_array_equal(out, reference)
    np.testing.assert_array_equal(volume, untouched)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
def test_same_bits_for_any_tiles_and_boxes(n_threads, rng, dtype, masked, monkeypatch):
    volume = smooth_image(rng, (11, 21, 40), dtype)
    image = smooth_image(rng, (75, 40), dtype)
    for values, search in ((volume, 5), (image, 9)):
        h = strength(dtype)
        mask = rng.random(values.shape) < 0.5 if masked else None
        result = medfast.denoise_nl_means(values, h, search_size=search, mask=mask)
        for planes, rows, n_bytes, cols in ((1, 1, 2**25, 4096), (3, 7, 2**14, 17), (4, 64, 2**16, 64), (2, 8, 1, 9)):
            monkeypatch.setattr(nlm, "TILE_PLANES", planes)
            monkeypatch.setattr(nlm, "TILE_ROWS", rows)
            monkeypatch.setattr(nlm, "BOX_BYTES", n_bytes)
            monkeypatch.setattr(nlm, "BOX_COLS", cols)
            again = medfast.denoise_nl_means(values, h, search_size=search, mask=mask)
            np.testing.assert_array_equal(again, result)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_levels_agree_bit_for_bit(rng, dtype):
    volume = smooth_image(rng, (5, 12, 37), dtype)
    mask = rng.random(volume.shape) < 0.8
    channels = np.stack([volume, smooth_image(rng, volume.shape, dtype)])
    results = []
    for name in LEVELS:
        _kernels._activate(name)
        options = {"patch_size": 3, "search_size": 5}
        results.append(
            [
                medfast.denoise_nl_means(volume, 9.3, **options),
                medfast.denoise_nl_means(volume, 9.3, mask=mask, **options),
                medfast.denoise_nl_means(volume, 9.3, sigma=20.0, noise="rician", **options),
                medfast.denoise_nl_means(channels, 9.3, channel_axis=0, norm="l1", **options),
                medfast.denoise_nl_means(channels, [9.3, 14.0], channel_axis=0, mask=mask, **options),
            ]
        )
    _kernels._activate(_kernels.LEVEL)
    for result in results[1:]:
        for one, other in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", DTYPES)
def test_constant_stays_constant(level, dtype):
    volume = np.full((4, 7, 35), 117.3, dtype)
    mask = np.zeros(volume.shape, bool)
    mask[1:3, :5] = True
    for norm in ("l1", "l2"):
        for inside in (None, mask):
            result = medfast.denoise_nl_means(volume, 3.0, norm=norm, mask=inside, search_size=5)
            np.testing.assert_array_equal(result, volume)


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=25)
def test_any_volume(data):
    shape = tuple(data.draw(st.integers(1, n)) for n in (6, 12, 20))
    dtype = data.draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    volume = random_image(rng, shape, dtype)
    if data.draw(st.booleans()):
        volume = (volume // 8) if dtype in INTEGERS else volume
    h = data.draw(st.floats(0.5, 300.0))
    patch = data.draw(st.sampled_from([(1, 1, 1), (3, 3, 3), (1, 5, 3), (5, 1, 1)]))
    search = data.draw(st.sampled_from([(1, 1, 1), (3, 3, 3), (1, 7, 9), (3, 5, 1)]))
    norm = data.draw(st.sampled_from(["l1", "l2"]))
    mask = rng.random(shape) < data.draw(st.sampled_from([0.1, 0.7, 1.0]))
    result = medfast.denoise_nl_means(volume, h, patch_size=patch, search_size=search, norm=norm, mask=mask)
    assert_same(result, expected(volume, h, patch, search, norm, mask=mask), volume)


@pytest.mark.parametrize("windows", [(3, 7), ((1, 5, 3), (3, 11, 13)), ((5, 3, 9), (5, 7, 19))], ids=str)
def test_uint8_in_sixteen_bits(level, rng, windows):
    """So many shifts that weights fit 15 bits: planes, masks and windows per axis in nlm_narrow.h."""
    volume = smooth_image(rng, (5, 9, 37), "uint8")
    masks = (None, rng.random(volume.shape) < 0.5)
    for h in (2.0, 6.0):
        for mask in masks:
            result = medfast.denoise_nl_means(volume, h, patch_size=windows[0], search_size=windows[1], mask=mask)
            assert_same(result, expected(volume, h, *windows, mask=mask), volume)


@pytest.mark.parametrize(("dtype", "norm"), [("uint8", "l2"), ("uint8", "l1"), ("uint16", "l1")])
def test_a_last_tile_of_one_plane(level, rng, dtype, norm, monkeypatch):
    """Planes by themselves, the last of them alone in its tile: no image, for which more room would be there."""
    monkeypatch.setattr(nlm, "TILE_PLANES", 2)
    planes = np.stack([smooth_image(rng, (4, 16, 300), dtype) for _ in range(3)])
    windows = {"patch_size": (1, 3, 3), "search_size": (1, 25, 25)}
    result = medfast.denoise_nl_means(planes, 30.0, norm=norm, channel_axis=1, **windows)
    for plane, denoised in zip(planes, result, strict=True):
        alone = medfast.denoise_nl_means(plane, 30.0, norm=norm, channel_axis=0, patch_size=3, search_size=25)
        np.testing.assert_array_equal(alone, denoised)
