"""The whole pipeline: a folder of images, or arrays, into a classifier and a report.

read → 8 bits → denoise → equalise → resize → segment → HOG on several levels → support vector machine
"""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from numpy.typing import ArrayLike

from medfast import _validate
from medfast._learning.cache import FeatureCache
from medfast._learning.cases import Case, Cases
from medfast._learning.folder import SUFFIXES, Folder, load_folder
from medfast._learning.manifest import Manifest, load_manifest
from medfast._learning.model import Model
from medfast._learning.model_file import ModelFileError, ModelVersionError
from medfast._learning.recipes import Options
from medfast._learning.results import SearchResult, Tried
from medfast._learning.runs import search_images, train_run
from medfast._learning.source import Progress

__all__ = [
    "SUFFIXES",
    "Case",
    "Cases",
    "FeatureCache",
    "Folder",
    "Manifest",
    "Model",
    "ModelFileError",
    "ModelVersionError",
    "Options",
    "SearchResult",
    "Tried",
    "load_folder",
    "load_manifest",
    "search",
    "train_folder",
]


def train_folder(
    directory: str | os.PathLike[str],
    *,
    validation: str | os.PathLike[str] | None = None,
    choose: bool = False,
    keep_cases: int | None = None,
    cache: FeatureCache | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    num_threads: int | None = None,
    **options: Any,
) -> Model:
    """Train a model on a folder that holds a folder per class, or on a CSV file.

    Parameters
    ----------
    directory : path
        As for `load_folder`; or a CSV file, as for `load_manifest`, of which the split "train" is learnt from.
    validation : path, optional
        The like, with the same classes, that the model is evaluated on. The split "validation" of a CSV file where it
        has one. See `Model.fit` for what is learnt from it.
    choose : bool, default=False
        Whether what `options` leaves open is chosen on the validation images, as by `search`; the defaults hold where
        there is nothing to choose by.
    keep_cases : int, optional
        As for `Model.fit`.
    cache : FeatureCache, optional
        Where features are looked up and kept.
    seed : int, default=0
        How the folds are shuffled.
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
    progress = _validate.as_callback(progress)
    return train_run(
        directory,
        validation=validation,
        choose=_validate.as_flag(choose, "choose"),
        seed=seed,
        keep_cases=keep_cases,
        cache=cache,
        stage=lambda _: nullcontext(progress),
        num_threads=num_threads,
        **options,
    ).model


def search(
    images: ArrayLike | Sequence[Any],
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    validation: tuple[Any, Any] | None = None,
    candidates: dict[str, Sequence[Any]] | None = None,
    n_folds: int = 5,
    seed: int = 0,
    cache: FeatureCache | None = None,
    progress: Progress | None = None,
    num_threads: int | None = None,
    **options: Any,
) -> SearchResult:
    """Choose the options of a model on validation data.

    Size, denoising, equalisation, levels, kernel and C are chosen, as far as `options` leaves them open, by the area
    under the ROC curve on the validation images; without those by cross-validation, in which no group is on both sides.

    Parameters
    ----------
    images : array_like or sequence
        Images to learn from, as described for `Model`.
    labels : array_like of shape (n,), strings or integers
        The class of each; at least two different ones.
    groups : array_like of shape (n,), strings or integers, optional
        What belongs together, such as the images of a patient.
    validation : tuple of images and labels, optional
        Images that judge. Those that are also among the images to learn from, byte for byte, are left out; where a
        class is then missing, cross-validation judges instead.
    candidates : dict, optional
        Fields of `Options` and the values to try, the cheapest first, in place of those that are tried by default.
        Images are never blown up unless a size here or in `options` asks for it.
    n_folds : int, default=5
        Folds of the cross-validation, >= 2.
    seed : int, default=0
        Which images are sampled where there are many, and how folds are shuffled.
    cache : FeatureCache, optional
        Where features are looked up and kept.
    progress : callable, optional
        Called as ``progress(done, total)`` in the calling thread.
    num_threads : int, optional
        Most threads to use, >= 1.
    **options
        Fields of `Options` that are fixed.

    Returns
    -------
    SearchResult
        The options for `Model`, everything that was tried, and what judged it.

    Raises
    ------
    TypeError
        If an argument has an unsupported type, or a field is unknown.
    ValueError
        If there are fewer than two classes, too few members or groups of a class for cross-validation, a field both
        fixed and to be tried, or no value to try.

    Notes
    -----
    Of candidates that are worse than the best by no more than the standard error of the difference, the first in the
    order of the lists is taken [1]_: what cannot be told from luck is not chosen for its luck.

    References
    ----------
    .. [1] L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone, "Classification and Regression Trees", Wadsworth,
       1984, section 3.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from medfast.pipeline import Model, search
    >>> rng = np.random.default_rng(0)
    >>> stripes = np.repeat(rng.integers(0, 255, (40, 24, 1), np.uint8), 24, axis=2)
    >>> images, labels = np.concatenate([stripes[:20], stripes[20:].transpose(0, 2, 1)]), [0] * 20 + [1] * 20
    >>> found = search(images, labels, denoise=False, n_folds=2)
    >>> found.judge, found.options.kernel, found.options.size
    ('2 folds', 'linear', (24, 24))
    >>> found.tried[0].score
    1.0
    """
    return search_images(
        images,
        labels,
        groups=groups,
        validation=validation,
        candidates=candidates or {},
        n_folds=n_folds,
        seed=seed,
        cache=cache,
        progress=_validate.as_callback(progress),
        num_threads=num_threads,
        given=options,
    )


for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__  # where they are imported from
