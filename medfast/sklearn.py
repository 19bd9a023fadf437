"""The steps of the pipeline as scikit-learn estimators.

The transformers take a batch of images in one of three forms: a stack (n, rows, columns), flattened images (n, rows ·
columns), as scikit-learn's own tools want them, or a list of arrays that may differ in size. Flattened images are
square where their length is a square number, else a single row, unless `image_shape` says otherwise. Once fitted to
images of one size, an estimator refuses stacks and flattened images of another number of pixels; lists may still
differ. Threads work on whole images.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

import medfast
from medfast import _validate
from medfast._learning import recipes
from medfast._learning.clustering import KMeans
from medfast._learning.svm import LinearSVM
from medfast._learning.transformers import ImageTransformer, OneByOne, shapes_of

__all__ = ["HOG", "Denoiser", "Equalizer", "KMeans", "LinearSVM", "Resizer", "Segmenter", "make_classifier"]


class Denoiser(OneToOneFeatureMixin, OneByOne):
    """Denoise each image by non-local means.

    Parameters
    ----------
    h : float, optional
        Strength, in gray levels, > 0. Taken from the noise level of each image when omitted.
    patch_size : int, default=7
        Side of the patches, in pixels. Odd, >= 1.
    search_size : int, default=21
        Side of the search window, in pixels. Odd, >= 1.
    norm : {"l2", "l1"}, default="l2"
        How patches are compared.
    noise : {"gaussian", "rician"}, default="gaussian"
        Kind of noise; the bias of Rician noise is removed.
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
    medfast.denoise_nl_means : The function behind it.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import Denoiser
    >>> images = np.random.default_rng(0).normal(100, 5, (2, 16, 16)).astype(np.float32)
    >>> denoised = Denoiser(h=10).fit_transform(images)
    >>> denoised.shape, bool(denoised.std() < images.std())
    ((2, 16, 16), True)
    """

    def __init__(
        self,
        h: float | None = None,
        *,
        patch_size: int = 7,
        search_size: int = 21,
        norm: str = "l2",
        noise: str = "gaussian",
        image_shape: tuple[int, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.h = h
        self.patch_size = patch_size
        self.search_size = search_size
        self.norm = norm
        self.noise = noise
        self.image_shape = image_shape
        self.num_threads = num_threads

    def _one(self, image: NDArray[Any], num_threads: int | None) -> NDArray[Any]:
        return medfast.denoise_nl_means(
            image,
            self.h,
            patch_size=self.patch_size,
            search_size=self.search_size,
            norm=self.norm,
            noise=self.noise,
            num_threads=num_threads,
        )


class Equalizer(OneToOneFeatureMixin, OneByOne):
    """Equalise the histogram of each image.

    Parameters
    ----------
    method : {"hist", "clahe"}, default="hist"
        Global equalisation, or contrast-limited adaptive equalisation.
    clip_limit : float, default=2.0
        Clip limit of CLAHE.
    tile_grid : tuple of two ints or None, default=(8, 8)
        Tiles of CLAHE along rows and columns. None: 8 by 8, fewer where a tile of the smallest image seen in `fit`
        would have less than 12 pixels.
    image_shape : tuple of two ints, optional
        Rows and columns of flattened images.
    num_threads : int, optional
        Most threads to use, >= 1.

    Attributes
    ----------
    n_features_in_ : int
        Pixels of an image seen in `fit`.
    tile_grid_ : tuple of two ints
        The tiles that follow from the images; with ``tile_grid=None`` alone.

    See Also
    --------
    medfast.equalize_hist : The function behind it.
    medfast.clahe : The function behind ``method="clahe"``.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import Equalizer
    >>> Equalizer().fit_transform(np.array([[[10, 10], [20, 30]]], np.uint8))
    array([[[  0,   0],
            [128, 255]]], dtype=uint8)
    """

    def __init__(
        self,
        method: str = "hist",
        *,
        clip_limit: float = 2.0,
        tile_grid: tuple[int, int] | None = (8, 8),
        image_shape: tuple[int, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.method = method
        self.clip_limit = clip_limit
        self.tile_grid = tile_grid
        self.image_shape = image_shape
        self.num_threads = num_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.method == "clahe" and self.tile_grid is None
        return tags

    def _note(self, images: Any) -> None:
        if self.tile_grid is None:
            self.tile_grid_ = recipes.tile_grid_for(tuple(shapes_of(images).min(axis=0).tolist()))

    def _one(self, image: NDArray[Any], num_threads: int | None) -> NDArray[Any]:
        if _validate.as_choice(self.method, "method", ("hist", "clahe")) == "hist":
            return medfast.equalize_hist(image, num_threads=num_threads)
        if self.tile_grid is None:
            check_is_fitted(self, "tile_grid_")
        grid = self.tile_grid_ if self.tile_grid is None else self.tile_grid
        return medfast.clahe(image, self.clip_limit, grid, num_threads=num_threads)


class Resizer(ClassNamePrefixFeaturesOutMixin, OneByOne):
    """Resize each image, so that images of different sizes become one stack.

    Parameters
    ----------
    shape : tuple of two ints or None, default=(256, 256)
        Rows and columns of the results. None: 256, or the side of the smallest image seen in `fit` where that is less,
        of which a `UserWarning` tells if that is less than half of what the median image would give.
    interpolation : str, default="area"
        As for `medfast.resize`; or "auto": by area where neither side grows, else linearly.
    image_shape : tuple of two ints, optional
        Rows and columns of flattened images.
    num_threads : int, optional
        Most threads to use, >= 1.

    Attributes
    ----------
    n_features_in_ : int
        Pixels of an image seen in `fit`; none where that was a list.
    shape_ : tuple of two ints
        The rows and columns that follow from the images; with ``shape=None`` alone.

    See Also
    --------
    medfast.resize : The function behind it.

    Notes
    -----
    A list of images becomes a stack of shape (n, rows, columns); they must have one dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import Resizer
    >>> images = [np.zeros((12, 20), np.uint8), np.zeros((30, 10), np.uint8)]
    >>> Resizer((8, 8)).fit_transform(images).shape
    (2, 8, 8)
    """

    def __init__(
        self,
        shape: tuple[int, int] | None = (256, 256),
        *,
        interpolation: Any = "area",
        image_shape: tuple[int, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.shape = shape
        self.interpolation = interpolation
        self.image_shape = image_shape
        self.num_threads = num_threads

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.shape is None
        return tags

    @property
    def _n_features_out(self) -> int:
        rows, cols = self._target()
        return rows * cols

    def _note(self, images: Any) -> None:
        if self.shape is None:
            self.shape_ = recipes.size_for(shapes_of(images), lambda i: f"X[{i}]", stacklevel=3)

    def _target(self) -> tuple[int, int]:
        if self.shape is not None:
            return _validate.as_pair(self.shape, "shape")
        check_is_fitted(self, "shape_")
        return self.shape_

    def _out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self._target()

    def _one(self, image: NDArray[Any], num_threads: int | None) -> NDArray[Any]:
        if isinstance(self.interpolation, str) and self.interpolation == "auto":
            return recipes.shrink_or_grow(image, self._target(), num_threads)
        return medfast.resize(image, self._target(), interpolation=self.interpolation, num_threads=num_threads)

    def _transform(self, images: Any) -> Any:
        results = super()._transform(images)
        return results if isinstance(results, np.ndarray) else _stack(results)


class Segmenter(OneToOneFeatureMixin, OneByOne):
    """Segment each image by k-means on its gray levels.

    Parameters
    ----------
    n_classes : int, default=3
        Classes, at most 255.
    spread : bool, default=False
        Whether the labels are spread evenly over the gray levels from 0 to 255, for a picture, or for HOG.
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
    medfast.segment : The function behind it.

    Notes
    -----
    The result holds the labels 1 to `n_classes`, in rising order of brightness, in the dtype of the images, so that the
    next step takes them.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import Segmenter
    >>> Segmenter(2).fit_transform(np.array([[[10, 12], [200, 220]]], np.uint8))
    array([[[1, 1],
            [2, 2]]], dtype=uint8)
    """

    def __init__(
        self,
        n_classes: int = 3,
        *,
        spread: bool = False,
        image_shape: tuple[int, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self.n_classes = n_classes
        self.spread = spread
        self.image_shape = image_shape
        self.num_threads = num_threads

    def _one(self, image: NDArray[Any], num_threads: int | None) -> NDArray[Any]:
        n_classes = _validate.as_int(self.n_classes, "n_classes", minimum=1, maximum=255)
        labels = medfast.segment(image, n_classes)
        return (recipes.spread(labels, n_classes) if self.spread else labels).astype(image.dtype)


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


def make_classifier(*, seed: int = 0, num_threads: int | None = None, **options: Any) -> Pipeline:
    """Return the steps of a `medfast.pipeline.Model` as a scikit-learn pipeline.

    It serves to search parameters and to cross-validate. For gray images of uint8, features and probabilities are those
    of the model, bit for bit.

    Parameters
    ----------
    seed : int, default=0
        How the folds of the calibration are shuffled.
    num_threads : int, optional
        Most threads to use, >= 1.
    **options
        Fields of `medfast.pipeline.Options`, but for `window`: images are taken as they are, neither windowed nor
        stretched to 8 bits nor made gray.

    Returns
    -------
    sklearn.pipeline.Pipeline
        The steps ``denoise``, ``equalize``, ``resize``, ``segment``, ``hog`` and ``svm``, of which those left out by
        the options are ``"passthrough"``. What the options leave open follows from the images of `fit`, as it does for
        the model.

    Examples
    --------
    >>> from medfast.sklearn import make_classifier
    >>> list(make_classifier(denoise=False, size=64).named_steps)
    ['denoise', 'equalize', 'resize', 'segment', 'hog', 'svm']
    """
    chosen = recipes.Options(**options)
    if chosen.window is not None:
        raise ValueError(f"window must be None, for images are taken as they are, got {chosen.window}")
    size, cell = recipes.fixed_size(chosen), None if chosen.cell is None else (chosen.cell, chosen.cell)
    levels, tile_grid = chosen.levels, chosen.tile_grid
    if size is not None:
        recipe = recipes.recipe_for(chosen, size)
        cell, levels, tile_grid = (recipe.cell, recipe.cell), recipe.levels, recipe.tile_grid
    weight = None if chosen.class_weight == "none" else chosen.class_weight
    passthrough = "passthrough"
    denoiser = Denoiser(chosen.h, patch_size=chosen.patch_size, search_size=chosen.search_size, num_threads=num_threads)
    equalizer = Equalizer(chosen.equalize, clip_limit=chosen.clip_limit, tile_grid=tile_grid, num_threads=num_threads)
    hog = HOG(
        chosen.orientations,
        cell=cell,
        block=(recipes.BLOCK, recipes.BLOCK),
        levels=levels,
        feature_step=recipes.FEATURE_STEP,
        num_threads=num_threads,
    )
    svm = LinearSVM(
        chosen.C,
        class_weight=weight,
        random_state=seed,
        feature_step=recipes.FEATURE_STEP,
        num_threads=num_threads,
    )
    segmenter = Segmenter(chosen.segment, spread=True, num_threads=num_threads)
    return Pipeline(
        [
            ("denoise", denoiser if chosen.denoise else passthrough),
            ("equalize", equalizer if chosen.equalize != "none" else passthrough),
            ("resize", Resizer(size, interpolation="auto", num_threads=num_threads)),
            ("segment", segmenter if chosen.segment else passthrough),
            ("hog", hog),
            ("svm", svm),
        ]
    )


def _as_stack(images: Any) -> NDArray[Any]:
    return images if isinstance(images, np.ndarray) else _stack(images)


def _stack(images: list[NDArray[Any]]) -> NDArray[Any]:
    for name in ("shape", "dtype"):
        found = {str(getattr(image, name)) for image in images}
        if len(found) > 1:
            raise ValueError(f"images of X must have one {name} here, got {', '.join(sorted(found))}")
    return np.stack(images)
