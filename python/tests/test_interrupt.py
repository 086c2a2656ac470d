"""Ctrl-C, other threads, and what is in the process."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from conftest import files

import pomona
from pomona import _native

PRELUDE = """
import os, pathlib, signal, sys, threading, time
import numpy as np
import pomona
from pomona import _native
images, out = map(pathlib.Path, sys.argv[1:])

def interrupt_when(ready):
    def wait():
        while not ready():
            time.sleep(0.01)
        global asked
        asked = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=wait, daemon=True).start()

def stopped():
    print("stopped after", time.monotonic() - asked)
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory, paths):
    """2,000 images: half a minute of work and more."""
    folder = tmp_path_factory.mktemp("many")
    for i in range(2000):
        (folder / f"{i:04}.jpg").write_bytes(paths[i % 50].read_bytes())
    return folder


def python(code, *args):
    program = PRELUDE + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
    )


def seconds(done):
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stopped after"), done.stdout
    return float(done.stdout.split()[-1])


def test_ctrl_c_in_an_extract(many, paths, tmp_path):
    """The figure is printed, not judged: tests do not fail on time."""
    done = python(
        """
        interrupt_when(lambda: len(list(out.glob("features/part-*"))) > 1)
        try:
            pomona.extract(images, out, part_images=50, progress=False)
        except KeyboardInterrupt:
            stopped()
        """,
        many,
        tmp_path,
    )
    print("Ctrl-C took", seconds(done), "s")
    assert not (tmp_path / "features/_pomona/manifest.json").exists()
    finished = len(list((tmp_path / "features").glob("part-*.parquet")))
    assert 2 <= finished < 40
    for i in range(finished * 50, 2000):  # what is left would only take time
        (many / f"{i:04}.jpg").unlink(missing_ok=True)
    result = pomona.extract(many, tmp_path, part_images=50, progress=False)
    assert result.resumed == result.featured == finished * 50


@pytest.mark.parametrize(
    ("before", "work"),
    [
        (
            "transform = pomona.FeatureExtractor(denoise='nlm:9').fit().transform",
            "transform([np.zeros((300, 300, 3), np.uint8)] * 5000)",
        ),
        (
            "x = np.ones((60000, 2000)); add = _native.Moments(2000).add",
            "add(x)",
        ),
        (
            "x = np.random.default_rng(1).random((2500, 4000)); m = _native.Moments(4000); m.add(x)",
            "_native.fit_pca(m, '6')",
        ),
        ("pass", "pomona.extract(images, out, watch=60, denoise='none', progress=False)"),
    ],
    ids=["transform", "moments", "components", "watch"],
)
def test_ctrl_c_elsewhere(before, work, fruits, tmp_path):
    done = python(
        f"""
        {before}
        start = time.monotonic()
        interrupt_when(lambda: time.monotonic() - start > 0.7)
        try:
            {work}
        except KeyboardInterrupt:
            stopped()
        """,
        fruits,
        tmp_path,
    )
    print("Ctrl-C took", seconds(done), "s")


def test_a_handler_that_raises_something_else(fruits, tmp_path):
    done = python(
        """
        def handler(number, frame):
            raise TimeoutError
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            pomona.extract(images, out, watch=60, progress=False)
        except TimeoutError:
            print("stopped after 0.5")
        """,
        fruits,
        tmp_path,
    )
    seconds(done)


def test_other_threads_go_on(paths):
    """The counter counts while native work runs, and the work may be on any thread."""
    extractor = pomona.FeatureExtractor().fit()
    counted, done = 0, threading.Event()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1
            time.sleep(0.001)

    counter = threading.Thread(target=count)
    counter.start()
    before = counted
    extractor.transform(paths)
    during = counted - before
    done.set()
    counter.join()
    assert during > 10


def test_calls_from_many_threads(paths, results):
    extractor = pomona.FeatureExtractor(denoise="none").fit()
    expected = extractor.transform(paths[:10])
    moments = _native.Moments(1280)
    failures = []

    def work():
        try:
            x = extractor.transform(paths[:10])
            assert np.array_equal(x, expected)
            moments.add(x)
            assert len(pomona.Dataset(results).features()) == 50
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and moments.n == 80


def test_runs_side_by_side_leave_one_dataset(fruits, tmp_path):
    """Threads of one process are runs like any other: one commits, the rest are told or agree."""
    outcomes = []

    def work():
        try:
            result = pomona.extract(fruits, tmp_path, denoise="none", progress=False)
            outcomes.append(result.featured)
        except pomona.Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(outcomes) <= {50, "conflict"} and 50 in outcomes
    assert pomona.verify(tmp_path, progress=False)


def test_one_of_each_library(results):
    import openvino
    import pyarrow
    import pyarrow.dataset
    import pyarrow.parquet

    core = openvino.Core()
    assert "CPU" in core.available_devices
    pyarrow.parquet.read_table(results / "pca/projection.parquet")
    maps = {
        line.split(None, 5)[5]
        for line in pathlib.Path("/proc/self/maps").read_text().splitlines()
        if len(line.split(None, 5)) == 6
    }
    for name in ("libarrow.so", "libparquet.so", "libopenvino.so", "libtbb.so"):
        assert len([path for path in maps if pathlib.Path(path).name.startswith(name)]) == 1, name


@pytest.mark.parametrize("first", ["pomona", "openvino", "pyarrow", "sklearn", "polars", "duckdb"])
def test_the_order_of_imports_does_not_matter(first, fruits, tmp_path):
    done = python(
        """
        import openvino, pyarrow.parquet, pyarrow.dataset
        openvino.Core().available_devices
        assert pomona.run(images, out, denoise="none", progress=False).extract.featured == 50
        print("stopped after 0")
        """.replace("import openvino", f"import {first}, openvino"),
        fruits,
        tmp_path,
    )
    seconds(done)


def test_signal_handlers_stay_as_they_were(fruits, tmp_path):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)]
    pomona.extract(fruits, tmp_path, denoise="none", progress=False)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)] == before


def test_prints_nothing(fruits, tmp_path, capfd):
    out = tmp_path / "out"
    pomona.run(fruits, out, denoise="none", progress=False)
    pomona.verify(out, progress=False)
    pomona.models()
    assert capfd.readouterr() == ("", "")


def test_after_a_fork(fruits, paths, tmp_path):
    """A child of a process that has not yet worked with Pomona may."""
    done = python(
        """
        if (child := os.fork()) == 0:
            pomona.run(images, out, denoise="none", progress=False)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("stopped after", len(pomona.Dataset(out)))
        """,
        fruits,
        tmp_path,
    )
    assert seconds(done) == 50


def test_a_sandbox_outlives_the_thread_that_made_it(paths):
    images = paths[:3]
    extractor = pomona.FeatureExtractor(denoise="none", sandbox=True)
    first = []
    thread = threading.Thread(target=lambda: first.append(extractor.transform(images)))
    thread.start()
    thread.join()
    expected = pomona.FeatureExtractor(denoise="none").transform(images)
    assert np.array_equal(first[0], expected)
    assert np.array_equal(extractor.transform(images), expected)


def test_files_of_an_interrupted_run_are_those_of_a_quiet_one(results, tmp_path, fruits):
    done = python(
        """
        interrupt_when(lambda: any(out.glob("features/part-*")))
        try:
            pomona.extract(images, out, part_images=20, progress=False)
        except KeyboardInterrupt:
            pass
        pomona.run(images, out, part_images=20, progress=False)
        print("stopped after 0")
        """,
        fruits,
        tmp_path,
    )
    seconds(done)
    ours, theirs = files(tmp_path), files(results)
    assert ours == theirs
