"""The commands `extract` and `reduce` with the tasks of a cluster in place of threads."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import SparkSession

from .. import _native
from .._flags import to_args
from ..errors import PomonaError, UsageError
from ._environment import environment
from ._session import Progress, Stores, context, driver_threads, task_threads, watched
from ._workers import errors_of_tasks, on_workers

__all__ = ["extract", "reduce", "run_extract", "run_reduce"]

Warn = Callable[[str], object]
PathLike = str | os.PathLike[str]

# So many blocks (of 2 d images) for each of its threads the driver reduces itself: moments are as
# large as the features that they are of, and a job of Spark takes seconds.
BLOCKS_OF_A_DRIVER_THREAD = 32

_OF_FILES = ("--weights", "--model", "--ca-bundle")  # flags that may name a file
_NOT_HERE = {
    "--threads": "tasks have as many threads as spark.task.cpus",
    "--watch": "it is for one machine",
    "--watch-queue": "it is for one machine",
    "--profile": "it is for one machine",
}


def extract(
    spark: SparkSession,
    images: PathLike,
    results: PathLike,
    *,
    progress: Progress | None = None,
    warning: Warn | None = None,
    **flags: Any,
) -> dict[str, Any]:
    """``pomona extract`` on a cluster: the same files in ``results``, byte for byte.

    The driver lists ``images`` and plans; each task reads, decodes and featurises parts of
    ``part_images`` (1,024) images on ``spark.task.cpus`` threads and writes them; the driver commits.
    Both are URIs that driver and workers reach: ``s3://``, ``s3a://`` (with Hadoop's settings of
    the session), or a folder that they share. Keyword arguments are the command's flags
    (``model="resnet50"``, ``denoise="nlm:3"``), but for ``threads``. A single part is computed by
    the driver.

    ``progress(stage, done, total, rejected)`` hears of images, ``warning(text)`` of what is odd.
    Returns what ``pomona extract --json`` prints. Run again after a failure: finished parts are not
    computed again. Errors: UsageError, NothingToRead, Conflict (another run committed meanwhile)
    and PomonaError, with a task's own message if one failed.

    >>> extract(spark, "s3a://bucket/images", "s3a://bucket/results")  # doctest: +SKIP
    """
    args = [os.fspath(images), os.fspath(results), *to_args(**flags)]
    return run_extract(spark, args, progress, warning)


def reduce(
    spark: SparkSession,
    results: PathLike,
    k: int | float | str = 6,
    *,
    progress: Progress | None = None,
    warning: Warn | None = None,
    **flags: Any,
) -> dict[str, Any]:
    """``pomona reduce`` on a cluster: the same files in ``results``/pca, byte for byte.

    Tasks compute moments of blocks of images, the driver merges them in order and finds the ``k``
    components (a count, or a fraction of the variance), tasks project, the driver writes. The
    driver does all of it where the blocks are too few for a cluster to be faster. Arguments,
    returned value (``pomona reduce --json``) and errors are as with ``extract``.

    >>> reduce(spark, "s3a://bucket/results", k=0.95)  # doctest: +SKIP
    """
    args = [os.fspath(results), f"--k={k}", *to_args(**flags)]
    return run_reduce(spark, args, progress, warning)


class _Job:
    """A command's arguments, as driver and tasks need them."""

    def __init__(self, spark: SparkSession, args: list[str], uris: int) -> None:
        for arg in args:
            flag = arg.partition("=")[0]
            if flag in _NOT_HERE:
                raise UsageError(f"{flag} is not for Spark: {_NOT_HERE[flag]}")
        flags = [_absolute_flag(arg) for arg in args[uris:]]
        stores = Stores(spark, [_absolute(uri) for uri in args[:uris]], flags)
        self.environment = stores.environment
        self.args = [*stores.uris, *stores.flags, *flags]
        self.driver_args = [*self.args, f"--threads={driver_threads(spark)}"]
        self.task_args = [*self.args, f"--threads={task_threads(spark)}"]
        local = [uri for uri in stores.uris if "://" not in uri]
        is_cluster = not context(spark).master.startswith("local")
        self.folders = local if is_cluster else []  # that workers must see

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
    return f"{flag}={os.path.abspath(value)}" if flag in _OF_FILES and os.path.exists(value) else arg


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
    spark: SparkSession, args: list[str], progress: Progress | None, warning: Warn | None
) -> dict[str, Any]:
    """`extract` with the command's arguments: IMAGES, RESULTS, then flags as ``--flag=value``."""
    job = _Job(spark, args, 2)
    with environment(job.environment):
        with _on_driver():
            extraction = _native.Extraction(job.driver_args, progress, warning)
        contract = extraction.contract
        if len(extraction) == 1:
            done = _native.compute_part(job.driver_args, contract, extraction.part(0), progress)
            extraction.finish(0, done)
        elif len(extraction) > 1:
            job.make_results()
            for index, done in enumerate(_compute(spark, job, extraction, contract, progress)):
                extraction.finish(index, done)
        return dict(json.loads(extraction.commit()))


def _compute(
    spark: SparkSession, job: _Job, extraction: Any, contract: str, progress: Progress | None
) -> list[bytes]:
    """Every missing part of an extraction, in order, a task each."""
    sc = context(spark)
    images = [extraction.images(i) for i in range(len(extraction))]
    finished = sc.accumulator(0)
    # Paths compress well, and the driver's JVM holds all tasks at once.
    items = [(images[i], zlib.compress(extraction.part(i), 1)) for i in range(len(images))]
    task = on_workers(
        "compute_parts", job.task_args, contract, job.folders, job.environment, finished
    )
    name = "features"
    with errors_of_tasks(), watched(sc, name, finished, sum(images), progress):
        return list(sc.parallelize(items, len(items)).mapPartitions(task).collect())


def run_reduce(
    spark: SparkSession, args: list[str], progress: Progress | None, warning: Warn | None
) -> dict[str, Any]:
    """`reduce` with the command's arguments: RESULTS, then flags as ``--flag=value``."""
    job = _Job(spark, args, 1)
    with environment(job.environment):
        with _on_driver():
            reduction = _native.Reduction(job.args, warning)
        blocks = reduction.blocks()
        if len(blocks) <= BLOCKS_OF_A_DRIVER_THREAD * driver_threads(spark):
            _, report = _native.call(["reduce", *job.driver_args], progress, warning)
            return dict(json.loads(report))
        for moments in _on_blocks(spark, job, "moments", blocks, progress):
            reduction.merge(moments)
        pca = reduction.fit()
        for projected in _on_blocks(spark, job, "projection", blocks, progress, pca):
            reduction.append(projected)
        return dict(json.loads(reduction.commit()))


def _on_blocks(
    spark: SparkSession,
    job: _Job,
    stage: str,
    blocks: Iterable[bytes],
    progress: Progress | None,
    *what: bytes,
) -> Iterator[bytes]:
    """What a stage makes of each block, a task each, in the order of blocks. It waits on the
    workers' disks, so that the driver holds a few at a time."""
    sc = context(spark)
    blocks = list(blocks)
    finished = sc.accumulator(0)
    task = on_workers(
        "compute_blocks", job.args, stage, what, job.folders, job.environment, finished
    )
    done = sc.parallelize(blocks, len(blocks)).mapPartitions(task)
    done.persist(StorageLevel.DISK_ONLY)
    try:
        with errors_of_tasks(), watched(sc, stage, finished, len(blocks), progress):
            done.count()
            yield from done.toLocalIterator(prefetchPartitions=True)
    finally:
        done.unpersist()
