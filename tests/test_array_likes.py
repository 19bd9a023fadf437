"""What is no array of NumPy but can be read as one: ``__array__``, DLPack, xarray, nested lists."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import medfast


class WithArray:
    """As images of other libraries are: a method that gives an array."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class WithDLPack:
    """Memory that is shared by DLPack alone."""

    def __init__(self, array, device=None):
        self.array = array
        self.device = device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return (self.device, 0) if self.device else self.array.__dlpack_device__()


CALLS = [
    medfast.equalize_hist,
    medfast.clahe,
    medfast.hog,
    lambda image: medfast.denoise_nl_means(image, 10, search_size=5),
    lambda image: medfast.resize(image, (20, 20)),
    lambda image: medfast.kmeans(image, 2).labels,
    lambda image: medfast.segment(image, 2),
    lambda image: medfast.window(image, 40, 400),
    lambda image: medfast.match_histograms(image, image),
]


@pytest.mark.parametrize("wrap", [WithArray, WithDLPack])
@pytest.mark.parametrize("call", CALLS)
def test_read_as_the_array_that_it_holds(rng, wrap, call):
    image = rng.integers(0, 256, (32, 40)).astype(np.uint8)
    found = call(wrap(image))
    assert type(found) is np.ndarray
    assert_array_equal(found, call(image))


@pytest.mark.parametrize("wrap", [WithArray, WithDLPack])
def test_other_arguments_too(rng, wrap):
    image = rng.integers(0, 256, (32, 40)).astype(np.uint8)
    inside = image > 90
    assert_array_equal(
        medfast.equalize_hist(image, mask=wrap(inside.view(np.uint8))), medfast.equalize_hist(image, mask=inside)
    )
    data = rng.normal(size=(50, 3))
    found = medfast.kmeans(data, 2, init=wrap(data[:2].copy()), sample_weight=wrap(np.ones(50)))
    assert_array_equal(found.labels, medfast.kmeans(data, 2, init=data[:2], sample_weight=np.ones(50)).labels)


def test_memory_of_another_device_is_refused():
    with pytest.raises(TypeError, match="image must lie in the memory of the CPU, got an array on the DLPack device 2"):
        medfast.equalize_hist(WithDLPack(np.zeros((4, 4), np.uint8), device=2))


def test_xarray(rng):
    xarray = pytest.importorskip("xarray")
    image = rng.integers(0, 256, (32, 40)).astype(np.int16)
    labelled = xarray.DataArray(image, dims=("y", "x"))
    found = medfast.equalize_hist(labelled)
    assert type(found) is np.ndarray  # values are used, names are not kept
    assert_array_equal(found, medfast.equalize_hist(image))
    if pytest.importorskip("dask"):
        with pytest.raises(TypeError, match="image must be in memory, got a lazy DataArray"):
            medfast.equalize_hist(labelled.chunk(8))
