"""Where the images of a pipeline come from, and the loop over them."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._learning import recipes
from medfast._learning.batch import for_batches, for_images
from medfast._learning.recipes import Recipe

Progress = Callable[[int, int], Any]

BATCH = 16
"""Images that are described in one call, which is quicker where they are small, and still in the cache."""


class Images:
    """Arrays or files, read one at a time into 8 bits of gray."""

    def __init__(self, images: ArrayLike | Sequence[Any], name: str = "images") -> None:
        self.items: Any = _validate.as_images(images, name)
        self.name = name
        self.kept: dict[int, NDArray[np.uint8]] = {}
        self.shapes_known = not any(isinstance(item, str | os.PathLike) for item in self.items)

    def __len__(self) -> int:
        return len(self.items)

    def read(self, i: int, window: tuple[float, float] | None) -> NDArray[np.uint8]:
        """Image `i` in 8 bits of gray."""
        if i in self.kept:
            return self.kept.pop(i)
        item = self.items[i]
        array = _read_image(item) if isinstance(item, str | os.PathLike) else item
        return recipes.gray8(array, window, self.name_of(i))

    def name_of(self, i: int) -> str:
        """What messages call image `i`: its path, or its place."""
        item = self.items[i]
        return os.fspath(item) if isinstance(item, str | os.PathLike) else f"{self.name}[{i}]"

    def shapes(self, window: Any, num_threads: int | None, progress: Progress | None) -> NDArray[np.intp]:
        """Rows and columns of every image. Files that are not larger than the target are kept for the next `read`."""
        if self.shapes_known:
            return np.array([np.shape(item)[:2] for item in self.items])
        shapes = np.empty((len(self), 2), np.intp)

        def one(i: int, threads: int | None) -> None:
            image = self.read(i, window)
            shapes[i] = image.shape
            if image.size <= recipes.TARGET_SIZE**2:
                self.kept[i] = image

        for_images(len(self), one, work_per_image=1e6, num_threads=num_threads, progress=progress)
        return shapes


class Stages:
    """One progress over several stages."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = _validate.as_callback(progress)
        self.total = total
        self.done = 0

    def next(self, n_steps: int) -> Progress:
        """The progress of a stage that follows the others."""
        before = self.done
        self.done += n_steps

        def report(done: int, _: int) -> None:
            if self.progress is not None:
                self.progress(before + done, self.total)

        return report


def for_features(
    source: Images,
    recipe: Recipe,
    use: Callable[[int, NDArray[np.float32]], None],
    num_threads: int | None,
    progress: Progress | None,
) -> None:
    """Call ``use(start, features)`` for batches of images, with the features of images `start` and on, one row each."""
    shape = np.shape(source.items[0]) if len(source) and source.shapes_known else recipe.size

    def batch(start: int, stop: int, threads: int | None) -> None:
        for first in range(start, stop, BATCH):
            last = min(first + BATCH, stop)
            prepared = np.empty((last - first, *recipe.size), np.uint8)
            for i in range(first, last):
                prepared[i - first] = recipes.prepare(source.read(i, recipe.options.window), recipe, threads)
            use(first, recipes.describe(prepared, recipe, threads))

    for_batches(
        len(source),
        batch,
        work_per_image=recipes.work(shape, recipe.options),
        num_threads=_validate.as_threads(num_threads),
        progress=_validate.as_callback(progress),
    )


def features_of(
    source: Images, recipe: Recipe, num_threads: int | None, progress: Progress | None
) -> NDArray[np.float32]:
    """Features of all images, one row each."""
    features = np.empty((len(source), recipe.n_features), np.float32)

    def use(start: int, some: NDArray[np.float32]) -> None:
        features[start : start + len(some)] = some

    for_features(source, recipe, use, num_threads, progress)
    return features


def _read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    from medfast.io import read_image

    return read_image(path).array
