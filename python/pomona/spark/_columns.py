"""Columns of vectors in the schema of a DataFrame."""

from __future__ import annotations

from pyspark.ml.linalg import VectorUDT
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DataType, DoubleType, FloatType, StructField, StructType

from ..errors import UsageError

__all__ = ["OUTPUT_TYPES", "column", "spark_type", "vector_column", "with_column"]

OUTPUT_TYPES = ("vector", "array")


def vector_column(frame: DataFrame, name: str) -> StructField:
    """The field of a column that holds vectors. UsageError if it does not."""
    field = column(frame, name)
    kind = field.dataType
    if isinstance(kind, VectorUDT):
        return field
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, FloatType | DoubleType):
        return field
    raise UsageError(
        f"column '{name}' is {kind.simpleString()}, not a vector: it must be a VectorUDT or an "
        "array of float or double"
    )


def column(frame: DataFrame, name: str) -> StructField:
    """The field of a column. UsageError if there is none."""
    if name not in frame.columns:
        raise UsageError(f"there is no column '{name}'; there are {', '.join(frame.columns)}")
    return frame.schema[name]


def with_column(frame: DataFrame, *fields: StructField) -> StructType:
    """The frame's schema with further columns. UsageError if it has one of them already."""
    for field in fields:
        if field.name in frame.columns:
            raise UsageError(
                f"there is a column '{field.name}' already: name another output column"
            )
    return StructType([*frame.schema.fields, *fields])


def spark_type(output: str, number: DataType) -> DataType:
    """What a column of vectors is: output type "vector" or "array", of such numbers."""
    return VectorUDT() if output == "vector" else ArrayType(number, False)
