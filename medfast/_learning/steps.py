"""The steps before HOG as scikit-learn transformers: denoise, equalise, resize, segment."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

import medfast
from medfast import _validate
from medfast._learning import recipes
from medfast._learning.transformers import OneByOne, shapes_of, stack


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
        return results if isinstance(results, np.ndarray) else stack(results)


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
