#!/usr/bin/env python3
"""Measures Pomona against the tools it replaces and the libraries it stands on (`make bench`).

    bench/run.py --build DIR [--rounds N] [--only SECTION,...] [--full]

Sections: run (whole process against Spark and Keras), extract (against OpenVINO's benchmark_app),
memory (many images against few), image (decode, resize, denoise against OpenCV), micro (every
*_bench.cc). What is compared runs in turn within a round, so that a machine that slows down slows
down both; a table gives the median of the rounds, [lowest to highest], and the ratios' likewise.
Writes bench/results.json and the tables of bench/README.md; sections not run keep their old ones.

POMONA_BENCH_DATA may name a folder with fruits360-five.tar (3,546 images) and fruits360-test.tar
(20,622); without it tars of the same counts are made of copies of samples/fruits.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
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
THREADS = 2
FEW, MANY = 3546, 20622


@dataclasses.dataclass
class Run:
    seconds: float
    peak_mib: float
    stdout: str


def run(*command):
    """Runs a command to its end; wall time and peak memory are of the whole process."""
    command = [str(word) for word in command]
    print("bench:", " ".join(command), file=sys.stderr, flush=True)
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "TF_CPP_MIN_LOG_LEVEL": "3"}
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

    def section_run(self):
        spark_out = self.work / "spark"

        def spark():
            shutil.rmtree(spark_out, ignore_errors=True)
            return run(
                self.python, BENCH / "peers/spark_keras.py", SAMPLES, 50, "udf", "nlm", spark_out
            ).seconds

        times = in_turn(
            self.rounds,
            spark=spark,
            default=lambda: self.pomona("run", SAMPLES)[0].seconds,
            resnet50=lambda: self.pomona(
                "run", SAMPLES, *self.resnet50_flags(), "--denoise", "nlm:10"
            )[0].seconds,
        )
        rows = [
            ["Spark local[*], Keras ResNet50, OpenCV NLM 10, PCA (peers/spark_keras.py)",
             spread(times["spark"], 1), "1"],
            ["`pomona run --model resnet50 --denoise nlm:10`: the same work",
             spread(times["resnet50"], 2), ratio(times["spark"], times["resnet50"], 1)],
            ["`pomona run`: its defaults, efficientnet-lite0 and NLM 3",
             spread(times["default"], 2), ratio(times["spark"], times["default"], 1)],
        ]
        return {
            "title": "A whole run on the 50 samples, against the usual stack",
            "text": "Seconds from the start of the process to its end, images in, features, "
                    f"components (and, Pomona only, pictures) out; Pomona with {THREADS} threads, "
                    "Spark with every CPU. The networks of both ResNet50 rows have made-up "
                    "weights, as speed does not depend on their values. Target: 20 times.",
            "head": ["what", "seconds", "times faster"],
            "rows": rows,
            "values": times,
        }

    def benchmark_app(self, network, seconds):
        """Images a second of OpenVINO's own measuring tool, inference only."""
        folder = self.work / "benchmark_app"
        folder.mkdir(exist_ok=True)
        run(
            self.python.with_name("benchmark_app"), "-m", network, "-d", "CPU", "-hint", "none",
            "-nstreams", THREADS, "-nthreads", THREADS, "-infer_precision", "f32", "-t", seconds,
            "-json_stats", "-report_type", "no_counters", "-report_folder", folder,
        )
        report = json.loads((folder / "benchmark_report.json").read_text())
        return float(report["execution_results"]["throughput"])

    def resnet50_ir(self):
        path = self.work / "resnet50.xml"
        if not path.exists():
            run(self.python, BENCH / "peers/keras_to_ir.py", self.resnet50(), path)
        return path

    def section_extract(self):
        def pomona(images, *flags):
            return self.pomona("extract", images, "--denoise", "none", *flags)[1][
                "images_per_second"
            ]

        lite = self.tar("five", FEW)
        some = self.copies(500)
        values = in_turn(
            self.rounds,
            app_lite=lambda: self.benchmark_app(ROOT / "models/efficientnet-lite0.xml", 10),
            pomona_lite=lambda: pomona(lite),
            app_resnet50=lambda: self.benchmark_app(self.resnet50_ir(), 15),
            pomona_resnet50=lambda: pomona(some, *self.resnet50_flags()),
        )
        rows = [
            [name, spread(values[f"app_{key}"], 1), spread(values[f"pomona_{key}"], 1),
             ratio(values[f"pomona_{key}"], values[f"app_{key}"])]
            for key, name in [("lite", f"efficientnet-lite0, {FEW:,} images"),
                              ("resnet50", "resnet50, 500 images")]
        ]
        return {
            "title": "Extraction, against inference alone",
            "text": "Images a second. OpenVINO's benchmark_app runs the same network on the same "
                    "random tensor again and again; `pomona extract --denoise none` also reads the "
                    "tar, decodes, resizes, and writes and commits Parquet. Both f32, "
                    f"{THREADS} streams on {THREADS} threads. Target: 0.90.",
            "head": ["network", "benchmark_app", "pomona extract", "ratio"],
            "rows": rows,
            "values": values,
        }

    def section_memory(self):
        few, many = self.tar("five", FEW), self.tar("test", MANY)
        none = ("--denoise", "none")
        values = in_turn(
            1,
            few_lite=lambda: self.pomona("run", few, *none)[0].peak_mib,
            many_lite=lambda: self.pomona("run", many, *none)[0].peak_mib,
            few_resnet50=lambda: self.pomona("run", few, *none, *self.resnet50_flags())[0].peak_mib,
            **({"many_resnet50": lambda: self.pomona(
                "run", many, *none, *self.resnet50_flags())[0].peak_mib} if self.full else {}),
        )
        rows = []
        for key, name in [("lite", "efficientnet-lite0"), ("resnet50", "resnet50")]:
            low, high = values[f"few_{key}"], values.get(f"many_{key}")
            rows.append([name, spread(low, 0).split()[0],
                         spread(high, 0).split()[0] if high else "(with --full)",
                         f"{high[0] / low[0]:.2f}" if high else ""])
        return {
            "title": "Peak memory",
            "text": "MiB, the largest resident set of the whole process (`ru_maxrss`) of `pomona "
                    f"run --denoise none --threads {THREADS}`: extraction, moments, PCA and "
                    "pictures. Targets: 1.1 times, and 1,024 MiB with ResNet50.",
            "head": ["network", f"{FEW:,} images", f"{MANY:,} images", "ratio"],
            "rows": rows,
            "values": values,
        }

    def section_image(self):
        def opencv():
            lines = run(self.python, BENCH / "opencv_kernels.py").stdout.splitlines()
            return {name: float(us) / 1000 for name, us in map(str.split, lines)}

        def pomona():
            return self.google_benchmark(self.build / "pomona_image_bench")

        values = in_turn(self.rounds, opencv=opencv, pomona=pomona)
        rows = []
        for name in values["opencv"][0]:
            theirs = [value[name] for value in values["opencv"]]
            ours = [value[f"BM_{name}"] for value in values["pomona"]]
            rows.append([name, spread(theirs, 3), spread(ours, 3), ratio(theirs, ours)])
        return {
            "title": "Image operations, against OpenCV and Pillow",
            "text": "Milliseconds of CPU time on one thread, the least of several runs a round. "
                    "Enlarge: 100x100 to 224x224; Shrink: 1600x1200 to 224x224; the PilBilinear "
                    "rows are Pillow's. Filters, Lab (there and back) and Nlm/h are of 224x224.",
            "head": ["operation", "OpenCV", "Pomona", "times faster"],
            "rows": rows,
            "values": values,
        }

    def google_benchmark(self, program):
        """{name: milliseconds of CPU time an iteration, the least of five repetitions}"""
        report = json.loads(run(
            program, "--benchmark_format=json", "--benchmark_repetitions=5",
            "--benchmark_min_time=0.05").stdout)
        scale = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}
        times = {}
        for b in report["benchmarks"]:
            if b["run_type"] == "iteration":
                ms = b["cpu_time"] * scale[b["time_unit"]]
                times[b["run_name"]] = min(ms, times.get(b["run_name"], ms))
        return times

    def section_micro(self):
        values = {}
        for program in sorted(self.build.glob("pomona_*_bench")):
            values[program.name] = self.google_benchmark(program)
        rows = [[f"{program} {name}", f"{ms:,.4f}"]
                for program, times in values.items() for name, ms in times.items()]
        return {
            "title": "Micro-benchmarks",
            "text": "Milliseconds of CPU time an iteration, the least of five repetitions.",
            "head": ["benchmark", "ms"],
            "rows": rows,
            "values": values,
        }


