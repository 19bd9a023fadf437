"""scikit-image's non-local means of a tile of a padded image.

`padded`, `mask`, `radii`, `scratch` and tiles are those of nlm.pyi, but that of scratch `workspace(...)` here has the
size, and that the mask only says which donors count: all pixels are written. With t a sum of squared differences over
the patch times `factor`, less `excess`, weights end at t = 5. `gaussian` are the weights (2 r + 1,) of the sum along
each axis; it is empty where all count the same but the first, which does not (fast). Where `doubt` > 0, sums are of
floats and t may be off by so much; pixels of float64 then count from `center` on. The result is multiplied by `scale`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def workspace(n_channels: int, n_planes: int, n_rows: int, n_cols: int, radii: NDArray[np.intp]) -> int: ...
def denoise(
    padded: NDArray[Any],
    mask: NDArray[np.uint8],
    radii: NDArray[np.intp],
    gaussian: NDArray[np.float64],
    center: float,
    factor: float,
    excess: float,
    share: float,
    doubt: float,
    scale: float,
    scratch: NDArray[np.uint8],
    plane_start: int,
    plane_stop: int,
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
