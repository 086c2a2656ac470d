"""Pomona on Spark local[THREADS], timed from a session that has started.

    spark_pomona.py files  THREADS TASK_CPUS OUT IMAGES [FLAG...]   pomona.spark.extract
    spark_pomona.py frames THREADS TASK_CPUS OUT IMAGES [FLAG...]   binaryFile, ImageFeaturizer
    spark_pomona.py warm   THREADS TASK_CPUS OUT IMAGES [FLAG...]   once more in the same session
    spark_pomona.py small  THREADS TASK_CPUS OUT IMAGES [FLAG...]   with Spark's own settings
    spark_pomona.py job    THREADS TASK_CPUS OUT IMAGES [FLAG...]   pomona.spark.extract, reduce
    spark_pomona.py reduce THREADS TASK_CPUS RESULTS K              pomona.spark.reduce
    spark_pomona.py stages THREADS TASK_CPUS OUT PARTS K            StandardScaler and PCA
    spark_pomona.py read   THREADS TASK_CPUS OUT PARTS              twice what stages read, no more

FLAGs are --name=value. Prints {"start": seconds, "seconds": seconds} as JSON.
"""
import json
import os
import sys
import time

began = time.perf_counter()
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession  # noqa: E402

from pomona import spark as pomona  # noqa: E402


SETTLE = 3  # seconds in which the JVM still compiles what starting the session ran


def frames(spark, out, images, flags):
    files = (spark.read.format("binaryFile").option("pathGlobFilter", "*.jpg")
             .option("recursiveFileLookup", "true").load(images))
    stage = pomona.ImageFeaturizer(outputType="array", **flags)
    stage.transform(files).drop("content").write.mode("overwrite").parquet(out)


def read(spark, parts):
    rows = spark.read.parquet(parts).select("path", "label", "features")
    for _ in range(2):
        rows.write.format("noop").mode("overwrite").save()


def stages(spark, out, parts, k):
    rows = spark.read.parquet(parts).select("path", "label", "features")
    scaler = pomona.StandardScaler(inputCol="features", outputCol="scaled", withMean=True)
    scaled = scaler.fit(rows).transform(rows)
    pca = pomona.PCA(k=k, inputCol="scaled", outputCol="projection", outputType="array")
    projected = pca.fit(scaled).transform(scaled).select("path", "label", "projection")
    projected.write.mode("overwrite").parquet(out)


def main():
    what, threads, cpus, out, *rest = sys.argv[1:]
    builder = (SparkSession.builder.master(f"local[{threads}]").config("spark.task.cpus", cpus)
               .config("spark.driver.memory", "4g").config("spark.ui.enabled", "false"))
    if what in ("frames", "warm"):  # as docs/cluster.md says
        builder = (builder.config("spark.sql.files.openCostInBytes", "65536")
                   .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1"))
    spark = builder.getOrCreate()
    flags = dict(flag.removeprefix("--").replace("-", "_").split("=", 1)
                 for flag in rest if flag.startswith("--"))
    if what == "warm":
        frames(spark, out, rest[0], flags)
    if what in ("reduce", "stages", "read"):  # as spark_pca.py
        time.sleep(SETTLE)
    start = time.perf_counter()
    if what == "stages":
        stages(spark, out, rest[0], int(rest[1]))
    elif what == "read":
        read(spark, rest[0])
    elif what == "reduce":
        pomona.reduce(spark, out, k=rest[0], progress=False)
    else:
        images = rest[0]
        if what in ("frames", "warm", "small"):
            frames(spark, out, images, flags)
        else:
            pomona.extract(spark, images, out, progress=False, **flags)
        if what == "job":
            pomona.reduce(spark, out, progress=False)
    end = time.perf_counter()
    spark.stop()
    print(json.dumps({"start": start - began, "seconds": end - start}))


main()
