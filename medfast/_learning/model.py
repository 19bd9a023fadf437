"""The model: what is done to an image, and the machine that learnt from the result."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._learning import cases as known_cases
from medfast._learning import judging, probability, stored
from medfast._learning.cache import FeatureCache
from medfast._learning.cases import Case, Cases
from medfast._learning.recipes import Options, Recipe
from medfast._learning.source import Images, Progress, features_of, for_features
from medfast._learning.training import codes_of, train


class Model:
    """A classifier of images: what is done to them, and the support vector machine that learnt from the result.

    Parameters
    ----------
    seed : int, default=0
        How the folds of the calibration are shuffled.
    **options
        Fields of `Options`.

    Attributes
    ----------
    options : Options
        What is done to each image.
    recipe : Recipe
        The options with everything filled in that depends on the size: ``cell``, ``levels`` and ``tile_grid``.
    size : tuple of two ints
        Rows and columns that every image is resized to.
    classes : tuple
        The labels, sorted.
    coef : ndarray of shape (1 or n_classes, n_features or n_support)
        Weights of the decision function, calibration included: of the features, or of the kernel's values.
    intercept : ndarray of shape (1 or n_classes,)
        Its constants.
    support : ndarray of shape (n_support, n_features) or None
        Features that the Gaussian kernel compares with.
    gamma : float or None
        Of the Gaussian kernel.
    threshold : float
        With two classes, the logit above which the second is said: 0, or what gave the best balanced accuracy on the
        validation images.
    n_train : int
        Images that it learnt from.
    hashes : ndarray of shape (n_train, 32), dtype uint8
        SHA-256 of each of them.
    cases : Cases or None
        What is kept of them for `similar`.
    validation : dict or None
        What `evaluate` said of the validation images, if `fit` was given any.
    versions : dict
        Of medfast, NumPy and scikit-learn when it was trained.

    Notes
    -----
    Images are arrays of shape (n, rows, columns), sequences of arrays (also of different sizes, and in colour with
    three or four channels last), sequences of `medfast.io.Image`, or sequences of paths. Without a `size` in the
    options, that of a model is 256 by 256, or the shortest side of the training images on each axis where that is less.

    Features are rounded to 15 bits and weights accordingly, so that every sum is exact: predictions have the same bits
    on any number of threads, one image at a time or all at once, whatever the linear algebra underneath.

    *Privacy.* For `similar` a model keeps the features, the label and a picture of at most 64 pixels a side of images
    that it learnt from, unless ``keep_cases=0`` is given to `fit`; for `evaluate` it keeps SHA-256 sums of their
    pixels. It keeps no names, paths or groups.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.pipeline import Model
    >>> rng = np.random.default_rng(0)
    >>> stripes = np.repeat(rng.integers(0, 255, (20, 24, 1), np.uint8), 24, axis=2)
    >>> images = np.concatenate([stripes[:10], stripes[10:].transpose(0, 2, 1)])
    >>> model = Model(denoise=False).fit(images, ["rows"] * 10 + ["columns"] * 10)
    >>> model.predict(images[[0, 19]])
    array(['rows', 'columns'], dtype='<U7')
    """

    options: Options
    recipe: Recipe
    classes: tuple[Any, ...]
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    support: NDArray[np.float32] | None
    gamma: float | None
    threshold: float
    n_train: int
    hashes: NDArray[np.uint8]
    cases: Cases | None
    validation: dict[str, Any] | None
    versions: dict[str, str]

    def __init__(self, *, seed: int = 0, **options: Any) -> None:
        self.seed = _validate.as_int(seed, "seed", minimum=0, maximum=2**32 - 1)
        self.options = Options(**options)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns that every image is resized to."""
        return self.recipe.size

    def __repr__(self) -> str:
        changed = [field for field in dataclasses.fields(Options) if getattr(self.options, field.name) != field.default]
        parts = [f"{field.name}={getattr(self.options, field.name)!r}" for field in changed]
        return f"Model({', '.join([f'seed={self.seed}', *parts])})"

    def fit(
        self,
        images: ArrayLike | Sequence[Any],
        labels: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        validation: tuple[Any, Any] | None = None,
        keep_cases: int | None = None,
        cache: FeatureCache | None = None,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> "Model":
        """Learn from labelled images.

        Parameters
        ----------
        images : array_like or sequence
            Images, as described for the class.
        labels : array_like of shape (n,), strings or integers
            The class of each; at least two different ones.
        groups : array_like of shape (n,), strings or integers, optional
            What belongs together, such as the images of a patient: no group is on both sides of a fold.
        validation : tuple of images and labels, optional
            What to evaluate the model on. With two classes the decision threshold is chosen on those of them that are
            not among the training images, for the best balanced accuracy; nothing else is learnt from them.
        keep_cases : int, optional
            Images to keep for `similar`, >= 0; a random choice where there are more. As many as take 128 MB of features
            when omitted.
        cache : FeatureCache, optional
            Where features are looked up and kept.
        progress : callable, optional
            Called as ``progress(done, total)`` in the calling thread.
        num_threads : int, optional
            Most threads to use, >= 1.

        Returns
        -------
        Model
            The model itself.

        Raises
        ------
        TypeError
            If images, labels or `validation` have an unsupported type, or labels are a mixture of types.
        ValueError
            If there are fewer than two classes, the counts of images and labels differ, or an image is too small for
            the options.
        ModuleNotFoundError
            If scikit-learn is missing.

        Warns
        -----
        UserWarning
            If a small image makes the size that all are resized to less than half of what the median image would give;
            if a class has no validation image.
        """
        train(self, images, labels, groups, validation, keep_cases, cache, progress, num_threads)
        return self

    def predict(
        self,
        images: ArrayLike | Sequence[Any],
        *,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> NDArray[Any]:
        """Return the class of each image: the most probable one, or with two classes what the threshold says.

        Parameters
        ----------
        images : array_like or sequence
            Images, as described for the class.
        progress : callable, optional
            Called as ``progress(done, total)`` in the calling thread.
        num_threads : int, optional
            Most threads to use, >= 1.

        Returns
        -------
        ndarray of shape (n,)
            Labels.
        """
        decision = judging.decide(self, Images(images), progress, num_threads)
        return np.array(self.classes)[probability.to_codes(decision, self.threshold)]

    def predict_proba(
        self,
        images: ArrayLike | Sequence[Any],
        *,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of each class for each image.

        Parameters
        ----------
        images : array_like or sequence
            Images, as described for the class.
        progress : callable, optional
            Called as ``progress(done, total)`` in the calling thread.
        num_threads : int, optional
            Most threads to use, >= 1.

        Returns
        -------
        ndarray of shape (n, n_classes)
            In the order of `classes`; each row sums to 1.
        """
        return probability.to_probabilities(judging.decide(self, Images(images), progress, num_threads))

    def evaluate(
        self,
        images: ArrayLike | Sequence[Any],
        labels: ArrayLike,
        *,
        cache: FeatureCache | None = None,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> dict[str, Any]:
        """Compare predictions with the truth.

        Parameters
        ----------
        images : array_like or sequence
            Images, as described for the class.
        labels : array_like of shape (n,)
            The true class of each.
        cache : FeatureCache, optional
            Where features are looked up and kept.
        progress : callable, optional
            Called as ``progress(done, total)`` in the calling thread.
        num_threads : int, optional
            Most threads to use, >= 1.

        Returns
        -------
        dict
            ``accuracy``; ``balanced_accuracy``, the mean recall of the classes present; ``auc``, with two classes the
            area under the ROC curve of the second, else the mean over each class against the rest;
            ``confusion_matrix``, a row per true class and a column per predicted one; ``classes``. A figure that the
            labels leave undefined is None. Where images are among those that the model learnt from, byte for byte,
            ``duplicates`` has their ``count`` and, in ``without``, the same figures of the other images.

        Raises
        ------
        ValueError
            If there is no image, a label is no class of the model, or the counts of images and labels differ.
        """
        self._check_is_fitted()
        source = Images(images)
        _validate.check_some(len(source), source.name)
        codes = codes_of(labels, len(source), self.classes)
        return judging.report(self, judging.judge(self, source, codes, progress, num_threads, cache))

    def features(
        self,
        images: ArrayLike | Sequence[Any],
        *,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> NDArray[np.float32]:
        """Return what the support vector machine sees of each image.

        Parameters
        ----------
        images : array_like or sequence
            Images, as described for the class.
        progress : callable, optional
            Called as ``progress(done, total)`` in the calling thread.
        num_threads : int, optional
            Most threads to use, >= 1.

        Returns
        -------
        ndarray of shape (n, n_features)
            HOG features between 0 and 1, in steps of 2⁻¹⁵.
        """
        self._check_is_fitted()
        return features_of(Images(images), self.recipe, num_threads, progress)

    def similar(
        self,
        images: ArrayLike | Sequence[Any],
        count: int = 5,
        *,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> list[list[Case]]:
        """Find the known cases that resemble each image most, by the distance of their HOG features.

        Parameters
        ----------
        images : array_like or sequence
            Images, as described for the class.
        count : int, default=5
            Cases for each image, >= 1; fewer where the model keeps fewer.
        progress : callable, optional
            Called as ``progress(done, total)`` in the calling thread.
        num_threads : int, optional
            Most threads to use, >= 1.

        Returns
        -------
        list of list of Case
            For each image the nearest cases, nearest first: label, distance, a small picture, a SHA-256, and how
            unusual such a distance is.

        Raises
        ------
        ValueError
            If the model keeps no cases.
        """
        self._check_is_fitted()
        count = _validate.as_int(count, "count", minimum=1)
        if self.cases is None or not len(self.cases.codes):
            raise ValueError("the model keeps no known cases: it was trained without them")
        cases, source = self.cases, Images(images)
        found: list[list[Case]] = [[] for _ in range(len(source))]

        def use(start: int, features: NDArray[np.float32]) -> None:
            rows, distances = known_cases.nearest(cases, features, count)
            for i in range(len(features)):
                pairs = zip(rows[i].tolist(), distances[i].tolist(), strict=True)
                found[start + i] = [known_cases.case_of(cases, row, far, self.classes) for row, far in pairs]

        for_features(source, self.recipe, use, num_threads, progress)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to; an existing file is replaced. The format is a zip of a JSON manifest and arrays, without pickle.

        Raises
        ------
        OSError
            If the file cannot be written; an older one is then as it was.
        ValueError
            If it would have more than 1 GB.
        """
        self._check_is_fitted()
        stored.write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Model":
        """Read a model from a file; nothing in the file is executed.

        Parameters
        ----------
        path : path
            What `save` wrote.

        Returns
        -------
        Model
            A model that predicts what the saved one did, bit for bit.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ModelFileError
            If it is truncated, was changed, or is no model file.
        ModelVersionError
            If a newer version of medfast wrote it.
        """
        return stored.read(cls, path)

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "coef"):
            raise ValueError("the model is not trained: call fit, or load one")
