"""Rules for when two results count as the same: checked before anything is timed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Inputs(NamedTuple):
    """What a case works on."""

    arguments: tuple[Any, ...]
    """Passed to the library's function by position."""
    truth: NDArray[Any] | None = None
    """What a perfect result would be, where it is known."""


class Disagreement(Exception):
    """Two results are not the same; the message says by how much. Such a result is never timed."""


class Rule(Protocol):
    """How the result of medfast is held against that of another library."""

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        """Say how well they agree, or raise `Disagreement`."""


def _same_form(ours: Any, theirs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape:
        raise Disagreement(f"shape {a.shape}, expected {b.shape}")
    return a, b


@dataclass(frozen=True)
class Exact:
    """Every value is equal."""

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        a, b = _same_form(ours, theirs)
        different = int(np.count_nonzero(a != b))
        if different:
            raise Disagreement(f"{different} of {a.size} values differ")
        return "equal"


@dataclass(frozen=True)
class Within:
    """No value is further off than `largest`."""

    largest: float

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        a, b = _same_form(ours, theirs)
        difference = float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))
        if not difference <= self.largest:
            raise Disagreement(f"largest difference {difference:.3g}, allowed {self.largest:g}")
        return f"largest difference {difference:.2g}"


@dataclass(frozen=True)
class Correlated:
    """For methods that do the same job by different formulas: the correlation is at least `least`."""

    least: float

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        a, b = _same_form(ours, theirs)
        correlation = float(np.corrcoef(a.ravel().astype(np.float64), b.ravel().astype(np.float64))[0, 1])
        if not correlation >= self.least:
            raise Disagreement(f"correlation {correlation:.4f}, expected at least {self.least:g}")
        return f"another formula, correlation {correlation:.3f}"


@dataclass(frozen=True)
class CleansAsWell:
    """For denoisers of different formulas: the PSNR to the noise-free image is at most `decibels` below the other's."""

    decibels: float

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        a, b = _same_form(ours, theirs)
        if inputs.truth is None:
            raise ValueError("CleansAsWell needs a case with a truth")
        found, expected = (_psnr(result, inputs.truth) for result in (a, b))
        if not found >= expected - self.decibels:
            raise Disagreement(f"PSNR {found:.2f} dB, theirs {expected:.2f} dB")
        return f"another formula, PSNR {found:.2f} dB to {expected:.2f} dB"


@dataclass(frozen=True)
class NoMoreInertia:
    """Labels whose inertia, computed again in float64, is at most ``1 + excess`` times the other's."""

    excess: float

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        a, b = _same_form(ours, theirs)
        data = np.asarray(inputs.arguments[0], np.float64)
        found, expected = (inertia(data, labels) for labels in (a, b))
        if not found <= (1 + self.excess) * expected:
            raise Disagreement(f"inertia {found:.9g}, theirs {expected:.9g}")
        return f"inertia {found / expected:.6f} of theirs"


@dataclass(frozen=True)
class Each:
    """Several results by name, each under a rule of its own."""

    rules: Mapping[str, Rule]

    def check(self, ours: Any, theirs: Any, inputs: Inputs) -> str:
        found = []
        for name, rule in self.rules.items():
            try:
                # A step's data is what the step before gave out, the same on both sides once that was found equal.
                found.append(f"{name} {rule.check(ours[name], theirs[name], Inputs((ours['image'],), inputs.truth))}")
            except Disagreement as error:
                raise Disagreement(f"{name}: {error}") from None
        return "; ".join(found)


def inertia(data: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Sum of squared distances to the mean of each label; `labels` may be flat, `data` has features last or none."""
    flat = labels.ravel()
    samples = data.reshape(flat.size, -1)
    total = 0.0
    for label in np.unique(flat):
        members = samples[flat == label]
        total += float(np.sum((members - members.mean(axis=0)) ** 2))
    return total


def _psnr(image: NDArray[Any], truth: NDArray[Any]) -> float:
    error = float(np.mean((image.astype(np.float64) - truth) ** 2))
    return float(10 * np.log10(float(truth.max()) ** 2 / error)) if error else float("inf")
