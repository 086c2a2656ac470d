"""The commands `extract` and `reduce` with the tasks of a cluster in place of threads."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import SparkSession

from .. import _native
from .._commands import ExtractResult, Location, ReduceResult
from .._flags import to_args
from .._progress import Progress, Report, reporting, warn
from ..errors import PomonaError, UsageError
from ._environment import environment
from ._session import (
    Stores,
    context,
    driver_threads,
    is_local,
    static_settings,
    task_threads,
    watched,
)
from ._workers import errors_of_tasks, on_workers

__all__ = ["extract", "reduce", "run_extract", "run_reduce"]

# So many images for each number of a feature and each of its threads the driver reduces itself:
# moments of few images are as large as their features, and a job of Spark takes seconds.
IMAGES_OF_A_DRIVER_THREAD = 64

_OF_FILES = ("--weights", "--model", "--ca-bundle")  # flags that may name a file
_NOT_HERE = {
    "--threads": "tasks have as many threads as spark.task.cpus",
    "--watch": "it is for one machine",
    "--watch-queue": "it is for one machine",
    "--profile": "it is for one machine",
}


def extract(
    spark: SparkSession,
    images: Location,
    out: Location,
    *,
    progress: Progress = True,
    **flags: object,
) -> ExtractResult:
    """:func:`pomona.extract` on a cluster: the same files in ``out``, byte for byte.

    The driver lists ``images`` and plans; each task reads, decodes and featurises the images of a
    part on ``spark.task.cpus`` threads and writes it; the driver commits. A single part is the
    driver's own.

    Args:
        images, out: URIs that driver and workers reach: ``s3://``, ``s3a://`` (asked with Hadoop's
            settings of the session), or a folder that they share.
        progress: a bar (True), nothing (False), or ``f(stage, done, total, rejected)``, called on
            a thread of its own.
        **flags: those of ``pomona extract``, but for ``threads``, ``watch`` and ``profile``;
            ``memory`` bounds each worker process.

    Raises:
        UsageError, NothingToRead, Conflict: as :func:`pomona.extract`.
        PomonaError: a task failed as often as ``spark.task.maxFailures``; with its message.

    Finished parts are kept whatever happens, and the same call continues.

    >>> extract(spark, "s3a://bucket/images", "s3a://bucket/results")  # doctest: +SKIP
    """
    with reporting(progress) as report:
        uris = [os.fsdecode(images), os.fsdecode(out)]
        return ExtractResult.of(run_extract(spark, uris, to_args(**flags), report))


def reduce(
    spark: SparkSession, out: Location, *, progress: Progress = True, **flags: object
) -> ReduceResult:
    """:func:`pomona.reduce` on a cluster: the same files in ``out``/pca, byte for byte.

    Tasks compute moments of blocks of images, the driver merges them in order and finds the
    components, tasks project, the driver writes. Where blocks are too few for a cluster to be
    faster, the driver does all of it.

    Args:
        out: results of :func:`extract`.
        progress: as :func:`extract`.
        **flags: those of ``pomona reduce``: ``k=6`` or, a fraction of the variance, ``k=0.95``.

    Raises: as :func:`pomona.reduce`, and PomonaError as :func:`extract`.

    >>> reduce(spark, "s3a://bucket/results", k=0.95)  # doctest: +SKIP
    """
    with reporting(progress) as report:
        return ReduceResult.of(run_reduce(spark, [os.fsdecode(out)], to_args(**flags), report))


class _Job:
    """A command's arguments, as driver and tasks need them."""

    def __init__(self, spark: SparkSession, uris: list[str], flags: list[str]) -> None:
        for flag in flags:
            name = flag.partition("=")[0]
            if name in _NOT_HERE:
                raise UsageError(f"{name} is not for Spark: {_NOT_HERE[name]}")
        flags = [_absolute_flag(flag) for flag in flags]
        stores = Stores(spark, [_absolute(uri) for uri in uris], flags)
        self.environment = stores.environment
        self.flags = [*stores.flags, *flags]
        self.uris = stores.uris
        self.of_driver = self.args(driver_threads(spark))
        self.of_tasks = self.args(task_threads(static_settings(spark)))
        local = [uri for uri in stores.uris if "://" not in uri]
        self.folders = [] if is_local(spark) else local  # that workers must see

    def args(self, threads: int) -> list[str]:
        return [*self.flags, f"--threads={threads}", "--", *self.uris]

    def make_results(self) -> None:
        """The results folder, if it is one, so that workers can see that it is the same."""
        for folder in self.folders[-1:]:
            with contextlib.suppress(OSError):  # which the engine will tell better
                os.makedirs(folder, exist_ok=True)


