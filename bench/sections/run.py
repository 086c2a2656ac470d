"""A whole run on the 50 samples, beside the usual stack."""

import shutil

from harness import BENCH, SAMPLES, THREADS, in_turn, ratio, run, spread


def measure(bench):
    spark_out = bench.work / "spark"

    def spark():
        shutil.rmtree(spark_out, ignore_errors=True)
        return run(
            bench.python, BENCH / "peers/spark_keras.py", SAMPLES, 50, "udf", "nlm", spark_out
        ).seconds

    times = in_turn(
        bench.rounds,
        spark=spark,
        default=lambda: bench.pomona("run", SAMPLES)[0].seconds,
        resnet50=lambda: bench.pomona(
            "run", SAMPLES, *bench.resnet50_flags(), "--denoise", "nlm:10"
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

