"""Extraction from JPEG files to committed Parquet, beside inference alone."""

import concurrent.futures
import json
import statistics

from harness import FEW, ROOT, THREADS, google_benchmark, in_turn, ratio, run, spread

PRECISIONS = ("f32", "bf16", "int8")

# What is left to do for an image besides inference, by --denoise: names of pomona_image_bench.
STAGES = {
    "none": ("BM_Decode", "BM_EnlargeBilinear"),
    "nlm:3": ("BM_Decode", "BM_EnlargeBilinear", "BM_Nlm/3"),
}


def stages(bench):
    """{stage: seconds an image takes on one core while the other cores do the same}"""
    names = "^(" + "|".join(STAGES["nlm:3"]) + ")$"
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        runs = list(pool.map(
            lambda _: google_benchmark(bench.build / "pomona_image_bench", names), range(THREADS)))
    return {name: statistics.mean(r[name] for r in runs) / 1000 for name in runs[0]}


def left(app, stage_seconds, denoise):
    """Images a second if inference took what benchmark_app says and the stages what they take alone."""
    return THREADS / (THREADS / app + sum(stage_seconds[name] for name in STAGES[denoise]))


def precisions(bench):
    """Those of PRECISIONS that this CPU has."""
    doctor = json.loads(run(bench.pomona_command, "doctor", "--json").stdout)
    return [p for p in PRECISIONS if doctor.get(p, True)]


def networks(bench):
    """{(network, precision): (file for benchmark_app, images, flags of pomona)}"""
    lite = ROOT / "models"
    few = bench.tar("five", FEW)
    cases = {}
    for precision in precisions(bench):
        int8 = precision == "int8"
        suffix = "-int8" if int8 else ""
        cases["efficientnet-lite0", precision] = (
            lite / f"efficientnet-lite0{suffix}.xml", few, ("--precision", precision))
        cases["resnet50", precision] = (
            bench.resnet50_int8() if int8 else bench.resnet50_ir(),
            bench.copies(500) if precision == "f32" else few,
            ("--precision", precision, *bench.resnet50_flags()))
    return cases


def measure(bench):
    def app(network, precision):
        # What int8 leaves in floating point runs in f32, as in Pomona.
        return bench.benchmark_app(network, "f32" if precision == "int8" else precision, 10)

    def pomona(images, denoise, flags):
        return bench.pomona("extract", images, "--denoise", denoise, *flags)[1][
            "images_per_second"]

    cases = networks(bench)
    values = in_turn(
        bench.rounds,
        stages=lambda: stages(bench),
        **{f"{name} {precision} {what}": case
           for (name, precision), (network, images, flags) in cases.items()
           for what, case in {
               "benchmark_app": lambda n=network, p=precision: app(n, p),
               **{denoise: lambda i=images, d=denoise, f=flags: pomona(i, d, f)
                  for denoise in STAGES}}.items()})
    rows = []
    for name, precision in cases:
        theirs = values[f"{name} {precision} benchmark_app"]
        for denoise in STAGES:
            bound = [left(a, s, denoise) for a, s in zip(theirs, values["stages"])]
            ours = values[f"{name} {precision} {denoise}"]
            rows.append([name, precision, denoise, spread(theirs, 1), spread(bound, 1),
                         spread(ours, 1), ratio(ours, bound)])
    per_image = ", ".join(
        f"{name.removeprefix('BM_')} {1000 * statistics.median(s[name] for s in values['stages']):.3f}"
        for name in STAGES["nlm:3"])
    return {
        "title": "Extraction, against inference alone",
        "text": "Images a second. OpenVINO's benchmark_app runs the same network on the same "
                "random tensor again and again; `pomona extract` also lists and reads the tar, "
                "decodes, resizes, denoises, and writes and commits Parquet. What decoding, "
                "resizing and denoising leave of benchmark_app follows from their time alone, "
                f"measured in the same round on {THREADS} cores at once. {THREADS} streams on "
                f"{THREADS} threads; {FEW:,} images, for resnet50 in f32 500. The last column is "
                "Pomona over what is left. Target: 0.97.",
        "notes": f"Milliseconds an image: {per_image}." + "".join(
            f" This CPU has no {p}." for p in PRECISIONS if ("resnet50", p) not in cases),
        "head": ["network", "precision", "--denoise", "benchmark_app", "left", "pomona extract",
                 "ratio"],
        "rows": rows,
        "values": values,
    }
