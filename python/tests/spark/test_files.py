"""The way of files: what a cluster writes is what the command writes, byte for byte."""
import os
import pathlib
import signal
import threading
import time
import zlib

import pytest

from conftest import SAMPLES, e2e, s3
from pomona import NothingToRead, PomonaError, UsageError, _native
from pomona.spark import _files, extract, reduce
from pomona.spark._workers import errors_of_tasks, on_workers

FLAGS = {"denoise": "none", "part_images": 8}


@pytest.fixture
def every_block(monkeypatch):
    """No block is so few that the driver reduces it itself."""
    monkeypatch.setattr(_files, "IMAGES_OF_A_DRIVER_THREAD", 0)


def features_of(files):
    return {name: data for name, data in files.items() if name.startswith("features/")}


def args_of(flags):
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]


@pytest.fixture
def by_command(pomona, small, tmp_path):
    """by_command(images): the files of the command's features and pca of them, in `expected`."""

    def run(images, **more):
        pomona.run("extract", images, "expected", "--model", small, *args_of(FLAGS | more),
                   code=more.pop("code", 4))
        pomona.run("reduce", "expected")
        return e2e.files(tmp_path / "expected")

    return run


@pytest.mark.parametrize("where", [pytest.param("disk", marks=pytest.mark.oldest),
                                   pytest.param("s3", marks=pytest.mark.oldest), "s3a"])
def test_a_cluster_writes_the_bytes_of_the_command(spark, aws, bucket, many, by_command, tmp_path,
                                                   every_block, where):
    if where == "disk":
        images, results = many, tmp_path / "results"
        expected = by_command(images)
    else:
        bucket.upload(many, "images")
        expected = by_command(f"{bucket.uri}/images")
        root = bucket.uri.replace("s3:", where + ":")
        images, results = f"{root}/images", f"{root}/results"
    told = []
    report = extract(spark, images, results, model=tmp_path / "small.json",
                     progress=lambda *told_now: told.append(told_now), **FLAGS)
    assert report.computed == report.listed == 310
    assert report.rejected == 10
    assert ("features", 310, 310, 0) in told
    reduced = reduce(spark, results)
    assert reduced.k == 6
    if where == "disk":
        found = e2e.files(results)
    else:
        found = e2e.files(bucket.download("results", tmp_path / "downloaded"))
    assert found == expected

    again = extract(spark, images, results, model=tmp_path / "small.json", **FLAGS)
    assert again.kept == 310 and again.computed == 0


@pytest.mark.oldest
def test_a_few_images_and_blocks_are_the_drivers(spark, tmp_path, pomona, small):
    pomona.run("run", SAMPLES, "expected", "--model", small, "--denoise", "none")
    before = spark.sparkContext.statusTracker().getJobIdsForGroup(None)
    extract(spark, SAMPLES, tmp_path / "results", model=tmp_path / "small.json", denoise="none")
    reduce(spark, tmp_path / "results", k=6)
    assert spark.sparkContext.statusTracker().getJobIdsForGroup(None) == before
    for folder in ("features", "pca"):
        assert e2e.files(tmp_path / "results" / folder) == \
            e2e.files(tmp_path / "expected" / folder)


def test_an_executor_dies_amid_the_stage(spark, cluster, many, by_command, tmp_path):
    expected = by_command(many, part_images=2, denoise="nlm:3")
    parts = tmp_path / "results/features"
    killed = []

    def kill():
        while not (parts.is_dir() and any(parts.glob("part-*"))):
            time.sleep(0.01)
        victim = cluster.executors(spark.sparkContext.applicationId)[0]
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    report = extract(spark, many, tmp_path / "results", model=tmp_path / "small.json",
                     part_images=2, denoise="nlm:3")
    assert killed and report.computed == 310
    assert features_of(e2e.files(tmp_path / "results")) == features_of(expected)


@pytest.mark.oldest
def test_duplicates_of_tasks_do_no_harm(spark, many, by_command, tmp_path):
    """As with speculation and retried stages: every part by two tasks at a time."""
    expected = by_command(many)
    args = [str(many), str(tmp_path / "results"), f"--model={tmp_path / 'small.json'}",
            *args_of(FLAGS)]
    extraction = _native.Extraction(args)
    sc = spark.sparkContext
    task = on_workers("compute_parts", args, extraction.contract, [], {}, sc.accumulator(0))
    twice = [(extraction.images(i), zlib.compress(extraction.part(i)))
             for i in range(len(extraction)) for _ in range(2)]
    done = sc.parallelize(twice, len(twice)).mapPartitions(task).collect()
    assert done[::2] == done[1::2]
    for i, computed in enumerate(done[::2]):
        extraction.finish(i, computed)
    extraction.commit()
    assert features_of(e2e.files(tmp_path / "results")) == features_of(expected)


