"""What a Spark session says about cores, stores and progress."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from pyspark.sql import SparkSession

from .._progress import Report
from ..errors import UsageError

__all__ = [
    "Stores",
    "context",
    "driver_threads",
    "is_local",
    "static_settings",
    "task_threads",
    "watched",
]


def context(spark: SparkSession) -> Any:
    """The session's SparkContext. UsageError if it has none."""
    try:
        return spark.sparkContext
    except Exception:
        raise UsageError(
            "pomona.spark.extract and reduce need a classic Spark session; with Spark Connect "
            "submit `python -m pomona.spark` to the cluster"
        ) from None


def static_settings(spark: SparkSession) -> Any:
    """What the application was started with. ``spark.conf`` has it, too, but the first to ask that
    waits for all of Spark SQL to start, a tenth of a second and more."""
    return context(spark)._conf


def task_threads(settings: Any) -> int:
    """Cores that Spark counts for one task, which are the native threads it may have; of
    ``spark.conf`` or static_settings."""
    return int(settings.get("spark.task.cpus", "1"))


def driver_threads(spark: SparkSession) -> int:
    """Cores of the driver: those of ``local[N]``, or ``spark.driver.cores``."""
    if is_local(spark):
        return int(context(spark).defaultParallelism)
    return int(static_settings(spark).get("spark.driver.cores", "1"))


def is_local(spark: SparkSession) -> bool:
    """Whether tasks run on the driver's machine, as threads of its process."""
    return re.match(r"local(\[|$)", context(spark).master) is not None


class Stores:
    """URIs and how their stores are asked, for the native code.

    ``s3a://`` is ``s3://`` with Hadoop's settings of the session, as far as they say anything:
    endpoint, region, path style, anonymous and requester pays become flags (unless the caller
    gave that flag), keys become environment variables. Everything else, and all of ``s3://``, is
    as with the command. UsageError if two buckets need different settings.
    """

    def __init__(self, spark: SparkSession, uris: list[str], args: list[str]) -> None:
        self.uris = [_native(uri) for uri in uris]
        self.environment: dict[str, str | None] = {}
        self.flags: list[str] = []
        buckets = sorted({_bucket(uri) for uri in uris if uri.lower().startswith("s3a://")})
        found = [_settings(spark, bucket) for bucket in buckets]
        if any(other != found[0] for other in found):
            raise UsageError(
                f"s3a settings of the buckets {' and '.join(buckets)} differ: images and results "
                "are read and written with the same endpoint, region and keys"
            )
        if found:
            flags, self.environment = found[0]
            given = {arg.partition("=")[0] for arg in args}
            self.flags = [flag for flag in flags if flag.partition("=")[0] not in given]


def _native(uri: str) -> str:
    return "s3" + uri[3:] if uri.lower().startswith("s3a://") else uri


def _bucket(uri: str) -> str:
    return uri.split("/")[2]


def _settings(spark: SparkSession, bucket: str) -> tuple[list[str], dict[str, str | None]]:
    hadoop = context(spark)._jsc.hadoopConfiguration()

    def get(name: str) -> str:
        for key in (f"fs.s3a.bucket.{bucket}.{name}", f"fs.s3a.{name}"):
            if value := hadoop.get(key):
                return str(value).strip()
        return ""

    def secret(name: str) -> str | None:  # also from Hadoop's credential providers
        for key in (f"fs.s3a.bucket.{bucket}.{name}", f"fs.s3a.{name}"):
            if value := hadoop.getPassword(key):
                return "".join(value)
        return None

    flags = []
    if endpoint := get("endpoint"):
        if "://" not in endpoint:
            scheme = "http" if get("connection.ssl.enabled") == "false" else "https"
            endpoint = f"{scheme}://{endpoint}"
        flags.append(f"--endpoint-url={endpoint}")
        if get("path.style.access") != "true":
            flags.append("--virtual-hosted")
    if region := get("endpoint.region"):
        flags.append(f"--region={region}")
    if "AnonymousAWSCredentialsProvider" in get("aws.credentials.provider"):
        flags.append("--no-sign-request")
    if get("requester.pays.enabled") == "true":
        flags.append("--request-payer")
    if not (key := secret("access.key")):
        return flags, {}
    return flags, {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret("secret.key"),
        "AWS_SESSION_TOKEN": secret("session.token"),
    }


@contextlib.contextmanager
def watched(
    sc: Any, stage: str, finished: Any, total: int, progress: Report | None
) -> Iterator[None]:
    """Jobs of the block are one job group, of which `progress` hears twice a second how far the
    accumulator `finished` is. If the block ends with an exception (Ctrl-C too), they are cancelled.
    """
    keys = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")
    before = [(key, sc.getLocalProperty(key)) for key in keys]
    group = f"pomona-{uuid.uuid4()}"
    sc.setJobGroup(group, f"pomona: {stage}", interruptOnCancel=True)
    try:
        with _told(stage, finished, total, progress):
            yield
    except BaseException:
        sc.cancelJobGroup(group)
        raise
    finally:
        for key, value in before:
            sc.setLocalProperty(key, value)


@contextlib.contextmanager
def _told(stage: str, finished: Any, total: int, progress: Report | None) -> Iterator[None]:
    if progress is None:
        yield
        return
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(0.5):
            progress(stage, min(finished.value, total), total, 0)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
    progress(stage, total, total, 0)
