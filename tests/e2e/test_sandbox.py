"""--sandbox: workers that are killed cost no image, and none outlives its run."""
import os
import pathlib
import signal
import time

from conftest import SAMPLES, TIMEOUT_SECONDS, files


def children(pid):
    """Processes that live and have this parent."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def lives(pid):
    """Not so for one that is dead, whether or not init has waited for it yet."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for_workers(process):
    end = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        workers = [worker for zygote in children(process.pid) for worker in children(zygote)]
        if workers:
            return workers
    raise AssertionError("no worker")


RUN = ("extract", SAMPLES, "results", "--part-images", "2", "--threads", "1")


def test_a_killed_worker_costs_no_image(pomona):
    pomona.run("extract", SAMPLES, "undisturbed", "--part-images", "2")
    process = pomona.start(*RUN, "--sandbox")
    os.kill(wait_for_workers(process)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, out + err
    assert files(pomona.folder / "results") == files(pomona.folder / "undisturbed")


def test_interrupted_by_a_terminal(pomona):
    """The signal reaches every process of the group; the images in work are finished."""
    process = pomona.start(*RUN, "--sandbox", start_new_session=True)
    workers = wait_for_workers(process)
    while not (pomona.folder / "results/features").exists():
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130, out + err
    done = pomona.json(*RUN, "--sandbox")
    assert (done["featured"], done["rejected"]) == (50, 0)
    assert not any(lives(worker) for worker in workers)


def test_a_killed_run_leaves_no_process(pomona):
    process = pomona.start(*RUN, "--sandbox")
    workers = wait_for_workers(process)
    zygotes = children(process.pid)
    process.kill()
    process.communicate()
    end = time.monotonic() + TIMEOUT_SECONDS
    for pid in workers + zygotes:
        while lives(pid):
            assert time.monotonic() < end
            time.sleep(0.01)
