"""Known cases: what a model keeps of the images it learnt from, to find those that resemble a new one.

Of an image these are its features, a small picture, its label and the SHA-256 of its pixels: no name, no path, no
patient. The picture shows what the image shows.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfast._learning import kernel, recipes
from medfast._learning.source import Images

MOST_BYTES = 1 << 27
"""Features that a model keeps (128 MB); of more images a random choice."""


class Cases(NamedTuple):
    """Known cases, one per row.

    Parameters
    ----------
    features : ndarray of shape (n, n_features), dtype uint16
        Packed.
    codes : ndarray of shape (n,), dtype int32
        Index of the class of each.
    pictures : ndarray of shape (n, side, side), dtype uint8
        Small pictures, in the upper left corner.
    shapes : ndarray of shape (n, 2), dtype uint8
        Rows and columns of each picture.
    hashes : ndarray of shape (n, 32), dtype uint8
        SHA-256 of the dtype, shape and pixels of each image.
    gaps : ndarray of shape (n,), dtype float64
        Distance of each case from its nearest other case, in rising order: what is usual.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.pipeline import Model
    >>> images = np.random.default_rng(0).integers(0, 255, (6, 16, 16), np.uint8)
    >>> Model(denoise=False).fit(images, [0, 1] * 3).cases.pictures.shape
    (6, 16, 16)
    """

    features: NDArray[np.uint16]
    codes: NDArray[np.int32]
    pictures: NDArray[np.uint8]
    shapes: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    gaps: NDArray[np.float64]


class Case(NamedTuple):
    """A known case that resembles an image.

    Parameters
    ----------
    label : str or int
        Its class.
    distance : float
        Euclidean distance of its HOG features from those of the image.
    picture : ndarray of shape (rows, columns), dtype uint8
        What it looks like, at most 64 pixels a side.
    sha256 : str
        Of the dtype, shape and pixels of the image it was: what to find it by.
    rarity : float
        Share of the known cases that have another one nearer than this distance: near 1 nothing known is much like the
        image.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.pipeline import Model
    >>> images = np.random.default_rng(0).integers(0, 255, (6, 16, 16), np.uint8)
    >>> model = Model(denoise=False).fit(images, ["ill", "well"] * 3)
    >>> [(case.label, case.distance) for case in model.similar(images[3:4], 1)[0]]
    [('well', 0.0)]
    """

    label: Any
    distance: float
    picture: NDArray[np.uint8]
    sha256: str
    rarity: float


def choose(n: int, n_features: int, most: int | None, seed: int) -> NDArray[np.intp]:
    """Which of n images are kept: all, or a random choice as large as the memory or `most` allows, in order."""
    room = MOST_BYTES // (2 * n_features)
    count = min(n, room if most is None else min(room, most))
    if count == n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:count])


def cases_of(
    source: Images, features: NDArray[np.float32], codes: NDArray[np.intp], chosen: NDArray[np.intp], gaps: Any = None
) -> Cases:
    """The chosen images of a source whose thumbnails and hashes were noted; `gaps` are their distances from the nearest
    other one, if something has come by them already."""
    assert source.thumbnails is not None
    assert source.hashes is not None
    found = [source.thumbnails[int(i)] for i in chosen]
    shapes = np.array([picture.shape for picture in found], np.uint8).reshape(-1, 2)
    side = int(shapes.max(initial=1))
    pictures = np.zeros((len(found), side, side), np.uint8)
    for place, picture in zip(pictures, found, strict=True):
        place[: picture.shape[0], : picture.shape[1]] = picture
    packed = recipes.packed(features[chosen])
    return Cases(
        packed,
        codes[chosen].astype(np.int32),
        pictures,
        shapes,
        source.hashes[chosen],
        np.sort(_gaps(packed) if gaps is None else gaps),
    )


def _gaps(packed: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Distance of each case from the nearest other one; some rows at a time, to spare memory."""
    gaps, own = np.zeros(len(packed)), kernel.squares(packed)
    for start in range(0, len(packed) if len(packed) > 1 else 0, 512):
        square = own[start : start + 512, None] + own - 2.0 * kernel.products(packed[start : start + 512], packed)
        square[np.arange(len(square)), start + np.arange(len(square))] = np.inf
        gaps[start : start + 512] = np.sqrt(square.min(axis=1)) * recipes.FEATURE_STEP
    return gaps


def nearest(cases: Cases, features: NDArray[np.float32], count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows of the `count` nearest cases of each image, and their distances, nearest first; ties in the order kept."""
    known = np.zeros((len(features), len(cases.codes)))
    own = np.zeros(len(cases.codes))
    for start in range(0, features.shape[1], kernel.BLOCK_FEATURES):  # sums of whole steps: exact in any order
        part = slice(start, start + kernel.BLOCK_FEATURES)
        block = recipes.unpacked(cases.features[:, part]).astype(np.float64)
        known += features[:, part].astype(np.float64) @ block.T
        own += np.einsum("ij,ij->i", block, block)
    square = kernel.squares(features)[:, None] + own - 2.0 * known
    rows = np.argsort(square, axis=1, kind="stable")[:, :count]
    return rows, np.sqrt(np.take_along_axis(square, rows, axis=1))


def case_of(cases: Cases, row: int, distance: float, classes: tuple[Any, ...]) -> Case:
    """The case of a row."""
    rows, cols = cases.shapes[row]
    picture = cases.pictures[row, :rows, :cols]
    rarity = float(np.searchsorted(cases.gaps, distance, side="left")) / max(1, len(cases.gaps))
    return Case(classes[cases.codes[row]], float(distance), picture, cases.hashes[row].tobytes().hex(), rarity)
