"""Measures the cases: compares the results first, then times the libraries in turn, on the same threads.

Run as a module it measures at the level that `MEDFAST_LEVEL` names and prints each record as a line of JSON; `run` does
so in a process of its own for every level but the present one.
"""

import argparse
import datetime
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import medfast
from medfast import runtime
from medfast.bench import memory
from medfast.bench.agreement import Disagreement
from medfast.bench.cases import CASES, Case
from medfast.bench.library import Prepared, Unavailable

FORMAT = 1
OURS = "medfast"
LIBRARIES = {OURS: "ours"} | {
    name: name
    for name in ("opencv", "skimage", "sklearn", "sklearnex", "faiss", "dipy", "pydicom", "scipy", "simpleitk")
}
"""File of each library in this package."""
NAMES = {
    OURS: "medfast",
    "opencv": "OpenCV",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "sklearnex": "scikit-learn-intelex",
    "faiss": "faiss",
    "dipy": "dipy",
    "pydicom": "pydicom",
    "scipy": "SciPy",
    "simpleitk": "SimpleITK",
}
VERSIONED = (
    "numpy",
    "numba",
    "scikit-image",
    "scikit-learn",
    "scikit-learn-intelex",
    "faiss-cpu",
    "scipy",
    "dipy",
    "pydicom",
    "SimpleITK",
)

ROUNDS, ROUNDS_QUICK = 11, 5
SAMPLE_SECONDS = 0.005
"""A sample lasts at least this long: short calls are repeated within it, or the clock would be measured."""
PROTOCOL = (
    "Results are compared before anything is timed; a result that is not the same is not timed. Each round times every "
    "library once, in turn, in one process and on the same number of threads; a sample repeats a call for "
    "{sample:g} ms or more. A ratio is the median over {rounds} rounds, fewer where one takes seconds, of the other "
    "library's time over medfast's."
)

Progress = Callable[[int, int, str], Any]


def load_library(name: str) -> ModuleType:
    """The file of a library, or `Unavailable` where the library is not installed."""
    try:
        return importlib.import_module(f"medfast.bench.{LIBRARIES[name]}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("medfast"):
            raise
        raise Unavailable(f"{NAMES[name]} is not installed") from None


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """The same number of threads for every library."""
    with ExitStack() as stack:
        stack.enter_context(runtime.threads(threads))
        if (cv2 := sys.modules.get("cv2")) is not None:
            stack.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(threads)
        if "sklearn" in sys.modules:
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(threads))
        yield


def prepare(case: Case, library: str, arguments: Sequence[Any]) -> Prepared:
    """The case, ready to be timed in one library."""
    function = getattr(load_library(library), case.function)
    return function(*arguments, **case.parameters)


def compare(case: Case, threads: int) -> tuple[dict[str, Prepared], dict[str, str], dict[str, str]]:
    """Do the case once in each library and hold the results against each other.

    Returns
    -------
    prepared, agreement, skipped
        What can be timed, medfast first; how well each rival agrees; and why a rival does not take part.

    Raises
    ------
    Disagreement
        If a result is not the same; the message names the rival.
    """
    inputs = case.inputs()
    with pinned(threads):
        prepared = {OURS: prepare(case, OURS, inputs.arguments)}
        result = prepared[OURS].result()
    agreement, skipped = {}, {}
    for rival, rule in case.rivals.items():
        try:
            load_library(rival)  # before the threads are set, for it may bring a thread pool along
            with pinned(threads):
                candidate = prepare(case, rival, inputs.arguments)
                theirs = candidate.result()
        except Unavailable as reason:
            skipped[rival] = str(reason)
            continue
        try:
            agreement[rival] = rule.check(result, theirs, inputs)
        except Disagreement as difference:
            raise Disagreement(f"not the result of {NAMES[rival]}: {difference}") from None
        prepared[rival] = candidate
    return prepared, agreement, skipped


