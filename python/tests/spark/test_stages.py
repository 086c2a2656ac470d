"""The way of DataFrames: stages of pyspark.ml."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml import feature as spark_ml
from pyspark.ml.linalg import DenseVector, Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DoubleType, FloatType, StructField, StructType

import pomona
from conftest import GOLDEN, SAMPLES
from pomona import PomonaError, UsageError
from pomona.spark import PCA, ImageFeaturizer, StandardScaler, StandardScalerModel

pytestmark = pytest.mark.oldest

KINDS = {"vector": VectorUDT(), "float": ArrayType(FloatType()), "double": ArrayType(DoubleType())}


def frame(spark, rows, kind="vector", name="features"):
    """id, and a column of vectors of this kind; None stays None."""
    convert = (lambda v: v if isinstance(v, VectorUDT) or not isinstance(v, np.ndarray)
               else Vectors.dense(v)) if kind == "vector" else \
        (lambda v: v if v is None else [float(x) for x in v])
    schema = StructType([StructField("id", DoubleType()), StructField(name, KINDS[kind])])
    return spark.createDataFrame([(float(i), convert(v)) for i, v in enumerate(rows)], schema)


def column(frame, name):
    rows = frame.orderBy("id").select(name).collect()
    return np.array([np.asarray(row[0]) for row in rows])


def pipeline(with_mean, library=None):
    """The usual three lines, with ours or Spark ML's stages."""
    library = library or pomona.spark
    return Pipeline(stages=[
        library.StandardScaler(inputCol="features", outputCol="feats_scaled",
                               withMean=with_mean, withStd=True),
        library.PCA(k=6, inputCol="feats_scaled", outputCol="pca")])


@pytest.fixture(scope="module")
def images(spark):
    """path, modificationTime, length, content of the samples."""
    return spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(str(SAMPLES))


@pytest.fixture(scope="module")
def golden(features):
    """path -> feature."""
    return dict(zip((GOLDEN / "paths.txt").read_text().split("\n"), features, strict=False))


# --- scaler and components ------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_mean", [False, True])
def test_numbers_are_spark_mls(spark, features, kind, with_mean):
    with np.load(GOLDEN / "spark_pca.npz") as file:
        prefix = "with_mean_" if with_mean else "default_"
        pc, proj, explained = (file[prefix + name] for name in ("pc", "proj", "explained"))
    data = frame(spark, features, kind)
    model = pipeline(with_mean).fit(data)
    ours = model.stages[1].pc.toArray()
    largest = np.abs(ours).argmax(axis=0)
    assert (ours[largest, range(6)] > 0).all()
    signs = np.sign((ours * pc).sum(axis=0))
    np.testing.assert_allclose(ours * signs, pc, atol=1e-6)
    np.testing.assert_allclose(model.stages[1].explainedVariance, explained, atol=1e-6)
    np.testing.assert_allclose(column(model.transform(data), "pca") * signs, proj, atol=1e-6)


def test_beside_spark_ml_on_columns_of_every_scale(spark):
    """Far from zero, constant, tiny, sparse, and not standardised before PCA."""
    random = np.random.default_rng(1)
    rows = random.standard_normal((64, 12)) @ random.standard_normal((12, 12))
    rows[:, 0] += 1e6
    rows[:, 1] = 3
    rows[:, 2] = 0
    rows[:, 3] *= 1e-6
    vectors = [Vectors.sparse(12, {i: x for i, x in enumerate(row) if x}) if n % 3 == 0
               else Vectors.dense(row) for n, row in enumerate(rows)]
    data = frame(spark, vectors).repartition(3).cache()
    for with_mean in (False, True):
        ours, theirs = pipeline(with_mean).fit(data), pipeline(with_mean, spark_ml).fit(data)
        np.testing.assert_allclose(ours.stages[0].mean, theirs.stages[0].mean, rtol=1e-12)
        np.testing.assert_allclose(ours.stages[0].std, theirs.stages[0].std, rtol=1e-6)
        a, b = ours.transform(data), theirs.transform(data)
        np.testing.assert_allclose(column(a, "feats_scaled"), column(b, "feats_scaled"),
                                   rtol=1e-6, atol=1e-6)
        signs = np.sign((ours.stages[1].pc.toArray() * theirs.stages[1].pc.toArray()).sum(axis=0))
        np.testing.assert_allclose(column(a, "pca") * signs, column(b, "pca"), rtol=1e-6,
                                   atol=1e-6)
    of_raw = [pca(k=3, inputCol="features", outputCol="pca").fit(data)
              for pca in (PCA, spark_ml.PCA)]
    ours, theirs = (model.pc.toArray() for model in of_raw)
    np.testing.assert_allclose(ours * np.sign((ours * theirs).sum(axis=0)), theirs, atol=1e-6)


