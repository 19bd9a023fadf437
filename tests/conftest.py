"""What all tests share: the levels, the test images, and hypothesis' settings."""

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from images import stripes
from medfast import _kernels, _parallel
from medfast.bench.images import head

hypothesis.settings.register_profile("medfast", deadline=None, max_examples=40, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "medfast"))

LEVELS = _kernels.supported_levels()


def pytest_sessionstart():
    """Forget compiled twins that are older than a source: Numba compares them with their own file, not with what that
    imports.
    """
    folder = Path(_kernels.__file__).parent / "jit"
    newest = max(path.stat().st_mtime for path in folder.glob("*.py"))
    for index in folder.glob("__pycache__/*.nbi"):
        if index.stat().st_mtime < newest:
            index.unlink(missing_ok=True)


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


@pytest.fixture(scope="module")
def trained():
    """A model of two classes, and images that it has not seen."""
    from medfast.pipeline import Model

    rng = np.random.default_rng(5)
    images, labels = stripes(rng, 40)
    model = Model(patch_size=3, search_size=7).fit(images, labels)
    return model, *stripes(rng, 20)


@pytest.fixture(scope="module")
def digits():
    """A model of ten classes, and the rest of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    from medfast.pipeline import Model

    data = load_digits()
    images = (data.images * 15).astype(np.uint8)
    model = Model(denoise=False, equalize="none").fit(images[:900], data.target[:900])
    return model, images[900:], data.target[900:]


@pytest.fixture
def slice_file(tmp_path):
    """A noisy slice as a PNG file."""
    from medfast.io import write_image

    path = tmp_path / "slice.png"
    write_image(path, head(64, 48)[0])
    return path


@pytest.fixture
def volume_file(tmp_path):
    """A small volume with a spacing and an affine, as a NIfTI file."""
    from medfast.io import Image, write_image

    path = tmp_path / "volume.nii.gz"
    planes = np.stack([head(24, 32, "int16", seed)[0] for seed in range(3)])
    affine = np.array([[-0.5, 0, 0, 10], [0, 0.75, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1.0]])
    write_image(path, Image(planes, spacing=(2.0, 0.75, 0.5), affine=affine))
    return path
