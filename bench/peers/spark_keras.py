"""The usual stack for this job, timed end to end: Spark local[*], one UDF a row, OpenCV (BGR -> RGB
-> 224x224 -> non-local means), Keras ResNet50 without its top, StandardScaler, PCA(k=6).

    spark_keras.py DIR LIMIT {udf|iter} {nlm|none} OUT
"""
import os, sys, time
t0 = time.time()
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"; os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession, functions as F, types as T
from pyspark.ml.functions import array_to_vector
from pyspark.ml.feature import StandardScaler, PCA
root, limit, style, denoise, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
s = (SparkSession.builder.master("local[*]").config("spark.driver.memory", "6g")
     .config("spark.sql.execution.arrow.maxRecordsPerBatch", 256).config("spark.ui.enabled", "false").getOrCreate())
s.sparkContext.setLogLevel("ERROR")
df = s.read.format("binaryFile").option("pathGlobFilter", "*.jpg").option("recursiveFileLookup", "true").load(root)
df = df.orderBy("path").limit(limit).repartition(4)
df = df.withColumn("label", F.element_at(F.split("path", "/"), -2))
_model = None
def model():
    global _model
    if _model is None:
        import keras; keras.utils.set_random_seed(7)
        _model = keras.applications.ResNet50(include_top=False, weights=None, pooling="avg", input_shape=(224, 224, 3))
    return _model
def prep(b):
    import cv2, numpy as np
    cv2.setNumThreads(1)
    im = cv2.cvtColor(cv2.imdecode(np.frombuffer(b, np.uint8), 1), cv2.COLOR_BGR2RGB)
    im = cv2.resize(im, (224, 224))
    if denoise == "nlm": im = cv2.fastNlMeansDenoisingColored(im, None, 10, 10, 7, 21)
    return im.astype("float32")
if style == "udf":
    @F.udf(T.ArrayType(T.FloatType()))
    def feats(b):
        import numpy as np, keras
        x = keras.applications.resnet50.preprocess_input(prep(bytes(b))[None])
        return model().predict(x, verbose=0)[0].tolist()
else:
    import pandas as pd
    from typing import Iterator
    @F.pandas_udf(T.ArrayType(T.FloatType()))
    def feats(it: Iterator[pd.Series]) -> Iterator[pd.Series]:
        import numpy as np, keras
        for b in it:
            x = keras.applications.resnet50.preprocess_input(np.stack([prep(v) for v in b]))
            yield pd.Series(list(model().predict(x, batch_size=32, verbose=0)))
f = df.select("path", "label", feats("content").alias("features"))
t1 = time.time()
f.write.mode("overwrite").parquet(out + "/features")
t2 = time.time()
f = s.read.parquet(out + "/features").withColumn("v", array_to_vector("features"))
n = f.count()
sc = StandardScaler(inputCol="v", outputCol="scaled", withMean=True, withStd=True).fit(f); g = sc.transform(f)
m = PCA(k=6, inputCol="scaled", outputCol="pca").fit(g)
m.transform(g).select("path", "label", "pca").write.mode("overwrite").parquet(out + "/pca")
t3 = time.time()
print(f"images {n} style {style} denoise {denoise} start {t1-t0:.1f}s extract {t2-t1:.1f}s = {n/(t2-t1):.2f} img/s reduce {t3-t2:.1f}s total {t3-t0:.1f}s ratio {m.explainedVariance}")
