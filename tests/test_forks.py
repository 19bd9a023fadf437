"""Forked children, of a process whose threads have worked or are at work; and controls, which show a hang is told."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# A pool is warm when the process forks, a hundred times: each child calls again, within ten seconds.
FORKS = """
import os, signal, sys, time
import numpy as np
library, n_children, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
image = np.random.default_rng(1).integers(0, 256, (128, 128), np.uint8)
if library == "medfast":
    import medfast
    from medfast import _parallel
    _parallel.WORK_PER_THREAD = 1
    _parallel._affinity = lambda: 3
    call = lambda: medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5, num_threads=3)
elif library == "opencv":
    import cv2
    cv2.setNumThreads(3)
    call = lambda: cv2.fastNlMeansDenoising(image, None, 10, 3, 5)
elif library.endswith(".so"):
    import ctypes
    program = ctypes.CDLL(library)
    call = lambda: np.array([program.sum_of_squares(1000, 3)])
else:
    from sklearn.cluster import KMeans
    samples = np.random.default_rng(1).random((20000, 8))
    call = lambda: KMeans(4, n_init=1, max_iter=5, random_state=0).fit(samples).labels_
expected = call()
for number in range(n_children):
    child = os.fork()
    if child == 0:
        os._exit(0 if (call() == expected).all() else 1)
    deadline = time.monotonic() + patience
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            sys.exit(f"child {number} hangs")
        time.sleep(0.0005)
    assert done[1] == 0
assert (call() == expected).all()
"""


def fork_after_use(library, n_children, patience):
    arguments = [sys.executable, "-W", "ignore", "-c", FORKS, library, str(n_children), str(patience)]
    environment = os.environ | {"OMP_NUM_THREADS": "3"}
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, env=environment, check=False)


def test_a_hundred_forks_after_use():
    done = fork_after_use("medfast", 100, 10)
    assert done.returncode == 0, done.stderr


# The least that uses GNU's OpenMP, whose threads a child waits for although it has none of them.
LEAST_OPENMP = """
int sum_of_squares(int n, int n_threads)
{
    int sum = 0;
#pragma omp parallel for num_threads(n_threads) reduction(+ : sum)
    for (int i = 0; i < n; i++)
        sum += i % 7 * (i % 7);
    return sum;
}
"""


def test_the_same_script_finds_a_pool_that_hangs(tmp_path):
    """The control: a program of eight lines with GNU's OpenMP, which waits for ever in a forked child."""
    compiler = shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("there is no gcc, whose OpenMP it is about")
    source, library = tmp_path / "least.c", tmp_path / "least.so"
    source.write_text(LEAST_OPENMP)
    command = [compiler, "-fopenmp", "-shared", "-fPIC", "-O1", str(source), "-o", str(library)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip(f"this gcc has no OpenMP: {built.stderr[-200:]}")
    done = fork_after_use(str(library), 1, 2)
    assert done.returncode != 0
    assert "child 0 hangs" in done.stderr


@pytest.mark.opencv
def test_opencv_in_the_same_script(record_property):
    """What OpenCV does in it is recorded, not asked for: 4.14 and 5.0 with threads of their own came through."""
    pytest.importorskip("cv2")
    done = fork_after_use("opencv", 100, 5)
    outcome = "100 forks" if done.returncode == 0 else done.stderr.strip()
    record_property("OpenCV after a fork", outcome)
    print(f"OpenCV after a fork: {outcome}")  # `pytest -rP` shows it
    assert done.returncode == 0 or "hangs" in done.stderr


@pytest.mark.slow
def test_the_same_script_with_scikit_learn():
    """The control in a library: scikit-learn's k-means has GNU's OpenMP."""
    pytest.importorskip("sklearn")
    done = fork_after_use("sklearn", 1, 5)
    if done.returncode == 0:
        pytest.skip("this scikit-learn has an OpenMP that survives a fork")
    assert "child 0 hangs" in done.stderr


def test_fork_while_other_threads_are_at_work():
    """Whatever a lock's state was when the process forked, the child starts anew."""
    code = """
import os, signal, sys, threading, time
import numpy as np
import medfast
from medfast import _parallel
_parallel.WORK_PER_THREAD = 1
_parallel._affinity = lambda: 3
image = np.random.default_rng(1).integers(0, 256, (96, 96), np.uint8)
call = lambda: medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5, num_threads=3)
expected = call()
ends = threading.Event()
def run():
    while not ends.is_set():
        assert (call() == expected).all()
threads = [threading.Thread(target=run) for _ in range(3)]
for thread in threads:
    thread.start()
for number in range(40):
    child = os.fork()
    if child == 0:
        os._exit(0 if (call() == expected).all() else 1)
    deadline = time.monotonic() + 20
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            ends.set()
            sys.exit(f"child {number} hangs")
        time.sleep(0.0005)
    if done[1] != 0:
        ends.set()
        sys.exit(f"child {number} ended with {done[1]}")
ends.set()
for thread in threads:
    thread.join()
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
