"""Pomona's commands as an application of Spark, for `spark-submit` and EMR steps.

usage: spark-submit [SPARK'S OPTIONS] __main__.py extract IMAGES RESULTS [FLAGS]
       spark-submit [SPARK'S OPTIONS] __main__.py reduce RESULTS [FLAGS]
       spark-submit [SPARK'S OPTIONS] __main__.py run IMAGES RESULTS [--k K] [FLAGS]
       python -m pomona.spark ...     the same with the session that spark-defaults.conf makes

IMAGES and RESULTS are s3://, s3a:// (with Hadoop's settings of the session) or folders that all
machines share. FLAGS are those of the command, written --flag=value; `pomona extract --help` and
`pomona reduce --help` list them. Not here: --threads (spark.task.cpus), --watch, --profile.
`run` is extract and then reduce; FLAGS are extract's, but for --k.

  --json     the report as JSON on stdout
  --quiet    no progress on stderr
  --version  of Pomona

Exit codes: 0 done, 1 failure, 2 usage, 3 nothing to read, 4 done, but images were rejected.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from pomona import NothingToRead, PomonaError, UsageError, __version__

__all__ = ["main"]

COMMANDS = {"extract": 2, "reduce": 1, "run": 2}  # and how many URIs each takes
_STORE_FLAGS = (
    "--endpoint-url",
    "--region",
    "--ca-bundle",
    "--no-sign-request",
    "--request-payer",
    "--virtual-hosted",
)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Lines:
    """Progress as a line every 10 seconds, which is what logs of a cluster can hold."""

    def __init__(self) -> None:
        self.next = time.monotonic() + 10

    def __call__(self, stage: str, done: int, total: int, rejected: int) -> None:
        if time.monotonic() >= self.next:
            self.next = time.monotonic() + 10
            _say(f"pomona: {stage}: {done:,} of {total:,}")


def _take(args: list[str], flag: str) -> bool:
    """Whether a flag without a value was given; takes it away."""
    there = flag in args
    args[:] = [arg for arg in args if arg != flag]
    return there


def _run(spark: Any, command: str, args: list[str], progress: Any) -> dict[str, Any]:
    from pomona.spark import _files

    def warn(text: str) -> None:
        _say(f"pomona: warning: {text}")

    if command == "extract":
        return _files.run_extract(spark, args, progress, warn)
    if command == "reduce":
        return _files.run_reduce(spark, args, progress, warn)
    uris, flags = args[:2], args[2:]
    report = _files.run_extract(
        spark, uris + [f for f in flags if not f.startswith("--k=")], progress, warn
    )
    of_reduce = [f for f in flags if f.partition("=")[0] in ("--k", *_STORE_FLAGS)]
    report["pca"] = _files.run_reduce(spark, [uris[1], *of_reduce], progress, warn)
    return report


def _parse(args: list[str]) -> tuple[str, list[str]]:
    if not args or args[0] not in COMMANDS:
        raise UsageError(f"a command is one of {', '.join(COMMANDS)}; see --help")
    command, rest = args[0], args[1:]
    uris = COMMANDS[command]
    if len(rest) < uris or any(arg.startswith("-") for arg in rest[:uris]):
        raise UsageError(f"{command} takes {('RESULTS', 'IMAGES RESULTS')[uris - 1]} before flags")
    flags: list[str] = []
    for arg in rest[uris:]:  # `--flag value` is --flag=value
        if arg.startswith("--") or not flags or "=" in flags[-1]:
            flags.append(arg)
        else:
            flags[-1] += f"={arg}"
    return command, [*rest[:uris], *flags]


def main(args: list[str]) -> int:
    """Runs a command; gives its exit code."""
    if "--help" in args or "-h" in args:
        print(__doc__)
        return 0
    if "--version" in args:
        print(f"pomona {__version__}")
        return 0
    args = list(args)
    as_json, quiet = _take(args, "--json"), _take(args, "--quiet")
    spark = None
    try:
        command, args = _parse(args)
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.appName(f"pomona {command}").getOrCreate()
        report = _run(spark, command, args, None if quiet else _Lines())
    except PomonaError as error:
        _say(f"pomona: {error}")
        return 2 if isinstance(error, UsageError) else 3 if isinstance(error, NothingToRead) else 1
    finally:
        if spark is not None:
            spark.stop()
    if as_json:
        print(json.dumps(report))
    else:
        _say(f"pomona: {command}: done; " + _summary(report))
    return 4 if report.get("rejected") else 0


def _summary(report: dict[str, Any]) -> str:
    numbers = {k: v for k, v in report.items() if isinstance(v, int | float | str)}
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
