"""Programs after the peers' tutorials show the same when medfast answers for the peers."""

import logging

import numpy as np
import pytest
from programs import OPENCV, SKIMAGE

import medfast


def run_both_ways(program, target, tolerance, caplog):
    plain = program()
    with caplog.at_level(logging.DEBUG, "medfast.patching"), medfast.patched(target):
        patched = program()
    assert plain.keys() == patched.keys()
    for name, expected in plain.items():
        assert patched[name].shape == expected.shape
        assert patched[name].dtype == expected.dtype
        np.testing.assert_allclose(patched[name].astype(float), expected.astype(float), rtol=0, atol=tolerance)
    return [record.getMessage() for record in caplog.records]


@pytest.mark.opencv
@pytest.mark.parametrize("program", OPENCV, ids=lambda program: program.__name__)
def test_opencv_programs(program, caplog):
    cv2 = pytest.importorskip("cv2")
    if program.__name__ == "describe_windows" and not hasattr(cv2, "HOGDescriptor"):
        pytest.skip("OpenCV 5 has no HOGDescriptor")
    lines = run_both_ways(program, "cv2", OPENCV[program], caplog)
    assert lines
    assert not [line for line in lines if "fell back" in line]


@pytest.mark.parametrize("program", SKIMAGE, ids=lambda program: program.__name__)
def test_skimage_programs(program, caplog):
    pytest.importorskip("skimage")
    lines = run_both_ways(program, "skimage", SKIMAGE[program], caplog)
    assert lines
    assert not [line for line in lines if "fell back" in line]
