"""What tasks do. Called through ``_workers.on_workers``, which checks the worker first."""

from __future__ import annotations

import functools
import os
import socket
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from .. import _native
from ..errors import PomonaError, UsageError
from . import _vectors
from ._environment import environment

__all__ = [
    "compute_blocks",
    "compute_parts",
    "featurize",
    "merged_moments",
    "scaled",
    "moments",
    "times",
]

Batches = Iterable[pa.RecordBatch]
IMAGES_AT_ONCE = 16  # a thread: what is handed to the engine at a time


def _seen(folders: list[str]) -> None:
    """Folders of the driver's disks must be the workers' too."""
    for folder in folders:
        if not os.path.exists(folder):
            raise PomonaError(
                f"the worker on {socket.gethostname()} does not see {folder}, which the driver "
                "does: use a folder that all machines share, or s3://"
            )


def compute_parts(
    args: list[str],
    contract: str,
    folders: list[str],
    variables: dict[str, str | None],
    finished: Any,
    parts: Iterable[tuple[int, bytes]],
) -> Iterator[bytes]:
    """(images, part) of an extraction -> what to commit. `finished` counts images."""
    _seen(folders)
    with environment(variables):
        for images, part in parts:
            yield _native.compute_part(args, contract, zlib.decompress(part))
            finished.add(images)


def compute_blocks(
    args: list[str],
    stage: str,
    what: tuple[bytes, ...],
    folders: list[str],
    variables: dict[str, str | None],
    finished: Any,
    blocks: Iterable[bytes],
) -> Iterator[bytes]:
    """Blocks of a dataset -> their moments, or their projections. `finished` counts blocks."""
    _seen(folders)
    work = _native.block_moments if stage == "moments" else _native.block_projection
    with environment(variables):
        for block in blocks:
            yield work(args, block, *what)
            finished.add(1)


@functools.lru_cache(maxsize=2)
def featurizer(args: tuple[str, ...]) -> Any:
    """The model, loaded once a process."""
    return _native.Featurizer(list(args))


def featurize(
    args: tuple[str, ...],
    wanted: str,
    threads: int,
    column: str,
    output: str,
    batches: Batches,
) -> Iterator[pa.RecordBatch]:
    """Batches with two more columns: the vectors of the images in `column`, and errors."""
    model = featurizer(args)
    if model.describe() != wanted:
        raise PomonaError(
            f"the worker on {socket.gethostname()} has another model than the driver: "
            f"{model.describe()}, not {wanted}"
        )
    step = IMAGES_AT_ONCE * threads
    for batch in batches:
        for start in range(0, batch.num_rows, step):
            yield _featurized(model, batch.slice(start, step), threads, column, output)


def _featurized(
    model: Any, batch: pa.RecordBatch, threads: int, column: str, output: str
) -> pa.RecordBatch:
    contents = batch.column(column).to_pylist()
    rows, errors = model.featurize(contents, threads)
    there = np.array([error is None for error in errors], bool)
    vectors = _vectors.from_matrix(rows[there], there, output)
    return _with_columns(batch, vectors, pa.array(errors, pa.string()))


def _with_columns(batch: pa.RecordBatch, *columns: pa.Array) -> pa.RecordBatch:
    # Spark takes columns by position.
    names = [str(i) for i in range(batch.num_columns + len(columns))]
    return pa.RecordBatch.from_arrays([*batch.columns, *columns], names=names)


def moments(column: str, batches: Batches) -> Iterator[pa.RecordBatch]:
    """One row a partition that is not empty: its number and the moments of its vectors."""
    total = None
    for batch in batches:
        rows, _ = _vectors.matrix(batch.column(0), column)
        if not len(rows):
            continue
        total = _native.Moments(rows.shape[1]) if total is None else total
        _vectors.one_size([total.dimension, rows.shape[1]], column)
        total.add(np.ascontiguousarray(rows))
    if total is not None:
        yield _row(_partition(), total)


def merged_moments(column: str, batches: Batches) -> Iterator[pa.RecordBatch]:
    """Rows of `moments` -> one row: those of one partition, in the order of their numbers."""
    rows = [row for batch in batches for row in batch.to_pylist()]
    if rows:
        rows.sort(key=lambda row: row["partition"])
        yield _row(rows[0]["partition"], merge([row["moments"] for row in rows], column))


def merge(moments: Iterable[bytes], column: str) -> _native.Moments:
    """Of all together; at least one."""
    total, *others = map(_native.Moments.from_bytes, moments)
    for other in others:
        _vectors.one_size([total.dimension, other.dimension], column)
        total.merge(other)
    return total


def _partition() -> int:
    from pyspark import TaskContext

    task = TaskContext.get()
    assert task is not None
    return int(task.partitionId())


def _row(partition: int, moments: _native.Moments) -> pa.RecordBatch:
    columns = [pa.array([partition], pa.int32()), pa.array([moments.to_bytes()], pa.binary())]
    return pa.RecordBatch.from_arrays(columns, names=["partition", "moments"])


def scaled(
    shift: np.ndarray, factor: np.ndarray, column: str, output: str, batches: Batches
) -> Iterator[pa.RecordBatch]:
    """Batches with one more column: (vector - shift) * factor."""
    return _mapped(lambda rows: (rows - shift) * factor, len(shift), column, output, batches)


def times(
    components: np.ndarray, column: str, output: str, batches: Batches
) -> Iterator[pa.RecordBatch]:
    """Batches with one more column: vector @ components [d, k]."""
    return _mapped(lambda rows: rows @ components, len(components), column, output, batches)


def _mapped(
    function: Any, size: int, column: str, output: str, batches: Batches
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows, there = _vectors.matrix(batch.column(column), column)
        if len(rows) and rows.shape[1] != size:
            raise UsageError(
                f"column '{column}' has vectors of {rows.shape[1]} numbers; the model was fitted "
                f"on {size}"
            )
        mapped = function(rows) if len(rows) else rows
        yield _with_columns(batch, _vectors.from_matrix(mapped, there, output))
