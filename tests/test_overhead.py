"""What a call costs beside its kernels, on images so small that it is most of the time."""

import time

import numpy as np
import pytest

import medfast
from medfast import _kernels, _levels
from medfast.compat import opencv

IMAGE = np.clip(np.random.default_rng(5).normal(100, 40, (32, 32)), 0, 255).astype(np.uint8)
REFERENCE = IMAGE[::-1] // 2
PIXELS = IMAGE.reshape(-1, 1).astype(np.float32)
CLAHE = opencv.createCLAHE(2.0, (8, 8))
DESCRIPTOR = opencv.HOGDescriptor((32, 32), (16, 16), (8, 8), (8, 8), 9)

CALLS = {
    "equalize_hist": (lambda: medfast.equalize_hist(IMAGE), 28),
    "clahe": (lambda: medfast.clahe(IMAGE), 48),
    "window": (lambda: medfast.window(IMAGE, 100, 80), 28),
    "match_histograms": (lambda: medfast.match_histograms(IMAGE, REFERENCE), 48),
    "resize": (lambda: medfast.resize(IMAGE, (16, 16)), 45),
    "segment": (lambda: medfast.segment(IMAGE, 3), 95),
    "kmeans": (lambda: medfast.kmeans(IMAGE, 3), 115),
    "hog": (lambda: medfast.hog(IMAGE), 36),
    "HOGDescriptor.compute": (lambda: DESCRIPTOR.compute(IMAGE), 36),
}
"""A call, and what it may take beside its kernels, in times of a small array of zeros: about twice what it does."""

DROP_IN = {
    "equalizeHist": (lambda: opencv.equalizeHist(IMAGE), lambda: medfast.equalize_hist(IMAGE)),
    "resize": (lambda: opencv.resize(IMAGE, (16, 16)), lambda: medfast.resize(IMAGE, (16, 16))),
    "CLAHE.apply": (lambda: CLAHE.apply(IMAGE), lambda: medfast.clahe(IMAGE)),
    "kmeans": (lambda: opencv.kmeans(PIXELS, 3, None, (3, 20, 1e-4), 10, 2), lambda: medfast.kmeans(PIXELS[:, 0], 3)),
}
"""OpenCV's signature, and the function that does the same."""


class _Recorder:
    """A kernel module that keeps what is called, and with what."""

    def __init__(self, module, calls):
        self._module, self._calls = module, calls

    def __getattr__(self, name):
        function = getattr(self._module, name)

        def call(*arguments):
            self._calls.append((function, arguments))
            return function(*arguments)

        return call


def kernel_calls(call, monkeypatch):
    """What `call` asks of the kernels."""
    calls = []
    with monkeypatch.context() as patch:
        for kernel in _kernels.KERNELS:
            patch.setattr(_kernels, kernel, _Recorder(getattr(_kernels, kernel), calls))
        call()
    return calls


def unit():
    """Ten of what times are measured in, so that the machine's speed does not matter."""
    for _ in range(10):
        np.zeros((8, 8), np.uint8)


def least_times(*functions, rounds=300):
    """The least seconds that each took, in turns: whatever else the machine does only adds to them."""
    best = [np.inf] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


@pytest.mark.skipif(_kernels.LEVEL == _levels.JIT, reason="Numba's own dispatch is most of the time")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_costs_little_beside_its_kernels(name, monkeypatch):
    call, limit = CALLS[name]
    call()
    calls = kernel_calls(call, monkeypatch)
    assert calls

    def kernels():
        for function, arguments in calls:
            function(*arguments)

    whole, alone, tenth = least_times(call, kernels, unit)
    assert whole - alone < limit * tenth / 10


@pytest.mark.skipif(_kernels.LEVEL == _levels.JIT, reason="Numba's own dispatch is most of the time")
@pytest.mark.parametrize("name", DROP_IN)
def test_a_drop_in_costs_little_more(name):
    drop_in, native = DROP_IN[name]
    drop_in(), native()
    theirs, ours, tenth = least_times(drop_in, native, unit)
    assert theirs - ours < 10 * tenth / 10
