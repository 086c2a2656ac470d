"""An application whose workers lack Pomona, or have another: wrong_workers.py IMAGES CARD PACKAGES

Prints, as JSON, what each way of using Pomona says.
"""
import json
import pathlib
import sys

import numpy as np
from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from pomona import PomonaError
from pomona.spark import ImageFeaturizer, StandardScaler, extract

OTHER = '__version__ = "0.0.1"\n'


def main():
    images, card, packages = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    told = {}

    def tell(name, work):
        try:
            work()
        except PomonaError as error:
            told[name] = str(error)
        except Exception as error:  # Spark's own, of an action of the caller's
            told[name] = json.loads("{" + str(error).split("pomona-error: {")[1].splitlines()[0])[
                "message"]

    def files():
        extract(spark, images, packages + "/results", model=card, denoise="none", part_images=8,
                progress=False)

    def scaler():
        rows = [(Vectors.dense(row),) for row in np.eye(4)]
        StandardScaler(inputCol="v").fit(spark.createDataFrame(rows, ["v"]))

    def vectors():
        data = spark.createDataFrame([(bytearray(b"x"),)], "content binary")
        ImageFeaturizer(model=card).transform(data).collect()

    tell("none: files", files)
    tell("none: images", vectors)
    tell("none: scaler", scaler)
    (pathlib.Path(packages) / "pomona").mkdir()
    (pathlib.Path(packages) / "pomona/__init__.py").write_text(OTHER)
    tell("other: files", files)
    tell("other: scaler", scaler)
    spark.stop()
    print(json.dumps(told))


main()
