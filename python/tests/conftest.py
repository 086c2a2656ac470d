"""What the tests of the Python package share: samples, weights, the built command."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def pytest_addoption(parser):
    parser.addoption("--pomona", required=True, type=pathlib.Path, help="the command")


@pytest.fixture(scope="session")
def command(pytestconfig):
    """Runs the command: (*args) -> CompletedProcess, which has succeeded."""
    program = pytestconfig.getoption("--pomona").resolve()

    def run(*args):
        return subprocess.run([program, *map(os.fspath, args)], check=True, capture_output=True)

    return run


@pytest.fixture(scope="session")
def fruits():
    return ROOT / "samples/fruits"


@pytest.fixture(scope="session")
def paths(fruits):
    """The samples, sorted as every source sorts."""
    return sorted(fruits.glob("*/*.jpg"), key=lambda p: os.fsencode(p.relative_to(fruits)))


@pytest.fixture(scope="session")
def results(tmp_path_factory, command, fruits):
    """What the command makes of the samples. To be read only."""
    folder = tmp_path_factory.mktemp("command") / "results"
    command("run", fruits, folder, "--part-images=20")
    return folder


def files(folder):
    """Name -> bytes of everything below a folder."""
    folder = pathlib.Path(folder)
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }
