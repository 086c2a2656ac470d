"""Components on Spark, beside Spark ML."""

import json

from harness import BENCH, THREADS, in_turn, ratio, run, spread
from sections.components import SMALL, features


def measure(bench):
    folder = features(bench, SMALL)
    parts = folder / "features"
    out = bench.work / "spark-out"

    def seconds(peer, *args):
        """From a session that has started and is idle."""
        done = run(bench.python, BENCH / "peers" / peer, *args, PYTHONPATH=bench.build / "python")
        return json.loads(done.stdout.splitlines()[-1])["seconds"]

    values = in_turn(
        bench.rounds,
        spark_ml=lambda: seconds("spark_pca.py", parts, out, 6, THREADS),
        reduce=lambda: seconds("spark_pomona.py", "reduce", THREADS, THREADS, folder, 6),
        stages=lambda: seconds("spark_pomona.py", "stages", THREADS, 1, out, parts, 6),
        read=lambda: seconds("spark_pomona.py", "read", THREADS, 1, out, parts),
    )
    rows = [
        [what, spread(values[name], 2), ratio(values["spark_ml"], values[name])]
        for what, name in {
            "Spark ML": "spark_ml",
            "`pomona.spark.reduce`": "reduce",
            "`pomona.spark.StandardScaler` and `PCA`": "stages",
            "Spark reads these files twice, as the row before does, and drops them": "read",
        }.items()
    ]
    return {
        "title": "Components on Spark, against Spark ML",
        "text": f"Seconds on local[{THREADS}] from Parquet parts of 20,622 x 1,280 features to 6 "
                "components of the standardised columns and the projections in Parquet, in a new "
                "process each time, from 3 s after the session has started (when the JVM has "
                "compiled what starting ran). `pomona.spark.reduce` has "
                f"spark.task.cpus={THREADS}, the stages have 1. Target: 30 times Spark ML.",
        "head": ["what", "seconds", "times as fast"],
        "rows": rows,
        "values": values,
    }