def test_components_of_what_was_just_scaled_need_no_pass(spark, features):
    """And are those of a pass over the data; a filter in between makes it other data."""
    data = frame(spark, features)
    for with_mean, with_std in ((True, True), (True, False)):
        scaled = StandardScaler(inputCol="features", outputCol="scaled", withMean=with_mean,
                                withStd=with_std).fit(data).transform(data)
        tracker = spark.sparkContext.statusTracker()
        before = tracker.getJobIdsForGroup(None)
        at_once = PCA(k=3, inputCol="scaled").fit(scaled)
        assert tracker.getJobIdsForGroup(None) == before
        by_job = PCA(k=3, inputCol="scaled").fit(scaled.select("*"))
        assert tracker.getJobIdsForGroup(None) != before
        np.testing.assert_allclose(at_once.pc.toArray(), by_job.pc.toArray(), atol=1e-9)
    fewer = PCA(k=3, inputCol="scaled").fit(scaled.where("id < 20"))
    assert abs(fewer.pc.toArray() - by_job.pc.toArray()).max() > 1e-3


def tasks(frame):
    """How many stages of ours hand rows to Python, one after the other."""
    return frame._jdf.queryExecution().executedPlan().toString().count("MapInArrow ")


def test_stages_that_follow_each_other_are_one_task(spark, images, features):
    """With what two tasks give; and not if anything is in between, or cached."""
    data = frame(spark, features)
    scaled = StandardScaler(inputCol="features", outputCol="scaled",
                            withMean=True).fit(data).transform(data)
    model = PCA(k=3, inputCol="scaled", outputCol="pca").fit(scaled)
    both, apart = model.transform(scaled), model.transform(scaled.select("*"))
    assert (tasks(both), tasks(apart)) == (1, 2) and both.schema == apart.schema
    for name in ("features", "scaled", "pca"):
        assert np.array_equal(column(both, name), column(apart, name))
    fewer = model.transform(scaled.where("id < 20"))
    assert tasks(fewer) == 2 and fewer.count() == 20
    joined = model.transform(scaled.join(data.select("id"), "id"))
    assert tasks(joined) == 2
    # Sums in another order, as other rows come together.
    np.testing.assert_allclose(column(joined, "pca"), column(both, "pca"), atol=1e-9)
    scaled.cache()
    cached = model.transform(scaled)
    assert "InMemoryTableScan" in cached._jdf.queryExecution().executedPlan().toString()
    np.testing.assert_allclose(column(cached, "pca"), column(both, "pca"), atol=1e-9)
    scaled.unpersist()

    whole = Pipeline(stages=[ImageFeaturizer(denoise="none"), StandardScaler(inputCol="features"),
                             PCA(k=2, inputCol="scaled")]).fit(images.limit(8)).transform(images)
    assert tasks(whole) == 1 and whole.columns == [*images.columns, "features", "error", "scaled",
                                                   "pca"]


