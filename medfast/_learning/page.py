"""The report on a model: how good it is, how sure that is, and where it is wrong, as one HTML page.

Images are called by the first digits of their SHA-256; file names, which may hold the name of a patient, are on the
page only if they are asked for.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfast._learning import judging, probability, recipes
from medfast._learning.cases import Case
from medfast._learning.judging import Judged
from medfast._learning.model import Model
from medfast._learning.source import Images
from medfast._learning.strokes import hog_picture
from medfast._version import __version__
from medfast.report import Report, Section, to_gray8

RESAMPLES = 1000
"""Bootstrap samples behind the intervals."""
MOST_MISTAKES = 12
UNLIKE = 0.95
"""Share of the known cases that have a nearer one, from which on an image resembles none of them."""
PICTURE = 256
"""Longest side of an image on the page, in pixels."""

_NO_DEVICE = "A trained classifier is a research tool, no medical device."


class Intervals:
    """Figures of images of known classes, with bootstrap percentile intervals."""

    def __init__(
        self, codes: NDArray[np.intp], decision: NDArray[np.float64], threshold: float, n_classes: int, groups: Any
    ) -> None:
        predicted = probability.to_codes(decision, threshold)
        weights = probability.resamplings(len(codes), RESAMPLES, 0, groups)
        self.confusion = probability.confusions(codes, predicted, n_classes, np.ones((1, len(codes))))[0]
        sampled, parts = [], []
        for start in range(0, RESAMPLES, 100):  # so that the memory stays small
            some = weights[start : start + 100]
            confusion = probability.confusions(codes, predicted, n_classes, some)
            sampled.append(confusion)
            parts.append(np.stack(probability.figures(codes, decision, confusion, some)))
        self.samples = dict(zip(("accuracy", "balanced_accuracy", "auc"), np.hstack(parts), strict=True))
        confusion = np.concatenate(sampled)
        with np.errstate(invalid="ignore"):
            self.shares = confusion / confusion.sum(axis=2, keepdims=True)

    def of(self, name: str, value: float | None) -> str:
        """A figure with its interval, as text."""
        if value is None:
            return "undefined"
        low, high = _interval(self.samples[name])
        return f"{value:.3f} [{low:.3f}, {high:.3f}]"

    def cell(self, row: int, col: int) -> str:
        """A cell of the confusion matrix: how many, their share of the true class, and its interval."""
        members = self.confusion[row].sum()
        if not self.confusion[row, col]:
            return "0"
        low, high = _interval(self.shares[:, row, col])
        share = self.confusion[row, col] / members
        return f"{self.confusion[row, col]:.0f} ({share:.1%} [{low:.1%}, {high:.1%}])"


def model_report(
    model: Model,
    judged: Judged,
    source: Images,
    *,
    title: str,
    lead: str,
    groups: Any = None,
    found: Any = None,
    names: bool = False,
) -> Report:
    """The page on what came of images of known classes; those that the model learnt from are left out of the curves."""
    report = Report(title, f"{lead} {_NO_DEVICE}")
    whole = judging.report(model, judged)
    rows = np.arange(len(judged.codes))
    if judged.known.any() and not judged.known.all():
        rows = np.flatnonzero(~judged.known)
    codes, decision = judged.codes[rows], judged.decision[rows]
    members = None if groups is None else np.asarray(groups)[rows]
    intervals = Intervals(codes, decision, model.threshold, len(model.classes), members)
    figures = probability.report(codes, decision, model.classes, model.threshold)
    section = report.section("How good it is")
    section.figures(
        {
            "area under the ROC curve": intervals.of("auc", figures["auc"]),
            "balanced accuracy": intervals.of("balanced_accuracy", figures["balanced_accuracy"]),
            "accuracy": intervals.of("accuracy", figures["accuracy"]),
            "images": f"{len(rows)}",
        }
    )
    by_group = "" if members is None else ", in which the images of a group are drawn together"
    section.text(f"In brackets: 95 % percentile intervals from {RESAMPLES} bootstrap samples of the images{by_group}.")
    if judged.known.any():
        _duplicates(section, whole, int(judged.known.sum()), len(judged.codes), bool(judged.known.all()))
    _curves(report.section("Curves"), model, codes, decision)
    _confusion(report.section("Confusion matrix"), model, intervals)
    _mistakes(report.section("Worst mistakes"), model, judged, source, rows, names)
    if found is not None:
        _search(report.section("What was tried"), found)
    _model(report.section("The model"), model)
    return report


def similar_report(
    model: Model, source: Images, found: Sequence[Sequence[Case]], *, title: str, names: bool = False
) -> Report:
    """The page on the known cases that resemble images."""
    report = Report(title, f"The known cases whose HOG features are nearest, nearest first. {_NO_DEVICE}")
    for i, cases in enumerate(found):
        name = source.name_of(i) if names else f"Image {i + 1}"
        section = report.section(name)
        section.pictures({"The image": _enlarged(_shrunk(source.read(i, model.options.window)))})
        section.pictures(
            {
                f"{k + 1}. {case.label} · distance {case.distance:.3f} · {case.sha256[:12]}": _enlarged(case.picture)
                for k, case in enumerate(cases)
            },
            width=160,
        )
        counts = {label: sum(case.label == label for case in cases) for label in model.classes}
        shares = ", ".join(f"{n} {label}" for label, n in counts.items() if n)
        section.text(
            f"Of {len(cases)} known cases: {shares}. {usual(cases)} The digits are the beginning of a case's SHA-256."
        )
    return report


def usual(cases: Sequence[Case]) -> str:
    """How much the nearest case resembles an image, compared with what is usual."""
    text = f"{cases[0].rarity:.0%} of the known cases have another one nearer than the nearest of these."
    return text if cases[0].rarity < UNLIKE else f"{text} Nothing known is much like this image."


def _interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    known = samples[~np.isnan(samples)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def _duplicates(section: Section, whole: dict[str, Any], count: int, total: int, all_known: bool) -> None:
    section.text(
        f"{count} of {total} images are, byte for byte, among those that the model learnt from. "
        + (
            "There are no others: these figures say nothing of new images."
            if all_known
            else "They are left out of everything on this page but the first line of this table."
        )
    )
    rows = []
    for name, figures in (("all images", whole), ("without them", whole["duplicates"]["without"])):
        values = ("auc", "balanced_accuracy", "accuracy")
        rows.append([name, *("undefined" if figures[key] is None else f"{figures[key]:.4f}" for key in values)])
    section.table(["", "AUC", "balanced accuracy", "accuracy"], rows)


def _curves(section: Section, model: Model, codes: NDArray[np.intp], decision: NDArray[np.float64]) -> None:
    try:
        from matplotlib.figure import Figure
        from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve
    except ImportError as error:
        raise ImportError(f'reports need matplotlib and scikit-learn: pip install "medfast[demo]" ({error})') from error
    two = decision.shape[1] == 1
    scores = decision if two else probability.to_probabilities(decision)
    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    roc, precision = figure.subplots(1, 2)
    drawn = False
    for column in range(scores.shape[1]):
        label, positive = model.classes[1 if two else column], codes == (1 if two else column)
        if not positive.any() or positive.all():
            continue
        drawn = True
        wrong, right, levels = roc_curve(positive, scores[:, column], drop_intermediate=False)
        area = float(probability.areas(positive, scores[:, column], np.ones((1, len(codes))))[0])
        (line,) = roc.plot(wrong, right, lw=1.6, label=f"{label} ({area:.3f})")
        exact, share, cuts = precision_recall_curve(positive, scores[:, column])
        mean = average_precision_score(positive, scores[:, column])
        precision.plot(share, exact, lw=1.6, color=line.get_color(), label=f"{label} ({mean:.3f})")
        if two:
            at = np.searchsorted(-levels, -model.threshold, side="left") - 1  # the last level above the threshold
            roc.plot(wrong[at], right[at], "o", color=line.get_color(), label="where it decides")
            at = np.searchsorted(cuts, model.threshold, side="right")
            precision.plot(share[at], exact[at], "o", color=line.get_color())
    if not drawn:
        section.text("There are no curves of images of a single class.")
        return
    roc.plot([0, 1], [0, 1], ":", color="0.6", lw=1)
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC (area)")
    precision.set(
        xlabel="recall",
        ylabel="precision",
        ylim=(-0.02, 1.02),
        title="Precision–recall (average precision)",
    )
    for axes, place in ((roc, "lower right"), (precision, "lower left")):
        axes.grid(alpha=0.3)
        axes.legend(loc=place, fontsize=8, ncols=1 if scores.shape[1] < 8 else 2)
    what = f"For the class {model.classes[1]}." if two else "For each class against the rest."
    section.plot(figure, what, width=960)


def _confusion(section: Section, model: Model, intervals: Intervals) -> None:
    classes = [str(label) for label in model.classes]
    rows = [[name, *(intervals.cell(row, col) for col in range(len(classes)))] for row, name in enumerate(classes)]
    section.table(["true \\ said", *classes], rows, "How many, their share of the true class, and its 95 % interval.")
    if len(classes) == 2:
        at = probability.to_probabilities(np.array([[model.threshold]]))[0, 1]
        section.text(f"{classes[1]} is said from a probability of {at:.3f} on.")


def _mistakes(
    section: Section, model: Model, judged: Judged, source: Images, rows: NDArray[np.intp], names: bool
) -> None:
    codes, decision = judged.codes[rows], judged.decision[rows]
    predicted = probability.to_codes(decision, model.threshold)
    shares = probability.to_probabilities(decision)
    wrong = np.flatnonzero(predicted != codes)
    if not len(wrong):
        section.text("There are none.")
        return
    worst = wrong[np.argsort(shares[wrong, codes[wrong]], kind="stable")][:MOST_MISTAKES]
    section.text(
        f"{len(worst)} of {len(wrong)} mistakes, those first to whose true class the model gave the least probability: "
        "the image, and the strokes that HOG saw in what the steps before it made of it."
    )
    pictures: dict[str, Any] = {}
    for rank, i in enumerate(worst.tolist(), 1):
        row = int(rows[i])
        image = source.read(row, model.options.window)
        seen = recipes.prepare(image, model.recipe)
        name = f" · {source.name_of(row)}" if names else ""
        said, true = model.classes[predicted[i]], model.classes[codes[i]]
        share, number = shares[i, codes[i]], judged.hashes[row].tobytes().hex()[:12]
        pictures[f"{rank}. Is {true} (p = {share:.3f}), said {said} · {number}{name}"] = _enlarged(_shrunk(image))
        pictures[f"{rank}. What HOG saw"] = hog_picture(seen, model.recipe)
    section.pictures(pictures, width=240)


def _search(section: Section, found: Any) -> None:
    names = list(dict.fromkeys(name for one in found.tried for name in one.options))
    rows = [
        [
            *(_shown(one.options.get(name, "")) for name in names),
            f"{one.score:.4f}",
            f"{one.error:.4f}",
            "chosen" if one.chosen else "",
        ]
        for one in found.tried
    ]
    section.text(
        f"Judged by {found.judge}. Of candidates that are worse than the best of their step by no more than the "
        "standard error of the difference, the first one is chosen: the cheapest."
    )
    section.table([*names, "AUC", "± from the best", ""], rows)


def _model(section: Section, model: Model) -> None:
    rows: list[list[Any]] = [[name, _shown(value)] for name, value in vars(model.options).items() if value is not None]
    rows += [["images learnt from", model.n_train], ["features", model.recipe.n_features], ["cell", model.recipe.cell]]
    rows += [["support vectors", len(model.support)]] if model.support is not None else []
    rows += [[f"trained with {name}", version] for name, version in model.versions.items()]
    section.table(["", ""], [*rows, ["this page by medfast", __version__]])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "×".join(map(str, value)) if isinstance(value, tuple | list) else f"{value}"


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longest = max(image.shape)
    if longest <= PICTURE:
        return image
    size = tuple(max(1, round(side * PICTURE / longest)) for side in image.shape)
    return recipes.shrink_or_grow(image, (size[0], size[1]))


def _enlarged(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A small image in whole multiples of its pixels, which browsers would blur."""
    times = max(1, round(PICTURE / max(image.shape)))
    return np.repeat(np.repeat(to_gray8(image, 0, 255), times, axis=0), times, axis=1)


def file_name(path: str | os.PathLike[str]) -> str:
    """The last part of a path."""
    return os.path.basename(os.path.abspath(path))
