"""What the image transformers share: how batches of images come in and go out."""

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from medfast import _validate
from medfast._learning.batch import for_images

_DTYPES = list(_validate.DTYPES[::-1])
"""float64 first, for scikit-learn makes other dtypes the first one."""

_WORK_PER_PIXEL = 50  # nanoseconds; enough to know whether threads are worth it


class ImageTransformer(TransformerMixin, BaseEstimator, ABC):
    """Transforms each image by itself: nothing is learnt but the size of the images."""

    image_shape: tuple[int, int] | None
    num_threads: int | None
    n_features_in_: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: ArrayLike | list[Any], y: Any = None) -> "ImageTransformer":
        """Take note of the size of the images; nothing else is learnt.

        Parameters
        ----------
        X : array_like of shape (n, rows, columns) or (n, rows * columns), or list of n arrays (rows, columns)
            Images.
        y : ignored
            Not used.

        Returns
        -------
        ImageTransformer
            The estimator itself.
        """
        images, _ = self._read(X, reset=True)
        self._note(images)
        return self

    def transform(self, X: ArrayLike | list[Any]) -> Any:
        """Transform each image.

        Parameters
        ----------
        X : array_like of shape (n, rows, columns) or (n, rows * columns), or list of n arrays (rows, columns)
            Images. Other dtypes than those of medfast become float64.

        Returns
        -------
        ndarray or list of ndarray
            As `X` came: a stack, flattened images, or a list.
        """
        images, is_flat = self._read(X, reset=False)
        results = self._transform(images)
        return results.reshape(len(results), -1) if is_flat else results

    def _note(self, images: Any) -> None:
        """Attributes that depend on the size of the images."""

    @abstractmethod
    def _transform(self, images: Any) -> Any:
        """What becomes of a stack, or of a list of images."""

    def _read(self, X: Any, *, reset: bool) -> tuple[Any, bool]:
        """A stack of images, a view wherever that is possible, or a list of arrays; and whether they came flattened."""
        _validate.check_plain(X, "X")
        if _is_list_of_images(X):
            if reset and hasattr(self, "n_features_in_"):
                del self.n_features_in_  # of an earlier fit; images of a list may differ in size
            return [check_array(image, dtype=_DTYPES, input_name="X") for image in X], False
        if isinstance(X, list | tuple):
            X = np.asarray(X)
        if isinstance(X, np.ndarray) and X.dtype.newbyteorder("=") in _DTYPES:
            X = _validate.as_array(X, "X")  # in native byte order, or scikit-learn would make it float64
        if getattr(X, "ndim", None) == 3:
            images = check_array(X, dtype=_DTYPES, allow_nd=True, input_name="X", estimator=self)
            if reset:
                self.n_features_in_ = math.prod(images.shape[1:])
                if hasattr(self, "feature_names_in_"):
                    del self.feature_names_in_
            else:
                self._check_n_pixels(math.prod(images.shape[1:]))
            return images, False
        flat = validate_data(self, X, dtype=_DTYPES, reset=reset)
        return flat.reshape(len(flat), *self._shape_of(flat.shape[1])), True

    def _check_n_pixels(self, n_pixels: int) -> None:
        """What `validate_data` does for flattened images, in its words."""
        if n_pixels != getattr(self, "n_features_in_", n_pixels):
            name = type(self).__name__
            raise ValueError(
                f"X has {n_pixels} features, but {name} is expecting {self.n_features_in_} features as input"
            )

    def _shape_of(self, n_pixels: int) -> tuple[int, int]:
        if self.image_shape is None:
            side = math.isqrt(n_pixels)
            return (side, side) if side * side == n_pixels else (1, n_pixels)
        rows, cols = _validate.as_pair(self.image_shape, "image_shape")
        if rows * cols != n_pixels:
            raise ValueError(f"X must have {rows * cols} columns for image_shape {(rows, cols)}, got {n_pixels}")
        return rows, cols


class OneByOne(ImageTransformer):
    """Transforms images by a function of one image; a list gives a list.

    Subclasses say what becomes of one image (`_one`), and of a stack's shape and dtype (`_out_shape`, `_out_dtype`).
    """

    @abstractmethod
    def _one(self, image: NDArray[Any], num_threads: int | None) -> NDArray[Any]:
        """What becomes of one image."""

    def _out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def _out_dtype(self, dtype: np.dtype) -> np.dtype:
        return dtype

    def _transform(self, images: Any) -> Any:
        n_threads = _validate.as_threads(self.num_threads)
        results: Any = [None] * len(images)
        if isinstance(images, np.ndarray):
            results = np.empty((len(images), *self._out_shape(images.shape[1:])), self._out_dtype(images.dtype))

        def one(i: int, threads: int | None) -> None:
            results[i] = self._one(images[i], threads)

        for_images(len(images), one, work_per_image=_WORK_PER_PIXEL * images[0].size, num_threads=n_threads)
        return results


def shapes_of(images: Any) -> NDArray[np.intp]:
    """Rows and columns of the images of a stack, which are alike, or of each in a list."""
    return np.array([images.shape[1:]] if isinstance(images, np.ndarray) else [image.shape for image in images])


def stack(images: list[NDArray[Any]]) -> NDArray[Any]:
    """A list of images as a stack, if one can hold them."""
    for name in ("shape", "dtype"):
        found = {str(getattr(image, name)) for image in images}
        if len(found) > 1:
            raise ValueError(f"images of X must have one {name} here, got {', '.join(sorted(found))}")
    return np.stack(images)


def _is_list_of_images(X: Any) -> bool:
    return isinstance(X, list | tuple) and len(X) > 0 and getattr(X[0], "ndim", None) == 2
