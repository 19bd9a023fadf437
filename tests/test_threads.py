"""Tiles and threads: coverage of the rows, bounds and where they come from, fork, errors, Ctrl-C."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import medfast
from medfast import _parallel


def use(monkeypatch, n):
    """As on a machine with `n` CPUs and no work too little for threads."""
    monkeypatch.setattr(_parallel, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(_parallel, "_affinity", lambda: n)
    for variable in ("MEDFAST_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)


@given(
    n_rows=st.integers(0, 3000),
    work_per_row=st.floats(0, 1e7),
    num_threads=st.integers(1, 5),
    tile_rows=st.none() | st.integers(1, 4000),
    with_progress=st.booleans(),
)
def test_each_row_is_done_once(n_rows, work_per_row, num_threads, tile_rows, with_progress):
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, 4)
        visits = np.zeros(n_rows, np.int64)
        seen = []

        def body(start, stop):
            assert 0 <= start < stop <= n_rows
            visits[start:stop] += 1

        _parallel.for_rows(
            n_rows,
            body,
            work_per_row=work_per_row,
            num_threads=num_threads,
            tile_rows=tile_rows,
            progress=(lambda done, total: seen.append((done, total))) if with_progress else None,
        )
        assert (visits == 1).all()
        if with_progress and n_rows:
            assert seen[-1] == (n_rows, n_rows)
            assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_given_tiles_do_not_depend_on_the_threads(monkeypatch):
    use(monkeypatch, 4)
    tiles = []
    for num_threads in (1, 2, 4):
        done = []
        _parallel.for_rows(
            103, lambda *rows, done=done: done.append(rows), work_per_row=1e6, tile_rows=10, num_threads=num_threads
        )
        tiles.append(sorted(done))
    assert tiles[0] == tiles[1] == tiles[2] == [(start, min(start + 10, 103)) for start in range(0, 103, 10)]


def test_helpers_take_part(monkeypatch):
    use(monkeypatch, 3)
    at_once = threading.Barrier(3, timeout=30)  # broken, with an error, unless three threads meet
    _parallel.for_rows(3, lambda start, stop: at_once.wait(), work_per_row=1e9, tile_rows=1)


@pytest.mark.parametrize("failing_row", [0, 57, 99])
def test_error_in_any_tile_reaches_the_caller(monkeypatch, failing_row):
    use(monkeypatch, 3)

    def body(start, stop):
        if start <= failing_row < stop:
            raise ZeroDivisionError("in a tile")

    with pytest.raises(ZeroDivisionError, match="in a tile"):
        _parallel.for_rows(100, body, work_per_row=1e6, tile_rows=1)
    _parallel.for_rows(100, lambda start, stop: None, work_per_row=1e6)  # and the pool goes on


def test_nested_calls_end(monkeypatch):
    use(monkeypatch, 3)
    counts = np.zeros((6, 6), np.int64)

    def outer(start, stop):
        for row in range(start, stop):

            def inner(first, last, row=row):
                counts[row, first:last] += 1

            _parallel.for_rows(6, inner, work_per_row=1e9, tile_rows=1)

    _parallel.for_rows(6, outer, work_per_row=1e9, tile_rows=1)
    assert (counts == 1).all()


def test_concurrent_callers_get_the_same_bits(monkeypatch, rng):
    use(monkeypatch, 3)
    images = [rng.integers(0, 256, (97, 83), np.uint8) for _ in range(12)]
    expected = [medfast.equalize_hist(image, num_threads=1) for image in images]
    results = [None] * len(images)

    def call(index):
        results[index] = medfast.equalize_hist(images[index])

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_smallest_bound_counts(monkeypatch):
    use(monkeypatch, 8)
    monkeypatch.setattr(_parallel, "_quota", 6)
    assert _parallel.resolve() == 6
    monkeypatch.setenv("MEDFAST_NUM_THREADS", "5")
    assert _parallel.resolve() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert _parallel.resolve() == 4
    with medfast.runtime.threads(3):
        assert _parallel.resolve() == 3
        with medfast.runtime.threads(7):
            assert _parallel.resolve() == 3
        assert _parallel.resolve(2) == 2
        assert medfast.runtime.info()["thread_limits"]["runtime.threads"] == 3
    assert _parallel.resolve(64) == 4


@pytest.mark.parametrize("text", ["", "0", "-1", "many"])
def test_meaningless_variable_is_no_bound(monkeypatch, text):
    use(monkeypatch, 2)
    monkeypatch.setattr(_parallel, "_quota", None)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert _parallel.limits() == {"affinity": 2}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "1000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_cgroup_quota(tmp_path, files, expected):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert _parallel._read_cgroup_quota(str(tmp_path)) == expected


@pytest.mark.parametrize("bad", [0, -1])
def test_threads_must_be_positive(bad):
    with pytest.raises(ValueError, match=f"n must be >= 1, got {bad}"):
        medfast.runtime.threads(bad)
    with pytest.raises(ValueError, match=f"num_threads must be >= 1, got {bad}"):
        medfast.equalize_hist(np.zeros((2, 2), np.uint8), num_threads=bad)


def _threads_and_sum(image):
    return _parallel.resolve(), int(medfast.equalize_hist(image).sum(dtype=np.int64))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_child_process_uses_one_thread(method, rng):
    image = rng.integers(0, 256, (300, 300), np.uint8)
    with multiprocessing.get_context(method).Pool(1) as pool:
        found = pool.apply_async(_threads_and_sum, (image,)).get(timeout=120)
    assert found == (1, int(medfast.equalize_hist(image).sum(dtype=np.int64)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_after_use_does_not_hang():
    """The parent's pool is warm when it forks; each child makes a pool of its own."""
    code = """
import os, numpy as np, medfast
from medfast import _parallel
_parallel.WORK_PER_THREAD = 1
_parallel._affinity = lambda: 3
image = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
expected = medfast.equalize_hist(image)
for _ in range(20):
    child = os.fork()
    if child == 0:
        assert _parallel.resolve() == 1
        ok = (medfast.equalize_hist(image) == expected).all()
        ok &= (medfast.equalize_hist(image, num_threads=3) == expected).all()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
assert (medfast.equalize_hist(image) == expected).all()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console, this process among it")
def test_ctrl_c_is_answered_between_tiles():
    code = """
