"""What every section of the benchmark uses: runs of whole processes, rounds, ratios, inputs."""

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
SAMPLES = ROOT / "samples" / "fruits"
MODELS = ROOT / "build" / "bench-models"  # int8 forms made here
THREADS = 2
FEW, MANY = 3546, 20622


@dataclasses.dataclass
class Run:
    seconds: float
    peak_mib: float
    stdout: str


def run(*command, **variables):
    """Runs a command to its end; wall time and peak memory are of the whole process."""
    command = [str(word) for word in command]
    MODELS.mkdir(parents=True, exist_ok=True)
    print("bench:", " ".join(command), file=sys.stderr, flush=True)
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "TF_CPP_MIN_LOG_LEVEL": "3",
                                "POMONA_MODELS": str(MODELS)} | {
        name: str(value) for name, value in variables.items()}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise SystemExit(
                f"bench: exit code {process.returncode} of {command}\n{errors.read()[-2000:]}"
            )
        return Run(seconds, usage.ru_maxrss / 1024, out.read())


def in_turn(rounds, **cases):
    """{case: [value of each round]}; every round runs every case once."""
    values = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            values[name].append(case())
    return values


def spread(values, digits):
    low, mid, high = min(values), statistics.median(values), max(values)
    return f"{mid:,.{digits}f} [{low:,.{digits}f} to {high:,.{digits}f}]"


def ratio(above, below, digits=2):
    return spread([a / b for a, b in zip(above, below)], digits)


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


class Bench:
    def __init__(self, build, rounds, full):
        self.build = build
        self.pomona_command = build / "pomona"
        self.rounds = rounds
        self.full = full
        self.work = build / "bench"
        self.work.mkdir(parents=True, exist_ok=True)
        self.python = pathlib.Path(sys.executable)

    def pomona(self, command, images, *flags):
        """One run into an empty results folder, and what --json said."""
        results = self.work / "results"
        shutil.rmtree(results, ignore_errors=True)
        done = run(
            self.pomona_command, command, images, results, "--json", "--quiet",
            "--threads", THREADS, *flags,
        )
        return done, json.loads(done.stdout)

    def tar(self, name, count):
        """fruits360-NAME.tar, or a tar of `count` copies of the samples."""
        data = os.environ.get("POMONA_BENCH_DATA")
        if data:
            return pathlib.Path(data) / f"fruits360-{name}.tar"
        return self.copies(count)

    def copies(self, count):
        path = self.work / f"copies-{count}.tar"
        if not path.exists():
            samples = sorted(SAMPLES.rglob("*.jpg"))
            partial = path.with_suffix(".partial")
            with tarfile.open(partial, "w") as tar:
                for i in range(count):
                    image = samples[i % len(samples)]
                    tar.add(image, f"{image.parent.name}/{i:06d}.jpg")
            partial.rename(path)
        return path

    def resnet50(self):
        """Keras ResNet50 weights of the published layout with made-up values."""
        path = self.work / "resnet50.h5"
        if not path.exists():
            partial = self.work / "partial.h5"
            run(self.python, ROOT / "tests/golden/make_resnet50_weights.py", "keras", partial)
            partial.rename(path)
        return path

    def resnet50_flags(self):
        return "--model", "resnet50", "--weights", self.resnet50()

    def benchmark_app(self, network, precision, seconds):
        """Images a second of OpenVINO's own measuring tool, inference only."""
        folder = self.work / "benchmark_app"
        folder.mkdir(exist_ok=True)
        run(
            self.python.with_name("benchmark_app"), "-m", network, "-d", "CPU", "-hint", "none",
            "-nstreams", THREADS, "-nthreads", THREADS, "-infer_precision", precision, "-t",
            seconds,
            "-json_stats", "-report_type", "no_counters", "-report_folder", folder,
        )
        report = json.loads((folder / "benchmark_report.json").read_text())
        return float(report["execution_results"]["throughput"])

    def resnet50_int8(self):
        """The network of resnet50() quantised by `pomona models quantize`, as OpenVINO IR."""
        if not (MODELS / "resnet50-int8.json").exists():
            run(self.pomona_command, "models", "quantize", "resnet50", self.tar("five", FEW),
                "--weights", self.resnet50(), "--out", MODELS)
        return MODELS / "resnet50-int8.xml"

    def resnet50_ir(self):
        path = self.work / "resnet50.xml"
        if not path.exists():
            run(self.python, BENCH / "peers/keras_to_ir.py", self.resnet50(), path)
        return path


def google_benchmark(program, names=".", min_seconds=0.05, repetitions=5):
    """{name: milliseconds of CPU time an iteration, the least of the repetitions}"""
    report = json.loads(run(
        program, "--benchmark_format=json", f"--benchmark_repetitions={repetitions}",
        f"--benchmark_min_time={min_seconds}", f"--benchmark_filter={names}").stdout)
    scale = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}
    times = {}
    for b in report["benchmarks"]:
        if b["run_type"] == "iteration" and not b.get("error_occurred"):
            ms = b["cpu_time"] * scale[b["time_unit"]]
            times[b["run_name"]] = min(ms, times.get(b["run_name"], ms))
    return times
