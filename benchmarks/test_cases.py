"""Every case in every library, at every level and in the Numba twin, on one thread and on all of them.

    pytest benchmarks                      # everything, few rounds
    pytest benchmarks --quick-cases
    pytest benchmarks -k "nlm and 1thread" --benchmark-max-time=5

The table groups each case by library. A result is compared before it is timed. `medfast bench` times the libraries in
turn and gives ratios; this gives the times, and pytest-benchmark's own comparisons between runs.
"""

import functools

import pytest

from medfast import _kernels, runtime
from medfast.bench.cases import select
from medfast.bench.library import Unavailable
from medfast.bench.runner import NAMES, OURS, load_library, pinned, prepare

LEVELS = _kernels.supported_levels()
THREADS = sorted({1, runtime.info()["threads"]})


@functools.lru_cache(maxsize=1)
def inputs_of(case):
    """The inputs, drawn once for all libraries."""
    return case.inputs()


@functools.lru_cache(maxsize=4)
def result_of(case, library):
    """The result of a library on one thread."""
    load_library(library)
    with pinned(1):
        return prepare(case, library, inputs_of(case).arguments).result()


def participants(case):
    """medfast at each level, then the other libraries."""
    return [(OURS, level) for level in LEVELS] + [(rival, None) for rival in case.rivals]


@pytest.mark.benchmark(min_rounds=3, max_time=0.3, warmup=False)
@pytest.mark.parametrize(
    ("case", "library", "level", "threads"),
    [
        pytest.param(case, library, level, n, id=f"{case.name}-{level or library}-{n}thread")
        for case in select()
        for n in THREADS
        for library, level in participants(case)
    ],
)
def test_case(benchmark, case, library, level, threads):
    benchmark.group = f"{case.title}, {threads} thread{'s' * (threads > 1)}"
    benchmark.name = f"medfast {level}" if level else NAMES[library]
    _kernels._activate(level or _kernels.LEVEL)
    try:
        load_library(library)
        inputs = inputs_of(case)
        with pinned(threads):
            candidate = prepare(case, library, inputs.arguments)
            result = candidate.result()
            if library == OURS:
                for rival, rule in case.rivals.items():
                    benchmark.extra_info[rival] = _agreement(case, rival, rule, result, inputs)
            else:
                benchmark.extra_info[OURS] = case.rivals[library].check(result_of(case, OURS), result, inputs)
            benchmark(candidate.call)
    except Unavailable as reason:
        pytest.skip(str(reason))
    finally:
        _kernels._activate(_kernels.LEVEL)


def _agreement(case, rival, rule, result, inputs):
    """How well a rival agrees; a rival that is not installed leaves nothing to compare with."""
    try:
        return rule.check(result, result_of(case, rival), inputs)
    except Unavailable as reason:
        return f"skipped: {reason}"
