"""Runs that are killed or stopped: the same command continues, and nothing finished is lost."""
import json
import random
import signal
import time

import pytest

from conftest import SAMPLES, TIMEOUT_SECONDS, files, parts, wait_until

KILLS = 50
KILLS_A_ROUND = 5
RUN = ("--denoise", "none", "--part-images", "4")
LATE_FILES = (None, "features/_pomona/rejected.parquet", "features/_pomona/manifest.json",
              "pca/projection.parquet", "plots/scree.svg")


def images_of(results, names):
    """How many images the named parts account for, by the manifest of an undisturbed run."""
    manifest = json.loads((results / "features/_pomona/manifest.json").read_text())
    sizes = {f"part-{p['key']}.parquet": p["rows"] + p["rejected"] for p in manifest["parts"]}
    return sum(sizes[name] for name in names)


class Moment:
    """A moment of a run: when it has so many parts or has written a file, and a little later."""

    def __init__(self, results, rng, most_parts, last):
        self.results = results
        there = len(parts(results))
        self.parts = rng.randint(there, max(there, most_parts))
        self.file = rng.choice(LATE_FILES) if last else None
        self.delay = rng.uniform(0, 0.01)

    def wait(self, process):
        while process.poll() is None and not self.come():
            time.sleep(0.0005)
        time.sleep(self.delay)

    def come(self):
        if self.file:
            return (self.results / self.file).exists()
        return len(parts(self.results)) >= self.parts


def test_killed_at_random_moments(pomona, small, many):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    undisturbed = pomona.folder / "undisturbed"
    pomona.json("run", many, undisturbed, "--model", small, *RUN, code=4)
    wanted = files(undisturbed)
    last_part = len(parts(undisturbed))

    in_the_middle = 0
    for round_ in range(KILLS // KILLS_A_ROUND):
        results = pomona.folder / f"results-{round_}"
        for i in range(1, KILLS_A_ROUND + 1):
            process = pomona.start("run", many, results, "--model", small, *RUN)
            most_parts = last_part * i // KILLS_A_ROUND
            Moment(results, rng, most_parts, last=i == KILLS_A_ROUND).wait(process)
            process.kill()
            process.communicate()
            in_the_middle += 0 < len(parts(results)) < last_part
        finished = images_of(undisturbed, parts(results))

        done = pomona.json("run", many, results, "--model", small, *RUN, code=4)["extract"]
        assert done["kept"] + done["resumed"] == finished
        assert done["computed"] == done["listed"] - finished
        assert done["listed"] == done["featured"] + done["rejected"] == 310
        left = pomona.json("gc", results)["removed"]
        assert all(name.endswith(".tmp") for name in left), left
        assert files(results) == wanted
    assert in_the_middle >= KILLS // 4, "the kills missed the runs"


@pytest.fixture
def slow(pomona):
    """Arguments of a run that takes seconds after its first part."""
    return "run", SAMPLES, "results", "--part-images", "2", "--threads", "1"


def wait_for_part(process, results):
    wait_until(process, lambda: parts(results))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(pomona, slow, number):
    results = pomona.folder / "results"
    process = pomona.start(*slow)
    wait_for_part(process, results)
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130
    assert "stopping after the images in work" in err
    assert "the same command continues" in err
    assert out == ""
    assert not (results / "features/_pomona").exists()
    pomona.run("reduce", results, code=3)

    finished = 2 * len(parts(results))
    assert 2 <= finished < 50
    done = pomona.json(*slow)["extract"]
    assert (done["resumed"], done["computed"]) == (finished, 50 - finished)
    assert pomona.json("gc", results)["removed"] == []
    assert pomona.json("verify", results)["rows"] == 50


def test_asked_twice(pomona, slow):
    process = pomona.start(*slow)
    wait_for_part(process, pomona.folder / "results")
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)  # two of a kind that wait at the same time are one
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130
    done = pomona.json(*slow)["extract"]
    assert done["resumed"] >= 2 and done["resumed"] + done["computed"] == 50


def test_stopped_while_nothing_is_to_do(pomona, small):
    """A signal that comes too late or too early is answered with 130 or not at all."""
    for delay in (0, 0.02, 0.05, 0.1, 0.2):
        process = pomona.start("run", SAMPLES, "results", "--model", small)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode in (0, 130, -signal.SIGINT)  # the last: before it had a handler
    pomona.run("run", SAMPLES, "results", "--model", small)
    assert pomona.json("verify", "results")["problems"] == []


def test_three_at_once(pomona, small, many):
    """Runs that write the same results side by side disturb nobody."""
    args = "run", many, "results", "--model", small, *RUN
    processes = [pomona.start(*args) for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 4, err
    assert pomona.json("verify", "results")["problems"] == []
    assert pomona.json("gc", "results")["removed"] == []
    pomona.run("run", many, "undisturbed", "--model", small, *RUN, code=4)
    assert files(pomona.folder / "results") == files(pomona.folder / "undisturbed")
