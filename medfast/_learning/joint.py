"""Small images denoised side by side, in rows that fill the vectors of a CPU.

What non-local means makes of a pixel of 8 bits depends on its surroundings alone, so images that carry their reflected
margins with them may stand in one row of images: the same bits as one by one, with the same strength. 16 images of 28²
take 80 µs each in place of 290 at x86_64_v4 (158 for 280 at v3, 236 for 354 at v2), of 64² 285 for 635, of 128² 821 for
1280. Where the strength comes from the noise of each image there is nothing to share.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import medfast
from medfast._learning import recipes
from medfast._learning.recipes import Options

MOST_COLUMNS = 128
"""Width up to which the margins cost less than they save."""


def denoise(
    images: dict[int, NDArray[np.uint8]], done: dict[int, dict[Any, Any]], options: Options, num_threads: int | None
) -> None:
    """Denoise those of the images that have company of their size, and put them where `recipes.prepare` looks."""
    if not options.denoise or options.h is None:
        return
    key = recipes.denoising(options)
    margin = options.patch_size // 2 + options.search_size // 2
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, image in images.items():
        if key not in done[i] and margin < image.shape[1] <= MOST_COLUMNS:
            alike.setdefault(image.shape, []).append(i)
    for shape, places in alike.items():
        if len(places) > 1:
            stack = np.stack([images[i] for i in places])
            row = np.pad(stack, ((0, 0), (0, 0), (margin, margin)), "reflect").transpose(1, 0, 2)
            quiet = medfast.denoise_nl_means(
                np.ascontiguousarray(row).reshape(shape[0], -1),
                options.h,
                patch_size=options.patch_size,
                search_size=options.search_size,
                num_threads=num_threads,
            ).reshape(row.shape)
            for position, i in enumerate(places):
                done[i][key] = np.ascontiguousarray(quiet[:, position, margin : margin + shape[1]])
