"""Extraction, beside inference alone."""

from harness import FEW, ROOT, THREADS, in_turn, ratio, spread


def measure(bench):
    def pomona(images, *flags):
        return bench.pomona("extract", images, "--denoise", "none", *flags)[1][
            "images_per_second"
        ]

    lite = bench.tar("five", FEW)
    some = bench.copies(500)
    values = in_turn(
        bench.rounds,
        app_lite=lambda: bench.benchmark_app(ROOT / "models/efficientnet-lite0.xml", 10),
        pomona_lite=lambda: pomona(lite),
        app_resnet50=lambda: bench.benchmark_app(bench.resnet50_ir(), 15),
        pomona_resnet50=lambda: pomona(some, *bench.resnet50_flags()),
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