SECTIONS = ("run", "extract", "memory", "image", "micro")


def machine():
    cpu = next(
        (line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor())
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    features = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
                if f in flags]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)), "features": features,
            "memory_gib": round(memory), "kernel": platform.release()}


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write_readme(results):
    text = (BENCH / "README.md").read_text()
    start, end = "<!-- results -->\n", "<!-- end of results -->\n"
    before, after = text.split(start)[0], text.split(end)[1]
    body = ""
    for name in SECTIONS:
        if name not in results:
            continue
        section = results[name]
        m = section["machine"]
        body += (f"\n## {section['title']}\n\n{section['text']}\n\n"
                 f"{table(section['head'], section['rows'])}\n\n"
                 f"`{section['command']}` on {m['cpus']} CPUs of {m['cpu']} "
                 f"({' '.join(m['features'])}), {m['memory_gib']} GiB, Linux {m['kernel']}; "
                 f"images: {section['images']}.\n")
    (BENCH / "README.md").write_text(before + start + body + "\n" + end + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas")
    parser.add_argument("--full", action="store_true", help="also the runs of many minutes")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")

    bench = Bench(options.build.resolve(), options.rounds, options.full)
    file = BENCH / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for name in names:
        section = getattr(bench, f"section_{name}")()
        section["command"] = f"bench/run.py --only {name} --rounds {options.rounds}" + (
            " --full" if options.full else "")
        section["machine"] = machine()
        section["images"] = ("Fruits-360 tars" if os.environ.get("POMONA_BENCH_DATA")
                             else "copies of samples/fruits")
        results[name] = section
        file.write_text(json.dumps(results, indent=1) + "\n")
        write_readme(results)
        print(f"\n{section['title']}\n{table(section['head'], section['rows'])}", flush=True)


if __name__ == "__main__":
    main()
