"""How a model learns: sizes, features, the machine, and what validation images say of it."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._learning import cases as known_cases
from medfast._learning import judging, probability, recipes
from medfast._learning.cache import FeatureCache
from medfast._learning.source import Images, Progress, Stages, features_of
from medfast._version import __version__


def train(
    model: Any,
    images: Any,
    labels: ArrayLike,
    groups: ArrayLike | None,
    validation: tuple[Any, Any] | None,
    keep_cases: int | None,
    cache: FeatureCache | None,
    progress: Progress | None,
    num_threads: int | None,
) -> None:
    """What `Model.fit` does."""
    svm, version = need_learning()
    num_threads = _validate.as_threads(num_threads)
    source = images if isinstance(images, Images) else Images(images)
    truth = _validate.as_labels(labels, len(source))
    members = None if groups is None else _validate.as_labels(groups, len(source), "groups")
    if keep_cases is not None:
        keep_cases = _validate.as_int(keep_cases, "keep_cases", minimum=0)
    classes, codes = np.unique(truth, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels must hold at least 2 classes, got {classes.tolist()}")
    held_out = None
    if validation is not None:
        other, other_labels = _validate.as_labelled(validation, "validation")
        held_out = other if isinstance(other, Images) else Images(other, "validation images")
        _validate.check_some(len(held_out), held_out.name)
        held_out_codes = codes_of(other_labels, len(held_out), tuple(classes.tolist()))
        tell_missing(held_out_codes, classes.tolist(), stacklevel=3)
    n_held_out = 0 if held_out is None else len(held_out)
    size = recipes.fixed_size(model.options)
    finds_size = size is None and not source.shapes_known
    stages = Stages(progress, len(source) * (2 if finds_size else 1) + 1 + n_held_out)
    source.note_hashes()
    source.note_thumbnails(keep_cases != 0)

    if size is None:
        progress_of_sizes = stages.next(len(source)) if finds_size else None
        shapes = source.shapes(model.options.window, num_threads, progress_of_sizes)
        size = recipes.size_for(shapes, source.name_of, stacklevel=3)
    recipe = recipes.recipe_for(model.options, size)
    features = features_of(source, recipe, num_threads, stages.next(len(source)), cache)
    machine = svm(
        model.options.C,
        kernel=model.options.kernel,
        gamma=model.options.gamma,
        class_weight=None if model.options.class_weight == "none" else model.options.class_weight,
        random_state=model.seed,
        feature_step=recipes.FEATURE_STEP,
        num_threads=num_threads,
    )
    chosen = np.empty(0, np.intp)
    if keep_cases != 0:
        chosen = known_cases.choose(len(source), recipe.n_features, keep_cases, model.seed)
    machine._wants_gaps = len(chosen) == len(source)
    machine.fit(features, codes, members)
    stages.next(1)(1, 1)

    model.recipe, model.n_train = recipe, len(source)
    model.classes = tuple(classes.tolist())
    _take(model, machine)
    model.versions = {"medfast": __version__, "numpy": np.__version__, "scikit-learn": version}
    assert source.hashes is not None
    model.hashes, model.cases = source.hashes, None
    if keep_cases != 0:
        model.cases = known_cases.cases_of(source, features, codes, chosen, machine._gaps)
    model.threshold, model.validation = 0.0, None
    if held_out is not None:
        judged = judging.judge(model, held_out, held_out_codes, stages.next(n_held_out), num_threads, cache)
        if len(classes) == 2:
            new = ~judged.known
            model.threshold = probability.best_threshold(judged.codes[new], judged.decision[new])
        model.validation = judging.report(model, judged)


def _take(model: Any, machine: Any) -> None:
    """What a fitted SVM has come to."""
    model.intercept, model.support, model.gamma = machine.intercept_, None, None
    if model.options.kernel == "linear":
        model.coef = machine.coef_
    else:
        model.coef, model.support, model.gamma = machine.dual_coef_, machine.support_vectors_, machine.gamma_


def codes_of(labels: ArrayLike, n_images: int, classes: tuple[Any, ...]) -> NDArray[np.intp]:
    """Index of the class of each label, all of which must be known."""
    code_of = {label: code for code, label in enumerate(classes)}
    truth = _validate.as_labels(labels, n_images).tolist()
    unknown = sorted({str(label) for label in truth if label not in code_of})
    if unknown:
        raise ValueError(f"labels must be among {list(classes)}, got {', '.join(unknown)}")
    return np.array([code_of[label] for label in truth], np.intp)


def tell_missing(codes: NDArray[np.intp], classes: Sequence[Any], stacklevel: int) -> None:
    """Warn of classes that no validation image shows."""
    missing = [str(label) for code, label in enumerate(classes) if code not in codes]
    if missing:
        warnings.warn(
            f"no validation image shows {', '.join(missing)}: the figures are those of the other classes",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def need_learning() -> tuple[Any, str]:
    """The machine and scikit-learn's version, or an error that names the extra."""
    try:
        import sklearn

        from medfast._learning.svm import SVM
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'training needs scikit-learn: pip install "medfast[learn]" ({error})', name=error.name
        ) from error
    return SVM, sklearn.__version__
