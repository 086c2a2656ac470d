"""Every micro-benchmark of the rooms."""

from harness import google_benchmark


def measure(bench):
    values = {}
    for program in sorted(bench.build.glob("pomona_*_bench")):
        values[program.name] = google_benchmark(program)
    rows = [[f"{program} {name}", f"{ms:,.4f}"]
            for program, times in values.items() for name, ms in times.items()]
    return {
        "title": "Micro-benchmarks",
        "text": "Milliseconds of CPU time an iteration, the least of five repetitions.",
        "head": ["benchmark", "ms"],
        "rows": rows,
        "values": values,
    }
