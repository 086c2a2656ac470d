"""Image operations, beside OpenCV and Pillow."""

from harness import BENCH, google_benchmark, in_turn, ratio, run, spread


def measure(bench):
    def opencv():
        lines = run(bench.python, BENCH / "opencv_kernels.py").stdout.splitlines()
        return {name: float(us) / 1000 for name, us in map(str.split, lines)}

    def pomona():
        return google_benchmark(bench.build / "pomona_image_bench")

    values = in_turn(bench.rounds, opencv=opencv, pomona=pomona)
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

