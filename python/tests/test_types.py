"""The types that the package promises: mypy --strict on it, and on what a user writes."""

import pathlib
import subprocess
import sys
import textwrap

import pytest

import pomona

PACKAGE = pathlib.Path(pomona.__file__).parent
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

USER = """
    import numpy as np
    import pomona
    result = pomona.extract("images", "out", denoise="none")
    reveal_type(result.featured)
    ds = pomona.Dataset(result.results)
    reveal_type(len(ds))
    reveal_type(ds.features())
    reveal_type(ds.pca().components)
    reveal_type(pomona.FeatureExtractor(model="resnet50").transform(["a.jpg"]))
    reveal_type(pomona.verify("out").problems)
    pomona.FeatureExtractor(denoise=3)
    pomona.Dataset(7)
    """
REVEALED = [
    'note: Revealed type is "int"',
    'note: Revealed type is "int"',
    'numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.floating[numpy._typing._nbit_base._32Bit]]]"',
    "numpy.ndarray[",
    "numpy.ndarray[",
    'note: Revealed type is "list[str]"',
    'error: Argument "denoise" to "FeatureExtractor" has incompatible type "int"',
    'error: Argument 1 to "Dataset" has incompatible type "int"',
]


@pytest.fixture
def mypy(tmp_path):
    pytest.importorskip("mypy")

    def run(*args):
        options = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path / "cache"]
        return subprocess.run(
            [sys.executable, "-m", "mypy", *map(str, [*options, *args])],
            capture_output=True,
            text=True,
            cwd=PACKAGE.parent,
        ).stdout

    return run


def test_the_package(mypy):
    modules = [p for p in PACKAGE.glob("*.py*") if p.suffix in (".py", ".pyi")]
    names = [f"-mpomona.{p.stem}" for p in modules if p.stem != "__init__"]
    assert "Success" in (said := mypy("-mpomona", *names)), said
    assert (PACKAGE / "py.typed").is_file() and (PACKAGE / "_native.pyi").is_file()


def test_what_a_user_sees(mypy, tmp_path):
    user = tmp_path / "user.py"
    user.write_text(textwrap.dedent(USER))
    lines = [line for line in mypy(user).splitlines() if line.startswith(str(user))]
    assert len(lines) == len(REVEALED), "\n".join(lines)
    for line, expected in zip(lines, REVEALED):
        assert expected in line.replace("builtins.", ""), line
