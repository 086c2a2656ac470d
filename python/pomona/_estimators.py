"""The engine's parts as scikit-learn estimators."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from sklearn.base import (
        BaseEstimator,
        ClassNamePrefixFeaturesOutMixin,
        OneToOneFeatureMixin,
        TransformerMixin,
    )
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("this needs scikit-learn 1.6 or later: pip install scikit-learn") from error

from . import _native
from ._flags import to_args
from ._images import Image, describe, to_item, to_list
from ._progress import Progress, reporting
from .errors import PomonaError, UsageError

__all__ = ["PCA", "FeatureExtractor", "StandardScaler"]

# Images that are turned into arrays before they are worked on: enough for any number of cores.
_CHUNK = 256


class FeatureExtractor(TransformerMixin, BaseEstimator):
    """Images -> feature vectors, exactly those of ``pomona extract``.

    Args:
        model, weights, precision, denoise, resize, jpeg_policy, threads, max_pixels, max_bytes,
            sandbox, memory: the flags of ``pomona extract``; None is the command's default.
        errors: "raise", or "nan" for a row of NaN in place of an image without a feature.
        progress: as :func:`pomona.extract`.

    There is nothing to fit. The network is loaded by the first call and kept, but not pickled.
    Pixels that come as a ``PIL.Image`` or an array were decoded elsewhere: their features are those
    of the file to the bit only if that decoder gave the same pixels.

    >>> import pathlib
    >>> paths = sorted(pathlib.Path("samples/fruits").glob("*/*.jpg"))[:3]
    >>> extractor = pomona.FeatureExtractor(denoise="none")
    >>> x = extractor.transform([paths[0], paths[1].read_bytes(), paths[2]])
    >>> x.shape, x.dtype
    ((3, 1280), dtype('float32'))
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        weights: Any = None,
        precision: str | None = None,
        denoise: str | None = None,
        resize: str | None = None,
        jpeg_policy: str | None = None,
        threads: int | None = None,
        max_pixels: int | None = None,
        max_bytes: int | None = None,
        sandbox: bool = False,
        memory: str | int | None = None,
        errors: str = "raise",
        progress: Progress = False,
    ) -> None:
        self.model = model
        self.weights = weights
        self.precision = precision
        self.denoise = denoise
        self.resize = resize
        self.jpeg_policy = jpeg_policy
        self.threads = threads
        self.max_pixels = max_pixels
        self.max_bytes = max_bytes
        self.sandbox = sandbox
        self.memory = memory
        self.errors = errors
        self.progress = progress

    def fit(self, X: object = None, y: object = None) -> FeatureExtractor:
        """Nothing to learn; loads the network, so that what is wrong with it is said here."""
        self._network()
        return self

    def transform(self, X: Iterable[Image]) -> npt.NDArray[np.float32]:
        """Features of paths, files' bytes, ``PIL.Image`` objects or uint8 RGB arrays.

        Returns:
            images x dimension, float32; without any image 0 x dimension.

        Raises:
            UsageError: something that is no image at all (a number, an array of floats).
            PomonaError: with errors="raise", images without a feature; it names the first.
        """
        if self.errors not in ("raise", "nan"):
            raise UsageError(f"errors is 'raise' or 'nan', not {self.errors!r}")
        images = to_list(X)
        features, errors = self.featurize(images)
        failed = [i for i, error in enumerate(errors) if error is not None]
        if failed and self.errors == "raise":
            first = failed[0]
            raise PomonaError(
                f"image {first} ({describe(images[first])}) has no feature: {errors[first]}; "
                f"{len(failed)} of {len(images)} have none (errors='nan' makes rows of NaN of them)"
            )
        return features

    def featurize(
        self, images: Iterable[Image]
    ) -> tuple[npt.NDArray[np.float32], list[str | None]]:
        """As :meth:`transform`, and for each image None or why its row is NaN."""
        network = self._network()
        images = to_list(images)
        features = np.empty((len(images), network.dimension), np.float32)
        errors: list[str | None] = []
        with reporting(self.progress) as report:
            for first in range(0, len(images), _CHUNK):
                items = [to_item(image) for image in images[first : first + _CHUNK]]
                rejected = len(errors) - errors.count(None)

                def told(stage: str, done: int, total: int, more: int) -> None:
                    if report is not None:
                        report(stage, len(errors) + done, len(images), rejected + more)

                rows, why = network.featurize(items, progress=told)
                features[first : first + len(items)] = rows
                errors += why
        return features, errors

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """``feature0`` ... one for each number of a feature."""
        names = [f"feature{i}" for i in range(self._network().dimension)]
        return np.asarray(names, dtype=object)

    @property
    def description(self) -> dict[str, Any]:
        """What runs: model, dimension, precision, weights_sha256, recipe, threads."""
        return dict(json.loads(self._network().describe()))

    def _network(self) -> _native.Featurizer:
        flags = self.get_params(deep=False)
        del flags["errors"], flags["progress"]
        args = to_args(**flags)
        loaded: tuple[list[str], _native.Featurizer] | None = self.__dict__.get("_loaded")
        if loaded is None or loaded[0] != args:
            self._loaded = loaded = (args, _native.Featurizer(args))
        return loaded[1]

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_loaded", None)
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.no_validation = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _rows(x: Any) -> Any:
    """What Moments and Pca take: float32 as it is, everything else as float64."""
    return np.ascontiguousarray(x, x.dtype if x.dtype == np.float32 else np.float64)


class StandardScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """(x - mean) / deviation, column by column; the scaler of ``pomona reduce``.

    As scikit-learn's, but the deviation is that of a sample (divisor n - 1, as Spark ML's):
    ``ddof=0`` gives scikit-learn's. Means and deviations come from exactly mergeable moments in
    float64, so ``partial_fit`` over any batches loses no digits; it takes memory and time for all
    second moments, dimension x dimension. Neither sparse input nor NaN.

    Args:
        with_mean: subtract the mean.
        with_std: divide by the deviation; a constant column is divided by 1.
        ddof: the divisor of the variance is n - ddof.

    Attributes:
        mean_, scale_, var_: float64, one number a column.
        n_samples_seen_: rows so far.

    >>> scaler = pomona.StandardScaler().fit([[1.0, 7], [2, 7], [3, 7]])
    >>> scaler.transform([[3.0, 7]])
    array([[1., 0.]])
    """

    def __init__(self, *, with_mean: bool = True, with_std: bool = True, ddof: int = 1) -> None:
        self.with_mean = with_mean
        self.with_std = with_std
        self.ddof = ddof

    def fit(self, X: Any, y: object = None) -> StandardScaler:
        """Learns from rows x columns, forgetting what was learnt before."""
        self.__dict__.pop("_moments", None)
        return self.partial_fit(X)

    def partial_fit(self, X: Any, y: object = None) -> StandardScaler:
        """Learns from further rows."""
        begun = hasattr(self, "_moments")
        X = validate_data(self, X, reset=not begun, dtype=[np.float64, np.float32])
        if not begun:
            self._moments = _native.Moments(X.shape[1])
        self._moments.add(_rows(X))
        self.mean_, deviation, constant = _native.fit_scaler(self._moments)
        n = self.n_samples_seen_ = self._moments.n
        self.var_ = deviation**2 * ((n - 1) / max(n - self.ddof, 1))
        self.var_[constant] = 0
        self.scale_ = np.sqrt(self.var_)
        self.scale_[constant] = 1
        return self

    def transform(self, X: Any) -> Any:
        """Rows x columns, of the type that came in (float64 unless float32)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        out = X.astype(np.float64)
        if self.with_mean:
            out -= self.mean_
        if self.with_std:
            out /= self.scale_
        return out.astype(X.dtype, copy=False)

    def inverse_transform(self, X: Any) -> Any:
        """The rows that :meth:`transform` made these of."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        out = X.astype(np.float64)
        if self.with_std:
            out *= self.scale_
        if self.with_mean:
            out += self.mean_
        return out.astype(X.dtype, copy=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class PCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Principal components, exactly those of ``pomona reduce``.

    As scikit-learn's, but: each component's entry of largest magnitude is positive; components of
    no variance do not exist, so there may be fewer than asked for (a warning says so); there is no
    whitening. Exact in float64 whatever the number of rows, which are read once.

    Args:
        n_components: a number, a share of the variance (0 < x < 1), or None: all there are.
        standardize: divide columns by their deviations first, which is what ``pomona reduce`` does.
            Without it, put a :class:`StandardScaler` before: the same components.

    Attributes:
        components_: n_components_ x columns, orthonormal rows.
        explained_variance_, explained_variance_ratio_, singular_values_: of these components; the
            divisor is n - 1.
        mean_, scale_: what is subtracted, and divided by (ones without ``standardize``).
        n_components_, n_samples_: numbers of components kept and of rows.

    >>> import numpy as np
    >>> pca = pomona.PCA(n_components=1).fit(np.array([[0.0, 0], [2, 1], [4, 2]]))
    >>> pca.transform([[2.0, 1.0], [4.0, 2.0]]).round(3)
    array([[0.   ],
           [2.236]])
    """

    def __init__(
        self, n_components: int | float | None = None, *, standardize: bool = False
    ) -> None:
        self.n_components = n_components
        self.standardize = standardize

    def fit(self, X: Any, y: object = None) -> PCA:
        """Learns from rows x columns.

        Raises:
            ValueError: fewer than two rows, or more components than rows or columns.
        """
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        k = self._asked(*X.shape)
        moments = _native.Moments(X.shape[1])
        moments.add(_rows(X))
        self._pca = pca = _native.fit_pca(moments, k, bool(self.standardize))
        if isinstance(self.n_components, Integral) and pca.k < self.n_components:
            warnings.warn(
                f"the data have {pca.k} components of any variance, not {self.n_components}",
                UserWarning,
                stacklevel=2,
            )
        self.components_ = pca.components
        self.mean_ = pca.mean
        self.scale_ = pca.scale
        self.explained_variance_ = pca.variance[: pca.k]
        self.explained_variance_ratio_ = pca.explained_ratio[: pca.k]
        self.singular_values_ = np.sqrt(self.explained_variance_ * (pca.n - 1))
        self.n_components_ = pca.k
        self.n_samples_ = pca.n
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Rows x columns -> rows x n_components_, float64."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return self._pca.project(_rows(X))

    def inverse_transform(self, X: Any) -> npt.NDArray[np.float64]:
        """The rows of the original space that have these components and no other."""
        check_is_fitted(self)
        return np.asarray(X) @ self.components_ * self.scale_ + self.mean_

    def _asked(self, rows: int, columns: int) -> str:
        """n_components as --k has it."""
        asked, most = self.n_components, min(rows, columns)
        if asked is None:
            return str(most)
        if isinstance(asked, Integral) and not isinstance(asked, bool) and 1 <= asked <= most:
            return str(int(asked))
        if isinstance(asked, Real) and not isinstance(asked, Integral) and 0 < asked < 1:
            return f"{float(asked):.17f}"
        raise UsageError(
            f"n_components is {asked!r}: {rows} rows of {columns} columns take a whole number from "
            f"1 to {most}, a share of the variance between 0 and 1, or None"
        )

    @property
    def _n_features_out(self) -> int:
        return int(self.n_components_)
