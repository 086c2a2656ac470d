"""The commands of ``pomona`` as functions."""

from __future__ import annotations

import dataclasses
import html
import json
import os
from typing import Any, ClassVar, TypeVar, Union

from . import _native
from ._flags import to_args
from ._progress import Progress, reporting, warn

__all__ = [
    "ExtractResult",
    "GcResult",
    "Model",
    "Models",
    "PlotResult",
    "ReduceResult",
    "RunResult",
    "VerifyResult",
    "call",
    "doctor",
    "extract",
    "gc",
    "models",
    "plot",
    "reduce",
    "run",
    "verify",
]

#: A path of this machine, or a URI of an object store: ``s3://``, ``gs://``, ``az://``.
Location = Union[str, "os.PathLike[str]"]

R = TypeVar("R", bound="Result")


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command did. ``json`` is all that the command prints with ``--json``."""

    json: dict[str, Any] = dataclasses.field(repr=False, compare=False)

    @classmethod
    def of(cls: type[R], answer: dict[str, Any], **more: Any) -> R:
        names = {field.name for field in dataclasses.fields(cls)} - {"json"}
        return cls(json=answer, **{name: answer[name] for name in names - more.keys()}, **more)

    def _repr_html_(self) -> str:
        cells = (
            f"<tr><th>{html.escape(field.name)}</th>"
            f"<td>{html.escape(str(getattr(self, field.name)))}</td></tr>"
            for field in dataclasses.fields(self)
            if field.repr
        )
        return f"<table><caption>{type(self).__name__}</caption>{''.join(cells)}</table>"


@dataclasses.dataclass(frozen=True)
class ExtractResult(Result):
    """What :func:`extract` did; all counts are of images.

    ``listed = kept + carried + resumed + computed = featured + rejected``.
    """

    results: str  #: where the features are
    model: str
    precision: str
    dimension: int  #: numbers a feature has
    listed: int  #: in the source
    featured: int  #: with a feature
    rejected: int  #: without; :meth:`pomona.Dataset.rejected` says why
    computed: int  #: run through the network now
    kept: int  #: in the dataset already
    carried: int  #: copied from parts in which other images changed
    resumed: int  #: finished by an interrupted run
    removed: int  #: no longer in the source
    replaced: int  #: changed since they were in the dataset
    seconds: float


@dataclasses.dataclass(frozen=True)
class ReduceResult(Result):
    """What :func:`reduce` found."""

    n: int  #: images
    dimension: int  #: numbers a feature has
    k: int  #: components kept
    rank: int  #: components there are
    kept_variance: float  #: share of the variance that the k components explain
    explained_ratio: list[float]  #: of each of the k components


@dataclasses.dataclass(frozen=True)
class PlotResult(Result):
    """What :func:`plot` drew."""

    plots: list[str]  #: files, relative to the results


@dataclasses.dataclass(frozen=True)
class RunResult(Result):
    """What :func:`run` did."""

    extract: ExtractResult
    reduce: ReduceResult
    plots: list[str]  #: files, relative to the results


@dataclasses.dataclass(frozen=True)
class VerifyResult(Result):
    """What :func:`verify` found."""

    ok: bool
    parts: int
    rows: int
    rejected: int
    bytes: int
    problems: list[str]  #: one sentence each; empty if ``ok``
    leftovers: list[str]  #: files of interrupted runs, which :func:`gc` removes

    def __bool__(self) -> bool:
        return self.ok


@dataclasses.dataclass(frozen=True)
class GcResult(Result):
    """What :func:`gc` removed, or would."""

    removed: list[str]
    dry_run: bool


@dataclasses.dataclass(frozen=True)
class Model(Result):
    """A network that ``model=`` takes."""

    id: str
    description: str
    licence: str
    ready: bool  #: whether its weights are on this machine
    dimension: int  #: numbers a feature has


class Models(list[Model]):
    """The networks of :func:`models`."""

    _columns: ClassVar[tuple[str, ...]] = ("id", "dimension", "ready", "licence", "description")

    def _repr_html_(self) -> str:
        def row(tag: str, cells: list[str]) -> str:
            return f"<tr>{''.join(f'<{tag}>{html.escape(c)}</{tag}>' for c in cells)}</tr>"

        rows = [row("td", [str(getattr(model, name)) for name in self._columns]) for model in self]
        return f"<table>{row('th', list(self._columns))}{''.join(rows)}</table>"


def call(
    command: str | list[str],
    *arguments: Location,
    progress: Progress = False,
    **flags: object,
) -> tuple[int, Any]:
    """Runs a command of ``pomona`` in this process: its exit code and what it prints as JSON."""
    words = [command] if isinstance(command, str) else list(command)
    paths = [os.fsdecode(argument) for argument in arguments]
    args = [*words, *to_args(**flags), "--", *paths] if paths else [*words, *to_args(**flags)]
    with reporting(progress) as report:
        code, answer = _native.call(args, report, warn)
    return code, json.loads(answer)


def extract(
    images: Location, out: Location, *, progress: Progress = True, **flags: object
) -> ExtractResult:
    """Images in; features out.

    Args:
        images: a folder, ``.tar``, ``.parquet`` or ``.csv`` manifest, here or in an object store.
        out: folder for the results; made if missing.
        progress: a bar (True), nothing (False), or ``f(stage, done, total, rejected)``.
        **flags: those of ``pomona extract``: ``model="resnet50"``, ``denoise="none"``,
            ``part_images=64``, ``sandbox=True``; ``pomona extract --help`` lists them.

    Raises:
        UsageError: a flag that cannot be meant, or ``out`` holds features of another recipe.
        NothingToRead: there is no image.
        Conflict: another run has committed to ``out`` meanwhile.
        KeyboardInterrupt: finished parts are kept, and the same call continues.

    A run does only what is not done yet, whoever began it:

    >>> result = pomona.extract("samples/fruits", out, denoise="none", progress=False)
    >>> result.featured, result.rejected, result.dimension
    (50, 0, 1280)
    >>> pomona.extract("samples/fruits", out, denoise="none", progress=False).kept
    50
    """
    _, answer = call("extract", images, out, progress=progress, **flags)
    return ExtractResult.of(answer)


def run(
    images: Location, out: Location, *, progress: Progress = True, **flags: object
) -> RunResult:
    """All of it: :func:`extract`, :func:`reduce` and :func:`plot`.

    Args, errors: as :func:`extract`, and ``k`` as :func:`reduce`.

    >>> result = pomona.run("samples/fruits", out, k=3, progress=False)
    >>> result.reduce.k, result.plots[-1]
    (3, 'plots/pca.png')
    """
    _, answer = call("run", images, out, progress=progress, **flags)
    return RunResult(
        json=answer,
        extract=ExtractResult.of(answer["extract"]),
        reduce=ReduceResult.of(answer["reduce"]),
        plots=answer["plots"],
    )


def reduce(out: Location, *, progress: Progress = True, **flags: object) -> ReduceResult:
    """Features in; standardised principal components out, in ``out/pca``. No image is read.

    Args:
        out: results of :func:`extract`.
        progress: as :func:`extract`.
        **flags: those of ``pomona reduce``: ``k=6`` or, a fraction of the variance, ``k=0.95``.

    Raises:
        UsageError: k exceeds the numbers that a feature has.
        NothingToRead: there are no features.
        PomonaError: fewer than two images have one.

    >>> _ = pomona.extract("samples/fruits", out, progress=False)
    >>> pomona.reduce(out, k=0.5, progress=False).kept_variance >= 0.5
    True
    """
    _, answer = call("reduce", out, progress=progress, **flags)
    return ReduceResult.of(answer)


def plot(out: Location, **flags: object) -> PlotResult:
    """Components in; pictures out, in ``out/plots``."""
    _, answer = call("plot", out, progress=False, **flags)
    return PlotResult.of(answer)


def verify(out: Location, *, progress: Progress = True, **flags: object) -> VerifyResult:
    """Re-reads and checks everything committed in ``out``; changes nothing.

    What is wrong is no exception but in ``problems``, and the result is then false.
    """
    _, answer = call("verify", out, progress=progress, **flags)
    return VerifyResult.of(answer)


def gc(out: Location, *, dry_run: bool = False, **flags: object) -> GcResult:
    """Removes what interrupted runs left in ``out``; with ``dry_run`` only says what."""
    _, answer = call("gc", out, progress=False, dry_run=dry_run, **flags)
    return GcResult(
        json=answer, removed=answer["would_remove" if dry_run else "removed"], dry_run=dry_run
    )


def models() -> Models:
    """Every network there is a card of.

    >>> [model.id for model in pomona.models() if model.ready]  # doctest: +ELLIPSIS
    ['efficientnet-lite0', ...]
    """
    _, answer = call(["models", "list"])
    return Models(Model.of(m, dimension=m["identity"]["output"]["dimension"]) for m in answer)


def doctor(uri: Location | None = None, **flags: object) -> dict[str, Any]:
    """What this machine has or, given the URI of a bucket, what that allows (``"checks"``)."""
    _, answer = call("doctor", *([] if uri is None else [uri]), progress=False, **flags)
    return dict(answer)
