"""Images, standardised vectors and components as stages of ``pyspark.ml``."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark.ml import Estimator, Model, Transformer
from pyspark.ml.linalg import DenseMatrix, DenseVector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import (
    DefaultParamsReadable,
    DefaultParamsReader,
    DefaultParamsWritable,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BinaryType,
    DoubleType,
    FloatType,
    StringType,
    StructField,
)

from .. import _native
from .._flags import to_args
from ..errors import PomonaError, UsageError
from . import _columns, _work
from ._session import task_threads
from ._workers import errors_of_tasks, on_workers

__all__ = ["PCA", "ImageFeaturizer", "PCAModel", "StandardScaler", "StandardScalerModel"]

# An attribute of DataFrames that a scaler made of what it was fitted on: column -> (moments before
# it was scaled, whether it was standardised). So the components of what was just scaled need no
# second pass over the data, nor over the network.
_KNOWN = "_pomona_moments"

# An attribute of DataFrames that stages made: (of which DataFrame, by which steps). What the next
# stage makes is made of that one by one step more, so that vectors do not go from Python to the JVM
# and back between two stages: that takes longer than most stages do.
_MADE = "_pomona_made"

MERGERS = 4  # tasks that merge moments, so that the driver gets no more than as many


class _HasColumns(HasInputCol, HasOutputCol):
    """inputCol, outputCol, and whether outputCol holds a VectorUDT or an array."""

    outputType: Param[str] = Param(
        Params._dummy(),
        "outputType",
        "'vector' (VectorUDT) or 'array'",
        typeConverter=TypeConverters.toString,
    )

    def setInputCol(self, value: str) -> Any:
        return self._set(inputCol=value)

    def setOutputCol(self, value: str) -> Any:
        return self._set(outputCol=value)

    def setOutputType(self, value: str) -> Any:
        if value not in _columns.OUTPUT_TYPES:
            raise UsageError(f"outputType is 'vector' or 'array', not '{value}'")
        return self._set(outputType=value)

    def getOutputType(self) -> str:
        return str(self.getOrDefault(self.outputType))

    def _set_columns(self, inputCol: str, outputCol: str, outputType: str) -> None:
        self.setInputCol(inputCol)
        self.setOutputCol(outputCol)
        self.setOutputType(outputType)

    def _output(self) -> _work.Column:
        return self.getOutputCol(), self.getOutputType()

    def _output_field(self, number: Any, size: int) -> StructField:
        metadata = {"ml_attr": {"num_attrs": size}}
        kind = _columns.spark_type(self.getOutputType(), number)
        return StructField(self.getOutputCol(), kind, True, metadata)


def _extended(dataset: DataFrame, step: _work.Step, *fields: StructField) -> DataFrame:
    """The DataFrame with further columns, which a step makes."""
    source, steps = _made(dataset)
    steps = (*steps, step)
    schema = _columns.with_column(dataset, *fields)
    extended = source.mapInArrow(on_workers("steps", steps), schema)
    setattr(extended, _MADE, (source, steps))
    return extended


def _made(dataset: DataFrame) -> tuple[DataFrame, tuple[_work.Step, ...]]:
    """Of which DataFrame by which steps; of itself by none if nobody knows, or if it is cached."""
    level = dataset.storageLevel
    if level.useMemory or level.useDisk:
        return dataset, ()
    return vars(dataset).get(_MADE, (dataset, ()))


class ImageFeaturizer(
    Transformer, _HasColumns, DefaultParamsReadable["ImageFeaturizer"], DefaultParamsWritable
):
    """Adds the feature vectors of images to a DataFrame.

    inputCol (binary, default "content") holds the bytes of image files, as
    ``spark.read.format("binaryFile")`` reads them. outputCol (default "features") gets a VectorUDT,
    or with ``outputType="array"`` an array<float>; errorCol (string, default "error") is null, or
    says why there is no vector: "reason: detail". Further keyword arguments are the flags of
    ``pomona extract`` that say how an image becomes a vector (``model``, ``weights``,
    ``precision``, ``denoise``, ``resize``, ``jpeg_policy``, ``sandbox``, ``max_pixels``,
    ``max_bytes``).

    Lazy, as every transformation: write the vectors, or cache them, before they are used twice.
    Each worker process loads the model once and uses ``spark.task.cpus`` threads; weights given as
    a file must be at that path on the driver and on every worker. Errors: UsageError from
    ``transform`` for flags and columns.

    >>> images = spark.read.format("binaryFile").load("s3a://bucket/images")  # doctest: +SKIP
    >>> ImageFeaturizer(denoise="none").transform(images).drop("content")  # doctest: +SKIP
    """

    errorCol: Param[str] = Param(
        Params._dummy(), "errorCol", "why there is no vector", typeConverter=TypeConverters.toString
    )
    flags: Param[Any] = Param(
        Params._dummy(), "flags", "flags of pomona extract, as keyword arguments"
    )

    def __init__(
        self,
        *,
        inputCol: str = "content",
        outputCol: str = "features",
        errorCol: str = "error",
        outputType: str = "vector",
        **flags: Any,
    ) -> None:
        super().__init__()
        self._set_columns(inputCol, outputCol, outputType)
        self.setErrorCol(errorCol)
        self.setFlags(**flags)

    def setErrorCol(self, value: str) -> ImageFeaturizer:
        return self._set(errorCol=value)

    def getErrorCol(self) -> str:
        return str(self.getOrDefault(self.errorCol))

    def setFlags(self, **flags: Any) -> ImageFeaturizer:
        if "threads" in flags:
            raise UsageError("threads are as many as spark.task.cpus: set that instead")
        return self._set(flags={name: _plain(value) for name, value in flags.items()})

    def getFlags(self) -> dict[str, Any]:
        return dict(self.getOrDefault(self.flags))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        source = _columns.column(dataset, self.getInputCol())
        if not isinstance(source.dataType, BinaryType):
            raise UsageError(
                f"column '{source.name}' is {source.dataType.simpleString()}, not binary: it must "
                'hold the bytes of image files, as spark.read.format("binaryFile") reads them'
            )
        threads = task_threads(dataset.sparkSession.conf)
        args = tuple(to_args(**self.getFlags(), threads=threads))
        model = _work.featurizer(args)  # here too, so that wrong flags are found at once
        return _extended(
            dataset,
            (
                *("featurize", args, model.describe()),
                *(self.getInputCol(), self._output(), self.getErrorCol()),
            ),
            self._output_field(FloatType(), model.dimension),
            StructField(self.getErrorCol(), StringType(), True),
        )


def _plain(value: Any) -> Any:
    """As JSON keeps it."""
    return value if value is None or isinstance(value, bool | int | float) else str(value)


class _NumbersWriter(MLWriter):
    """Params and the numbers of a model as metadata: JSON, in which doubles stay what they are."""

    def __init__(self, model: _FittedModel) -> None:
        super().__init__()
        self.model = model

    def saveImpl(self, path: str) -> None:
        DefaultParamsWriter.saveMetadata(
            self.model, path, self.sc, extraMetadata={"numbers": self.model._numbers()}
        )


class _NumbersReader(MLReader[Any]):
    def __init__(self, cls: type[_FittedModel]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        metadata = DefaultParamsReader.loadMetadata(path, self.sc)
        model = self.cls._of_numbers(metadata["numbers"])
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model


class _FittedModel(Model, _HasColumns, MLWritable, MLReadable[Any]):
    def _numbers(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def _of_numbers(cls, numbers: dict[str, Any]) -> Any:
        raise NotImplementedError

    def write(self) -> MLWriter:
        return _NumbersWriter(self)

    @classmethod
    def read(cls) -> MLReader[Any]:
        return _NumbersReader(cls)

    def _input(self, dataset: DataFrame, size: int) -> str:
        """The input column, which holds vectors of `size` numbers as far as can be told."""
        field = _columns.vector_column(dataset, self.getInputCol())
        known = _known_size(field)
        if known is not None and known != size:
            raise UsageError(
                f"column '{field.name}' has vectors of {known} numbers; the model was fitted on "
                f"{size}"
            )
        return field.name


def _known_size(field: StructField) -> int | None:
    size = (field.metadata or {}).get("ml_attr", {}).get("num_attrs")
    return size if isinstance(size, int) else None


def _moments(dataset: DataFrame, name: str) -> _native.Moments:
    """Of a column: by partition, merged in the order of partitions."""
    source, steps = _made(dataset)
    if not steps:
        source = dataset.select(F.col(f"`{name}`"))
    schema = "partition int, moments binary"
    found = source.mapInArrow(on_workers("steps", (*steps, ("moments", name))), schema)
    shares = found.repartition(MERGERS, F.col("partition") % MERGERS)
    found = shares.mapInArrow(on_workers("merged_moments", name), schema)
    with errors_of_tasks():
        parts = sorted(found.collect())
    if not parts:
        raise PomonaError(f"column '{name}' has no vector to learn from")
    total = _work.merge([bytes(part.moments) for part in parts], name)
    if total.n < 2:
        raise PomonaError(f"column '{name}' has 1 vector; it takes at least 2")
    if not np.isfinite(total.mean).all():
        raise PomonaError(f"column '{name}' has numbers that are not finite")
    return total


class _ScalerParams(_HasColumns):
    withMean: Param[bool] = Param(
        Params._dummy(), "withMean", "subtract the mean", typeConverter=TypeConverters.toBoolean
    )
    withStd: Param[bool] = Param(
        Params._dummy(),
        "withStd",
        "divide by the standard deviation",
        typeConverter=TypeConverters.toBoolean,
    )

    def getWithMean(self) -> bool:
        return bool(self.getOrDefault(self.withMean))

    def getWithStd(self) -> bool:
        return bool(self.getOrDefault(self.withStd))


class StandardScaler(
    Estimator["StandardScalerModel"],
    _ScalerParams,
    DefaultParamsReadable["StandardScaler"],
    DefaultParamsWritable,
):
    """As ``pyspark.ml.feature.StandardScaler``: (x - mean) / deviation, column by column.

    The deviation has the divisor n - 1; a column that does not vary becomes 0. Params, defaults and
    numbers are Spark ML's; besides VectorUDT it takes array<float> and array<double>, and null
    rows, which are passed over and stay null. Output: VectorUDT, or array<double> with
    ``outputType="array"``. Errors from ``fit``: UsageError for a column that holds no vectors or
    vectors of several sizes, PomonaError for fewer than 2 vectors or numbers that are not finite.
    """

    def __init__(
        self,
        *,
        inputCol: str = "features",
        outputCol: str = "scaled",
        withMean: bool = False,
        withStd: bool = True,
        outputType: str = "vector",
    ) -> None:
        super().__init__()
        self._set_columns(inputCol, outputCol, outputType)
        self._set(withMean=withMean, withStd=withStd)

    def setWithMean(self, value: bool) -> StandardScaler:
        return self._set(withMean=value)

    def setWithStd(self, value: bool) -> StandardScaler:
        return self._set(withStd=value)

    def _fit(self, dataset: DataFrame) -> StandardScalerModel:
        field = _columns.vector_column(dataset, self.getInputCol())
        found = _moments(dataset, field.name)
        mean, std, constant = _native.fit_scaler(found)
        std[constant] = 0
        model = StandardScalerModel(mean, std)
        model._fitted = (dataset, found)
        return self._copyValues(model)


class StandardScalerModel(_FittedModel, _ScalerParams):
    """What StandardScaler learned: ``mean`` and ``std``, DenseVectors of d numbers."""

    def __init__(self, mean: np.ndarray, std: np.ndarray) -> None:
        super().__init__()
        self.mean = DenseVector(mean)
        self.std = DenseVector(std)
        self._fitted: tuple[DataFrame, _native.Moments] | None = None

    def _transform(self, dataset: DataFrame) -> DataFrame:
        std = self.std.array
        name = self._input(dataset, len(std))
        shift = self.mean.array if self.getWithMean() else np.zeros_like(std)
        inverse = np.divide(1.0, std, out=np.zeros_like(std), where=std != 0)
        factor = inverse if self.getWithStd() else np.ones_like(std)
        step = ("scaled", shift, factor, name, self._output())
        out = _extended(dataset, step, self._output_field(DoubleType(), len(std)))
        if self._fitted is not None and self._fitted[0] is dataset:
            setattr(out, _KNOWN, {self.getOutputCol(): (self._fitted[1], self.getWithStd())})
        return out

    def _numbers(self) -> dict[str, Any]:
        return {"mean": self.mean.array.tolist(), "std": self.std.array.tolist()}

    @classmethod
    def _of_numbers(cls, numbers: dict[str, Any]) -> StandardScalerModel:
        return cls(np.array(numbers["mean"]), np.array(numbers["std"]))


class _PcaParams(_HasColumns):
    k: Param[int] = Param(
        Params._dummy(), "k", "number of components", typeConverter=TypeConverters.toInt
    )

    def getK(self) -> int:
        return int(self.getOrDefault(self.k))


class PCA(Estimator["PCAModel"], _PcaParams, DefaultParamsReadable["PCA"], DefaultParamsWritable):
    """As ``pyspark.ml.feature.PCA``: the k eigenvectors of the covariance with most variance.

    As there, the mean is not subtracted when vectors are transformed. A component's sign is
    arbitrary; here its entry of largest magnitude (the first of equals) is positive, and
    components beyond the rank of the data are 0. Input, output, null rows and errors are as with
    StandardScaler; UsageError also if k exceeds the size of the vectors.
    """

    def __init__(
        self,
        *,
        k: int = 6,
        inputCol: str = "scaled",
        outputCol: str = "pca",
        outputType: str = "vector",
    ) -> None:
        super().__init__()
        self._set_columns(inputCol, outputCol, outputType)
        self.setK(k)

    def setK(self, value: int) -> PCA:
        if value < 1:
            raise UsageError(f"k is at least 1, not {value}")
        return self._set(k=value)

    def _fit(self, dataset: DataFrame) -> PCAModel:
        field = _columns.vector_column(dataset, self.getInputCol())
        self._check(_known_size(field), field.name)
        known = vars(dataset).get(_KNOWN, {}).get(field.name)
        found, standardize = known or (_moments(dataset, field.name), False)
        self._check(found.dimension, field.name)
        k = self.getK()
        pca = _native.fit_pca(found, str(k), standardize)
        components = np.zeros((found.dimension, k))  # 0 beyond the rank
        components[:, : pca.k] = pca.components.T
        return self._copyValues(PCAModel(components, pca.explained_ratio[:k]))

    def _check(self, size: int | None, name: str) -> None:
        if size is not None and self.getK() > size:
            raise UsageError(
                f"k = {self.getK()} components of column '{name}', whose vectors have {size} "
                f"numbers: k is at most {size}"
            )


class PCAModel(_FittedModel, _PcaParams):
    """What PCA learned: ``pc``, a DenseMatrix d x k, and ``explainedVariance``, k shares of 1."""

    def __init__(self, components: np.ndarray, ratios: np.ndarray) -> None:
        super().__init__()
        self._components = np.ascontiguousarray(components)
        self.explainedVariance = DenseVector(ratios)

    @property
    def pc(self) -> DenseMatrix:
        d, k = self._components.shape
        return DenseMatrix(d, k, self._components.reshape(-1, order="F"))

    def _transform(self, dataset: DataFrame) -> DataFrame:
        d, k = self._components.shape
        name = self._input(dataset, d)
        step = ("times", self._components, name, self._output())
        return _extended(dataset, step, self._output_field(DoubleType(), k))

    def _numbers(self) -> dict[str, Any]:
        return {
            "pc": self._components.tolist(),
            "explainedVariance": self.explainedVariance.array.tolist(),
        }

    @classmethod
    def _of_numbers(cls, numbers: dict[str, Any]) -> PCAModel:
        return cls(np.array(numbers["pc"]), np.array(numbers["explainedVariance"]))