import signal, threading, time
from medfast import _parallel
_parallel.WORK_PER_THREAD = 1
_parallel._affinity = lambda: 2
threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
try:
    _parallel.for_rows(10_000, lambda start, stop: time.sleep(0.01), work_per_row=1e7, tile_rows=1)
except KeyboardInterrupt:
    print("interrupted")
"""
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "interrupted"
    assert time.monotonic() - start < 20


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console, this process among it")
def test_ctrl_c_is_answered_between_passes_of_kmeans():
    code = """
import signal, threading
import numpy as np
import medfast
from medfast import _parallel
_parallel._affinity = lambda: 2
data = np.random.default_rng(0).random((300_000, 8), np.float32)
start = data[:64].copy()
expected = medfast.kmeans(data, 64, init=start, max_iter=2, tol=0)
threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
try:
    medfast.kmeans(data, 64, init=start, max_iter=1_000_000, tol=0)
except KeyboardInterrupt:
    again = medfast.kmeans(data, 64, init=start, max_iter=2, tol=0)
    print("interrupted", (again.labels == expected.labels).all())
"""
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "interrupted True"
    assert time.monotonic() - start < 20


def test_helpers_are_waited_for_and_their_errors_raised():
    told, seen = threading.Event(), []

    def work(helper):
        seen.append(helper)
        told.wait(timeout=30)

    def lead():
        with _parallel.helped(work, 3):
            try:
                while len(seen) < 2:
                    time.sleep(0.001)
                raise ValueError("leader")
            finally:
                told.set()

    with pytest.raises(ValueError, match="leader"):
        lead()
    assert sorted(seen) == [1, 2]

    begun = threading.Event()

    def fail(helper):
        begun.set()
        raise OSError("helper")

    with pytest.raises(OSError, match="helper"), _parallel.helped(fail, 2):
        assert begun.wait(timeout=30)
