"""Images in; features, components and pictures out.

The engine is native; keyword arguments are the flags of the ``pomona`` command, and what the two
write is the same to the byte.

>>> result = pomona.run("samples/fruits", out, progress=False)
>>> result.extract.featured, result.reduce.k
(50, 6)
>>> pomona.Dataset(out).to_arrow().num_rows
50
"""

from __future__ import annotations

import importlib
import pathlib
from typing import TYPE_CHECKING, Any

from . import _libraries

_libraries.load()

from . import _native  # noqa: E402

_cards = pathlib.Path(__file__).parent / "share/pomona/models"
if _cards.is_dir():  # installed; a build uses those of the sources
    _native.use_models(str(_cards))

from ._commands import (  # noqa: E402
    ExtractResult,
    GcResult,
    Model,
    Models,
    PlotResult,
    ReduceResult,
    RunResult,
    VerifyResult,
    doctor,
    extract,
    gc,
    models,
    plot,
    reduce,
    run,
    verify,
)
from ._dataset import Dataset  # noqa: E402
from ._versions import POMONA as __version__  # noqa: E402
from .errors import Conflict, NothingToRead, PomonaError, UsageError  # noqa: E402

if TYPE_CHECKING:
    from . import plots, spark
    from ._estimators import PCA, FeatureExtractor, StandardScaler

__all__ = [
    "PCA",
    "Conflict",
    "Dataset",
    "ExtractResult",
    "FeatureExtractor",
    "GcResult",
    "Model",
    "Models",
    "NothingToRead",
    "PlotResult",
    "PomonaError",
    "ReduceResult",
    "RunResult",
    "StandardScaler",
    "UsageError",
    "VerifyResult",
    "__version__",
    "doctor",
    "extract",
    "gc",
    "models",
    "plot",
    "plots",
    "reduce",
    "run",
    "spark",
    "verify",
]

# What needs a library that not everybody has is imported when it is asked for.
_ESTIMATORS = ("FeatureExtractor", "PCA", "StandardScaler")
_MODULES = ("plots", "spark")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _ESTIMATORS:
        return getattr(importlib.import_module("._estimators", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
