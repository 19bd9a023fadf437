"""How an image is described by histograms of oriented gradients, and where the values go."""

import functools
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

NORMS = ("l1", "l1-sqrt", "l2", "l2-hys")
"""In the order of the kernel's codes."""


@dataclass(frozen=True, eq=True)
class Parameters:
    """How an image is described; pairs are (rows, columns). Hashable, for tables are kept per value."""

    orientations: int
    cell: tuple[int, int]
    """Pixels."""
    block: tuple[int, int]
    """Cells."""
    stride: tuple[int, int]
    """Pixels from block to block."""
    norm: str
    clip: float
    signed: bool
    gamma: bool
    spatial_votes: bool
    orientation_votes: bool
    sigma: float
    """Of the Gaussian over a block, in pixels; infinite for none."""
    epsilon: tuple[float, float, float, float]
    """Added under the root and after it, in the first normalisation and in the second."""
    block_length: int = field(init=False, compare=False)
    """Values of a block."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        values = tuple(getattr(self, each.name) for each in fields(self) if each.init)
        object.__setattr__(self, "_hash", hash(values))  # once: it is asked for at every call
        object.__setattr__(self, "block_length", self.block[0] * self.block[1] * self.orientations)

    def __hash__(self) -> int:
        return self._hash

    @property
    def block_pixels(self) -> tuple[int, int]:
        """Rows and columns of a block."""
        return self.block[0] * self.cell[0], self.block[1] * self.cell[1]

    def blocks_in(self, rows: int, cols: int) -> tuple[int, int]:
        """Block rows and block columns that fit."""
        height, width = self.block_pixels
        return (rows - height) // self.stride[0] + 1, (cols - width) // self.stride[1] + 1


@functools.lru_cache(maxsize=64)
def layout(parameters: Parameters, rows: int, cols: int, levels: int) -> list[tuple[tuple[int, int], int, int]]:
    """Of each level of a pyramid: block rows and columns, and where its values begin and end among those of all."""
    parts, begin = [], 0
    for level in range(levels):
        n_rows, n_cols = parameters.blocks_in(rows >> level, cols >> level)
        end = begin + n_rows * n_cols * parameters.block_length
        parts.append(((n_rows, n_cols), begin, end))
        begin = end
    return parts


def opencv_epsilon(block_length: int) -> tuple[float, float, float, float]:
    """OpenCV's constants: a tenth of a gray level per value of a block, then a thousandth."""
    return 0.0, 0.1 * block_length, 0.0, 1e-3


def work_dtype(dtype: np.dtype) -> np.dtype:
    """Dtype of the arithmetic and of the result."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def as_blocks(features: NDArray[Any], blocks: tuple[int, int], parameters: Parameters) -> NDArray[Any]:
    """View of (images, values), whose values stand in OpenCV's order (columns first), in the kernel's order."""
    shape = (*blocks[::-1], *parameters.block[::-1], parameters.orientations)
    return features.reshape(len(features), *shape).transpose(0, 2, 1, 4, 3, 5)
