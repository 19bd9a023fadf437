"""Threads: the only place that knows them.

A kernel works on a range of rows, releases the GIL and knows nothing of threads. `for_rows` cuts the rows into tiles
and hands them to the calling thread and to helpers from one pool of the standard library. What a tile computes never
depends on which thread runs it or on how many there are, so neither does the result.
"""

import math
import os
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

WORK_PER_THREAD = 100_000
"""Elementary steps (about a nanosecond each) below which a second thread costs more than it saves: handing a tile to a
sleeping helper takes 30 to 60 microseconds."""

_context_limit: ContextVar[int | None] = ContextVar("medfast_threads", default=None)
_forked = False
_lock = threading.Lock()
_pool: "ThreadPoolExecutor | None" = None
_pool_size = 0

process_limit: int | None = None
"""What threadpoolctl allows, see medfast/_limits.py."""


def limits() -> dict[str, int]:
    """Every bound on the number of threads in force now, by where it came from; the smallest one counts."""
    found = {"affinity": _affinity()}
    if (quota := _cgroup_quota()) is not None:
        found["cgroup"] = quota
    for variable in ("MEDFAST_NUM_THREADS", "OMP_NUM_THREADS"):
        if (value := _environment_limit(variable)) is not None:
            found[variable] = value
    if process_limit is not None:
        found["threadpoolctl"] = process_limit
    if (limit := _context_limit.get()) is not None:
        found["runtime.threads"] = limit
    elif _is_child_process():
        found["child process"] = 1
    return found


def resolve(num_threads: int | None = None) -> int:
    """Threads that a call may use: the smallest of all bounds. `num_threads` lifts the one of child processes."""
    found = limits()
    if num_threads is not None:
        found.pop("child process", None)
        found["num_threads"] = num_threads
    return max(1, min(found.values()))


def threads_for(work: float, num_threads: int | None = None) -> int:
    """Threads among which `for_rows` shares out this many elementary steps, if there are rows for all of them."""
    enough = work / WORK_PER_THREAD
    return 1 if enough < 2.0 else min(resolve(num_threads), int(enough))


@contextmanager
def limited(n: int):
    """Bound the threads of every call made inside."""
    outer = _context_limit.get()
    token = _context_limit.set(n if outer is None else min(n, outer))
    try:
        yield
    finally:
        _context_limit.reset(token)


