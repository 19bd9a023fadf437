"""The peers' own tests pass through the patch, and no call falls back for a reason that is not known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import run
import sources

import medfast.sklearn


@pytest.mark.slow
@pytest.mark.parametrize("package", ["skimage", "sklearn"])
def test_upstream(package, tmp_path):
    if package == "sklearn" and not hasattr(medfast.sklearn, "KMeans"):
        pytest.skip("medfast.sklearn has no KMeans")
    try:
        plain, patched = run.both(package, tmp_path)
    except sources.Unavailable as error:
        pytest.skip(str(error))
    assert sum(outcome == "passed" for outcome in plain["outcomes"].values()) > 50
    assert plain["outcomes"].keys() == patched["outcomes"].keys()
    unexplained = [test for test in run.broken(plain, patched) if not any(end in test for end in run.EXPLAINED)]
    assert unexplained == []
    for calls in patched["calls"].values():
        for lines in calls.values():
            for line in lines:
                reason = line.partition(": ")[2]
                assert line == "medfast" or run.explanation(reason), line