def time_in_turn(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds per call of each, once a round, one after the other; every second round in reverse order."""
    repeats = {name: _repeats(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for number in range(rounds):
            for name in list(calls)[:: -1 if number % 2 else 1]:
                samples[name].append(_seconds(calls[name], repeats[name]))
    finally:
        if collecting:
            gc.enable()
    return samples


def _repeats(call: Callable[[], Any]) -> int:
    """How often to call it within a sample."""
    shortest = _seconds(call, 1)
    if shortest < SAMPLE_SECONDS:  # of three calls the fastest: an interrupted one would leave too few repeats
        shortest = min(shortest, _seconds(call, 1), _seconds(call, 1))
    return max(1, round(SAMPLE_SECONDS / shortest))


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return max((time.perf_counter() - start) / repeats, 1e-9)


def measure(case: Case, threads: int, *, rounds: int = ROUNDS, with_memory: bool = False) -> dict[str, Any]:
    """One record: the case at the present level on `threads` threads, compared and then timed.

    Raises
    ------
    Disagreement
        If a result is not the same, before anything is timed.
    """
    rounds = min(rounds, case.most_rounds or rounds)
    prepared, agreement, skipped = compare(case, threads)
    with pinned(threads):
        samples = time_in_turn({name: ready.call for name, ready in prepared.items()}, rounds)
        peaks = {name: memory.peak(ready.call) for name, ready in prepared.items()} if with_memory else {}
    record = _head(case, threads)
    record["rounds"] = rounds
    record["ms"] = _milliseconds(samples[OURS])
    record["rivals"] = {rival: {"skipped": reason} for rival, reason in skipped.items()}
    for rival, found in agreement.items():
        ratios = [theirs / ours for theirs, ours in zip(samples[rival], samples[OURS], strict=True)]
        low, ratio, high = _quartiles(ratios)
        record["rivals"][rival] = {
            "ms": _milliseconds(samples[rival]),
            "ratio": round(ratio, 4),
            "quartiles": [round(low, 4), round(high, 4)],
            "agreement": found,
        }
    if with_memory:
        record["peak_bytes"] = peaks
    return record


def _head(case: Case, threads: int) -> dict[str, Any]:
    return {"case": case.name, "title": case.title, "level": runtime.info()["level"], "threads": threads}


def _milliseconds(samples: Sequence[float]) -> float:
    return round(1e3 * statistics.median(samples), 5)


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def records(
    cases: Sequence[Case], threads: Sequence[int], *, rounds: int = ROUNDS, with_memory: bool = False
) -> Iterator[dict[str, Any]]:
    """Measure at the present level; a case whose result is wrong has ``refused`` with the reason and no times."""
    for case in cases:
        for n in threads:
            try:
                yield measure(case, n, rounds=rounds, with_memory=with_memory)
            except Disagreement as difference:
                yield _head(case, n) | {"refused": str(difference)}


def records_at(
    level: str, cases: Sequence[Case], threads: Sequence[int], *, rounds: int = ROUNDS, with_memory: bool = False
) -> Iterator[dict[str, Any]]:
    """Measure at another level, in a process of its own.

    Raises
    ------
    RuntimeError
        If that process fails.
    """
    command = [sys.executable, "-m", "medfast.bench.runner", f"--rounds={rounds}"]
    command += ["--threads", ",".join(map(str, threads)), "--cases", ",".join(case.name for case in cases)]
    command += ["--memory"] * with_memory
    path = os.pathsep.join([str(Path(medfast.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"MEDFAST_LEVEL": level, "PYTHONPATH": path}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield json.loads(line)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise RuntimeError(f"the benchmark at level {level} ended with exit code {process.returncode}")


def run(
    cases: Sequence[Case] = CASES,
    *,
    threads: Sequence[int] = (),
    levels: Sequence[str] = (),
    rounds: int = ROUNDS,
    with_memory: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure cases and describe the machine: everything that a table or a plot needs.

    Parameters
    ----------
    cases : sequence of Case
        What is measured.
    threads : sequence of int, optional
        Thread counts; one and all where none is given.
    levels : sequence of str, optional
        CPU levels; the present one where none is given.
    rounds : int, default=11
        Rounds of each case.
    with_memory : bool, default=False
        Also measure the memory that a call needs (Linux).
    progress : callable, optional
        Called as ``progress(done, total, title of the case)``.

    Returns
    -------
    dict
        Ready for JSON: ``format``, ``date``, ``machine``, ``versions``, ``protocol``, ``results``.
    """
    present = runtime.info()
    threads = tuple(threads) or tuple(sorted({1, present["threads"]}))
    levels = tuple(levels) or (present["level"],)
    total, results = len(cases) * len(threads) * len(levels), []
    for level in levels:
        measured = records if level == present["level"] else lambda *a, level=level, **k: records_at(level, *a, **k)
        for record in measured(cases, threads, rounds=rounds, with_memory=with_memory):
            results.append(record)
            if progress is not None:
                progress(len(results), total, record["title"])
    return {
        "format": FORMAT,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "protocol": PROTOCOL.format(sample=1e3 * SAMPLE_SECONDS, rounds=rounds),
        "results": results,
    }


def machine() -> dict[str, Any]:
    """What was measured on, without anything that names the host."""
    return {
        "cpu": _cpu_name(),
        "threads": runtime.info()["threads"],
        "system": platform.system(),
        "architecture": platform.machine(),
    }


def versions() -> dict[str, str]:
    """Versions of medfast, Python, and every library that takes part."""
    found = {"medfast": medfast.__version__, "Python": platform.python_version()}
    with suppress(Unavailable):
        found["OpenCV"] = load_library("opencv").VERSION
    for distribution in VERSIONED:
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure at the present level and print one line of JSON per record."""
    parser = argparse.ArgumentParser(prog="python -m medfast.bench.runner", description=main.__doc__)
    parser.add_argument("--cases", default="", help="names, separated by commas")
    parser.add_argument("--threads", default="1", help="thread counts, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args(arguments)
    names = options.cases.split(",") if options.cases else [case.name for case in CASES]
    chosen = [case for case in CASES if case.name in names]
    threads = [int(n) for n in options.threads.split(",")]
    for record in records(chosen, threads, rounds=options.rounds, with_memory=options.memory):
        print(json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
