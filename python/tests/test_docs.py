"""Examples in docstrings and in docs/python.md run as they are written."""

import doctest
import importlib
import pathlib
import pkgutil

import pytest

import pomona

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODULES = [m.name for m in pkgutil.iter_modules(pomona.__path__)
           if m.name not in ("spark", "_native")]  # whose examples need a session; which has none
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.fixture(autouse=True)
def in_root(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MPLBACKEND", "agg")


def run(test):
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    assert runner.run(test).failed == 0, test.name
    return runner.tries


@pytest.mark.parametrize("name", ["__init__", *MODULES])
def test_docstrings(name, tmp_path):
    module = pomona if name == "__init__" else importlib.import_module(f"pomona.{name}")
    tests = doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__)
    for i, test in enumerate(tests):
        test.globs = {**vars(module), "pomona": pomona, "out": tmp_path / str(i)}
        run(test)


def test_the_guide(tmp_path, monkeypatch):
    guide = ROOT / "docs/python.md"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    test = doctest.DocTestParser().get_doctest(guide.read_text(), {}, guide.name, str(guide), 0)
    assert run(test) > 20
