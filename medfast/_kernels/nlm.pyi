"""Non-local means of a tile of a padded image.

`padded` is (planes + 2 (pz + sz), channels, rows + 2 (py + sy), columns + 2 (px + sx) + slack) for the radii p of the
patch and s of the search window; as many pixels as the slack has may be read before the first, too, and count for
nothing. Output pixel (z, y, x) stands at padded (z + pz + sz, :, y + py + sy, x + px + sx). Of several frames
`padded` has 2 sz + 1 planes, and there is one output plane. `mask` has the shape of `padded` without channels, or (0,
0, 0): only pixels that are 1 in it are written and averaged with. The tile is the output planes `plane_start` to
`plane_stop` by the rows `row_start` to `row_stop`. `norm` is 1 or 2; `radii` are (pz, py, px, sz, sy, sx); `scratch`
has `workspace(...)` bytes, for tiles of `n_planes` by `n_rows`, and one owner at a time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def workspace(
    n_channels: int, n_weights: int, n_planes: int, n_rows: int, n_cols: int, radii: NDArray[np.intp]
) -> int: ...
def denoise_integer(
    padded: NDArray[np.uint16],
    mask: NDArray[np.uint8],
    radii: NDArray[np.intp],
    norm: int,
    shift: int,
    tables: NDArray[Any],
    rate: float,
    scratch: NDArray[np.uint8],
    plane_start: int,
    plane_stop: int,
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
def denoise_formula(
    padded: NDArray[Any],
    mask: NDArray[np.uint8],
    radii: NDArray[np.intp],
    norm: int,
    factor: float,
    bias: float,
    scratch: NDArray[np.uint8],
    plane_start: int,
    plane_stop: int,
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
