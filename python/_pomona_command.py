"""The command of the wheel. Beside the package, so that it starts without importing that."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys


def _folder(package: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        sys.exit(f"pomona: there is no package {package}: install Pomona with its dependencies")
    return pathlib.Path(spec.origin).parent


def main() -> None:
    """Becomes the native program."""
    package = _folder("pomona")
    libraries = {package.parent / "openvino/libs", package.parent / "pyarrow"}
    elsewhere = {_folder("openvino") / "libs", _folder("pyarrow")} - libraries
    if elsewhere:  # than the program looks: another site-packages on sys.path
        given = os.environ.get("LD_LIBRARY_PATH")
        folders = [*map(str, elsewhere), *([given] if given else [])]
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(folders)
    program = package / "bin/pomona"
    os.execv(program, ["pomona", *sys.argv[1:]])