def for_rows(
    n_rows: int,
    body: Callable[[int, int], Any],
    *,
    work_per_row: float,
    num_threads: int | None = None,
    tile_rows: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> None:
    """Call `body(start, stop)` for tiles that together cover `range(n_rows)`, each row once.

    Parameters
    ----------
    n_rows : int
        Rows, or whatever else `body` is a loop over.
    body : callable
        Does the rows `start` to `stop`; called from several threads at once.
    work_per_row : float
        Elementary steps a row takes, about a nanosecond each: with little work in all, the calling thread does
        everything.
    num_threads : int, optional
        Bound for this call.
    tile_rows : int, optional
        Rows per tile. When omitted, about four tiles a thread, each of at least a millisecond's work; given, it is kept
        to whatever the thread count, as where partial results are added up tile by tile.
    progress : callable, optional
        Called as ``progress(rows_done, n_rows)`` in the calling thread, after its tiles.
    """
    if n_rows <= 0:
        return
    enough = n_rows * work_per_row / WORK_PER_THREAD
    if enough < 2.0 and tile_rows is None and progress is None:  # nearly every call, and the shortest ones
        body(0, n_rows)
        return
    n_threads = threads_for(n_rows * work_per_row, num_threads)
    if tile_rows is None:
        if n_threads == 1 and progress is None:
            if enough < 1000:  # below a tenth of a second nobody waits for Ctrl-C
                body(0, n_rows)
                return
            tile_rows = math.ceil(n_rows / 64)
        else:
            # the last tiles decide how long the slower threads are waited for
            tile_rows = max(1, math.ceil(1e6 / max(work_per_row, 1.0)), math.ceil(n_rows / (64 * n_threads)))
            tile_rows = min(tile_rows, math.ceil(n_rows / (4 * n_threads)))
    n_tiles = math.ceil(n_rows / tile_rows)
    n_threads = min(n_threads, n_tiles)
    _Job(n_rows, tile_rows, body, progress).run(n_threads)


@contextmanager
def helped(work: Callable[[int], Any], n_threads: int):
    """Have helpers 1 to `n_threads` − 1 call `work` with their number while the block runs, as far as any are free.

    For passes too short to be handed out one by one: `work` looks itself for what is to be done, until the block tells
    it to come back, which it has to in any event.
    """
    helpers: list[Future] = []
    try:
        if n_threads > 1:
            pool = _get_pool(n_threads - 1)
            with suppress(RuntimeError):  # at exit
                helpers.extend(pool.submit(work, helper) for helper in range(1, n_threads))
        yield
    finally:
        errors = _errors(helpers)
    if errors:
        raise errors[0]


def _errors(helpers: "list[Future]") -> list[BaseException]:
    """Wait for helpers; one that has not begun (a nested or a crowded pool) is called off, not waited for."""
    running = [helper for helper in helpers if not helper.cancel()]
    return [error for helper in running if (error := helper.exception()) is not None]


class _Job:
    """Tiles that the calling thread and its helpers take one after another until none is left."""

    def __init__(self, n_rows: int, tile_rows: int, body: Callable[[int, int], Any], progress) -> None:
        self.n_rows = n_rows
        self.tile_rows = tile_rows
        self.body = body
        self.progress = progress
        self.lock = threading.Lock()
        self.next_row = 0
        self.rows_done = 0

    def run(self, n_threads: int) -> None:
        helpers: list[Future] = []
        try:
            if n_threads > 1:
                pool = _get_pool(n_threads - 1)
                with suppress(RuntimeError):  # at exit Python takes no more work for others: this thread does it all
                    for _ in range(n_threads - 1):
                        helpers.append(pool.submit(self.work))
            self.work(self.progress)
        finally:
            # After an error or Ctrl-C no further tile is begun; tiles under way still write to the caller's arrays, so
            # they are waited for.
            with self.lock:
                self.next_row = self.n_rows
            errors = _errors(helpers)
        if errors:
            raise errors[0]
        if self.progress is not None and self.rows_done == self.n_rows:
            self.progress(self.n_rows, self.n_rows)

    def work(self, progress=None) -> None:
        """Take tiles until none is left."""
        done = 0
        while True:
            with self.lock:
                start = self.next_row
                self.next_row = stop = min(start + self.tile_rows, self.n_rows)
                self.rows_done += done
                rows_done = self.rows_done
            if progress is not None and 0 < rows_done < self.n_rows:
                progress(rows_done, self.n_rows)
            if start >= stop:
                return
            self.body(start, stop)
            done = stop - start


def _get_pool(n_helpers: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # a tenth of what the whole package takes to import

    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < n_helpers:
            # A smaller pool is left to finish what it has; its idle threads end with it.
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool, _pool_size = ThreadPoolExecutor(n_helpers, thread_name_prefix="medfast"), n_helpers
        return _pool


def _after_fork_in_child() -> None:
    """The child has none of the pool's threads: it starts without a pool, and by default on one thread."""
    global _pool, _pool_size, _lock, _forked
    _pool, _pool_size, _lock, _forked = None, 0, threading.Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _is_child_process() -> bool:
    if _forked:
        return True
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing is not None and multiprocessing.parent_process() is not None


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _environment_limit(variable: str) -> int | None:
    """The variable's value; of a nested list ("4,2") the first counts, as in OpenMP. Anything else is no bound."""
    text = os.environ.get(variable, "").partition(",")[0].strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _cgroup_quota() -> int | None:
    """Whole CPUs that the container's quota grants, rounded up; read once, for it is asked at every call."""
    global _quota
    if _quota is _UNREAD:
        _quota = _read_cgroup_quota()
    return _quota


_UNREAD: Any = object()
_quota: Any = _UNREAD


def _read_cgroup_quota(root: str = "/sys/fs/cgroup") -> int | None:
    try:
        # version 2: "200000 100000", or "max 100000" where there is no quota
        with open(os.path.join(root, "cpu.max"), encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        try:
            with open(os.path.join(root, "cpu", "cpu.cfs_quota_us"), encoding="ascii") as file:
                quota = file.read().strip()
            with open(os.path.join(root, "cpu", "cpu.cfs_period_us"), encoding="ascii") as file:
                period = file.read().strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:  # "max", or -1 in version 1: no quota
        return None
    return max(1, math.ceil(int(quota) / int(period)))
