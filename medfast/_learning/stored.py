"""A model as a manifest and arrays, and back: everything in them is checked, for a file can be forged."""

import dataclasses
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast import _validate
from medfast._learning import model_file, recipes
from medfast._learning.cases import Cases
from medfast._learning.model_file import ModelFileError


def write(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file, whole or not at all."""
    manifest = {
        **model.versions,
        "options": dataclasses.asdict(model.options),
        "size": model.size,
        "classes": list(model.classes),
        "n_train": model.n_train,
        "seed": model.seed,
        "gamma": model.gamma,
        "threshold": model.threshold,
        "validation": model.validation,
    }
    arrays: dict[str, NDArray[Any]] = {"coef": model.coef, "intercept": model.intercept, "hashes": model.hashes}
    if model.support is not None:
        arrays["support"] = recipes.packed(model.support)
    if model.cases is not None:
        arrays |= {f"case_{name}": array for name, array in model.cases._asdict().items()}
    model_file.write(path, manifest, arrays)


def read(model_class: Any, path: str | os.PathLike[str]) -> Any:
    """The model in a file."""
    manifest, arrays = model_file.read(path)
    try:
        return _model(model_class, manifest, arrays)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{os.fspath(path)}: its manifest does not describe a model ({error})") from error


def _model(model_class: Any, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Any:
    model = model_class(seed=manifest["seed"], **manifest["options"])
    model.recipe = recipes.recipe_for(model.options, _validate.as_pair(manifest["size"], "size"))
    model.classes = tuple(manifest["classes"])
    model.n_train = manifest["n_train"]
    model.validation = manifest["validation"]
    model.versions = {name: str(manifest[name]) for name in ("medfast", "numpy", "scikit-learn") if name in manifest}
    model.threshold = _validate.as_float(manifest.get("threshold", 0.0), "threshold")
    if list(model.classes) != sorted(set(model.classes)) or len(model.classes) < 2:
        raise ValueError(f"classes are {model.classes}")
    n_machines = 1 if len(model.classes) == 2 else len(model.classes)
    n_weights, n_features = model.recipe.n_features, model.recipe.n_features
    model.support, model.gamma = None, None
    if model.options.kernel == "rbf":
        model.gamma = _validate.as_float(manifest["gamma"], "gamma", above=0)
        n_weights = len(arrays["support"])
        _check(arrays, "support", np.uint16, (n_weights, n_features))
        model.support = recipes.unpacked(arrays["support"])
    _check(arrays, "coef", np.float64, (n_machines, n_weights))
    _check(arrays, "intercept", np.float64, (n_machines,))
    model.coef, model.intercept = arrays["coef"], arrays["intercept"]
    model.hashes = arrays.get("hashes", np.empty((0, 32), np.uint8))
    _check({"hashes": model.hashes}, "hashes", np.uint8, (len(model.hashes), 32))
    model.cases = _cases(arrays, n_features, len(model.classes)) if "case_codes" in arrays else None
    return model


def _cases(arrays: dict[str, NDArray[Any]], n_features: int, n_classes: int) -> Cases:
    n, side = len(arrays["case_codes"]), arrays["case_pictures"].shape[-1]
    _check(arrays, "case_features", np.uint16, (n, n_features))
    _check(arrays, "case_codes", np.int32, (n,))
    _check(arrays, "case_pictures", np.uint8, (n, side, side))
    _check(arrays, "case_shapes", np.uint8, (n, 2))
    _check(arrays, "case_hashes", np.uint8, (n, 32))
    _check(arrays, "case_gaps", np.float64, (n,))
    codes, shapes = arrays["case_codes"], arrays["case_shapes"]
    if n and not (codes.min() >= 0 and codes.max() < n_classes and shapes.min() > 0 and shapes.max() <= side):
        raise ValueError("known cases are beyond its classes or pictures")
    return Cases(*(arrays[f"case_{name}"] for name in Cases._fields))


def _check(arrays: dict[str, NDArray[Any]], name: str, dtype: Any, shape: tuple[int, ...]) -> None:
    array = arrays[name]
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} must have shape {shape} and dtype {np.dtype(dtype)}, got {array.shape} {array.dtype}")
