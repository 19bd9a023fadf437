"""What stands for scikit-learn's estimators while they are patched."""

from typing import Any

import medfast.sklearn
from medfast.compat import _calls

__all__ = ["KMeans"]


def _new(kind: type) -> Any:
    return object.__new__(kind)


def drop_in(ours: type) -> type:
    """`medfast.sklearn.KMeans` that leaves to scikit-learn what it does not take."""

    class KMeans(ours):
        __doc__ = ours.__doc__
        path = "sklearn.cluster.KMeans"

        def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
            """Cluster, by medfast or by scikit-learn."""
            try:
                super().fit(X, y, sample_weight=sample_weight)
            except (TypeError, ValueError, NotImplementedError) as error:
                original = _calls.original(self.path)
                if original is None:
                    raise
                known = original().get_params()
                theirs = original(**{name: value for name, value in self.get_params().items() if name in known})
                theirs.fit(X, y, sample_weight=sample_weight)  # its own error, where there is one
                _calls.fell_back(self.path, error)
                self.__dict__.update(vars(theirs))
                self.__dict__["_theirs"] = theirs
                return self
            self.__dict__.pop("_theirs", None)
            _calls.answered(self.path)
            return self

        def __reduce_ex__(self, protocol: Any) -> Any:  # by a name that outlives the patch
            return _new, (ours,), self.__getstate__()

    def handed_on(name: str) -> Any:
        def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
            theirs = self.__dict__.get("_theirs")
            return getattr(super(KMeans, self) if theirs is None else theirs, name)(*arguments, **keywords)

        method.__name__ = method.__qualname__ = name
        return method

    for name in ("predict", "transform", "score"):
        if hasattr(ours, name):
            setattr(KMeans, name, handed_on(name))
    return KMeans


KMeans = drop_in(medfast.sklearn.KMeans) if hasattr(medfast.sklearn, "KMeans") else None
