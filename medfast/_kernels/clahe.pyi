"""CLAHE: a table per tile of a volume, weights per column, the mean of four or eight tables per pixel of a plane.

Images have any strides. Table entry 0 stands for the lowest gray level inside the mask, or a lower one.
Where `tables` has fewer rows of tiles than the grid, row r stands at r modulo their number.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def tile_tables(
    image: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    offset: int,
    first: int,
    n_bins: int,
    clip_limit: float,
    tile_planes: int,
    tile_rows: int,
    tile_cols: int,
    grid_rows: int,
    grid_cols: int,
    tile_start: int,
    tile_stop: int,
    fallback: NDArray[np.uint16],
    counts: NDArray[np.uint32],
    tables: NDArray[np.uint16],
) -> None: ...
def limited_tables(counts: NDArray[np.uint32], clip_limit: float, tables: NDArray[np.uint16]) -> None: ...
def column_weights(tile_cols: int, weights: NDArray[np.float32], bounds: NDArray[np.int64]) -> None: ...
def interpolate(
    image: NDArray[Any],
    mask: NDArray[np.uint8] | None,
    offset: int,
    lowest: int,
    tables: NDArray[np.uint16],
    beyond: NDArray[np.uint16],
    share: float,
    grid_rows: int,
    tile_rows: int,
    tile_cols: int,
    weights: NDArray[np.float32],
    bounds: NDArray[np.int64],
    row_start: int,
    row_stop: int,
    cells: NDArray[np.uint32],
    shares: NDArray[np.uint32],
    out: NDArray[Any],
) -> None: ...
def equalize(
    image: NDArray[Any],
    offset: int,
    lowest: int,
    first: int,
    n_used: int,
    n_bins: int,
    clip_limit: float,
    tile_rows: int,
    tile_cols: int,
    grid_rows: int,
    grid_cols: int,
    band_start: int,
    band_stop: int,
    scratch: NDArray[np.uint32],
    out: NDArray[Any],
) -> None: ...
