"""Progress as a bar, as lines, or as the caller likes it."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO, Union

__all__ = ["Progress", "Report", "reporting", "warn"]

#: ``(stage, done, total, rejected)``; a total of 0 is not known yet.
Report = Callable[[str, int, int, int], object]

#: True: a bar, or lines where no terminal is. False: nothing. Or a function to call.
Progress = Union[bool, Report]


class _Display(Protocol):
    def __call__(self, stage: str, done: int, total: int, rejected: int) -> object: ...
    def close(self) -> None: ...


class _Bars:
    """A tqdm bar for each stage."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._stage = ""
        self._bar: Any = None

    def __call__(self, stage: str, done: int, total: int, rejected: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage = stage
            unit = " bytes" if stage == "downloading" else " images"
            self._bar = self._tqdm(desc=stage, unit=unit)
        self._bar.total = total or None
        if rejected:
            self._bar.set_postfix(rejected=rejected, refresh=False)
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _Lines:
    """A line every ten seconds, and at the end of a stage that took as long."""

    SECONDS = 10

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said = time.monotonic()
        self._line = ""

    def __call__(self, stage: str, done: int, total: int, rejected: int) -> None:
        of = f" of {total:,}" if total else ""
        but = f", {rejected:,} rejected" if rejected else ""
        self._line = f"pomona: {stage}: {done:,}{of}{but}"
        if time.monotonic() - self._said >= self.SECONDS:
            self._said = time.monotonic()
            print(self._line, file=self._stream, flush=True)

    def close(self) -> None:
        pass


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules


def _display() -> _Display:
    if not (_in_notebook() or sys.stderr.isatty()):
        return _Lines(sys.stderr)
    try:
        with warnings.catch_warnings():  # in a notebook without ipywidgets
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return _Lines(sys.stderr)
    return _Bars(tqdm)


@contextmanager
def reporting(progress: Progress) -> Iterator[Report | None]:
    """What native code is to call for ``progress``, until the work ends."""
    if progress is False:
        yield None
    elif progress is True:
        display = _display()
        try:
            yield display
        finally:
            display.close()
    else:
        yield progress


def warn(text: str) -> None:
    """A warning of the engine as one of Python's."""
    warnings.warn(text, UserWarning, stacklevel=4)
