"""From driver to workers: functions that arrive there, and errors that come back."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from .. import __version__, errors

__all__ = ["errors_of_tasks", "on_workers"]

_MARK = "pomona-error: "


def on_workers(name: str, *args: Any) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """``_work.NAME(*args, items)`` as a function for ``mapPartitions`` and ``mapInArrow``.

    Spark sends functions of importable modules by name, and a worker that lacks the module fails
    before anything of ours could say so. The function below is sent whole, because it is local,
    and imports only once it runs.
    """
    wanted, mark = __version__, _MARK

    def run(items: Iterable[Any]) -> Iterator[Any]:
        import importlib
        import json
        import socket
        import sys

        def fail(kind: str, message: str) -> None:
            raise RuntimeError(mark + json.dumps({"kind": kind, "message": message})) from None

        where = f"the worker on {socket.gethostname()} ({sys.executable})"
        remedy = f"install pomona {wanted} on every worker, as on the driver"
        try:
            pomona = importlib.import_module("pomona")
        except ImportError as error:
            fail("PomonaError", f"{where} cannot import pomona: {error}; {remedy}")
        if pomona.__version__ != wanted:
            fail("PomonaError", f"{where} has pomona {pomona.__version__}: {remedy}")
        work = importlib.import_module("pomona.spark._work")
        try:
            yield from getattr(work, name)(*args, items)
        except pomona.PomonaError as error:
            fail(type(error).__name__, str(error))

    return run


@contextlib.contextmanager
def errors_of_tasks() -> Iterator[None]:
    """Raises what a task raised as if it had happened here, without the stacks between.

    What is not of our making (a worker that crashed, executors that are gone) is a PomonaError
    with Spark's own words.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        text = str(error)
    else:
        return
    _, mark, rest = text.partition(_MARK)
    if not mark:
        raise errors.PomonaError(f"Spark could not finish the job: {_cause(text)}")
    found = json.JSONDecoder().raw_decode(rest)[0]
    raise getattr(errors, found["kind"])(found["message"])


def _cause(text: str) -> str:
    """What Spark says of the last failure: in one line, its own stacks left out."""
    found = re.search(r"[Mm]ost recent failure:\s*(.+?)(\n\s+at |\n\n|$)", text, re.DOTALL)
    lines = (found[1] if found else text).strip().splitlines()
    # Of a Python traceback, its last line.
    return lines[-1].strip() if lines[0].endswith("(most recent call last):") else lines[0].strip()
