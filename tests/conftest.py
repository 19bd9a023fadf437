"""What all tests share: the levels, the test images, and hypothesis' settings."""

import os

import hypothesis
import numpy as np
import pytest

from medfast import _kernels, _parallel

hypothesis.settings.register_profile("medfast", deadline=None, max_examples=40, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "medfast"))

LEVELS = _kernels.supported_levels()


@pytest.fixture(params=LEVELS)
def level(request):
    """Run the test at each level that this CPU supports and in the Numba twin; the level stands in the test's id."""
    _kernels._activate(request.param)
    yield request.param
    _kernels._activate(_kernels.LEVEL)


@pytest.fixture(params=[1, 3], ids=["1thread", "3threads"])
def n_threads(request, monkeypatch):
    """Run the test on one thread and on three, whatever the machine has, with no image too small for threads."""
    monkeypatch.setattr(_parallel, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(_parallel, "resolve", lambda num_threads=None: request.param)
    return request.param


@pytest.fixture
def rng():
    """Random numbers, the same in every run."""
    return np.random.default_rng(20261122)
