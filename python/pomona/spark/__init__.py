"""Pomona on Apache Spark, as files and as DataFrames.

``extract`` and ``reduce`` are the commands of these names with tasks in place of threads: the
files they write are the same, byte for byte. ``ImageFeaturizer``, ``StandardScaler`` and ``PCA``
are stages of ``pyspark.ml``. ``docs/cluster.md`` tells how to use them on a cluster.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

try:
    import pyspark as _pyspark  # noqa: F401
except ImportError:
    raise ImportError(
        "pomona.spark needs PySpark 3.5 or 4, which is not there: use the Python of the cluster, "
        "or run `pip install pyspark`"
    ) from None

if TYPE_CHECKING:
    from ._files import extract, reduce
    from ._stages import PCA, ImageFeaturizer, PCAModel, StandardScaler, StandardScalerModel

_MODULES = {"extract": "_files", "reduce": "_files"}  # of the others: _stages

__all__ = [
    "PCA",
    "ImageFeaturizer",
    "PCAModel",
    "StandardScaler",
    "StandardScalerModel",
    "extract",
    "reduce",
]


def __getattr__(name: str) -> Any:
    """Loads a module when it is first asked for: workers never ask for pyspark.ml."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES.get(name, '_stages')}", __name__), name)