def test_vectors_need_no_pandas():
    """Which takes a worker longer to import than all the rest."""
    code = """
import sys
import numpy as np
from pomona.spark import _vectors
for kind in ("vector", "array"):
    there = np.array([True, False, True])
    rows, found = _vectors.matrix(_vectors.from_matrix(np.eye(2), there, kind), "x")
    assert (rows == np.eye(2)).all() and (found == there).all()
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nulls_are_passed_over_and_stay(spark, features):
    rows = [None, *features[:30], None]
    model = pipeline(True).fit(frame(spark, rows))
    without = pipeline(True).fit(frame(spark, features[:30]))
    np.testing.assert_allclose(model.stages[1].pc.toArray(), without.stages[1].pc.toArray(),
                               atol=1e-9)
    out = model.transform(frame(spark, rows)).orderBy("id").collect()
    assert [row.pca is None for row in out] == [True] + [False] * 30 + [True]
    assert out[0].feats_scaled is None and isinstance(out[1].pca, DenseVector)


def test_arrays_when_asked_for(spark, features):
    scaler = StandardScaler(inputCol="features", outputCol="scaled", outputType="array")
    data = frame(spark, features[:8], "float")
    out = scaler.fit(data).transform(data)
    assert out.schema["scaled"].dataType == ArrayType(DoubleType(), False)
    assert out.schema["scaled"].metadata == {"ml_attr": {"num_attrs": 1280}}
    deviation = features[:8].astype(float).std(axis=0, ddof=1)
    expected = np.divide(features[:8], deviation, out=np.zeros_like(deviation * features[:8]),
                         where=deviation > 0)
    np.testing.assert_allclose(column(out, "scaled"), expected, rtol=1e-6)


def test_what_cannot_be_fitted_says_why(spark, features):
    def fails(kind, match, rows, stage=None, of="vector"):
        stage = stage or StandardScaler(inputCol="features", outputCol="x")
        with pytest.raises(kind, match=match) as raised:
            stage.fit(frame(spark, rows, of))
        assert len(str(raised.value).splitlines()) == 1, raised.value

    pca = PCA(k=4, inputCol="features", outputCol="pca")
    fails(UsageError, "'features' has vectors of 2 and of 3 numbers",
          [np.ones(2), np.ones(2), np.ones(3)])
    fails(UsageError, "vectors of 2 and of 3 numbers", [np.ones(2), np.ones(3)] * 9, pca)
    fails(UsageError, "null numbers", [[1.0, 2.0]] * 2, of="double",
          stage=_Nulls(inputCol="features", outputCol="x"))
    fails(UsageError, "k = 4 .* 3 numbers: k is at most 3", features[:5, :3], pca)
    fails(PomonaError, "no vector to learn from", [None, None], pca)
    fails(PomonaError, "1 vector; it takes at least 2", features[:1], pca)
    fails(PomonaError, "not finite", [np.array([1.0, np.nan]), np.ones(2), np.ones(2)])
    with pytest.raises(UsageError, match="'id' is double, not a vector"):
        StandardScaler(inputCol="id", outputCol="x").fit(frame(spark, features[:2]))
    with pytest.raises(UsageError, match="no column 'nowhere'; there are id, features"):
        PCA(inputCol="nowhere").fit(frame(spark, features[:2]))
    with pytest.raises(UsageError, match="k is at least 1"):
        PCA(k=0)
    with pytest.raises(UsageError, match="'vector' or 'array', not 'list'"):
        StandardScaler(outputType="list")


class _Nulls(StandardScaler):
    """Fits a column in which a number is null."""

    def _fit(self, dataset):
        nulls = F.transform("features", lambda x: F.when(x != 2, x))
        return super()._fit(dataset.withColumn("features", nulls))


def test_k_too_large_is_known_before_any_work(spark, images):
    vectors = ImageFeaturizer(denoise="none").transform(images)
    assert vectors.schema["features"].metadata == {"ml_attr": {"num_attrs": 1280}}
    tracker = spark.sparkContext.statusTracker()
    before = tracker.getJobIdsForGroup(None)
    with pytest.raises(UsageError, match="k is at most 1280"):
        PCA(k=1281, inputCol="features").fit(vectors)
    assert tracker.getJobIdsForGroup(None) == before


def test_a_model_refuses_other_sizes_and_taken_names(spark, features):
    model = StandardScaler(inputCol="features", outputCol="x").fit(frame(spark, features[:4]))
    with pytest.raises(UsageError, match="a column 'x' already"):
        model.transform(frame(spark, features[:4]).withColumn("x", F.lit(1)))
    with pytest.raises(Exception, match="vectors of 3 numbers; the model was fitted on 1280"):
        model.transform(frame(spark, features[:4, :3])).collect()
    scaled = model.transform(frame(spark, features[:4]))
    small = StandardScaler(inputCol="features", outputCol="y").fit(frame(spark, features[:4, :3]))
    with pytest.raises(UsageError, match="1280 numbers; the model was fitted on 3"):
        small.setInputCol("x").transform(scaled)  # known from the schema


# --- images ---------------------------------------------------------------------------------------

def name_of(row):
    return "/".join(row.path.split("/")[-2:])


@pytest.mark.parametrize("output", ["vector", "array"])
def test_features_are_the_golden_ones(images, golden, output):
    stage = ImageFeaturizer(inputCol="content", outputCol="features", errorCol="error",
                            outputType=output, denoise="none")
    rows = stage.transform(images).collect()
    assert len(rows) == 50
    for row in rows:
        assert row.error is None and row.content and row.length == len(row.content)
        # Another runtime (PyTorch); features are up to 5.
        np.testing.assert_allclose(np.asarray(row.features), golden[name_of(row)], atol=1e-4)


def test_bad_images_have_an_error_and_no_vector(spark, images):
    good = images.limit(1).select("content").first().content
    contents = [None, b"", b"no image", good[:200], good]
    data = spark.createDataFrame([(float(i), c and bytearray(c)) for i, c in enumerate(contents)],
                                 "id double, content binary")
    rows = ImageFeaturizer(denoise="none").transform(data).orderBy("id").collect()
    reasons = [row.error and row.error.split(":")[0] for row in rows]
    assert reasons == ["missing", "empty", "not_an_image", "truncated", None], rows
    assert [row.features is None for row in rows] == [True] * 4 + [False]


def test_what_is_wrong_with_images_is_said_by_transform(spark, images):
    def fails(match, data=images, **more):
        with pytest.raises(UsageError, match=match):
            ImageFeaturizer(**more).transform(data)

    fails("'path' is string, not binary: .*binaryFile", inputCol="path")
    fails("no column 'nowhere'", inputCol="nowhere")
    fails("a column 'length' already", outputCol="length")
    fails("a column 'path' already", errorCol="path")
    fails("colour", colour="red")
    fails("no-such", model="no-such")
    fails("spark.task.cpus", threads=2)


def test_the_usual_lines_with_only_the_import_changed(images, tmp_path):
    features = ImageFeaturizer(denoise="none").transform(images).drop("content").cache()
    scaled = StandardScaler(inputCol="features", outputCol="feats_scaled", withMean=True,
                            withStd=True).fit(features).transform(features)
    out = PCA(k=6, inputCol="feats_scaled", outputCol="pca").fit(scaled).transform(scaled)
    out.write.parquet(str(tmp_path / "out"))
    back = images.sparkSession.read.parquet(str(tmp_path / "out"))
    assert back.count() == 50 and back.schema["pca"].dataType == VectorUDT()
    features.unpersist()


def test_saved_and_loaded(spark, images, tmp_path):
    stages = [ImageFeaturizer(inputCol="content", denoise="none", max_pixels=10_000_000),
              StandardScaler(inputCol="features", outputCol="scaled", withMean=True),
              PCA(k=3, inputCol="scaled", outputCol="pca")]
    unfitted = Pipeline(stages=stages)
    unfitted.save(str(tmp_path / "unfitted"))
    again = Pipeline.load(str(tmp_path / "unfitted"))
    assert again.getStages()[0].getFlags() == {"denoise": "none", "max_pixels": 10_000_000}
    assert again.getStages()[1].getWithMean() and again.getStages()[2].getK() == 3

    fitted = again.fit(images.limit(20))
    fitted.save(str(tmp_path / "fitted"))
    loaded = PipelineModel.load(str(tmp_path / "fitted"))
    assert [s.uid for s in loaded.stages] == [s.uid for s in fitted.stages]
    assert loaded.stages[1].mean == fitted.stages[1].mean
    assert loaded.stages[2].pc == fitted.stages[2].pc
    assert loaded.stages[2].explainedVariance == fitted.stages[2].explainedVariance
    some = images.limit(3).cache()
    one, other = (m.transform(some).select("pca").collect() for m in (fitted, loaded))
    assert one == other
    copied = fitted.stages[1].copy({fitted.stages[1].outputCol: "elsewhere"})
    assert copied.getOutputCol() == "elsewhere" and isinstance(copied, StandardScalerModel)
    json.dumps(stages[0].getFlags())


def test_a_stream(spark, images, golden, tmp_path):
    fitted = Pipeline(stages=[ImageFeaturizer(denoise="none"),
                              PCA(k=2, inputCol="features")]).fit(images.limit(10))
    stream = (spark.readStream.format("binaryFile").schema(images.schema)
              .option("recursiveFileLookup", "true").option("maxFilesPerTrigger", "20")
              .load(str(SAMPLES)))
    query = (fitted.transform(stream).drop("content").writeStream.format("parquet")
             .option("checkpointLocation", str(tmp_path / "checkpoint"))
             .trigger(availableNow=True).start(str(tmp_path / "out")))
    query.awaitTermination()
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert len(rows) == 50
    for row in rows:
        np.testing.assert_allclose(row.features.toArray(), golden[name_of(row)], atol=1e-4)
        assert len(row.pca) == 2


def test_the_model_is_loaded_once_a_process(spark, images):
    stage = ImageFeaturizer(denoise="none")
    for _ in range(2):
        stage.transform(images.repartition(6)).select("error").collect()

    def loads(_):
        from pomona.spark._work import featurizer
        yield os.getpid(), featurizer.cache_info()

    for _, info in spark.sparkContext.parallelize(range(4), 4).mapPartitions(loads).collect():
        assert info.misses <= 2  # these tests use two sets of flags
