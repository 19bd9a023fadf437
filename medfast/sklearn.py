"""The steps of the pipeline as scikit-learn estimators.

The transformers take a batch of images in one of three forms: a stack (n, rows, columns), flattened images (n, rows ·
columns), as scikit-learn's own tools want them, or a list of arrays that may differ in size. Flattened images are
square where their length is a square number, else a single row, unless `image_shape` says otherwise. Once fitted to
images of one size, an estimator refuses stacks and flattened images of another number of pixels; lists may still
differ. Threads work on whole images.
"""

from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    check_cv,
)
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from medfast import _validate
from medfast._learning import recipes
from medfast._learning.clustering import KMeans
from medfast._learning.descriptor import HOG
from medfast._learning.steps import Denoiser, Equalizer, Resizer, Segmenter
from medfast._learning.svm import SVM, LinearSVM

__all__ = [
    "HOG",
    "SVM",
    "Denoiser",
    "Equalizer",
    "KMeans",
    "LinearSVM",
    "Resizer",
    "Segmenter",
    "make_classifier",
    "search_classifier",
]


def make_classifier(
    *, threshold: str | None = None, memory: Any = None, seed: int = 0, num_threads: int | None = None, **options: Any
) -> Pipeline:
    """Return the steps of a `medfast.pipeline.Model` as a scikit-learn pipeline.

    It serves to search parameters and to cross-validate. For gray images of uint8, features and probabilities are those
    of the model, bit for bit.

    Parameters
    ----------
    threshold : str, optional
        With two classes, what the decision threshold is tuned for by cross-validation, such as "balanced_accuracy": the
        last step is then a `sklearn.model_selection.TunedThresholdClassifierCV` around the machine. When omitted, the
        most probable class is said.
    memory : str, path or joblib.Memory, optional
        Where the pipeline keeps what its steps have come to, so that a search over the machine's parameters computes
        the features once.
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

    Notes
    -----
    Probabilities are calibrated on folds of the training images; give `fit` the patients as ``svm__groups=`` where
    images belong together, and no patient is on both sides of a fold. For isotonic calibration put
    `sklearn.calibration.CalibratedClassifierCV` around the pipeline.

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
    svm: Any = SVM(
        chosen.C,
        kernel=chosen.kernel,
        gamma=chosen.gamma,
        class_weight=weight,
        random_state=seed,
        feature_step=recipes.FEATURE_STEP,
        num_threads=num_threads,
    )
    if threshold is not None:
        svm = TunedThresholdClassifierCV(svm, scoring=threshold, random_state=seed)
    segmenter = Segmenter(chosen.segment, spread=True, num_threads=num_threads)
    return Pipeline(
        [
            ("denoise", denoiser if chosen.denoise else passthrough),
            ("equalize", equalizer if chosen.equalize != "none" else passthrough),
            ("resize", Resizer(size, interpolation="auto", num_threads=num_threads)),
            ("segment", segmenter if chosen.segment else passthrough),
            ("hog", hog),
            ("svm", svm),
        ],
        memory=memory,
    )


def search_classifier(
    classifier: Pipeline,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
    images: ArrayLike | Sequence[Any],
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv: Any = 5,
    scoring: Any = None,
    progress: Callable[[int, int], Any] | None = None,
    seed: int = 0,
) -> GridSearchCV:
    """Search the parameters of a pipeline by cross-validation, by group where there are groups.

    Parameters
    ----------
    classifier : sklearn.pipeline.Pipeline
        Such as `make_classifier` returns; it is cloned.
    grid : dict or sequence of dict
        Parameters and the values to try: ``{"svm__C": [0.1, 1, 10], "equalize": [Equalizer(), "passthrough"]}``.
    images : array_like or sequence
        Images, as the classifier takes them.
    labels : array_like of shape (n,)
        The class of each.
    groups : array_like of shape (n,), optional
        What belongs together, such as the images of a patient: no group is on both sides of a fold, neither of the
        search nor of the calibration.
    cv : int or cross-validation splitter, default=5
        Folds, stratified by class and shuffled by `seed`; or anything else that scikit-learn takes.
    scoring : str or callable, optional
        What is best, as scikit-learn takes it. The area under the ROC curve when omitted, of several classes the mean
        of one against the rest.
    progress : callable, optional
        Called as ``progress(done, total)`` after each fit.
    seed : int, default=0
        How folds are shuffled.

    Returns
    -------
    sklearn.model_selection.GridSearchCV
        Fitted: ``best_estimator_`` is the classifier with the best parameters, fitted to all images, ``cv_results_``
        says what else was tried.

    Raises
    ------
    ValueError
        If there are groups, and the last step knows none.

    Notes
    -----
    Each step is fitted once per fold and parameters: the pipeline's `memory` keeps what it has come to, in a temporary
    folder for as long as the search takes where the pipeline has none of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.sklearn import make_classifier, search_classifier
    >>> rng = np.random.default_rng(0)
    >>> stripes = np.repeat(rng.integers(0, 255, (20, 16, 1), np.uint8), 16, axis=2)
    >>> images = np.concatenate([stripes[:10], stripes[10:].transpose(0, 2, 1)])
    >>> patients = np.arange(20) // 2
    >>> classifier = make_classifier(denoise=False, equalize="none")
    >>> found = search_classifier(
    ...     classifier, {"svm__C": [0.1, 1.0]}, images, [0] * 10 + [1] * 10, groups=patients, cv=2
    ... )
    >>> float(found.best_score_), found.best_params_
    (1.0, {'svm__C': 0.1})
    """
    progress = _validate.as_callback(progress)
    seed = _validate.as_int(seed, "seed", minimum=0, maximum=2**32 - 1)
    fit_parameters: dict[str, Any] = {}
    if isinstance(cv, int):
        n_folds = _validate.as_int(cv, "cv", minimum=2)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        cv = kind(n_folds, shuffle=True, random_state=seed)
    if groups is not None:
        name, machine = classifier.steps[-1]
        if not has_fit_parameter(machine, "groups"):
            raise ValueError(
                f"classifier must end in a machine that takes groups in fit, such as SVM, got "
                f"{type(machine).__name__}; tune a threshold after the search"
            )
        fit_parameters = {"groups": groups, f"{name}__groups": groups}
    cv = check_cv(cv, labels, classifier=True)
    score = check_scoring(classifier, scoring="roc_auc_ovr" if scoring is None else scoring)
    total = len(ParameterGrid(grid)) * cv.get_n_splits(images, labels, groups)
    done = 0

    def count(estimator: Any, X: Any, y: Any) -> Any:
        nonlocal done
        value = score(estimator, X, y)
        done += 1
        if progress is not None:
            progress(done, total)
        return value

    with TemporaryDirectory() as folder:
        searched = clone(classifier)
        if searched.memory is None:
            searched.set_params(memory=folder)
        found = GridSearchCV(searched, grid, scoring=count, cv=cv, error_score="raise")
        found.fit(images, labels, **fit_parameters)
    found.best_estimator_.set_params(memory=classifier.memory)
    found.estimator, found.scoring, found.scorer_ = classifier, scoring, score
    return found


for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__  # where they are imported from, and what a pickle names
