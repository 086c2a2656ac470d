"""What the tests on Spark share: a cluster, a session on it, an S3 server."""
import importlib.util
import os
import pathlib
import sys

import numpy as np
import pytest
from pyspark.sql import SparkSession

ROOT = pathlib.Path(__file__).resolve().parents[3]


def _load(name, path):
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


s3_tests = _load("s3_conftest", ROOT / "tests/s3/conftest.py")
s3, e2e = s3_tests.s3, s3_tests.e2e

import cluster as spark_cluster  # which needs tests/s3 on the path

server = s3_tests.server
bucket = s3_tests.bucket
image = s3_tests.image
small = e2e.small
many = e2e.many
pomona = s3_tests.pomona

GOLDEN = e2e.GOLDEN
SAMPLES = e2e.SAMPLES
PACKAGE = os.environ["PYTHONPATH"]  # where pomona is, for executors


def pytest_addoption(parser):
    e2e.pytest_addoption(parser)
    parser.addoption("--oldest", action="store_true", help="without cluster and s3a")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--oldest"):
        items[:] = [item for item in items if item.get_closest_marker("oldest")]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("spark")


@pytest.fixture(scope="session")
def cluster(folder):
    cluster = spark_cluster.Cluster(folder / "cluster")
    yield cluster
    cluster.stop()


def credentials(server):
    return {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY,
            "AWS_REGION": s3.REGION, "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_EC2_METADATA_DISABLED": "true"}


def settings(cluster, server, folder):
    """Of an application on the cluster: an executor of one core on each worker."""
    jars = f"{spark_cluster.hadoop_aws()}/*"
    executors = {"PYTHONPATH": PACKAGE} | credentials(server)
    return {
        "spark.master": cluster.uri,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.executor.memory": "1g",
        "spark.executor.cores": "1",
        "spark.cores.max": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        "spark.driver.extraClassPath": jars,
        "spark.executor.extraClassPath": jars,
        "spark.hadoop.fs.s3a.endpoint": server.url,
        "spark.hadoop.fs.s3a.endpoint.region": s3.REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": s3.ACCESS_KEY,
        "spark.hadoop.fs.s3a.secret.key": s3.SECRET_KEY,
    } | {f"spark.executorEnv.{name}": value for name, value in executors.items()}


# Duplicates of slow tasks, lost executors and excluded ones must do no harm to any test.
TROUBLE = {
    "spark.speculation": "true",
    "spark.speculation.interval": "50ms",
    "spark.speculation.multiplier": "1.05",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "50ms",
    "spark.excludeOnFailure.enabled": "true",
    "spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout": "1s",
}


@pytest.fixture(scope="session")
def spark(request, folder):
    """A session on the cluster; with --oldest, of the test's own machine."""
    for name, value in spark_cluster.environment().items():
        os.environ[name] = value
    builder = SparkSession.builder.appName("tests")
    if request.config.getoption("--oldest"):
        chosen = {"spark.master": "local[2, 4]", "spark.ui.enabled": "false",
                  "spark.ui.showConsoleProgress": "false", "spark.sql.shuffle.partitions": "4",
                  "spark.sql.warehouse.dir": str(folder / "warehouse")}
        chosen |= {f"spark.executorEnv.{name}": value for name, value in
                   credentials(request.getfixturevalue("server")).items()}
    else:
        events = folder / "events"
        events.mkdir()
        chosen = settings(request.getfixturevalue("cluster"), request.getfixturevalue("server"),
                          folder)
        chosen |= TROUBLE
        chosen |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri()}
    for key, value in chosen.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def aws(monkeypatch, server):
    """Credentials for the driver's native code."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in credentials(server).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def features():
    """Of the 50 samples: 50 x 1280 float32."""
    with np.load(GOLDEN / "features.npz") as file:
        return file["efficientnet_lite0"]
