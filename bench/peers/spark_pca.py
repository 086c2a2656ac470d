#!/usr/bin/env python3
"""Spark ML's principal components of a dataset: what `pomona reduce` does.

    spark_pca.py PARTS OUT K THREADS

Reads the Parquet files in the folder PARTS, standardises every column, finds K components, and
writes OUT/projection (Parquet: path, label, projection) and OUT/components.npy (K x dimension).
Prints {"seconds": from a session that has started and is idle} as JSON.
"""

import json
import pathlib
import sys
import time

import numpy
from pyspark.ml.feature import PCA, StandardScaler
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import SparkSession
from pyspark.sql.functions import col


SETTLE = 3  # seconds in which the JVM still compiles what starting the session ran


def main():
    parts, out, k, threads = sys.argv[1], pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:])
    spark = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", "8g")
        .config("spark.driver.maxResultSize", "4g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    time.sleep(SETTLE)
    start = time.perf_counter()
    rows = spark.read.parquet(parts).select(
        "path", "label", array_to_vector(col("features")).alias("features"))
    scaler = StandardScaler(inputCol="features", outputCol="scaled", withMean=True, withStd=True)
    scaled = scaler.fit(rows).transform(rows)
    model = PCA(k=k, inputCol="scaled", outputCol="projected").fit(scaled)
    projected = model.transform(scaled).select(
        "path", "label", vector_to_array("projected").alias("projection"))
    projected.write.mode("overwrite").parquet(str(out / "projection"))
    numpy.save(out / "components.npy", model.pc.toArray().T)
    seconds = time.perf_counter() - start
    spark.stop()
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
