"""What the end-to-end tests in Python share: the program under test and folders of images."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

import run as declarative

SAMPLES = declarative.ROOT / "samples/fruits"
GOLDEN = declarative.ROOT / "tests/golden"
TIMEOUT_SECONDS = declarative.TIMEOUT_SECONDS


def pytest_addoption(parser):
    parser.addoption("--pomona", type=pathlib.Path, required=True, help="the program to test")


class Pomona:
    """The program, run as a user would, in a folder of the test's own."""

    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        self.env = declarative.environment(path, folder)

    def start(self, *args, **kwargs):
        return subprocess.Popen([self.path, *args], cwd=self.folder, env=self.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)

    def run(self, *args, code=0, **kwargs):
        """Gives the completed process after checking its exit code."""
        done = subprocess.run([self.path, *args], cwd=self.folder, env=self.env, text=True,
                              capture_output=True, timeout=TIMEOUT_SECONDS, **kwargs)
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *args, code=0, **kwargs):
        return json.loads(self.run(*args, "--json", code=code, **kwargs).stdout)

    def tool(self, name, *args):
        subprocess.run([sys.executable, declarative.HERE / "tools" / name, *args], check=True,
                       cwd=self.folder, env=self.env)


@pytest.fixture
def pomona(request, tmp_path):
    return Pomona(request.config.getoption("--pomona").resolve(), tmp_path)


@pytest.fixture
def small(pomona):
    """A card of a network so small that everything else decides how long a run takes."""
    pomona.tool("make_model.py", "small.json")
    return "small.json"


@pytest.fixture
def many(tmp_path):
    """300 images with ten bad ones among them."""
    for i in range(6):
        shutil.copytree(SAMPLES, tmp_path / f"many/{i}")
    for i in range(10):
        (tmp_path / f"many/{i % 6}/Lemon/bad-{i}.jpg").write_bytes(b"no image" * i)
    return tmp_path / "many"


def files(folder):
    """name -> bytes of everything below `folder`."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file()}


def parts(results):
    """Names of the parts that are there, committed or not."""
    try:
        names = os.listdir(results / "features")
    except FileNotFoundError:
        return set()
    return {n for n in names if n.startswith("part-")}


def wait_until(process, condition):
    """`process` must go on meanwhile."""
    end = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def manifest(results):
    """Of the dataset, or of an empty one if nothing is committed."""
    try:
        return json.loads((results / "features/_pomona/manifest.json").read_text())
    except FileNotFoundError:
        return {"rows": 0, "removed": 0}
