"""Brings the libraries that the native module is linked with into the process.

They are those of the wheels ``openvino`` and ``pyarrow``, so that there is one copy of each however
these packages are imported besides.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import pathlib

from . import _versions

__all__ = ["folders", "load"]

# Library by library, each after those it needs: OpenVINO does not say where its oneTBB is.
_OPENVINO = ("libtbb.so.*", "libopenvino.so.*")
_ARROW = ("libarrow.so.*", "libparquet.so.*", "libarrow_s3.so.*")


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _check_versions() -> None:
    wanted = {"openvino": _versions.OPENVINO, "pyarrow": _versions.ARROW}
    there = {package: _installed(package) for package in wanted}
    if there == wanted:
        return
    wrong = [f"{p} {wanted[p]} (there is {there[p]})" for p in wanted if there[p] != wanted[p]]
    pinned = " ".join(f"{package}=={version}" for package, version in wanted.items())
    raise ImportError(
        f"pomona {_versions.POMONA} was built for {' and '.join(wrong)}: "
        f"run `pip install {pinned}`, or install Pomona again from source"
    )


def _folder(package: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None  # its metadata were there
    return pathlib.Path(spec.origin).parent


def folders() -> tuple[pathlib.Path, pathlib.Path]:
    """Where the libraries of OpenVINO and of Arrow are. ImportError if they are not there."""
    _check_versions()
    return _folder("openvino") / "libs", _folder("pyarrow")


def _find(folder: pathlib.Path, pattern: str) -> pathlib.Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise ImportError(f"there is no {pattern} in {folder}: install that package again")
    return found[0]


def _loaded(name: str) -> set[pathlib.Path]:
    """Files called `name` that are mapped into this process."""
    maps = pathlib.Path("/proc/self/maps").read_text(errors="replace").splitlines()
    paths = {pathlib.Path(line.split(None, 5)[5]) for line in maps if line.endswith("/" + name)}
    return {path.resolve() for path in paths}


def load() -> None:
    """Loads the libraries. ImportError if they are of other versions, or copies from elsewhere
    are in the process already."""
    openvino, arrow = folders()
    libraries = [_find(openvino, pattern) for pattern in _OPENVINO]
    libraries += [_find(arrow, pattern) for pattern in _ARROW]
    for library in libraries:
        others = _loaded(library.name) - {library.resolve()}
        if others:
            raise ImportError(
                f"this process has already loaded {others.pop()}, which would be used instead of "
                f"{library}: import pomona first, or remove the former"
            )
    for library in libraries:
        ctypes.CDLL(str(library))
