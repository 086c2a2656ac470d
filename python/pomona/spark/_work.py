"""What tasks do. Called through ``_workers.on_workers``, which checks the worker first."""

from __future__ import annotations

import collections
import functools
import json
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

__all__ = ["compute_blocks", "compute_parts", "merged_moments", "steps"]

Batches = Iterable[pa.RecordBatch]
Step = tuple[Any, ...]  # a function of this module by its name, and its arguments but the batches
Column = tuple[str, str]  # that a step adds: its name, and "vector" or "array"
# What is handed to the engine at a time: images a thread, unless they are larger files than that
# together. One batch more is handed over before the first is waited for, so that there is work
# while images come from the JVM and vectors go there.
IMAGES_AT_ONCE, BYTES_AT_ONCE = 32, 16_000_000
VECTORS_AT_ONCE = 1024  # so that the JVM takes some while others are computed


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
    column: str,
    output: Column,
    errors: str,
    batches: Batches,
) -> Iterator[pa.RecordBatch]:
    """Batches with two more columns: the vectors of the images in `column`, and errors."""
    model = featurizer(args)
    if model.describe() != wanted:
        raise PomonaError(
            f"the worker on {socket.gethostname()} has another model than the driver: "
            f"{model.describe()}, not {wanted}"
        )
    stream, under_way = model.stream(), collections.deque()

    def next_batch() -> pa.RecordBatch:
        rows, why = stream.take()
        there = np.array([error is None for error in why], bool)
        batch = _with_vectors(under_way.popleft(), rows[there], there, output)
        return batch.append_column(errors, _texts(why))

    for images in _cut_files(batches, column, IMAGES_AT_ONCE * json.loads(wanted)["threads"]):
        stream.put(images.column(column).to_pylist())
        under_way.append(images)
        if len(under_way) > 1:
            yield next_batch()
    while under_way:
        yield next_batch()


def _cut_files(batches: Batches, column: str, rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of at most so many, and of few bytes of files."""
    for batch in _cut(batches, rows):
        start = taken = 0
        for row, content in enumerate(batch.column(column)):
            taken += len(content.as_buffer() or b"")
            if taken >= BYTES_AT_ONCE:
                yield batch.slice(start, row + 1 - start)
                start, taken = row + 1, 0
        if start < batch.num_rows:
            yield batch.slice(start)


def _cut(batches: Batches, rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of at most so many."""
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def _texts(texts: list[str | None]) -> pa.Array:
    """As pa.array, without pandas where there is none to convert."""
    if texts.count(None) == len(texts):
        return pa.nulls(len(texts), pa.string())
    return pa.array(texts, pa.string())


def _with_vectors(
    batch: pa.RecordBatch, rows: np.ndarray, there: np.ndarray, output: Column
) -> pa.RecordBatch:
    name, kind = output
    return batch.append_column(name, _vectors.from_matrix(rows, there, kind))


def moments(column: str, batches: Batches) -> Iterator[pa.RecordBatch]:
    """One row a partition that is not empty: its number and the moments of its vectors."""
    total = None
    for batch in batches:
        rows, _ = _vectors.matrix(batch.column(column), column)
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
    columns = [
        _vectors.from_numpy(np.array([partition], np.int32)),
        pa.repeat(pa.scalar(moments.to_bytes(), pa.binary()), 1),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["partition", "moments"])


def scaled(
    shift: np.ndarray, factor: np.ndarray, column: str, output: Column, batches: Batches
) -> Iterator[pa.RecordBatch]:
    """Batches with one more column: (vector - shift) * factor."""
    return _mapped(lambda rows: (rows - shift) * factor, len(shift), column, output, batches)


def times(
    components: np.ndarray, column: str, output: Column, batches: Batches
) -> Iterator[pa.RecordBatch]:
    """Batches with one more column: vector @ components [d, k]."""
    return _mapped(lambda rows: rows @ components, len(components), column, output, batches)


def _mapped(
    function: Any, size: int, column: str, output: Column, batches: Batches
) -> Iterator[pa.RecordBatch]:
    for batch in _cut(batches, VECTORS_AT_ONCE):
        rows, there = _vectors.matrix(batch.column(column), column)
        if len(rows) and rows.shape[1] != size:
            raise UsageError(
                f"column '{column}' has vectors of {rows.shape[1]} numbers; the model was fitted "
                f"on {size}"
            )
        mapped = function(rows) if len(rows) else rows
        yield _with_vectors(batch, mapped, there, output)


def steps(taken: Iterable[Step], batches: Batches) -> Batches:
    """Batches through one step after the other."""
    for name, *args in taken:
        batches = globals()[name](*args, batches)
    return batches
