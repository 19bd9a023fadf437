"""Histogram equalisation, at every level, against its oracle and OpenCV."""

import numpy as np
import pytest

import medfast
import oracles
from images import SHAPES, layouts, random_image


@pytest.mark.parametrize("shape", [*SHAPES, (3, 9, 17)], ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_equalize_hist_equals_oracle(level, n_threads, rng, shape, dtype):
    image = random_image(rng, shape, dtype)
    np.testing.assert_array_equal(medfast.equalize_hist(image), oracles.equalize_hist(image))


@pytest.mark.opencv
@pytest.mark.parametrize("shape", [(64, 64), (513, 511)], ids=str)
def test_equalize_hist_equals_opencv(level, n_threads, rng, shape):
    import cv2

    image = rng.integers(40, 90, shape, np.uint8)
    np.testing.assert_array_equal(medfast.equalize_hist(image), cv2.equalizeHist(image))


def test_equalize_hist_takes_any_layout(level, rng):
    image = random_image(rng, (19, 33), "uint16")
    expected = medfast.equalize_hist(image)
    for name, view in layouts(image).items():
        np.testing.assert_array_equal(medfast.equalize_hist(view), expected, err_msg=name)


def test_equalize_hist_in_place(level, rng):
    image = random_image(rng, (19, 33), "uint8")
    expected = medfast.equalize_hist(image)
    assert medfast.equalize_hist(image, out=image) is image
    np.testing.assert_array_equal(image, expected)


def test_equalize_hist_refuses_an_overlap(rng):
    image = random_image(rng, (20, 33), "uint8")
    with pytest.raises(ValueError, match="out must not overlap"):
        medfast.equalize_hist(image[1:], out=image[:-1])


def test_equalize_hist_names_the_bad_argument():
    with pytest.raises(TypeError, match="image must have dtype uint8, uint16, int16, got int64"):
        medfast.equalize_hist(np.zeros((3, 3), np.int64))
    with pytest.raises(ValueError, match=r"image must be 2-D or 3-D, got shape \(4,\)"):
        medfast.equalize_hist(np.zeros(4, np.uint8))
