"""The cases done by dipy."""

import importlib.metadata
from typing import Any

from dipy.denoise.nlmeans import nlmeans
from numpy.typing import NDArray

from medfast import runtime
from medfast.bench.library import Prepared

VERSION = importlib.metadata.version("dipy")


def denoise_volume(volume: NDArray[Any], *, sigma: float, patch_size: int, search_size: int) -> Prepared:
    """Its classic method: the block holds the whole patch around each voxel of the search window."""
    patch_radius = patch_size // 2
    return _denoise(volume, sigma, "classic", patch_radius, search_size // 2 + patch_radius)


def denoise_blocks(volume: NDArray[Any], *, sigma: float, patch_size: int, search_size: int) -> Prepared:
    """Its blockwise method, where the "patch" is what is searched and the "block" what is compared."""
    return _denoise(volume, sigma, "blockwise", search_size // 2, patch_size // 2)


def _denoise(volume: NDArray[Any], sigma: float, method: str, patch_radius: int, block_radius: int) -> Prepared:
    return Prepared(
        lambda: nlmeans(
            volume,
            sigma=sigma,
            patch_radius=patch_radius,
            block_radius=block_radius,
            num_threads=runtime.info()["threads"],
            method=method,
        )
    )
