"""Beside other libraries: forks, processes, pools within pools, limits from outside. Every call gives the same bits."""

import importlib.util
import multiprocessing
import os
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest

import medfast
from medfast import _parallel

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_hundred_forks_after_use():
    done = fork_after_use("medfast", 100, 10)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_same_script_finds_a_pool_that_hangs():
    """GNU's OpenMP waits for ever in a forked child: the script tells. (OpenCV 4.14 did not hang in it.)"""
    pytest.importorskip("sklearn")
    done = fork_after_use("sklearn", 1, 5)
    if done.returncode == 0:
        pytest.skip("this scikit-learn has an OpenMP that survives a fork")
    assert "child 0 hangs" in done.stderr


def work(index):
    """What a worker does, from the index of an image on."""
    image = np.random.default_rng(index).integers(0, 256, (96, 96), np.uint8)
    quiet = medfast.denoise_nl_means(image, 12, patch_size=3, search_size=7)
    return _parallel.resolve(), medfast.hog(medfast.clahe(quiet))


def check(results):
    """Every result is that of this process."""
    for index, (_, features) in enumerate(results):
        np.testing.assert_array_equal(features, work(index)[1])


def worker_loop(dataset, indices, results):
    """PyTorch's worker: takes indices from a queue, puts samples into another, until there are no more."""
    while (index := indices.get()) is not None:
        results.put((index, dataset(index)))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_workers_of_a_data_loader(method):
    """As ``torch.utils.data.DataLoader(num_workers=2)`` runs them, after the parent has used its threads."""
    work(0)
    context = multiprocessing.get_context(method)
    indices, results = context.Queue(), context.Queue()
    workers = [context.Process(target=worker_loop, args=(work, indices, results), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    for index in (*range(6), None, None):
        indices.put(index)
    found = dict(results.get(timeout=120) for _ in range(6))
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert {n_threads for n_threads, _ in found.values()} == {1}  # workers share the CPUs already
    check([found[index] for index in range(6)])


@pytest.mark.slow
def test_data_loader_of_torch():
    torch = pytest.importorskip("torch")

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return work(index)[1]

    work(0)
    batches = list(torch.utils.data.DataLoader(Images(), batch_size=2, num_workers=2))
    check([(1, features) for features in torch.cat(batches).numpy()])


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # loky's, of a worker that takes its time
def test_joblib(backend):
    joblib = pytest.importorskip("joblib")
    check(joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(work)(index) for index in range(6)))


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask_schedulers(scheduler):
    dask = pytest.importorskip("dask")
    tasks = [dask.delayed(work)(index) for index in range(6)]
    check(dask.compute(*tasks, scheduler=scheduler, num_workers=2))


def test_many_threads_get_the_same_bits_and_share_one_pool(monkeypatch, rng):
    """Pools within pools do not multiply: there are the callers, and the helpers of one call."""
    monkeypatch.setattr(_parallel, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(_parallel, "_affinity", lambda: 3)
    image = rng.integers(0, 256, (64, 72), np.uint8)
    calls = [
        lambda: medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5),
        lambda: medfast.equalize_hist(image),
        lambda: medfast.clahe(image),
        lambda: medfast.resize(image, (50, 40), interpolation="area"),
        lambda: medfast.kmeans(image, 3).labels,
        lambda: medfast.hog(image),
    ]
    expected = [call() for call in calls]
    n_helpers = {thread.name for thread in threading.enumerate() if thread.name.startswith("medfast")}
    wrong = []

    def run():
        for _ in range(10):
            wrong.extend(
                number
                for number, (call, wanted) in enumerate(zip(calls, expected, strict=True))
                if not np.array_equal(call(), wanted)
            )

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("medfast")}
    assert len(names) <= max(2, len(n_helpers))


def run_python(code, **environ):
    """The output of `code` in a new interpreter without bounds from the environment."""
    ours = ("MEDFAST_LEVEL", "MEDFAST_NUM_THREADS", "OMP_NUM_THREADS")
    clean = {key: value for key, value in os.environ.items() if key not in ours} | environ
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=clean, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("imports", ["import threadpoolctl, medfast", "import medfast, threadpoolctl"])
def test_threadpoolctl_bounds_the_threads(imports):
    pytest.importorskip("threadpoolctl")
    code = f"""
{imports}
from medfast import _parallel
_parallel._affinity = lambda: 8
_parallel._quota = None
found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "medfast"]
assert [pool["num_threads"] for pool in found] == [8], found
assert found[0]["version"] == medfast.__version__
with threadpoolctl.threadpool_limits(3):
    print(_parallel.resolve(), _parallel.resolve(6))
    with threadpoolctl.threadpool_limits(1):
        print(_parallel.resolve(), medfast.runtime.info()["thread_limits"]["threadpoolctl"])
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        print(_parallel.resolve())
print(_parallel.resolve(), "threadpoolctl" in _parallel.limits())
"""
    assert run_python(code) == ["3", "3", "1", "1", "3", "8", "False"]


def test_threadpoolctl_is_not_imported_for_it():
    assert run_python("import sys, medfast; print('threadpoolctl' in sys.modules)") == ["False"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to CPUs")
def test_affinity_set_while_running_counts():
    code = (
        "import os, medfast; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1]);"
        "print(medfast.runtime.info()['threads'])"
    )
    assert run_python(code) == ["1"]


def test_call_while_python_exits():
    """The pool of the standard library takes no more work then: the calling thread does it all."""
    code = """
import atexit, numpy as np, medfast
from medfast import _parallel
_parallel.WORK_PER_THREAD = 1
_parallel._affinity = lambda: 3
image = np.arange(4096, dtype=np.uint8).reshape(64, 64)
expected = medfast.equalize_hist(image)
atexit.register(lambda: print((medfast.equalize_hist(image) == expected).all()))
"""
    assert run_python(code) == ["True"]


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_free_threaded_python_keeps_its_gil_off():
    code = """
import sys, numpy as np, medfast
medfast.denoise_nl_means(np.zeros((64, 64), np.uint8), 10)
print(sys._is_gil_enabled())
"""
    assert run_python(code) == ["False"]


def test_nothing_is_imported_for_numba():
    if importlib.util.find_spec("numba") is None:
        pytest.skip("Numba is not installed")
    assert run_python("import sys, medfast; print('numba' in sys.modules, 'medfast._njit' in sys.modules)") == [
        "False",
        "False",
    ]
