"""The whole pipeline: a folder of images, or arrays, into a classifier and a report.

read → 8 bits → denoise → equalise → resize → segment → HOG on several levels → linear support vector machine
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._learning import model_file, probability, recipes
from medfast._learning.folder import SUFFIXES, Folder, load_folder
from medfast._learning.model_file import ModelFileError, ModelVersionError
from medfast._learning.recipes import Options, Recipe
from medfast._learning.source import Images, Progress, Stages, features_of, for_features
from medfast._version import __version__

__all__ = [
    "SUFFIXES",
    "Folder",
    "Model",
    "ModelFileError",
    "ModelVersionError",
    "Options",
    "load_folder",
    "train_folder",
]


def train_folder(
    directory: str | os.PathLike[str],
    *,
    validation: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    num_threads: int | None = None,
    **options: Any,
) -> "Model":
    """Train a model on a folder that holds a folder per class.

    Parameters
    ----------
    directory : path
        As for `load_folder`.
    validation : path, optional
        A folder of the same classes that the model is evaluated on; nothing is learnt from it.
    seed : int, default=0
        How the folds of the calibration are shuffled.
    progress : callable, optional
        Called as ``progress(done, total)`` in the calling thread.
    num_threads : int, optional
        Most threads to use, >= 1.
    **options
        Fields of `Options`.

    Returns
    -------
    Model
        The trained model.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from medfast.io import write_image
    >>> from medfast.pipeline import train_folder
    >>> ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1))
    >>> images = {"down/1.png": ramp.T, "down/2.png": ramp.T, "right/1.png": ramp, "right/2.png": ramp}
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     for name, image in images.items():
    ...         path = pathlib.Path(directory, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         write_image(path, image)
    ...     model = train_folder(directory, denoise=False)
    >>> model.classes, model.size, model.predict([ramp])
    (('down', 'right'), (24, 24), array(['right'], dtype='<U5'))
    """
    folder = load_folder(directory)
    held_out = None
    if validation is not None:
        other = load_folder(validation)
        held_out = (other.paths, other.labels)
    model = Model(seed=seed, **options)
    return model.fit(folder.paths, folder.labels, validation=held_out, progress=progress, num_threads=num_threads)


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
    coef : ndarray of shape (1 or n_classes, n_features)
        Weights of the decision function, calibration included.
    intercept : ndarray of shape (1 or n_classes,)
        Its constants.
    n_train : int
        Images that it learnt from.
    validation : dict or None
        What `evaluate` said of the validation images, if `fit` was given any.

    Notes
    -----
    Images are arrays of shape (n, rows, columns), sequences of arrays (also of different sizes, and in colour with
    three or four channels last), sequences of `medfast.io.Image`, or sequences of paths. Without a `size` in the
    options, that of a model is 256 by 256, or the shortest side of the training images on each axis where that is less.

    Features are rounded to 15 bits and weights accordingly, so that every sum is exact: predictions have the same bits
    on any number of threads, one image at a time or all at once, whatever the linear algebra underneath.

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
    n_train: int
    validation: dict[str, Any] | None

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
        validation: tuple[Any, Any] | None = None,
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
        validation : tuple of images and labels, optional
            What to evaluate the model on; nothing is learnt from it.
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
            If a small image makes the size that all are resized to less than half of what the median image would give.
        """
        linear_svm = _import_svm()
        num_threads = _validate.as_threads(num_threads)
        source = Images(images)
        truth = _validate.as_labels(labels, len(source))
        classes, codes = np.unique(truth, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"labels must hold at least 2 classes, got {classes.tolist()}")
        held_out = None
        if validation is not None:
            other, other_labels = _validate.as_labelled(validation, "validation")
            held_out = Images(other, "validation images")
            _validate.check_some(len(held_out), held_out.name)
            held_out_codes = self._codes(other_labels, len(held_out), tuple(classes.tolist()))
        n_held_out = 0 if held_out is None else len(held_out)
        size = recipes.fixed_size(self.options)
        finds_size = size is None and not source.shapes_known
        stages = Stages(progress, len(source) * (2 if finds_size else 1) + 1 + n_held_out)

        if size is None:
            progress_of_sizes = stages.next(len(source)) if finds_size else None
            shapes = source.shapes(self.options.window, num_threads, progress_of_sizes)
            size = recipes.size_for(shapes, source.name_of)
        recipe = recipes.recipe_for(self.options, size)
        features = features_of(source, recipe, num_threads, stages.next(len(source)))
        svm = linear_svm(
            self.options.C,
            class_weight=None if self.options.class_weight == "none" else self.options.class_weight,
            random_state=self.seed,
            feature_step=recipes.FEATURE_STEP,
            num_threads=num_threads,
        ).fit(features, codes)
        stages.next(1)(1, 1)

        self.recipe, self.n_train = recipe, len(source)
        self.classes = tuple(classes.tolist())
        self.coef, self.intercept = svm.coef_, svm.intercept_
        self.validation = None
        if held_out is not None:
            decision = self._decision(held_out, stages.next(n_held_out), num_threads)
            self.validation = probability.report(held_out_codes, decision, self.classes)
        return self

    def predict(
        self,
        images: ArrayLike | Sequence[Any],
        *,
        progress: Progress | None = None,
        num_threads: int | None = None,
    ) -> NDArray[Any]:
        """Return the most probable class of each image.

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
        decision = self._decision(Images(images), progress, num_threads)
        return np.array(self.classes)[probability.to_codes(decision)]

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
        return probability.to_probabilities(self._decision(Images(images), progress, num_threads))

    def evaluate(
        self,
        images: ArrayLike | Sequence[Any],
        labels: ArrayLike,
        *,
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
            labels leave undefined is None.

        Raises
        ------
        ValueError
            If there is no image, a label is no class of the model, or the counts of images and labels differ.
        """
        self._check_is_fitted()
        source = Images(images)
        _validate.check_some(len(source), source.name)
        codes = self._codes(labels, len(source), self.classes)
        return probability.report(codes, self._decision(source, progress, num_threads), self.classes)

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, whole or not at all.

        Parameters
        ----------
        path : path
            Where to; an existing file is replaced. The format is a zip of a JSON manifest and arrays, without pickle.
        """
        self._check_is_fitted()
        manifest = {
            "medfast": __version__,
            "options": dataclasses.asdict(self.options),
            "size": self.size,
            "classes": list(self.classes),
            "n_train": self.n_train,
            "seed": self.seed,
            "validation": self.validation,
        }
        model_file.write(path, manifest, {"coef": self.coef, "intercept": self.intercept})

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
        manifest, arrays = model_file.read(path)
        try:
            model = cls(seed=manifest["seed"], **manifest["options"])
            model.recipe = recipes.recipe_for(model.options, _validate.as_pair(manifest["size"], "size"))
            model.classes = tuple(manifest["classes"])
            model.n_train = manifest["n_train"]
            model.validation = manifest["validation"]
            model.coef, model.intercept = arrays["coef"], arrays["intercept"]
            n_machines = 1 if len(model.classes) == 2 else len(model.classes)
            expected = (n_machines, model.recipe.n_features)
            if list(model.classes) != sorted(set(model.classes)) or len(model.classes) < 2:
                raise ValueError(f"classes are {model.classes}")
            if model.coef.shape != expected or model.intercept.shape != expected[:1]:
                raise ValueError(f"coef must have shape {expected}, got {model.coef.shape}")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{os.fspath(path)}: its manifest does not describe a model ({error})") from error
        return model

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "coef"):
            raise ValueError("the model is not trained: call fit, or load one")

    def _codes(self, labels: ArrayLike, n_images: int, classes: tuple[Any, ...]) -> NDArray[np.intp]:
        code_of = {label: code for code, label in enumerate(classes)}
        truth = _validate.as_labels(labels, n_images).tolist()
        unknown = sorted({str(label) for label in truth if label not in code_of})
        if unknown:
            raise ValueError(f"labels must be among {list(classes)}, got {', '.join(unknown)}")
        return np.array([code_of[label] for label in truth], np.intp)

    def _decision(self, source: Images, progress: Progress | None, num_threads: int | None) -> NDArray[np.float64]:
        """Logits of shape (n, 1 or n_classes); features are let go as soon as they are used."""
        self._check_is_fitted()
        weights = np.ascontiguousarray(self.coef.T)
        decision = np.empty((len(source), len(self.intercept)))

        def use(start: int, features: NDArray[np.float32]) -> None:
            decision[start : start + len(features)] = features.astype(np.float64) @ weights + self.intercept

        for_features(source, self.recipe, use, num_threads, progress)
        return decision


def _import_svm() -> Any:
    try:
        from medfast._learning.svm import LinearSVM
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'training needs scikit-learn: pip install "medfast[learn]" ({error})', name=error.name
        ) from error
    return LinearSVM
