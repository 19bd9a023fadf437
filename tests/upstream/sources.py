"""Where the peers' own tests come from: scikit-image's source distribution, scikit-learn's installed package."""

import importlib.util
import os
import subprocess
import sys
import tarfile
from pathlib import Path

SKIMAGE = "0.26.0"
SKIMAGE_FILES = (
    "exposure/test_exposure.py",
    "exposure/test_histogram_matching.py",
    "feature/test_hog.py",
    "filters/test_thresholding.py",
    "restoration/test_denoise.py",
    "transform/test_warps.py",
)
SKIMAGE_TESTS = "nl_means or sigma or exposure or hog or matching or resize or rescale or multiotsu"
"""Of these files, what calls a function that is patched: names of tests and modules, as pytest selects them."""


class Unavailable(Exception):
    """The tests cannot be had; the message says why."""


def skimage_tests(folder: Path) -> Path:
    """Unpack scikit-image's tests in `folder`; they are downloaded, or in the archive that MEDFAST_UPSTREAM names."""
    archive = Path(os.environ.get("MEDFAST_UPSTREAM", "")).expanduser()
    if not archive.is_file():
        archive = _download(folder)
    with tarfile.open(archive) as file:
        members = [each for each in file.getmembers() if "/tests/skimage/" in each.name]
        file.extractall(folder, members, filter="data")
    return folder / f"scikit_image-{SKIMAGE}" / "tests" / "skimage"


def _download(folder: Path) -> Path:
    """By pip, which looks into the sources' metadata, and for that needs their build tools: minutes."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "scikit-image"]
    try:
        done = subprocess.run(
            [*command, "-d", str(folder), f"scikit-image=={SKIMAGE}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable("pip download took more than five minutes") from None
    found = list(folder.glob("scikit_image-*.tar.gz"))
    if not found:
        raise Unavailable(f"pip download failed: {' '.join(done.stderr.split())[-200:]}")
    return found[0]


def sklearn_tests() -> Path:
    """scikit-learn's tests of k-means, which its package has."""
    spec = importlib.util.find_spec("sklearn")
    path = Path(spec.origin or "").parent / "cluster" / "tests" / "test_k_means.py" if spec else Path("-")
    if not path.is_file():
        raise Unavailable("scikit-learn is not installed, or without its tests")
    return path
