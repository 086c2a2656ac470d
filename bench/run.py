#!/usr/bin/env python3
"""Measures Pomona against the tools it replaces and the libraries it stands on (`make bench`).

    bench/run.py --build DIR [--rounds N] [--only SECTION,...] [--full]

Sections: run (whole process against Spark and Keras), extract (against OpenVINO's benchmark_app),
memory (many images against few), components (PCA against BLAS, scikit-learn and Spark ML), image
(decode, resize, denoise against OpenCV), s3 (a bucket against aws and boto3), spark (on Spark
against the command, the usual stack and Spark ML), micro (every *_bench.cc). What is compared runs
in turn within a round, so that a machine that slows down slows down both; a table gives the median
of the rounds, [lowest to highest], and the ratios' likewise.
Writes bench/results.json and the tables of bench/README.md; sections not run and other kinds of
machines keep theirs.

POMONA_BENCH_DATA may name a folder with fruits360-five.tar (3,546 images) and fruits360-test.tar
(20,622); without it tars of the same counts are made of copies of samples/fruits.
"""

import argparse
import importlib
import json
import os
import pathlib
import platform

from harness import BENCH, ROOT, Bench, table

# In the order of the report; each is a module of sections/ with a `measure(bench)`.
SECTIONS = ("run", "extract", "memory", "components", "image", "s3", "spark", "spark_components",
            "micro")


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


def kind(machine):
    """What makes a machine another one in the report."""
    return f"{machine['cpus']} CPUs of {machine['cpu']} ({' '.join(machine['features'])})"


def report(section):
    """One kind of machine's part of a section."""
    machine = section["machine"]
    notes = f"{section['notes']}\n\n" if section.get("notes") else ""
    return (f"{notes}{table(section['head'], section['rows'])}\n\n"
            f"`{section['command']}` on {kind(machine)}, {machine['memory_gib']} GiB, Linux "
            f"{machine['kernel']}; images: {section['images']}.\n")


def write_readme(results):
    text = (BENCH / "README.md").read_text()
    start, end = "<!-- results -->\n", "<!-- end of results -->\n"
    before, after = text.split(start)[0], text.split(end)[1]
    body = ""
    for name in SECTIONS:
        machines = list(results.get(name, {}).values())
        if machines:
            body += f"\n## {machines[-1]['title']}\n\n{machines[-1]['text']}\n"
        body += "".join(f"\n{report(section)}" for section in machines)
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
        section = importlib.import_module(f"sections.{name}").measure(bench)
        section["command"] = f"bench/run.py --only {name} --rounds {options.rounds}" + (
            " --full" if options.full else "")
        section["machine"] = machine()
        section["images"] = ("Fruits-360 tars" if os.environ.get("POMONA_BENCH_DATA")
                             else "copies of samples/fruits")
        of_machines = results.setdefault(name, {})
        of_machines.pop(kind(section["machine"]), None)  # the newest is the last
        of_machines[kind(section["machine"])] = section
        file.write_text(json.dumps(results, indent=1) + "\n")
        write_readme(results)
        print(f"\n{section['title']}\n{table(section['head'], section['rows'])}", flush=True)


if __name__ == "__main__":
    main()
