"""What a benchmark case is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medfast.bench import images
from medfast.bench.agreement import Inputs, Rule


@dataclass(frozen=True, eq=False)
class Case:
    """One piece of work, done by medfast and by each rival."""

    name: str
    title: str
    kernels: tuple[str, ...]
    """The kernels that do it."""
    function: str
    """Name of the function in the file of each library."""
    inputs: Callable[[], Inputs]
    rivals: Mapping[str, Rule]
    """The other libraries that do it, with the rule that their results are compared by."""
    why: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False
    """Part of the short run."""
    most_rounds: int | None = None
    """Where one round takes seconds."""
    by_name: bool = False
    """Left out unless its name is given: it takes minutes."""


def head(side: int, dtype: str = "uint8", bits: int = 12) -> Callable[[], Inputs]:
    """An image of a head with noise, and what it would be without."""

    def build() -> Inputs:
        noisy, clean = images.head(side, side, dtype, bits=bits)
        return Inputs((noisy,), clean)

    return build
