"""Disks that are full, files that change, images that claim to be huge."""
import os
import pathlib
import random
import re
import resource
import shutil
import subprocess
import sys
import threading

import pytest
from PIL import Image

from conftest import SAMPLES, TIMEOUT_SECONDS, files
from test_interrupted import wait_for_part
from test_sandbox import children

RUN = ("--denoise", "none", "--part-images", "25")


def limit_files_to(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture
def undisturbed(pomona):
    pomona.run("run", SAMPLES, "undisturbed", *RUN)
    return files(pomona.folder / "undisturbed")


def test_file_size_limit(pomona, undisturbed):
    """In the middle of a part (64 kB), of the components, of a picture: run again, it is whole."""
    results = pomona.folder / "results"
    sizes = sorted(len(content) for content in undisturbed.values())
    for size in (1, 4096, *(s - 1 for s in sizes if s > 20_000)):
        failed = pomona.run("run", SAMPLES, results, *RUN, code=1, preexec_fn=limit_files_to(size))
        assert "error: file size limit reached while writing" in failed.stderr
        assert "run the same command again" in failed.stderr
        assert pomona.json("gc", results, "--dry-run")["would_remove"] == [
            f for f in files(results) if "part-" in f and not manifest_of(results)]
    done = pomona.json("run", SAMPLES, results, *RUN)
    assert done["extract"]["computed"] == 0
    assert files(results) == undisturbed


def manifest_of(results):
    return (results / "features/_pomona/manifest.json").exists()


def test_disk_full(pomona, undisturbed):
    """On a file system of its own that is too small until it is made larger."""
    mounts = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*mounts, "mount", "-t", "tmpfs", "none", "/mnt"]).returncode != 0:
        pytest.skip("this user cannot mount a tmpfs")
    (pomona.folder / "disk").mkdir()
    command = f"pomona run '{SAMPLES}' disk/results {' '.join(RUN)}"
    script = f"""
      mount -t tmpfs -o size=100k none disk
      {command}; test $? = 1 || exit 10
      ls disk/results/features/part-* || exit 11
      mount -o remount,size=300k disk
      {command}; test $? = 1 || exit 12
      mount -o remount,size=5m disk
      {command} || exit 13
      cp -r disk/results results"""
    done = subprocess.run([*mounts, "bash", "-c", script], cwd=pomona.folder, env=pomona.env,
                          text=True, capture_output=True, timeout=TIMEOUT_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("error: no space left while writing") == 2
    assert "25 computed now" in done.stdout  # the other 25 were finished by the first run
    assert files(pomona.folder / "results") == undisturbed


def peak_memory(pomona, *args):
    """Exit code, and the bytes that the process had in memory at most. A new process counts what
    the one that started it had: so it is started by a small one."""
    starter = ("import resource, subprocess, sys\n"
               "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
               "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)")
    done = subprocess.run([sys.executable, "-c", starter, pomona.path, *args], cwd=pomona.folder,
                          env=pomona.env, text=True, capture_output=True, check=True,
                          timeout=TIMEOUT_SECONDS)
    return tuple(map(int, done.stdout.split()))


def test_huge_images_are_refused_from_the_header(pomona):
    pomona.tool("bad_images.py", "bad")
    bad = pomona.folder / "bad"
    for name, others in (("plain", ["good.jpg"]), ("huge", ["good.jpg", "huge.jpg", "huge.png"])):
        (pomona.folder / name).mkdir()
        for other in others:
            shutil.copy(bad / other, pomona.folder / name)
    plain = peak_memory(pomona, "extract", "plain", "plain-out")
    huge = peak_memory(pomona, "extract", "huge", "huge-out")
    assert (plain[0], huge[0]) == (0, 4)
    assert huge[1] < plain[1] + 64e6  # their pixels would be 10.8 GB each


def test_replaced_while_the_run_reads(pomona):
    images = pomona.folder / "images"
    shutil.copytree(SAMPLES, images)
    last = sorted(images.rglob("*.jpg"))[-1]
    args = ("extract", images, "results", "--part-images", "2", "--threads", "1")
    process = pomona.start(*args, "--json")
    wait_for_part(process, pomona.folder / "results")
    shutil.copy(SAMPLES / "Banana/0_100.jpg", images / "new")
    os.replace(images / "new", last)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 4, err
    rejected = subprocess.run(["columns.py", "rejected", "results"], cwd=pomona.folder,
                              env=pomona.env, text=True, capture_output=True, check=True).stdout
    assert rejected == f"{last.relative_to(images)}\tchanged\n"

    done = pomona.json(*args)
    assert (done["featured"], done["rejected"], done["computed"]) == (50, 0, 1)
    pomona.run("extract", images, "fresh")
    same(pomona, "results", "fresh")


def same(pomona, a, b):
    subprocess.run(["columns.py", "same", a, b, "path", "label", "features", "bytes", "content"],
                   cwd=pomona.folder, env=pomona.env, check=True)


class Meddler(threading.Thread):
    """Replaces, cuts, grows, removes and adds images until told to stop."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.images = sorted(folder.rglob("*.jpg"))
        self.donors = [p.read_bytes() for p in sorted(SAMPLES.rglob("*.jpg"))]
        self.done = threading.Event()

    def run(self):
        rng = random.Random()
        while not self.done.wait(0.0005):
            image, donor = rng.choice(self.images), rng.choice(self.donors)
            match rng.randrange(4):
                case 0:  # as a careful writer replaces it
                    new = self.folder / ".new"
                    new.write_bytes(donor)
                    os.replace(new, image)
                case 1:  # half-overwritten for a moment
                    with open(image, "r+b" if image.exists() else "wb") as file:
                        file.write(donor[:len(donor) // 2])
                        file.flush()
                        file.write(donor[len(donor) // 2:])
                        file.truncate()
                case 2:
                    image.write_bytes(donor[:rng.randrange(len(donor))])
                case 3:
                    image.unlink(missing_ok=True)


def test_images_that_never_rest(pomona, small, many):
    args = (many, "results", "--model", small, "--denoise", "none", "--part-images", "16")
    meddler = Meddler(many)
    meddler.start()
    try:
        for _ in range(8):
            process = pomona.start("extract", *args)
            _, err = process.communicate(timeout=TIMEOUT_SECONDS)
            assert process.returncode in (0, 4), err
            assert pomona.json("verify", "results")["problems"] == []
    finally:
        meddler.done.set()
        meddler.join()
    pomona.run("extract", *args, code=4)
    pomona.run("extract", many, "fresh", "--model", small, "--denoise", "none", code=4)
    same(pomona, "results", "fresh")


def test_memory_is_kept_and_a_later_run_with_more_goes_on(pomona):
    """Progressive JPEGs need the most memory for a pixel; the second is too large for the bound."""
    (pomona.folder / "images").mkdir()
    for side in (2800, 5000):
        noise = Image.effect_noise((side // 8, side // 8), 90).resize((side, side))
        noise.convert("CMYK").save(pomona.folder / f"images/{side}.jpg", progressive=True,
                                   quality=90)
    args = ("extract", "images", "results", "--threads", "2", "--part-images", "16", "--json")
    code, peak = peak_memory(pomona, *args, "--memory", "500MB")
    assert code == 4
    assert peak < 500e6
    rejected = subprocess.run(["columns.py", "rejected", "results"], cwd=pomona.folder,
                              env=pomona.env, text=True, capture_output=True, check=True).stdout
    assert rejected == "5000.jpg\ttoo_large\n"
    again = pomona.json(*args[:-1], "--memory", "500MB", code=4)
    assert (again["kept"], again["computed"]) == (2, 0)
    more = pomona.json(*args[:-1])
    assert (more["featured"], more["rejected"], more["computed"]) == (2, 0, 1)


def peak_memory_of_all(pomona, *args):
    """Exit code, and the bytes that the program and the processes of its sandbox had in memory at
    most, together. Files that they have in common count once."""
    process = pomona.start(*args)
    peaks = {}
    while process.poll() is None:
        zygotes = children(process.pid)
        for pid in [process.pid, *zygotes, *(w for zygote in zygotes for w in children(zygote))]:
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            size = {key: 1024 * int(kb) for key, kb in re.findall(r"(\w+):\s+(\d+) kB", status)}
            own = size.get("VmHWM", 0) - (0 if pid == process.pid else size.get("RssFile", 0))
            peaks[pid] = max(own, peaks.get(pid, 0))
    process.communicate()
    return process.returncode, sum(peaks.values())


def test_memory_is_kept_with_the_workers_of_the_sandbox(pomona):
    (pomona.folder / "images").mkdir()
    for name, side in (("a", 2800), ("b", 2800), ("c", 2800), ("d", 2800), ("large", 5000)):
        noise = Image.effect_noise((side // 8, side // 8), 90).resize((side, side))
        noise.convert("CMYK").save(pomona.folder / f"images/{name}.jpg", progressive=True,
                                   quality=90)
    args = ("extract", "images", "results", "--threads", "2", "--part-images", "16", "--sandbox")
    refused = pomona.run(*args, "--memory", "100MB", code=2).stderr
    code, peak = peak_memory_of_all(pomona, *args, "--memory", "550MB")
    assert code == 4
    assert 150e6 < peak < 550e6
    rejected = subprocess.run(["columns.py", "rejected", "results"], cwd=pomona.folder,
                              env=pomona.env, text=True, capture_output=True, check=True).stdout
    assert rejected == "large.jpg\ttoo_large\n"
    # Without a sandbox it takes less.
    plain = pomona.run(*args[:-1], "--memory", "100MB", code=2).stderr
    least = [int(re.search(r"give --memory (\d+)MB", text)[1]) for text in (plain, refused)]
    assert least[0] + 3 * 5 < least[1]


def test_memory_is_kept_by_many_images(pomona, many):
    code, peak = peak_memory(pomona, "extract", many, "results", "--memory", "260MB",
                             "--denoise", "none", "--threads", "2")
    assert code == 4
    assert peak < 260e6
