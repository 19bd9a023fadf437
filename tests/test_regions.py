"""Regions of label images: against plain loops over components."""

import sys

import numpy as np
import pytest

import medfast

pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")


def components(labels):
    """Sets of indices of pixels of one label that hang together by their sides."""
    left = {index for index in np.ndindex(labels.shape) if labels[index] > 0}
    while left:
        part, edge = set(), [left.pop()]
        while edge:
            index = edge.pop()
            part.add(index)
            for axis in range(labels.ndim):
                for step in (-1, 1):
                    near = (*index[:axis], index[axis] + step, *index[axis + 1 :])
                    if near in left and labels[near] == labels[index]:
                        left.remove(near)
                        edge.append(near)
        yield part


@pytest.mark.parametrize("shape", [(12, 17), (5, 6, 7), (1, 1)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_small_components_are_removed(rng, shape, dtype):
    labels = rng.integers(0, 4, shape).astype(dtype)
    kept = labels.copy()
    zeroed = medfast.clean_labels(labels, 4, fill="zero")
    filled = medfast.clean_labels(labels, 4)
    np.testing.assert_array_equal(labels, kept)
    removed = np.zeros(shape, bool)
    for part in components(labels):
        for index in part:
            removed[index] = len(part) < 4
    np.testing.assert_array_equal(zeroed, np.where(removed, 0, labels))
    assert zeroed.dtype == filled.dtype == labels.dtype
    np.testing.assert_array_equal(filled[~removed], labels[~removed])
    stay = np.argwhere(zeroed > 0)
    for index in np.argwhere(removed):
        distances = ((stay - index) ** 2).sum(axis=1)
        nearest = {labels[tuple(at)] for at in stay[distances == distances.min(initial=10**6)]}
        assert filled[tuple(index)] in (nearest or {0})


def test_sizes_are_in_the_unit_of_spacing():
    labels = np.array([[1, 1, 0, 2]])
    np.testing.assert_array_equal(medfast.clean_labels(labels, 1.5, spacing=(0.5, 2), fill="zero"), [[1, 1, 0, 0]])
    np.testing.assert_array_equal(medfast.clean_labels(labels, 9, spacing=2), [[0, 0, 0, 0]])


@pytest.mark.parametrize("shape", [(12, 17), (5, 6, 7)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_measures_are_sums_over_pixels(rng, shape, dtype):
    labels = rng.choice([0, 1, 4, 7], shape)
    image = rng.integers(0, 100, shape).astype(dtype)
    spacing = (2.5, 0.5, 0.75)[: labels.ndim]
    found = medfast.region_measures(labels, image, spacing=spacing)
    np.testing.assert_array_equal(found.label, [1, 4, 7])
    for i, label in enumerate(found.label):
        at = np.argwhere(labels == label)
        assert found.n_pixels[i] == len(at)
        assert found.size[i] == pytest.approx(len(at) * np.prod(spacing))
        assert found.mean[i] == pytest.approx(image[labels == label].mean(dtype=np.float64))
        np.testing.assert_allclose(found.centroid[i], at.mean(axis=0) * spacing)
    assert medfast.region_measures(labels).mean is None


def test_no_region():
    found = medfast.region_measures(np.zeros((3, 4), int), np.zeros((3, 4)))
    assert [len(each) for each in found] == [0] * 5
    assert found.centroid.shape == (0, 2)
    assert medfast.clean_labels(np.zeros((0, 4), int), 3).shape == (0, 4)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "labels must be integers, got dtype float64", lambda: medfast.clean_labels(np.ones((2, 2)), 1)),
        (ValueError, "labels must be 2-D or 3-D", lambda: medfast.clean_labels([1, 2], 1)),
        (ValueError, "labels must be >= 0, got -1", lambda: medfast.region_measures([[-1]])),
        (ValueError, "min_size must be >= 0", lambda: medfast.clean_labels([[1]], -1)),
        (ValueError, "fill must be one of", lambda: medfast.clean_labels([[1]], 1, fill="mode")),
        (ValueError, "spacing must be a number or have 2", lambda: medfast.region_measures([[1]], spacing=(1, 1, 1))),
        (ValueError, r"image must have shape \(1, 1\)", lambda: medfast.region_measures([[1]], np.ones((2, 2)))),
        (TypeError, "image must have dtype", lambda: medfast.region_measures([[1]], np.ones((1, 1), np.int64))),
    ],
)
def test_errors_name_the_bad_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"medfast\[regions\]"):
        medfast.region_measures([[1]])
