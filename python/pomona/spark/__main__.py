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
from typing import Any

from pomona import NothingToRead, PomonaError, UsageError, __version__
from pomona._progress import reporting

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


def _take(args: list[str], flag: str) -> bool:
    """Whether a flag without a value was given; takes it away."""
    there = flag in args
    args[:] = [arg for arg in args if arg != flag]
    return there


def _run(
    spark: Any, command: str, uris: list[str], flags: list[str], report: Any
) -> dict[str, Any]:
    from pomona.spark import _files

    if command == "extract":
        return _files.run_extract(spark, uris, flags, report)
    if command == "reduce":
        return _files.run_reduce(spark, uris, flags, report)
    of_reduce = [flag for flag in flags if flag.partition("=")[0] in ("--k", *_STORE_FLAGS)]
    extracted = _files.run_extract(
        spark, uris, [flag for flag in flags if not flag.startswith("--k=")], report
    )
    return {"extract": extracted, "reduce": _files.run_reduce(spark, uris[1:], of_reduce, report)}


def _parse(args: list[str]) -> tuple[str, list[str], list[str]]:
    """Command, URIs and flags, each flag one word."""
    if not args or args[0] not in COMMANDS:
        raise UsageError(f"a command is one of {', '.join(COMMANDS)}; see --help")
    command, rest = args[0], args[1:]
    count = COMMANDS[command]
    if len(rest) < count or any(arg.startswith("-") for arg in rest[:count]):
        raise UsageError(f"{command} takes {('RESULTS', 'IMAGES RESULTS')[count - 1]} before flags")
    flags: list[str] = []
    for arg in rest[count:]:  # `--flag value` is --flag=value
        if arg.startswith("--") or not flags or "=" in flags[-1]:
            flags.append(arg)
        else:
            flags[-1] += f"={arg}"
    return command, rest[:count], flags


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
    try:
        command, uris, flags = _parse(args)
        answer = _answer(command, uris, flags, not quiet)
    except PomonaError as error:
        _say(f"pomona: {error}")
        return 2 if isinstance(error, UsageError) else 3 if isinstance(error, NothingToRead) else 1
    if as_json:
        print(json.dumps(answer))
    else:
        _say(f"pomona: {command}: done: " + _summary(answer))
    return 4 if answer.get("extract", answer).get("rejected") else 0


def _answer(command: str, uris: list[str], flags: list[str], progress: bool) -> dict[str, Any]:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName(f"pomona {command}").getOrCreate()
    try:
        with reporting(progress) as report:
            return _run(spark, command, uris, flags, report)
    finally:
        spark.stop()


def _summary(answer: dict[str, Any]) -> str:
    """The counts of an answer."""
    counts = [f"{n:,} {name}" for name, n in answer.items() if type(n) is int]
    return ", ".join(counts + [_summary(a) for a in answer.values() if isinstance(a, dict)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
