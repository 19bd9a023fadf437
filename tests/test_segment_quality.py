"""Tissue of a real head: k-means with three classes against the maps, clean and after our own denoising."""

import numpy as np
import pytest

import medfast

pytest.importorskip("nilearn", reason="nilearn, which carries the head, is not installed")
pytest.importorskip("nibabel", reason="nibabel is not installed")

from medfast.demo.data import add_rician_noise, dice, load_head

pytestmark = pytest.mark.slow
NOISE = 0.09


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def denoised(head):
    sigma = NOISE * float(head.clean.max())
    noisy = add_rician_noise(head.clean, sigma, 0)
    found = medfast.denoise_nl_means(
        noisy, sigma, patch_size=3, search_size=11, sigma=sigma, noise="rician", mask=head.brain
    )
    return np.where(head.brain, found, 0)


def overlap(head, labels):
    return dice(labels == 2, head.gray), dice(labels == 3, head.white)


def test_clean_tissue(head):
    gray, white = overlap(head, medfast.segment(head.clean, 3, mask=head.brain))
    assert gray >= 0.902  # there is no better partition of these levels
    assert white >= 0.929


def test_denoised_tissue(head, denoised):
    gray, white = overlap(head, medfast.segment(denoised, 3, mask=head.brain))
    assert gray >= 0.90
    assert white >= 0.897


@pytest.mark.opencv
@pytest.mark.parametrize("rival", ["opencv", "sklearn"])
def test_never_below_other_k_means(head, denoised, rival):
    column = denoised[head.brain].astype(np.float32)[:, None]
    if rival == "opencv":
        import cv2

        cv2.setRNGSeed(0)
        criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
        _, found, centers = cv2.kmeans(column, 3, None, criteria, 3, cv2.KMEANS_PP_CENTERS)
    else:
        cluster = pytest.importorskip("sklearn.cluster")
        fitted = cluster.KMeans(3, n_init=3, random_state=0).fit(column)
        found, centers = fitted.labels_, fitted.cluster_centers_
    labels = np.zeros(head.clean.shape, np.uint8)
    labels[head.brain] = 1 + np.argsort(np.argsort(centers[:, 0]))[found.ravel()]
    ours = overlap(head, medfast.segment(denoised, 3, mask=head.brain))
    assert sum(ours) >= sum(overlap(head, labels)) - 1e-3
