"""A Spark cluster on loopback: one master, two workers, applications."""
import os
import pathlib
import re
import subprocess
import sys
import time

import pyspark

import server as s3  # tests/s3, which conftest.py has put on the path

START_SECONDS = 120
HOME = pathlib.Path(pyspark.__file__).parent
HADOOP = next(HOME.glob("jars/hadoop-client-api-*.jar")).stem.removeprefix("hadoop-client-api-")


def environment(**more):
    """Of a process of Spark: nothing of the caller's that could help it by accident."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "JAVA_HOME")
            if name in os.environ}
    return kept | {"SPARK_HOME": str(HOME), "SPARK_LOCAL_IP": "127.0.0.1",
                   "PYSPARK_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"} | more


def hadoop_aws():
    """The folder of jars for s3a://, where `scripts/setup test` puts it."""
    folder = s3.find().parent / f"hadoop-aws-{HADOOP}"
    assert folder.exists(), f"no jars at {folder}: run scripts/setup test"
    return folder


class Cluster:
    """`uri` is its master. Executors get no PYTHONPATH but what the application gives them."""

    WORKERS, CORES = 2, 2

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.uri = self._start("master", r"Starting Spark master at (spark://\S+)",
                               "org.apache.spark.deploy.master.Master",
                               "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        for i in range(self.WORKERS):
            self._start(f"worker-{i}", r"(Successfully registered)",
                        "org.apache.spark.deploy.worker.Worker",
                        "--host", "127.0.0.1", "--webui-port", "0", "--cores", str(self.CORES),
                        "--memory", "4g", "--work-dir", self.folder / f"work-{i}", self.uri)

    def _start(self, name, pattern, *command):
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [HOME / "bin/spark-class", *command], cwd=self.folder, stdout=out, stderr=out,
                env=environment(SPARK_DAEMON_MEMORY="256m"), preexec_fn=s3.die_with_parent)
        self.processes.append(process)
        end = time.monotonic() + START_SECONDS
        while not (found := re.search(pattern, log.read_text(errors="replace"))):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        return found[1]

    def executors(self, application):
        """Process ids of an application's executors."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue  # it has ended
            if "org.apache.spark.executor.CoarseGrainedExecutorBackend" in words \
                    and application in words:
                found.append(int(folder.name))
        return found

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()
