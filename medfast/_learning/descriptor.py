"""HOG as a scikit-learn transformer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin

import medfast
from medfast import _validate
from medfast._learning import recipes
from medfast._learning.transformers import ImageTransformer, stack


class HOG(ClassNamePrefixFeaturesOutMixin, ImageTransformer):
    """Describe each image by histograms of oriented gradients.

    Parameters
    ----------
    orientations : int, default=9
        Bins of each histogram.
    cell : tuple of two ints or None, default=(8, 8)
        Rows and columns of a cell, in pixels. None: the largest square of side 8, 4, 2 or 1 of which four fit each side
        of the image.
    block : tuple of two ints, default=(2, 2)
        Rows and columns of a block, in cells.
    stride : tuple of two ints, optional
        Rows and columns from one block to the next, in pixels; one cell when omitted.
    norm : {"l1", "l1-sqrt", "l2", "l2-hys"}, default="l2-hys"
        How a block is normalised.
    clip : float, default=0.2
        Largest value under ``norm="l2-hys"``.
    signed : bool, default=False
        Whether opposite directions differ.
    gamma : bool, default=False
        Whether the square root of the gray levels is taken first.
    levels : int or None, default=1
        Levels of the pyramid, the image halved each time. None: 5, or as many as hold a block.
    feature_step : float, optional
        Features are rounded to multiples of this, > 0; for `LinearSVM`, to be exact.
    image_shape : tuple of two ints, optional
        Rows and columns of flattened images.
    num_threads : int, optional
        Most threads to use, >= 1.

    Attributes
    ----------
    n_features_in_ : int
        Pixels of an image seen in `fit`.

    See Also
    --------
    medfast.hog : The function behind it.

    Notes
    -----
    All images of a batch must have one size: features of different sizes do not compare. `Resizer` sees to that.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import HOG
    >>> HOG(levels=2).fit_transform(np.zeros((3, 32, 32), np.uint8)).shape
    (3, 360)
    """

    def __init__(
        self,
        orientations: int = 9,
        *,
        cell: tuple[int, int] | None = (8, 8),
        block: tuple[int, int] = (2, 2),
        stride: tuple[int, int] | None = None,
        norm: str = "l2-hys",
        clip: float = 0.2,
        signed: bool = False,
        gamma: bool = False,
        levels: int | None = 1,
        feature_step: float | None = None,
        image_shape: tuple[int, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.orientations = orientations
        self.cell = cell
        self.block = block
        self.stride = stride
        self.norm = norm
        self.clip = clip
        self.signed = signed
        self.gamma = gamma
        self.levels = levels
        self.feature_step = feature_step
        self.image_shape = image_shape
        self.num_threads = num_threads

    def _note(self, images: Any) -> None:
        self._n_features_out = self._describe(_as_stack(images)[:1]).shape[1]

    def _transform(self, images: Any) -> NDArray[Any]:
        features = self._describe(_as_stack(images))
        expected = getattr(self, "_n_features_out", features.shape[1])
        if features.shape[1] != expected:  # as many pixels in other rows, or a list
            raise ValueError(f"images of X must give {expected} features as in fit, got {features.shape[1]}")
        return features

    def _describe(self, images: NDArray[Any]) -> NDArray[Any]:
        cell, levels = self.cell, self.levels
        if cell is None:
            cell = (recipes.cell_for(images.shape[1:]),) * 2
        if levels is None:
            (rows, cols), block = _validate.as_pair(cell, "cell"), _validate.as_pair(self.block, "block")
            most = recipes.most_levels(images.shape[1:], (rows * block[0], cols * block[1]))
            levels = max(1, min(recipes.MOST_LEVELS, most))
        features = medfast.hog(
            images,
            orientations=self.orientations,
            cell=cell,
            block=self.block,
            stride=self.stride,
            norm=self.norm,
            clip=self.clip,
            signed=self.signed,
            gamma=self.gamma,
            levels=levels,
            num_threads=self.num_threads,
        )
        if self.feature_step is None:
            return features
        return recipes.rounded(features, _validate.as_float(self.feature_step, "feature_step", above=0))


def _as_stack(images: Any) -> NDArray[Any]:
    return images if isinstance(images, np.ndarray) else stack(images)
