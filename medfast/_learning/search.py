"""The search for what suits the images: options that are left open are chosen on validation data.

In three steps, each of which takes the result of the one before: denoising and equalisation, on a sample of the images
at the smallest size in question; the size; and, on as many images as one kernel matrix is good for, levels, kernel and
C. Features are computed once per image and recipe, whatever the folds, and products of samples once for all levels,
kernels and penalties.

The area under the ROC curve decides (one class against the rest, their mean). Of candidates that are worse than the
best by no more than the standard error of the difference, by bootstrap of the images that judge, the first in the order
of the lists is taken, which is that of cost: what cannot be told from luck is not chosen for its luck.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import ParameterGrid
from sklearn.utils.class_weight import compute_class_weight

from medfast._learning import kernel as kernels
from medfast._learning import machines, probability, recipes
from medfast._learning.cache import FeatureCache
from medfast._learning.recipes import Options, Recipe
from medfast._learning.results import CannotJudge, SearchResult, Tried
from medfast._learning.source import Images, Progress, Stages, for_all_features

CANDIDATES: dict[str, tuple[Any, ...]] = {
    "denoise": (False, True),
    "h": (None, 8.0),
    "equalize": ("none", "hist", "clahe"),
    "kernel": ("linear", "rbf"),
    "C": (1.0, 0.1, 10.0),
}
"""What is tried, in the order of cost; sizes and levels depend on the images. Noise is not all that denoising is for:
on PneumoniaMNIST, where there is little, any h from 5 to 12 takes the AUC from 0.992 to 0.994, in folds too."""

SAMPLE = 1000
"""Images that the first two steps learn from, and as many that judge."""
MOST_WORK = 1.5e11
"""Multiplications that the products of all samples may take in the last step: seconds."""
MOST_IMAGES = 5000
SMALLEST = 32
"""Half the size is tried where it has no side shorter than this."""

_OF_MACHINE = ("kernel", "gamma", "C", "class_weight")


class _Pool(NamedTuple):
    """Images of both sources, how they are divided, and who judges."""

    train: Images
    held_out: Images | None
    judges: NDArray[np.intp]
    """Which of the images held out may judge."""
    codes: NDArray[np.intp]
    """Of the training images, then of those held out."""
    groups: NDArray[Any] | None
    """Of the training images."""
    n_classes: int


def run(
    train: Images,
    codes: NDArray[np.intp],
    n_classes: int,
    held_out: Images | None,
    held_out_codes: NDArray[np.intp],
    judges: NDArray[np.intp],
    given: dict[str, Any],
    candidates: dict[str, Sequence[Any]],
    *,
    groups: NDArray[Any] | None,
    n_folds: int,
    seed: int,
    cache: FeatureCache | None,
    progress: Progress | None,
    num_threads: int | None,
) -> SearchResult:
    """Search; classes of images are indices, and `judges` those of images held out that may judge."""
    pool = _Pool(train, held_out, judges, np.concatenate([codes, held_out_codes]), groups, n_classes)
    base = Options(**given)
    lists = {name: tuple(values) for name, values in ({**CANDIDATES, **candidates}).items() if name not in given}
    if given.get("denoise") is False and "h" not in candidates:
        lists.pop("h", None)
    if "size" not in given and "size" not in lists:
        shapes = train.shapes(base.window, num_threads, None)
        lists["size"] = sizes_for(recipes.size_for(shapes, train.name_of, stacklevel=4))
    sizes = [recipes.fixed_size(Options(size=size)) or (1, 1) for size in lists.pop("size", (base.size,))]
    levels = lists.pop("levels", None) if "levels" not in given else (base.levels,)
    of_images = {name: values for name, values in lists.items() if name not in _OF_MACHINE}
    of_machine = {name: values for name, values in lists.items() if name in _OF_MACHINE}
    searcher = _Searcher(pool, base, of_machine, levels, n_folds, seed, cache, num_threads)
    image_grid = _grid(of_images)
    if "h" in of_images:  # one strength is enough where there is no denoising
        first = of_images["h"][0]
        image_grid = [one for one in image_grid if one.get("denoise", base.denoise) or one["h"] == first]
    sample = searcher.sample(SAMPLE)
    everything = searcher.sample_for(max(searcher.recipe({"size": size}).n_features for size in sizes))
    steps = [len(image_grid) > 1, len(sizes) > 1, True]
    stages = Stages(progress, len(sample.rows) * sum(steps[:2]) + len(everything.rows) + sum(steps))

    smallest = min(sizes, key=lambda size: size[0] * size[1])
    chosen: dict[str, Any] = {"size": smallest, **image_grid[0]}
    if steps[0]:
        chosen |= searcher.choose([{"size": smallest, **options} for options in image_grid], sample, True, stages)
    if steps[1]:
        chosen |= searcher.choose([{**chosen, "size": size} for size in sizes], sample, True, stages)
    chosen |= searcher.choose([chosen], everything, False, stages)
    return SearchResult(Options(**{**given, **chosen}), searcher.tried, searcher.judge)


def check_candidates(candidates: dict[str, Sequence[Any]], given: dict[str, Any]) -> Options:
    """Refuse candidates that are no options, or fixed ones; gives the fixed ones with defaults for the rest."""
    base = Options(**given)
    for name, values in candidates.items():
        if name not in vars(base) or name in ("window", "gamma"):
            raise ValueError(f"candidates must be options other than window and gamma, got {name!r}")
        if name in given:
            raise ValueError(f"{name} must be either an option or a candidate, got both")
        if isinstance(values, str) or not len(values):
            raise ValueError(f"candidates of {name} must be a sequence of at least one value, got {values!r}")
        for value in values:
            Options(**{name: value})
    return base


def sizes_for(size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The size that needs no blowing up, and half of it where that is not too small."""
    half = (size[0] // 2, size[1] // 2)
    return (size, half) if min(half) >= SMALLEST else (size,)


class _Sample(NamedTuple):
    """Images of the pool, by their place in it: the first ones are learnt from, and parts count within `rows`."""

    rows: NDArray[np.intp]
    parts: machines.Parts


class _Searcher:
    """One search: who judges, and what was tried."""

    def __init__(
        self,
        pool: _Pool,
        base: Options,
        of_machine: Mapping[str, Sequence[Any]],
        levels: Sequence[int] | None,
        n_folds: int,
        seed: int,
        cache: FeatureCache | None,
        num_threads: int | None,
    ) -> None:
        self.pool, self.base, self.of_machine, self.levels = pool, base, of_machine, levels
        self.n_folds, self.seed, self.cache, self.num_threads = n_folds, seed, cache, num_threads
        self.tried: list[Tried] = []
        self.memory = np.empty((0, 0)), np.empty((0, 0))
        by_group = "" if pool.groups is None else " by group"
        self.judge = "validation images" if pool.held_out is not None else f"{n_folds} folds{by_group}"

    def recipe(self, options: dict[str, Any], levels: int | None = None) -> Recipe:
        whole = {name: getattr(self.base, name) for name in vars(self.base)} | options
        whole["levels"] = levels if levels is not None else (max(self.levels) if self.levels else None)
        options_ = Options(**whole)
        size = recipes.fixed_size(options_)
        assert size is not None
        return recipes.recipe_for(options_, size)

    def sample_for(self, n_features: int) -> _Sample:
        return self.sample(min(MOST_IMAGES, int((MOST_WORK / n_features) ** 0.5)))

    def sample(self, most: int) -> _Sample:
        """At most so many images of each source, by chance but each class in its share, and who judges whom."""
        rng = np.random.default_rng(self.seed)
        n_train = len(self.pool.train)
        train = _stratified(self.pool.codes[:n_train], most, rng)
        if self.pool.held_out is not None:
            judges = self.pool.judges
            test = n_train + judges[_stratified(self.pool.codes[n_train:][judges], most, rng)]
            rows = np.concatenate([train, test])
            return _Sample(rows, [(np.arange(len(train)), np.arange(len(train), len(rows)))])
        groups = None if self.pool.groups is None else self.pool.groups[train]
        parts = machines.folds(self.pool.codes[train], self.n_folds, self.seed, groups)
        if not parts:
            what = "members" if groups is None else "groups"
            raise CannotJudge(f"labels must have at least 2 {what} of each class to choose options by cross-validation")
        return _Sample(train, parts)

    def choose(self, options: list[dict[str, Any]], sample: _Sample, screening: bool, stages: Stages) -> dict[str, Any]:
        """The best of options of the images; with what suits the machine best, unless that is left to a later step."""
        some_recipes = [self.recipe(one) for one in options]
        features = self._features(some_recipes, sample, screening, stages.next(len(sample.rows)))
        report = stages.next(1)
        trials: list[tuple[dict[str, Any], NDArray[np.float64]]] = []
        for one, recipe, packed in zip(options, some_recipes, features, strict=True):
            trials += self._trials(one, recipe, packed, sample, screening)
        report(1, 1)
        judged = np.sort(np.concatenate([test for _, test in sample.parts]))
        codes = self.pool.codes[sample.rows[judged]]
        groups = None
        if self.pool.groups is not None and self.pool.held_out is None:
            groups = self.pool.groups[sample.rows[judged]]
        weights = np.vstack(
            [np.ones(len(codes)), probability.resamplings(len(codes), probability.RESAMPLES, self.seed, groups)]
        )
        scores = np.array([_scores(codes, decision[judged], weights) for _, decision in trials])
        best = int(np.nanargmax(scores[:, 0]))
        errors = np.nanstd(scores[:, 1:] - scores[best, 1:], axis=1)
        winner = int(np.flatnonzero(scores[:, 0] >= scores[best, 0] - errors)[0])
        self.tried += [
            Tried(trial, float(score), float(error), i == winner)
            for i, ((trial, _), score, error) in enumerate(zip(trials, scores[:, 0], errors, strict=True))
        ]
        found = trials[winner][0]
        return {name: value for name, value in found.items() if not screening or name in options[0]}

    def _features(
        self, some_recipes: list[Recipe], sample: _Sample, screening: bool, progress: Progress
    ) -> list[NDArray[np.uint16]]:
        packed = [np.empty((len(sample.rows), recipe.n_features), np.uint16) for recipe in some_recipes]
        cache = self.cache if not screening or (self.cache is not None and self.cache.path is not None) else None
        n_train, done = len(self.pool.train), 0
        for source, offset in ((self.pool.train, 0), (self.pool.held_out, n_train)):
            if source is None:
                continue
            mine = sample.rows[(sample.rows >= offset) & (sample.rows < offset + len(source))] - offset

            def use(start: int, features: list[NDArray[np.float32]], done: int = done) -> None:
                for place, some in zip(packed, features, strict=True):
                    place[done + start : done + start + len(some)] = recipes.packed(some)

            def report(now: int, total: int, done: int = done) -> None:
                progress(done + now, 0)

            for_all_features(source, mine, some_recipes, use, self.num_threads, report, cache)
            done += len(mine)
        return packed

    def _trials(
        self, options: dict[str, Any], recipe: Recipe, packed: NDArray[np.uint16], sample: _Sample, screening: bool
    ) -> list[tuple[dict[str, Any], NDArray[np.float64]]]:
        """Decision values (n, n_machines) of all samples that are judged, for each machine that is tried."""
        codes = self.pool.codes[sample.rows]
        positives = machines.targets(codes, self.pool.n_classes)
        levels = [recipe.levels] if screening else self.levels or range(1, recipe.levels + 1)
        tries = [self._machine_options(one) for one in _grid(self.of_machine)]
        if screening:  # with each kernel at its first penalty
            tries = [one for one in tries if one.C == tries[0].C and one.class_weight == tries[0].class_weight]
        trials: list[tuple[dict[str, Any], NDArray[np.float64]]] = []
        (dot, spare), squares, begin = self._memory(len(codes)), np.zeros(len(codes)), 0
        for level in sorted(levels):
            end = recipe._replace(levels=level).n_features
            new = kernels.products(packed[:, begin:end], out=spare if begin else dot)
            new *= recipes.FEATURE_STEP**2
            if begin:
                dot += new
            squares += kernels.squares(packed[:, begin:end]) * recipes.FEATURE_STEP**2
            begin = end
            matrices: dict[float | None, NDArray[np.float64]] = {None: dot}
            jobs = []
            scale = float(f"{kernels.default_gamma(packed[:, :end]) / recipes.FEATURE_STEP**2:.3g}")
            for one in tries:
                gamma = None if one.kernel == "linear" else one.gamma or scale
                if gamma not in matrices:
                    matrices[gamma] = kernels.gaussian(dot, squares, squares, gamma or 0.0, self.num_threads, spare)
                decision = np.full((len(codes), len(positives)), np.nan)
                names = {name: getattr(one, name) for name in self.of_machine}
                trials.append(({**options, **({} if screening else {"levels": level}), **names}, decision))
                weights = _weights(codes, one)
                jobs += [
                    (matrices[gamma], part, k, weights, one.C, decision)
                    for part in sample.parts
                    for k in range(len(positives))
                ]

            def fit_one(job: int, jobs: list[Any] = jobs) -> None:
                matrix, (train, test), k, weights, penalty, decision = jobs[job]
                machine = machines.fit(matrix, train, positives[k], weights, penalty)
                decision[test, k] = machine.values(matrix, test)

            machines.for_jobs(len(jobs), fit_one, self.num_threads)
        return trials  # the cheapest first: fewer levels, then the order of the lists

    def _memory(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Two kernel matrices to write to, the same ones each time: their first touch takes as long as a product."""
        if len(self.memory[0]) != n:
            self.memory = np.empty((n, n)), np.empty((n, n))
        return self.memory

    def _machine_options(self, options: dict[str, Any]) -> Options:
        return Options(**{name: getattr(self.base, name) for name in _OF_MACHINE} | options)


def _grid(lists: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """All combinations, those that come first in their lists first."""
    places = ParameterGrid({name: list(range(len(values))) for name, values in lists.items()}) if lists else [{}]
    ordered = sorted(places, key=lambda place: (sum(place.values()), [place[name] for name in lists]))
    return [{name: lists[name][i] for name, i in place.items()} for place in ordered]


def _weights(codes: NDArray[np.intp], options: Options) -> NDArray[np.float64]:
    if options.class_weight == "none":
        return np.ones(len(codes))
    classes = np.unique(codes)
    by_class = dict(zip(classes, compute_class_weight("balanced", classes=classes, y=codes), strict=True))
    return np.array([by_class[code] for code in codes])


def _scores(codes: NDArray[np.intp], decision: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[Any]:
    """Area under the ROC curve for each weighting; of several classes the mean of one against the rest."""
    positives = machines.targets(codes, 2 if decision.shape[1] == 1 else decision.shape[1])
    areas = [probability.areas(positive, decision[:, k], weights) for k, positive in enumerate(positives)]
    return probability.mean_of_defined(np.stack(areas, axis=1))


def _stratified(codes: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """At most about `most` places, each class in its share but no class without at least ten, in order."""
    if len(codes) <= most:
        return np.arange(len(codes))
    chosen = []
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        count = min(len(mine), max(10, round(most * len(mine) / len(codes))))
        chosen.append(rng.permutation(mine)[:count])
    return np.sort(np.concatenate(chosen))
