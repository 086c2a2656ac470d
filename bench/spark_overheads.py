#!/usr/bin/env python3
"""What a cluster's driver and tasks cost besides the work itself: the figures of docs/cluster.md.

    PYTHONPATH=BUILD/python .venv-bench/bin/python bench/spark_overheads.py [--images N]

Prints seconds of CPU time (wall time where it says so) and bytes, each for one image, task, part or
block. Images are links to the samples, the network is so small that it costs nothing.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import zlib

BENCH = pathlib.Path(__file__).resolve().parent
SAMPLES = BENCH.parent / "samples" / "fruits"
TASKS = 400
SMALL_PARTS = 2500
FEATURES = (8192, 2048)


def say(what, value, unit):
    print(f"{what}: {value:.3g} {unit}", flush=True)


def resident():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def timed(work):
    """What `work` gives, and its CPU time."""
    start = time.process_time()
    return work(), time.process_time() - start


def links(folder, count):
    """`count` links to copies of the samples, a thousand in each of as many folders as it takes."""
    folder.mkdir()
    samples = [shutil.copy(path, folder / f"{i}") for i, path in
               enumerate(sorted(SAMPLES.rglob("*.jpg")))]
    for i in range(count):
        place = folder / "images" / f"class-{i // 1000:05d}"
        place.mkdir(parents=True, exist_ok=True)
        os.link(samples[i % len(samples)], place / f"image-{i:08d}.jpg")
    return folder / "images"


def plan(native, flags, images, out, count):
    before = resident()
    extraction, seconds = timed(lambda: native.Extraction([*flags, "--", str(images), str(out)]))
    parts, packing = timed(lambda: [zlib.compress(extraction.part(i), 1)
                                    for i in range(len(extraction))])
    say("listing and planning, an image", seconds / count, "s")
    say("packing tasks, an image", packing / count, "s")
    say("a task's description, an image", sum(map(len, parts)) / count, "bytes")
    say("driver's memory, an image", (resident() - before) / count, "bytes")


def commit(native, flags, images, out):
    args = [*flags, "--part-images=4", "--threads=1", "--", str(images), str(out)]
    extraction = native.Extraction(args)
    for i in range(len(extraction)):
        done = native.compute_part(args, extraction.contract, extraction.part(i))
        extraction.finish(i, done)
    _, seconds = timed(extraction.commit)
    say("commit, a part", seconds / len(extraction), "s")


def reduction(native, folder):
    subprocess.run([sys.executable, BENCH / "make_features.py", folder, *map(str, FEATURES)],
                   check=True)
    args = ["--k=6", "--threads=1", "--", str(folder)]
    reduction = native.Reduction(args)
    blocks = reduction.blocks()
    moments, seconds = timed(lambda: [native.block_moments(args, block) for block in blocks])
    say(f"moments of a block of {FEATURES[0] // len(blocks)} x {FEATURES[1]}",
        seconds / len(blocks), "s")
    say("its moments", len(moments[-1]), "bytes")
    _, seconds = timed(lambda: [reduction.merge(m) for m in moments])
    say("merging a block", seconds / len(blocks), "s")
    pca, seconds = timed(reduction.fit)
    say("components", seconds, "s")
    projected, seconds = timed(lambda: [native.block_projection(args, b, pca) for b in blocks])
    say("projecting a block", seconds / len(blocks), "s")
    say("its projection", len(projected[0]), "bytes")


def worker(threads):
    """Memory of a worker process with the bundled network."""
    code = (
        "import pathlib, sys, pyspark\n"
        "from pomona.spark._work import featurizer\n"
        "images = [p.read_bytes() for p in pathlib.Path(sys.argv[1]).rglob('*.jpg')]\n"
        "featurizer((f'--threads={sys.argv[2]}',)).featurize(images)\n"
        "print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])\n")
    done = subprocess.run([sys.executable, "-c", code, SAMPLES, str(threads)], check=True,
                          capture_output=True, text=True)
    say(f"a worker of {threads} threads", 1024 * int(done.stdout), "bytes")


def tasks():
    """A task that does nothing but what every task of ours does first, one after the other."""
    from pyspark import StorageLevel
    from pyspark.sql import SparkSession

    from pomona.spark._workers import on_workers

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.ui.showConsoleProgress", "false")
             .config("spark.driver.memory", "4g").getOrCreate())
    sc = spark.sparkContext
    task = on_workers("compute_blocks", [], "moments", (), [], {}, sc.accumulator(0))

    def nothing(items):
        list(task([]))
        yield from (b"done" for _ in items)

    for round_ in range(3):
        items = [os.urandom(30_000) for _ in range(TASKS)]
        start = time.perf_counter()
        sc.parallelize(items, TASKS).mapPartitions(nothing).collect()
        seconds = time.perf_counter() - start
    say("a task, from end to end on one slot (wall)", seconds / TASKS, "s")

    blocks = sc.parallelize(range(50), 50).map(lambda _: bytes(FEATURES[1] * (FEATURES[1] + 1) * 4))
    blocks.persist(StorageLevel.DISK_ONLY).count()
    start = time.perf_counter()
    for _ in blocks.toLocalIterator(prefetchPartitions=True):
        pass
    say(f"{FEATURES[1] * (FEATURES[1] + 1) * 4:,} bytes from a worker's disk to the driver (wall)",
        (time.perf_counter() - start) / 50, "s")
    spark.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    count = parser.parse_args().images
    from pomona import _native

    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        subprocess.run([sys.executable, BENCH.parent / "tests/e2e/tools/make_model.py", "small.json"],
                       cwd=work, check=True)
        flags = [f"--model={work / 'small.json'}", "--denoise=none"]
        images = links(work / "links", count)
        plan(_native, flags, images, work / "planned", count)
        commit(_native, flags, links(work / "few", 4 * SMALL_PARTS), work / "committed")
        reduction(_native, work / "features")
    worker(1)
    worker(8)
    tasks()


if __name__ == "__main__":
    main()
