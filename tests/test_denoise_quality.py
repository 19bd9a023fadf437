"""Non-local means of volumes with Rician noise: what dipy's classic method gives, and how well a head is cleaned."""

import warnings

import numpy as np
import pytest

import medfast
from medfast.bench import images
from medfast.demo.data import load_head, psnr

DIPYS_H = 2**0.25
"""dipy divides the mean squared distance by the root of two times the variance of the noise."""


def as_dipy(volume, sigma, patch_radius, block_radius):
    """dipy's classic method: its block holds the whole patches, so it searches `block_radius - patch_radius` around."""
    return medfast.denoise_nl_means(
        volume,
        DIPYS_H * sigma,
        sigma=sigma,
        noise="rician",
        patch_size=2 * patch_radius + 1,
        search_size=2 * (block_radius - patch_radius) + 1,
    )


@pytest.mark.parametrize(("patch_radius", "block_radius"), [(1, 2), (1, 4), (2, 4)])
def test_equals_dipys_classic_method(level, patch_radius, block_radius):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it deprecates is none of ours
        nlmeans = pytest.importorskip("dipy.denoise.nlmeans").nlmeans
    volume, _ = images.head_volume(12, 20, 18, "float64")
    radii = {"patch_radius": patch_radius, "block_radius": block_radius}
    theirs = nlmeans(volume, sigma=images.NOISE, method="classic", num_threads=1, **radii)
    np.testing.assert_allclose(as_dipy(volume, images.NOISE, **radii), theirs, rtol=1e-9, atol=1e-4)
    single = as_dipy(np.float32(volume), images.NOISE, **radii)
    np.testing.assert_allclose(single, theirs, rtol=1e-5, atol=0.05)  # the root near zero magnifies the error


@pytest.mark.parametrize("percent", [3, 5, 7, 9])
def test_cleans_a_head_better_than_dipy(percent):
    """The MNI152 template with Rician noise, PSNR over voxels above 10, at patches of 3³ in blocks of 5³."""
    pytest.importorskip("nibabel")
    try:
        head = load_head().clean[72:120]
    except (ImportError, FileNotFoundError) as error:
        pytest.skip(f"no template: {error}")
    sigma = percent / 100 * 255
    rng = np.random.default_rng(percent)
    noisy = np.float32(np.hypot(head + rng.normal(0, sigma, head.shape), rng.normal(0, sigma, head.shape)))
    ours = medfast.denoise_nl_means(noisy, noise="rician", patch_size=3, search_size=5)
    assert psnr(ours, head) >= psnr(as_dipy(noisy, sigma, 1, 2), head)
    assert psnr(ours, head) >= psnr(noisy, head) + 5
