"""Extraction on Spark, beside the command and the usual stack on Spark."""

import json
import re
import shutil
import tarfile

from harness import BENCH, FEW, SAMPLES, THREADS, in_turn, ratio, run, spread

SOME = 500  # images against the usual stack, which takes a second for nine
SAME_WORK = ("--denoise=nlm:10",)  # as peers/spark_keras.py


def unpacked(bench, tar, name):
    """A folder of the images in a tar: Spark lists folders."""
    folder = bench.work / name
    if not folder.exists():
        partial = bench.work / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(tar) as file:
            file.extractall(partial, filter="data")
        partial.rename(folder)
    return folder


def last_json(done):
    return json.loads(done.stdout.splitlines()[-1])


def measure(bench):
    few = unpacked(bench, bench.tar("five", FEW), "spark-few")
    some = unpacked(bench, bench.copies(SOME), "spark-some")
    resnet50 = ("--model=resnet50", f"--weights={bench.resnet50()}", *SAME_WORK)
    out = bench.work / "spark-out"

    def ours(what, cpus, *args):
        """Seconds from a session that has started."""
        shutil.rmtree(out, ignore_errors=True)
        done = run(bench.python, BENCH / "peers/spark_pomona.py", what, THREADS, cpus, out, *args,
                   PYTHONPATH=bench.build / "python")
        return last_json(done)["seconds"]

    def keras(images, count):
        """(seconds of extraction, of all but the start)"""
        shutil.rmtree(out, ignore_errors=True)
        said = run(bench.python, BENCH / "peers/spark_keras.py", images, count, "iter", "nlm",
                   out).stdout
        start, extract, total = (float(re.search(rf"{name} ([\d.]+)s", said)[1])
                                 for name in ("start", "extract", "total"))
        return extract, total - start

    values = in_turn(
        bench.rounds,
        command=lambda: bench.pomona("extract", few)[0].seconds,
        files=lambda: ours("files", THREADS, few),
        frames=lambda: ours("frames", 1, few),
        warm=lambda: ours("warm", 1, few),
        small=lambda: ours("small", 1, few),
        keras=lambda: keras(some, SOME),
        keras_files=lambda: ours("files", THREADS, some, *resnet50),
        keras_frames=lambda: ours("frames", 1, some, *resnet50),
        job=lambda: keras(SAMPLES, 50),
        job_files=lambda: ours("job", THREADS, SAMPLES, *resnet50),
    )
    extracts = [extract for extract, _ in values["keras"]]
    jobs = [job for _, job in values["job"]]

    def row(what, seconds, theirs):
        return [what, spread(seconds, 2), ratio(theirs, seconds)]

    rows = [
        row(f"{FEW:,} images, efficientnet-lite0: `pomona extract`", values["command"],
            values["command"]),
        row("`pomona.spark.extract`", values["files"], values["command"]),
        row("binaryFile, `ImageFeaturizer`, Parquet", values["frames"], values["command"]),
        row("the same once more in that session", values["warm"], values["command"]),
        row("the same with Spark's own settings: partitions of 32 files", values["small"],
            values["command"]),
        row(f"{SOME} images, ResNet50 f32, NLM 10: Spark, Keras, OpenCV", extracts, extracts),
        row("`pomona.spark.extract`", values["keras_files"], extracts),
        row("binaryFile, `ImageFeaturizer`, Parquet", values["keras_frames"], extracts),
        row("50 images to components, ResNet50 f32, NLM 10: Spark, Keras, OpenCV, Spark ML", jobs,
            jobs),
        row("`pomona.spark.extract` and `reduce`", values["job_files"], jobs),
    ]
    return {
        "title": "Extraction on Spark, against the command and the usual stack",
        "text": f"Seconds on local[{THREADS}] from a session that has started (which takes either "
                "side as long), in a new process each time; of the command, of the whole process. "
                "Speed is relative to the first row of each group. `pomona.spark.extract` has "
                f"spark.task.cpus={THREADS}, the DataFrames have 1, and the settings that "
                "docs/cluster.md advises. Targets: the files within 10 % of the command, the "
                "DataFrames within 20 % of the files, 2.5 times the usual stack on many images and "
                "10 times on 50.",
        "head": ["what", "seconds", "times as fast"],
        "rows": rows,
        "values": values,
    }
