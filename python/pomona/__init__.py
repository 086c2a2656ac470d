"""Images in; features, components and pictures out.

The engine is native; keyword arguments are the flags of the ``pomona`` command.
"""

from __future__ import annotations

from . import _libraries

_libraries.load()

from ._native import version as _version  # noqa: E402
from .errors import Conflict, NothingToRead, PomonaError, UsageError  # noqa: E402

__version__ = _version()
__all__ = ["Conflict", "NothingToRead", "PomonaError", "UsageError", "__version__"]
