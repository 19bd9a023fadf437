"""What a search has to say: without scikit-learn, so that it can be read where nothing is learnt."""

from typing import Any, NamedTuple

from medfast._learning.recipes import Options


class CannotJudge(ValueError):
    """There are neither validation images nor folds to choose by."""


class Tried(NamedTuple):
    """A candidate of a search, and how it did.

    Parameters
    ----------
    options : dict
        Its options.
    score : float
        Area under the ROC curve, of several classes the mean of each against the rest.
    error : float
        Standard error of its difference from the best one of its step.
    chosen : bool
        Whether it was chosen in its step.

    Examples
    --------
    >>> from medfast.pipeline import Tried
    >>> Tried({"C": 1.0}, 0.97, 0.01, True).score
    0.97
    """

    options: dict[str, Any]
    score: float
    error: float
    chosen: bool


class SearchResult(NamedTuple):
    """What a search has found.

    Parameters
    ----------
    options : Options
        The given ones, with everything filled in that was searched.
    tried : list of Tried
        Every candidate in the order in which they were tried.
    judge : str
        What judged them: "validation images", "5 folds", or "5 folds by group".

    Examples
    --------
    >>> from medfast.pipeline import Options, SearchResult
    >>> SearchResult(Options(C=10.0), [], "5 folds").options.C
    10.0
    """

    options: Options
    tried: list[Tried]
    judge: str
