"""Where the images of a pipeline come from, and the loop over them."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _recipe, _validate
from medfast._batch import for_images
from medfast._recipe import Options

Progress = Callable[[int, int], Any]


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
        if not isinstance(item, str | os.PathLike):
            return _recipe.gray8(item, window, f"{self.name}[{i}]")
        return _recipe.gray8(_read_image(item), window, os.fspath(item))

    def shapes(self, window: Any, num_threads: int | None, progress: Progress | None) -> NDArray[np.intp]:
        """Rows and columns of every image. Files that are not larger than the target are kept for the next `read`."""
        if self.shapes_known:
            return np.array([np.shape(item)[:2] for item in self.items])
        shapes = np.empty((len(self), 2), np.intp)

        def one(i: int, threads: int | None) -> None:
            image = self.read(i, window)
            shapes[i] = image.shape
            if image.size <= _recipe.TARGET_SIZE**2:
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


def for_each(
    source: Images,
    one: Callable[[int, int | None], None],
    options: Options,
    num_threads: int | None,
    progress: Progress | None,
) -> None:
    num_threads = _validate.as_threads(num_threads)
    shape = np.shape(source.items[0]) if len(source) and source.shapes_known else options.size
    work = _recipe.work(shape, options)
    for_images(len(source), one, work_per_image=work, num_threads=num_threads, progress=_validate.as_callback(progress))


def features_of(
    source: Images, options: Options, num_threads: int | None, progress: Progress | None
) -> NDArray[np.float32]:
    features = np.empty((len(source), _recipe.n_features(options)), np.float32)

    def one(i: int, threads: int | None) -> None:
        image = _recipe.prepare(source.read(i, options.window), options, threads)
        features[i] = _recipe.describe(image, options, threads)

    for_each(source, one, options, num_threads, progress)
    return features


def _read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    from medfast.io import read_image

    return read_image(path).array
