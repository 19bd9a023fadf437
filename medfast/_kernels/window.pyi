"""Windows of gray levels. Images are (planes, rows, cols), of any strides; rows count through planes."""

from typing import Any

from numpy.typing import NDArray

def window(
    image: NDArray[Any],
    slope: float,
    intercept: float,
    is_sigmoid: bool,
    center: float,
    width: float,
    span: float,
    bottom: float,
    row_start: int,
    row_stop: int,
    out: NDArray[Any],
) -> None: ...