def _absolute(uri: str) -> str:
    """Tasks run in other folders than the driver."""
    return uri if "://" in uri else os.path.abspath(uri)


def _absolute_flag(arg: str) -> str:
    flag, _, value = arg.partition("=")
    return (
        f"{flag}={os.path.abspath(value)}" if flag in _OF_FILES and os.path.exists(value) else arg
    )


@contextlib.contextmanager
def _on_driver() -> Iterator[None]:
    """Says of a failure that is no mistake of the caller's which machine has it: executors may
    well have the credentials that the driver lacks."""
    try:
        yield
    except PomonaError as error:
        if type(error) is not PomonaError:
            raise
        message = f"on the driver, which lists and commits: {error}"
    else:
        return
    raise PomonaError(message)


def run_extract(
    spark: SparkSession, uris: list[str], flags: list[str], report: Report | None
) -> dict[str, Any]:
    """`extract` with the command's arguments: IMAGES, RESULTS, and flags as ``--flag=value``."""
    job = _Job(spark, uris, flags)
    with environment(job.environment):
        with _on_driver():
            extraction = _native.Extraction(job.of_driver, report, warn)
        if len(extraction) == 1:
            extraction.compute(0, report)
        elif len(extraction) > 1:
            job.make_results()
            for index, done in enumerate(_compute(spark, job, extraction, report)):
                extraction.finish(index, done)
        return dict(json.loads(extraction.commit()))


def _compute(
    spark: SparkSession, job: _Job, extraction: Any, report: Report | None
) -> list[bytes]:
    """Every missing part of an extraction, in order, a task each."""
    sc = context(spark)
    images = [extraction.images(i) for i in range(len(extraction))]
    finished = sc.accumulator(0)
    # Paths compress well, and the driver's JVM holds all tasks at once.
    items = [(images[i], zlib.compress(extraction.part(i), 1)) for i in range(len(images))]
    task = on_workers(
        "compute_parts", job.of_tasks, extraction.contract, job.folders, job.environment, finished
    )
    with errors_of_tasks(), watched(sc, "features", finished, sum(images), report):
        return list(sc.parallelize(items, len(items)).mapPartitions(task).collect())


def run_reduce(
    spark: SparkSession, uris: list[str], flags: list[str], report: Report | None
) -> dict[str, Any]:
    """`reduce` with the command's arguments: RESULTS, and flags as ``--flag=value``."""
    job = _Job(spark, uris, flags)
    with environment(job.environment):
        with _on_driver():
            reduction = _native.Reduction(job.of_driver, warn)
        few = IMAGES_OF_A_DRIVER_THREAD * reduction.dimension * driver_threads(spark)
        if reduction.rows <= few:
            _, answer = _native.call(["reduce", *job.of_driver], report, warn)
            return dict(json.loads(answer))
        blocks, images = reduction.blocks(), reduction.rows
        for moments in _on_blocks(spark, job, "moments", images, blocks, report):
            reduction.merge(moments)
        pca = reduction.fit()
        for projected in _on_blocks(spark, job, "projection", images, blocks, report, pca):
            reduction.append(projected)
        return dict(json.loads(reduction.commit()))


def _on_blocks(
    spark: SparkSession,
    job: _Job,
    stage: str,
    images: int,
    blocks: list[bytes],
    report: Report | None,
    *what: bytes,
) -> Iterator[bytes]:
    """What a stage makes of each block, a task each, in the order of blocks. It waits on the
    workers' disks, so that the driver holds a few at a time."""
    sc = context(spark)
    finished = sc.accumulator(0)
    task = on_workers(
        "compute_blocks", job.of_tasks, stage, what, job.folders, job.environment, finished
    )
    done = sc.parallelize(blocks, len(blocks)).mapPartitions(task)
    done.persist(StorageLevel.DISK_ONLY)

    def in_images(stage: str, finished: int, total: int, rejected: int) -> None:
        if report is not None:
            report(stage, images * finished // total, images, rejected)

    try:
        with errors_of_tasks(), watched(sc, stage, finished, len(blocks), in_images):
            done.count()
            yield from done.toLocalIterator(prefetchPartitions=True)
    finally:
        done.unpersist()
