"""Where the images of a pipeline come from, and the loop over them."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import medfast
from medfast import _validate
from medfast._learning import joint, recipes
from medfast._learning.batch import for_batches, for_images
from medfast._learning.cache import FeatureCache, hash_of
from medfast._learning.recipes import Recipe

Progress = Callable[[int, int], Any]

BATCH = 16
"""Images that are described in one call, which is quicker where they are small, and still in the cache."""
THUMBNAIL = 64
"""Longest side of the small pictures that a model keeps, in pixels."""


class Images:
    """Arrays or files, read one at a time into 8 bits of gray."""

    def __init__(self, images: ArrayLike | Sequence[Any], name: str = "images") -> None:
        self.items: Any = _validate.as_images(images, name)
        self.name = name
        self.kept: dict[int, NDArray[np.uint8]] = {}
        self.shapes_known = not any(isinstance(item, str | os.PathLike) for item in self.items)
        self.hashes: NDArray[np.uint8] | None = None
        self.thumbnails: dict[int, NDArray[np.uint8]] | None = None
        self.seen = np.zeros(len(self.items), bool)
        """Whether the hash of an image is known."""
        self.found_shapes: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def note_hashes(self) -> None:
        """Take note of the SHA-256 of each image that is read, in `hashes` (n, 32)."""
        if self.hashes is None:
            self.hashes = np.zeros((len(self), 32), np.uint8)

    def note_thumbnails(self, wanted: bool) -> None:
        """Take note of a small picture of each image that is described, in `thumbnails`, or no longer."""
        if not wanted:
            self.thumbnails = None
        elif self.thumbnails is None:
            self.thumbnails = {}

    def read(self, i: int, window: tuple[float, float] | None) -> NDArray[np.uint8]:
        """Image `i` in 8 bits of gray."""
        if i in self.kept:
            return self.kept.pop(i)
        item = self.items[i]
        array = _read_image(item) if isinstance(item, str | os.PathLike) else item
        gray = recipes.gray8(array, window, self.name_of(i))
        if self.hashes is not None:
            self._note(i, np.asarray(array))
        return gray

    def name_of(self, i: int) -> str:
        """What messages call image `i`: its path, or its place."""
        item = self.items[i]
        return os.fspath(item) if isinstance(item, str | os.PathLike) else f"{self.name}[{i}]"

    def shapes(self, window: Any, num_threads: int | None, progress: Progress | None) -> NDArray[np.intp]:
        """Rows and columns of every image. Files that are not larger than the target are kept for the next `read`."""
        if self.shapes_known:
            return np.array([np.shape(item)[:2] for item in self.items])
        if self.found_shapes is None:
            shapes = np.empty((len(self), 2), np.intp)

            def one(i: int, threads: int | None) -> None:
                image = self.read(i, window)
                shapes[i] = image.shape
                if image.size <= recipes.TARGET_SIZE**2:
                    self.kept[i] = image

            for_images(len(self), one, work_per_image=1e6, num_threads=num_threads, progress=progress)
            self.found_shapes = shapes
        return self.found_shapes

    def hash_all(self, window: Any, num_threads: int | None, progress: Progress | None) -> NDArray[np.uint8]:
        """The hash of every image; files are read as by `shapes`."""
        if self.hashes is None:
            self.note_hashes()
            self.found_shapes = None
        assert self.hashes is not None
        if not self.shapes_known:
            self.shapes(window, num_threads, progress)
        for i in np.flatnonzero(~self.seen).tolist():
            item = self.items[i]
            array = _read_image(item) if isinstance(item, str | os.PathLike) else np.asarray(item)
            self._note(i, array)
        return self.hashes

    def _note(self, i: int, array: NDArray[Any]) -> None:
        assert self.hashes is not None
        self.hashes[i] = np.frombuffer(hash_of(array), np.uint8)
        self.seen[i] = True


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
    cache: FeatureCache | None = None,
) -> None:
    """Call ``use(start, features)`` for batches of images, with the features of images `start` and on, one row each."""

    def use_one(start: int, features: list[NDArray[np.float32]]) -> None:
        use(start, features[0])

    for_all_features(source, np.arange(len(source)), [recipe], use_one, num_threads, progress, cache)


def for_all_features(
    source: Images,
    indices: NDArray[np.intp],
    some_recipes: Sequence[Recipe],
    use: Callable[[int, list[NDArray[np.float32]]], None],
    num_threads: int | None,
    progress: Progress | None,
    cache: FeatureCache | None = None,
) -> None:
    """The same of chosen images under several recipes at once, which share what they have in common: reading, the
    window, and each step that begins alike."""
    if not len(indices):
        return
    if cache is not None:
        source.note_hashes()
    shape = np.shape(source.items[0]) if source.shapes_known else some_recipes[0].size
    window = some_recipes[0].options.window

    def batch(start: int, stop: int, threads: int | None) -> None:
        for first in range(start, stop, BATCH):
            some = _Batch(source, indices[first : min(first + BATCH, stop)], window, cache)
            use(first, [some.features(recipe, threads) for recipe in some_recipes])

    for_batches(
        len(indices),
        batch,
        work_per_image=max(recipes.work(shape, recipe.options) for recipe in some_recipes),
        num_threads=_validate.as_threads(num_threads),
        progress=_validate.as_callback(progress),
    )


class _Batch:
    """A few images on their way to features: read when a step needs them, which a cache may spare."""

    def __init__(self, source: Images, chosen: NDArray[np.intp], window: Any, cache: FeatureCache | None) -> None:
        self.source, self.chosen, self.window, self.cache = source, chosen.tolist(), window, cache
        self.images: dict[int, NDArray[np.uint8]] = {}
        self.done: dict[int, dict[Any, Any]] = {i: {} for i in self.chosen}
        for i in self.chosen:
            wants_picture = source.thumbnails is not None and i not in source.thumbnails
            if wants_picture or (source.hashes is not None and not source.seen[i]):
                self.image(i)
        if cache is not None:
            assert source.hashes is not None
            self.hashes = {i: source.hashes[i].tobytes() for i in self.chosen}

    def image(self, i: int) -> NDArray[np.uint8]:
        if i not in self.images:
            self.images[i] = self.source.read(i, self.window)
            if self.source.thumbnails is not None:
                self.source.thumbnails[i] = thumbnail(self.images[i])
        return self.images[i]

    def features(self, recipe: Recipe, threads: int | None) -> NDArray[np.float32]:
        if self.cache is None:
            return self.described(self.chosen, recipe, threads)
        known = dict(zip(self.chosen, self.cache.get(list(self.hashes.values()), recipe), strict=True))
        missing = [i for i in self.chosen if known[i] is None]
        if len(missing) == len(self.chosen):
            whole = new = self.described(missing, recipe, threads)
        else:
            whole = np.empty((len(self.chosen), recipe.n_features), np.float32)
            new = self.described(missing, recipe, threads)
            rows = iter(new)
            for row, i in zip(whole, self.chosen, strict=True):
                features = known[i]
                row[...] = next(rows) if features is None else recipes.unpacked(features)
        if missing:
            self.cache.put([self.hashes[i] for i in missing], recipe, list(recipes.packed(new)))
        return whole

    def described(self, some: list[int], recipe: Recipe, threads: int | None) -> NDArray[np.float32]:
        prepared = np.empty((len(some), *recipe.size), np.uint8)
        if len(some) > 1:
            joint.denoise({i: self.image(i) for i in some}, self.done, recipe.options, threads)
        for place, i in zip(prepared, some, strict=True):
            place[...] = recipes.prepare(self.image(i), recipe, threads, self.done[i])
        return recipes.describe(prepared, recipe, threads) if some else np.empty((0, recipe.n_features), np.float32)


def features_of(
    source: Images,
    recipe: Recipe,
    num_threads: int | None,
    progress: Progress | None,
    cache: FeatureCache | None = None,
) -> NDArray[np.float32]:
    """Features of all images, one row each."""
    features = np.empty((len(source), recipe.n_features), np.float32)

    def use(start: int, some: NDArray[np.float32]) -> None:
        features[start : start + len(some)] = some

    for_features(source, recipe, use, num_threads, progress, cache)
    return features


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small picture of an image in 8 bits, its longer side THUMBNAIL or what it was."""
    longest = max(image.shape)
    if longest <= THUMBNAIL:
        return image
    rows, cols = (max(1, round(side * THUMBNAIL / longest)) for side in image.shape)
    return medfast.resize(image, (rows, cols), interpolation="area", num_threads=1)


def _read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    from medfast.io import read_image

    image = read_image(path)
    array = image.array
    if image.channel_axis is None:  # a slice may be stored as a volume of one plane
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]
    return array
