"""Beside other libraries: processes, pools within pools, limits from outside. Every call gives the same bits."""

import importlib.util
import multiprocessing
import os
import re
import subprocess
import sys
import sysconfig
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import medfast
from medfast import _parallel


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


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
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


def pool_in_a_worker(n_callers):
    """What many threads of a worker process get, how many threads a call has, and how many are medfast's."""
    with ThreadPoolExecutor(n_callers) as pool:
        found = list(pool.map(work, range(n_callers)))
    helpers = [thread for thread in threading.enumerate() if thread.name.startswith("medfast")]
    return found, {n_threads for n_threads, _ in found}, len(helpers)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads, which is what is tried
def test_threads_in_worker_processes_do_not_multiply(method):
    """Two processes of four threads each: eight callers, and not one thread of medfast's more."""
    work(0)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        for found, n_threads, n_helpers in pool.map(pool_in_a_worker, [4, 4], timeout=120):
            check(found)
            assert (n_threads, n_helpers) == ({1}, 0)


def test_a_call_within_a_call_adds_no_pool(monkeypatch, rng):
    """As where `progress`, or a filter of somebody else's in our pool, calls medfast again."""
    monkeypatch.setattr(_parallel, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(_parallel, "_affinity", lambda: 3)
    image = rng.integers(0, 256, (64, 72), np.uint8)
    expected, found = medfast.equalize_hist(image), []
    before = {thread.name for thread in threading.enumerate() if thread.name.startswith("medfast")}

    def again(done, total):
        found.append(medfast.equalize_hist(image))

    medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5, progress=again)
    _parallel.for_rows(6, lambda start, stop: again(stop, 6), work_per_row=1e9, tile_rows=1)
    assert len(found) > 6
    assert all(np.array_equal(each, expected) for each in found)
    after = {thread.name for thread in threading.enumerate() if thread.name.startswith("medfast")}
    assert len(after) <= max(2, len(before))


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


def test_work_stays_within_what_threadpoolctl_allows():
    pytest.importorskip("threadpoolctl")
    code = """
import threading, time, threadpoolctl, medfast
from medfast import _parallel
_parallel._affinity = lambda: 8
_parallel._quota = None
def threads_at_work():
    found = set()
    def body(start, stop):
        found.add(threading.get_ident())
        time.sleep(0.002)
    _parallel.for_rows(64, body, work_per_row=1e7, tile_rows=1)
    return len(found)
with threadpoolctl.threadpool_limits(1):
    print(threads_at_work(), threading.active_count())
with threadpoolctl.threadpool_limits(3):
    print(threads_at_work() <= 3, threading.active_count() <= 3)
print(threads_at_work() > 3)
"""
    assert run_python(code) == ["1", "1", "True", "True", "True"]


def test_threadpoolctl_is_not_imported_for_it():
    assert run_python("import sys, medfast; print('threadpoolctl' in sys.modules)") == ["False"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to CPUs")
def test_affinity_set_while_running_counts():
    code = (
        "import os, medfast; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1]);"
        "print(medfast.runtime.info()['threads'])"
    )
    assert run_python(code) == ["1"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to CPUs")
def test_affinity_of_the_parent_counts():
    """As under `taskset`: one CPU, no thread beside the caller's, whatever is asked for."""
    code = """
import os, subprocess, sys
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
child = "import threading, numpy as np, medfast; medfast.equalize_hist(np.zeros((2048, 2048), np.uint8));"
child += "medfast.denoise_nl_means(np.zeros((256, 256), np.uint8), 10, num_threads=4); print(threading.active_count())"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout)
"""
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
    """After the import of every kernel at every level, a warning being an error; and threads get the same bits."""
    code = """
import importlib, sys, threading
import pathlib
import numpy as np
assert not sys._is_gil_enabled()
import medfast
folder = pathlib.Path(medfast.__file__).parent
names = [file.relative_to(folder.parent).parts for file in sorted(folder.rglob("*.so")) + sorted(folder.rglob("*.pyd"))]
for *path, file in names:
    if path[-1] in ("_kernels", *medfast._kernels.supported_levels()):
        importlib.import_module(".".join([*path, file.partition(".")[0]]))
        assert not sys._is_gil_enabled(), file
assert len(names) > 12
medfast._parallel.WORK_PER_THREAD = 1
medfast._parallel._affinity = lambda: 3
image = np.random.default_rng(0).integers(0, 256, (96, 80), np.uint8)
def call():
    quiet = medfast.denoise_nl_means(image, 10, patch_size=3, search_size=5)
    even = medfast.clahe(medfast.resize(medfast.equalize_hist(quiet), (64, 64)))
    return medfast.hog(even).tobytes() + medfast.segment(even, 3).tobytes()
expected, found = call(), []
threads = [threading.Thread(target=lambda: found.extend(call() == expected for _ in range(20))) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(found), all(found), sys._is_gil_enabled())
"""
    assert run_python(code, PYTHONWARNINGS="error") == ["80", "True", "False"]


def test_every_kernel_says_that_it_needs_no_gil():
    """In the C that Cython made, where this is a checkout: a module that does not say so turns the GIL on."""
    files = sorted(Path(__file__).parents[1].glob("build/cython/**/*.c"))
    if not files:
        pytest.skip("there is no generated C beside an installed wheel")
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "{Py_mod_gil, __Pyx_FREETHREADING_COMPATIBLE}" in text, file.name
        otherwise = re.search(r"#endif\n#else\n#define __Pyx_FREETHREADING_COMPATIBLE (\w+)\n#endif", text)
        assert otherwise, file.name
        assert otherwise[1] == "Py_MOD_GIL_NOT_USED", file.name


def test_nothing_is_imported_for_numba():
    if importlib.util.find_spec("numba") is None:
        pytest.skip("Numba is not installed")
    assert run_python("import sys, medfast; print('numba' in sys.modules, 'medfast._njit' in sys.modules)") == [
        "False",
        "False",
    ]
