"""Vector columns as numpy matrices, and back.

A vector is Spark ML's ``VectorUDT`` (in Arrow the struct type, size, indices, values) or an array
of numbers. A row may be null: an image without a feature. No PySpark here: importing
``pyspark.ml`` takes a worker longer than its work on many a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UsageError

__all__ = ["from_matrix", "from_numpy", "matrix", "one_size", "to_numpy"]

_DENSE = 1


def matrix(vectors: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(floats [n, d], bool [rows]): the vectors, and which rows are not null, n of them.

    d is 0 if n is. UsageError if their sizes differ or a number is null.
    """
    there = to_numpy(vectors.is_valid().cast(pa.uint8())).astype(bool)
    if vectors.null_count:
        vectors = vectors.drop_null()
    if pa.types.is_struct(vectors.type):
        return _from_structs(vectors, name), there
    sizes = to_numpy(pc.list_value_length(vectors))
    numbers = vectors.flatten()
    if numbers.null_count:
        raise UsageError(f"column '{name}' has vectors with null numbers")
    return _rows(numbers, sizes, name), there


def _rows(numbers: pa.Array, sizes: np.ndarray, name: str) -> np.ndarray:
    size = one_size(sizes, name)
    return to_numpy(numbers).reshape(len(sizes), size)


def one_size(sizes: Sequence[int] | np.ndarray, name: str) -> int:
    """The size that all vectors have; 0 if there is none. UsageError if sizes differ."""
    found = np.unique(np.asarray(sizes))
    if len(found) > 1:
        raise UsageError(
            f"column '{name}' has vectors of {found[0]} and of {found[-1]} numbers: all must "
            "have as many"
        )
    return int(found[0]) if len(found) else 0


def _from_structs(vectors: pa.StructArray, name: str) -> np.ndarray:
    kinds, sizes, indices, values = vectors.flatten()
    dense = to_numpy(kinds) == _DENSE
    lengths = to_numpy(pc.list_value_length(values))
    if dense.all():
        return _rows(values.flatten(), lengths, name)
    full = np.where(dense, lengths, to_numpy(sizes.fill_null(0)))
    rows = np.zeros((len(full), one_size(full, name)))
    for row, is_dense in enumerate(dense):
        at = slice(None) if is_dense else to_numpy(indices[row].values)
        rows[row, at] = to_numpy(values[row].values)
    return rows


def from_matrix(rows: np.ndarray, there: np.ndarray, output: str) -> pa.Array:
    """The column of `there.size` vectors of which those that are there are `rows`; others null."""
    width = rows.shape[1]
    ends = np.cumsum(there, dtype=np.int64) * width
    offsets = from_numpy(np.concatenate([[0], ends]).astype(np.int32))
    gone = from_numpy(~there)
    if output == "array":
        return pa.ListArray.from_arrays(offsets, from_numpy(rows.reshape(-1)), mask=gone)
    numbers = from_numpy(rows.astype(np.float64, copy=False).reshape(-1))
    count = len(there)
    return pa.StructArray.from_arrays(
        [
            from_numpy(np.full(count, _DENSE, np.int8)),
            pa.nulls(count, pa.int32()),
            pa.nulls(count, pa.list_(pa.int32())),
            pa.ListArray.from_arrays(offsets, numbers),
        ],
        names=["type", "size", "indices", "values"],
        mask=gone,
    )


def to_numpy(numbers: pa.Array) -> np.ndarray:
    """Numbers without nulls, not copied. pyarrow's own way, and that of `from_numpy`, import pandas
    first, which takes a worker longer than many a task."""
    return np.from_dlpack(numbers)


def from_numpy(numbers: np.ndarray) -> pa.Array:
    """Numbers or bools; numbers are not copied."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    data = np.packbits(numbers, bitorder="little") if numbers.dtype == bool else numbers
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(data)])