def test_settings_of_s3a_reach_driver_and_tasks(spark, server, bucket, many, small, tmp_path,
                                                monkeypatch):
    """Endpoint and keys of one bucket, and nothing in the driver's environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket.upload(many / "0", "images")
    proxy = s3.Proxy(server)
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    key = f"fs.s3a.bucket.{bucket.name}.endpoint"
    hadoop.set(key, proxy.url)
    try:
        root = bucket.uri.replace("s3:", "s3a:")
        report = extract(spark, f"{root}/images", f"{root}/results", model=tmp_path / "small.json",
                         **FLAGS)
        assert report.featured == 50
        read = proxy.count("GET /" + bucket.name + "/images/")
        assert read >= 50, "tasks read elsewhere"
        with pytest.raises(UsageError, match="s3a settings of the buckets .* differ"):
            extract(spark, f"{root}/images", "s3a://other/results", model=tmp_path / "small.json")
    finally:
        hadoop.unset(key)
        proxy.close()
    assert not [name for name in os.environ if name.startswith("AWS_ACCESS")]


def test_secrets_are_in_no_log(spark, cluster, folder):
    """After the tests above: what Spark wrote about applications and what executors said."""
    logs = [p for place in (folder / "events", cluster.folder) for p in place.rglob("*")
            if p.is_file() and p.suffix != ".jar"]
    assert len(logs) > 3
    for log in logs:
        assert s3.SECRET_KEY.encode() not in log.read_bytes(), log


def test_a_driver_without_credentials_says_so(spark, bucket, monkeypatch, server):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    with pytest.raises(PomonaError, match="on the driver, .* no AWS credentials") as raised:
        extract(spark, f"{bucket.uri}/images", f"{bucket.uri}/results", denoise="none")
    assert len(str(raised.value).splitlines()) == 1


def test_what_is_asked_wrongly_is_said_at_once(spark, tmp_path, many, small):
    def fails(kind, match, *args, **flags):
        with pytest.raises(kind, match=match):
            extract(spark, *args, **flags)

    results = tmp_path / "results"
    fails(NothingToRead, "nowhere", tmp_path / "nowhere", results)
    fails(UsageError, "colour", many, results, colour="red")
    fails(UsageError, "spark.task.cpus", many, results, threads=2)
    fails(UsageError, "one machine", many, results, watch=60)
    fails(UsageError, "no-such", many, results, model="no-such")
    with pytest.raises(NothingToRead):
        reduce(spark, tmp_path / "nowhere")
    extract(spark, many / "0", results, model=tmp_path / "small.json", denoise="none")
    fails(UsageError, "denoise", many / "0", results, model=tmp_path / "small.json",
          denoise="nlm:3")
    with pytest.raises(UsageError, match="48"):
        reduce(spark, results, k=49)


@pytest.mark.oldest
def test_what_a_task_says_is_what_the_driver_says(spark):
    """And its type; here, that a folder of the driver's is not the worker's."""
    sc = spark.sparkContext
    task = on_workers("compute_blocks", [], "moments", (), ["/nowhere/at/all"], {},
                      sc.accumulator(0))
    with pytest.raises(PomonaError, match="^the worker on .* does not see /nowhere/at/all"), \
            errors_of_tasks():
        sc.parallelize([b""], 1).mapPartitions(task).collect()
    task = on_workers("compute_blocks", ["x", "--colour=red"], "moments", (), [], {},
                      sc.accumulator(0))
    with pytest.raises(PomonaError), errors_of_tasks():
        sc.parallelize([b"no block"], 1).mapPartitions(task).collect()


@pytest.mark.oldest
def test_what_is_not_ours_is_told_without_a_stack(spark):
    def crash(items):
        os.kill(os.getpid(), signal.SIGKILL)
        yield from items

    with pytest.raises(PomonaError, match="worker exited unexpectedly") as raised, \
            errors_of_tasks():
        spark.sparkContext.parallelize([1], 1).mapPartitions(crash).collect()
    assert len(str(raised.value).splitlines()) == 1


def test_workers_keep_to_the_memory_that_is_asked_for(spark, many, tmp_path):
    """Of each worker, its Python included: the peak since the start of the job."""

    def peak(_):
        status = pathlib.Path("/proc/self/status").read_text()
        yield int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def forget(_):
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        yield 0

    def on_all(task):
        return spark.sparkContext.parallelize(range(4), 4).mapPartitions(task).collect()

    on_all(forget)
    extract(spark, many, tmp_path / "results", memory="900MB", denoise="none", part_images=64)
    assert max(on_all(peak)) < 900_000_000


class Connect:
    """Answers as the sessions of Spark Connect do, as far as it is asked."""

    conf = {"spark.task.cpus": "1"}

    def __getattr__(self, name):
        raise AttributeError(name)  # sparkContext, _jsc: PySparkAttributeError is one of these


@pytest.mark.oldest
def test_spark_connect_is_refused(tmp_path):
    for images in (str(tmp_path), "s3a://bucket/images"):
        with pytest.raises(UsageError, match="classic Spark session.*python -m pomona.spark"):
            extract(Connect(), images, tmp_path / "results")
        with pytest.raises(UsageError, match="classic Spark session"):
            reduce(Connect(), images)
    assert not (tmp_path / "results").exists()
