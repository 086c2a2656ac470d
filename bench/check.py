#!/usr/bin/env python3
"""Fails if this checkout is slower than the commit it started from (`make bench-check`).

    bench/check.py --build DIR [--base REVISION] [--rounds N] [--tolerance FRACTION]

Builds REVISION (by default where HEAD left origin/main, or HEAD's parent on main itself) in
DIR-base with the same preset, then runs every micro-benchmark and a whole `pomona run` of the
samples from both builds in turn. A benchmark is slower if in every round the checkout took longer
than the base ever did, and by more than the tolerance in the median. What looks slower is measured
again, alone, and only what is slower both times counts. Writes check.json and check.md into DIR.
Exit code: 0 no slower, 1 slower, 2 wrong usage.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from harness import ROOT, SAMPLES, google_benchmark, in_turn, ratio, run, spread, table

WHOLE = "pomona run samples"


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], check=True, text=True,
                          capture_output=True).stdout.strip()


def default_base():
    known = subprocess.run(["git", "-C", ROOT, "rev-parse", "--verify", "--quiet", "origin/main"],
                           capture_output=True).returncode == 0
    if known and git("merge-base", "HEAD", "origin/main") != git("rev-parse", "HEAD"):
        return git("merge-base", "HEAD", "origin/main")
    return git("rev-parse", "HEAD^")


def build_base(revision, folder):
    """A checkout of `revision` in folder/source, built in folder/build; both are kept for next time."""
    source = folder / "source"
    if not source.exists():
        folder.mkdir(parents=True, exist_ok=True)
        git("worktree", "add", "--detach", "--force", str(source), revision)
    subprocess.run(["git", "-C", source, "checkout", "--quiet", "--detach", revision], check=True)
    venv = source / ".venv"
    if not venv.exists():
        venv.symlink_to(ROOT / ".venv")
    build = folder / "build"
    quiet = {"check": True, "cwd": source, "stdout": subprocess.DEVNULL}
    subprocess.run(["cmake", "--preset", "bench", "-B", build, "--log-level=WARNING"], **quiet)
    subprocess.run(["cmake", "--build", build, "--parallel", str(os.cpu_count())], **quiet)
    return build


def times_of(build, programs):
    """{benchmark: milliseconds} of every program that `build` has."""
    times = {}
    for name, only in programs.items():
        if name == WHOLE:
            results = build / "bench-check"
            shutil.rmtree(results, ignore_errors=True)
            times[WHOLE] = 1000 * run(build / "pomona", "run", SAMPLES, results, "--quiet").seconds
        elif (build / name).exists():
            for benchmark, ms in google_benchmark(build / name, only, 0.02, 1).items():
                times[f"{name} {benchmark}"] = ms
    return times


def compare(base, new, programs, rounds):
    """{benchmark: (base's times, new's times)} of what both have."""
    values = in_turn(rounds, base=lambda: times_of(base, programs),
                     new=lambda: times_of(new, programs))
    common = [name for name in values["base"][0] if name in values["new"][0]]
    return {name: tuple([v[name] for v in values[side]] for side in ("base", "new"))
            for name in common}


def slower(times, tolerance):
    """Names of what took longer in every round, by more than the tolerance in the median."""
    return [name for name, (base, new) in times.items()
            if min(new) > max(base)
            and statistics.median(new) > (1 + tolerance) * statistics.median(base)]


def only(names):
    """{program: regular expression} that runs just `names` again."""
    programs = {}
    for name in names:
        if name == WHOLE:
            programs[WHOLE] = ""
        else:
            program, benchmark = name.split(" ", 1)
            known = programs.get(program, "")
            programs[program] = f"{known}{'|' if known else ''}^{benchmark}$"
    return programs


def report(base, times, found, folder):
    rows = [[name, spread(b, 4), spread(n, 4), ratio(n, b), "slower" if name in found else ""]
            for name, (b, n) in times.items()]
    text = table(["benchmark", f"{base[:10]}, ms", "this checkout, ms", "ratio", ""], rows)
    (folder / "check.md").write_text(text + "\n")
    (folder / "check.json").write_text(json.dumps(
        {"base": base, "slower": found, "milliseconds": times}, indent=1) + "\n")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--base", default=None, help="a revision of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tolerance", type=float, default=0.05)
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("--rounds must be at least 3: fewer cannot tell a slowdown from noise")
    try:
        base = git("rev-parse", "--verify", f"{options.base or default_base()}^{{commit}}")
    except subprocess.CalledProcessError:
        parser.error(f"no revision {options.base}")
    new = options.build.resolve()
    old = build_base(base, new.with_name(new.name + "-base"))
    programs = {p.name: "." for p in sorted(new.glob("pomona_*_bench"))} | {WHOLE: ""}
    times = compare(old, new, programs, options.rounds)
    found = slower(times, options.tolerance)
    if found:
        again = compare(old, new, only(found), options.rounds)
        times |= again
        found = slower(again, options.tolerance)
    print(report(base, times, found, new))
    print(f"\n{len(times)} benchmarks against {base[:10]}: " + (
        "slower: " + ", ".join(found) if found else "none is slower"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
