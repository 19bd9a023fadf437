"""The noise level, against scikit-image and known noise."""

import tracemalloc

import numpy as np
import pytest

import medfast
from images import DTYPES, random_image, smooth_image
from medfast._drivers import noise_level
from medfast.demo.data import load_head


@pytest.mark.parametrize("shape", [(64, 64), (31, 50), (7, 9), (12, 13, 14)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sigma_equals_skimage(rng, shape, dtype):
    pytest.importorskip("pywt")
    from skimage.restoration import estimate_sigma

    for image in (random_image(rng, shape, dtype), smooth_image(rng, shape, dtype)):
        np.testing.assert_allclose(medfast.estimate_sigma(image), estimate_sigma(image), rtol=1e-6)


def test_sigma_with_flat_regions_equals_skimage(rng):
    pytest.importorskip("pywt")
    from skimage.restoration import estimate_sigma

    for value in (0, 7, 255):
        image = smooth_image(rng, (64, 66), "uint8")
        image[:50] = value
        np.testing.assert_allclose(medfast.estimate_sigma(image), estimate_sigma(image), rtol=1e-6)


def test_sigma_of_known_noise(rng):
    image = rng.normal(100.0, 5.0, (256, 256))
    assert abs(medfast.estimate_sigma(image) - 5.0) < 0.1
    mask = np.zeros(image.shape, bool)
    mask[100:] = True
    image[:100] += rng.normal(0.0, 50.0, (100, 256))
    assert abs(medfast.estimate_sigma(image, mask=mask) - 5.0) < 0.15
    assert medfast.estimate_sigma(image, mask=np.zeros(image.shape, bool)) == 0.0


def test_sigma_per_channel(rng):
    image = np.stack([rng.normal(0.0, sigma, (64, 64)) for sigma in (1.0, 4.0)], axis=-1)
    result = medfast.estimate_sigma(image, channel_axis=-1)
    assert result.shape == (2,)
    assert result[0] == medfast.estimate_sigma(image[..., 0])


@pytest.mark.parametrize("sigma", [3.0, 10.0, 20.0])
def test_rician_sigma_leaves_the_background_out(rng, sigma):
    signal = np.zeros((256, 256))
    signal[60:200, 50:210] = 160.0
    signal[90:150, 90:150] = 110.0
    image = np.hypot(signal + rng.normal(0, sigma, signal.shape), rng.normal(0, sigma, signal.shape))
    assert medfast.estimate_sigma(image) < 0.85 * sigma
    assert abs(medfast.estimate_sigma(image, noise="rician") - sigma) < 0.03 * sigma
    assert abs(medfast.estimate_sigma(image, noise="rician", mask=signal > 0) - sigma) < 0.03 * sigma


def test_rician_sigma_of_background_alone(rng):
    image = np.hypot(rng.normal(0, 5.0, (128, 128)), rng.normal(0, 5.0, (128, 128)))
    assert abs(medfast.estimate_sigma(image, noise="rician") - 5.0) < 0.5


@pytest.mark.parametrize("percent", [1, 3, 5, 7, 9])
def test_rician_sigma_of_a_head(percent):
    """The MNI152 template, with noise of so many per cent of its maximum, without a mask: within 5 %."""
    pytest.importorskip("nibabel")
    try:
        head = load_head().clean.astype(np.float64)
    except (ImportError, FileNotFoundError) as error:
        pytest.skip(f"no template: {error}")
    sigma = percent / 100 * head.max()
    rng = np.random.default_rng(percent)
    noisy = np.hypot(head + rng.normal(0, sigma, head.shape), rng.normal(0, sigma, head.shape))
    stripped = np.where(head > 0, noisy, 0)
    inside = noisy[60:130, 60:130, 60:130]  # tissue on all sides: no background
    for volume in (np.float32(noisy), np.uint8(np.clip(np.rint(noisy), 0, 255)), stripped, inside):
        assert abs(medfast.estimate_sigma(volume, noise="rician") / sigma - 1) < 0.05
    found = medfast.estimate_sigma(np.int16(np.rint(16 * noisy)), noise="rician") / 16
    assert abs(found / sigma - 1) < 0.05
    found = medfast.estimate_sigma(noisy, noise="rician", mask=head > 0)
    assert abs(found / sigma - 1) < 0.05


@pytest.mark.parametrize("shape", [(70, 90), (20, 31, 24), (3, 40, 50)], ids=str)
def test_sigma_is_that_of_any_blocks(rng, monkeypatch, shape):
    image = np.hypot(50.0 + rng.normal(0, 5.0, shape), rng.normal(0, 5.0, shape))
    mask = rng.random(shape) < 0.999
    choices = [{"noise": noise, "mask": part} for noise in ("gaussian", "rician") for part in (None, mask)]
    whole = [medfast.estimate_sigma(image, **choice) for choice in choices]
    for block in (1, 1000):
        monkeypatch.setattr(noise_level, "BLOCK", block)
        assert [medfast.estimate_sigma(image, **choice) for choice in choices] == whole


def test_sigma_needs_no_copy_of_the_image(rng, monkeypatch):
    monkeypatch.setattr(noise_level, "BLOCK", 2**14)
    monkeypatch.setattr(noise_level, "ENOUGH", 2**14)
    volume = np.int16(np.hypot(500.0 + rng.normal(0, 20.0, (64, 128, 128)), rng.normal(0, 20.0, (64, 128, 128))))
    band = 8 * 33 * 65 * 65
    for noise in ("gaussian", "rician"):
        tracemalloc.start()
        sigma = medfast.estimate_sigma(volume, noise=noise)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < band + 2**21 < 8 * volume.size / 2
        assert abs(sigma - 20.0) < 0.4


@pytest.mark.parametrize("noise", ["gaussian", "rician"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigma_near_the_largest_float(rng, noise, dtype):
    """That of the image times a power of two, as far as there is such a number, and no warnings (which are errors)."""
    image = np.hypot(0.4 + rng.normal(0, 0.05, (60, 70)), rng.normal(0, 0.05, (60, 70))).astype(dtype)
    exponent = np.finfo(dtype).maxexp
    expected_sigma = medfast.estimate_sigma(image, noise=noise)
    large = np.ldexp(image, exponent)
    assert image.max() < 1
    assert medfast.estimate_sigma(large, noise=noise) == np.ldexp(expected_sigma, exponent)
    large[::2] *= -1
    assert np.isfinite(medfast.estimate_sigma(large, noise=noise))
    extremes = np.full((20, 30), np.finfo(dtype).max, dtype)
    extremes[::2, ::2] *= -1
    assert medfast.estimate_sigma(extremes) > float(np.finfo(dtype).max) / 2
    assert np.isfinite(medfast.denoise_nl_means(np.stack([extremes] * 3), noise=noise, channel_axis=0)).all()
    filled = 100 * image
    filled[:30] = np.finfo(dtype).max
    assert np.isfinite(medfast.estimate_sigma(filled, noise=noise))


def test_sigma_of_wide_images(rng, monkeypatch):
    """Blocks are parts of lines, too: what is taken beside the band does not grow with the width."""
    monkeypatch.setattr(noise_level, "BLOCK", 2**14)
    image = rng.normal(100.0, 5.0, (30, 100_000))
    band = 8 * 16 * 50_001
    tracemalloc.start()
    sigma = medfast.estimate_sigma(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < band + 2**20 < image.nbytes
    assert abs(sigma - 5.0) < 0.1


def test_magnitude_deviation():
    """Against samples: the deviation of a Rician variable, found from the ratio of its mean to its deviation."""
    rng = np.random.default_rng(3)
    for theta in (0.0, 1.0, 2.0, 3.0, 8.0, 25.0, 40.0):
        samples = np.hypot(theta + rng.normal(size=400_000), rng.normal(size=400_000))
        found = noise_level._magnitude_deviation(samples.mean() / samples.std())
        assert abs(found - samples.std()) < 0.02


def test_sigma_bad_arguments():
    with pytest.raises(ValueError, match="mask must have shape"):
        medfast.estimate_sigma(np.zeros((4, 4)), mask=np.ones((4, 5), bool))
    with pytest.raises(ValueError, match="noise must be one of"):
        medfast.estimate_sigma(np.zeros((4, 4)), noise="salt")
    with pytest.raises(ValueError, match="image must be finite"):
        medfast.estimate_sigma(np.full((4, 4), np.inf))
