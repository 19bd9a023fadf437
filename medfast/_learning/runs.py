"""A whole run: labelled images from a folder or a CSV file, the search for what suits them, the model."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medfast import _validate
from medfast._learning.cache import FeatureCache
from medfast._learning.folder import load_folder
from medfast._learning.manifest import Manifest, load_manifest
from medfast._learning.model import Model
from medfast._learning.recipes import Options
from medfast._learning.results import CannotJudge, SearchResult
from medfast._learning.source import Images, Progress, Stages
from medfast._learning.training import codes_of, need_learning
from medfast._learning.training import train as learn


class Run(NamedTuple):
    """What a training has come to, and what it was made of."""

    model: Model
    found: SearchResult | None
    """The search's result, if there was one."""
    why_not: str
    """Why there was none, though it was asked for."""
    train: Manifest
    held_out: Manifest | None


def load(path: str | os.PathLike[str]) -> Manifest:
    """Labelled images of a CSV file, or of a folder that has a folder per class."""
    if Path(path).is_file():
        return load_manifest(path)
    folder = load_folder(path)
    return Manifest(folder.paths, folder.labels, None, None)


def load_parts(
    path: str | os.PathLike[str], validation: str | os.PathLike[str] | None
) -> tuple[Manifest, Manifest | None]:
    """Images to learn from, and those to choose by: a source of their own, or the split of that name."""
    whole = load(path)
    train, held_out = whole.part("train"), None if whole.splits is None else whole.part("validation")
    if not train.paths:
        raise ValueError(f"{path} must have images of split train, got none")
    if held_out is not None and not held_out.paths:
        held_out = None
    if validation is not None:
        if held_out is not None:
            raise ValueError(f"validation must be left out where {path} has a split of that name, got {validation}")
        held_out = load(validation)
        if held_out.splits is not None:
            held_out = held_out.part("validation")
            if not held_out.paths:
                raise ValueError(f"{validation} must have images of split validation, got none")
    if held_out is not None and train.groups is not None and held_out.groups is not None:
        shared = set(train.groups) & set(held_out.groups)
        if shared:  # no names: a group is mostly a patient
            raise ValueError(
                f"no group may be in both {path} and {validation or 'its validation split'}, {len(shared)} are"
            )
    return train, held_out


def train_run(
    path: str | os.PathLike[str],
    *,
    validation: str | os.PathLike[str] | None,
    choose: bool,
    seed: int,
    keep_cases: int | None,
    cache: FeatureCache | None,
    stage: Callable[[str], AbstractContextManager[Progress | None]],
    num_threads: int | None,
    **options: Any,
) -> Run:
    """Train on a folder or a CSV file; with `choose` on what suits the validation images best. `stage` gives the
    progress of the stage that it is told."""
    if choose and cache is None:  # what the search has seen the training need not see again
        with FeatureCache() as cache:
            return train_run(
                path,
                validation=validation,
                choose=True,
                seed=seed,
                keep_cases=keep_cases,
                cache=cache,
                stage=stage,
                num_threads=num_threads,
                **options,
            )
    train, held_out = load_parts(path, validation)
    source = Images(train.paths)
    source.note_thumbnails(keep_cases != 0)
    judges = None if held_out is None else (Images(held_out.paths, "validation images"), held_out.labels)
    found, why_not = None, ""
    if choose:
        need_learning()
        window = Options(**options).window
        with stage("reading") as progress:  # sizes, and what is in both sources
            stages = Stages(progress, len(train.paths) + (0 if held_out is None else len(held_out.paths)))
            source.hash_all(window, num_threads, stages.next(len(source)))
            if judges is not None:
                judges[0].hash_all(window, num_threads, stages.next(len(judges[0])))
        try:
            with stage("searching") as progress:
                found = search_images(
                    source,
                    train.labels,
                    groups=train.groups,
                    validation=judges,
                    candidates={},
                    n_folds=5,
                    seed=seed,
                    cache=cache,
                    progress=progress,
                    num_threads=num_threads,
                    given=options,
                )
            options = {name: getattr(found.options, name) for name in vars(found.options)}
        except CannotJudge as error:
            why_not = str(error)
    model = Model(seed=seed, **options)
    with stage("training") as progress:
        learn(model, source, train.labels, train.groups, judges, keep_cases, cache, progress, num_threads)
    return Run(model, found, why_not, train, held_out)


def search_images(
    images: Any,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None,
    validation: tuple[Any, Any] | None,
    candidates: dict[str, Sequence[Any]],
    n_folds: int,
    seed: int,
    cache: FeatureCache | None,
    progress: Progress | None,
    num_threads: int | None,
    given: dict[str, Any],
) -> SearchResult:
    """What `medfast.pipeline.search` does."""
    need_learning()
    from medfast._learning import search

    options = search.check_candidates(candidates, given)
    num_threads = _validate.as_threads(num_threads)
    seed = _validate.as_int(seed, "seed", minimum=0, maximum=2**32 - 1)
    n_folds = _validate.as_int(n_folds, "n_folds", minimum=2)
    source = images if isinstance(images, Images) else Images(images)
    truth = _validate.as_labels(labels, len(source))
    members = None if groups is None else _validate.as_labels(groups, len(source), "groups")
    classes, codes = np.unique(truth, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"labels must hold at least 2 classes, got {classes.tolist()}")
    held_out, held_out_codes = None, np.empty(0, np.intp)
    if validation is not None:
        other, other_labels = _validate.as_labelled(validation, "validation")
        held_out = other if isinstance(other, Images) else Images(other, "validation images")
        _validate.check_some(len(held_out), held_out.name)
        held_out_codes = codes_of(other_labels, len(held_out), tuple(classes.tolist()))
    new = None if held_out is None else _new(source, held_out, options.window, num_threads)
    if new is not None and len(np.unique(held_out_codes[new])) < len(classes):
        new = None  # no area under a curve without each class: the training images judge
    return search.run(
        source,
        codes,
        len(classes),
        None if new is None else held_out,
        held_out_codes,
        np.empty(0, np.intp) if new is None else new,
        given,
        candidates,
        groups=members,
        n_folds=n_folds,
        seed=seed,
        cache=cache,
        progress=progress,
        num_threads=num_threads,
    )


def _new(source: Images, held_out: Images, window: Any, num_threads: int | None) -> NDArray[np.intp]:
    """Which images held out are not among those to learn from, byte for byte."""
    known = {row.tobytes() for row in source.hash_all(window, num_threads, None)}
    return np.flatnonzero([row.tobytes() not in known for row in held_out.hash_all(window, num_threads, None)])
