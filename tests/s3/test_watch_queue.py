"""--watch-queue: a bucket's events in an SQS queue (moto's) start a run."""
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
import pytest

from e2e_conftest import SAMPLES, TIMEOUT_SECONDS, manifest, wait_until


@pytest.fixture
def queue(pomona):
    """An empty queue of a server that ends with the test, and a client for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        cwd=pomona.folder, env=pomona.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        wait_for(server, endpoint)
        sqs = boto3.client("sqs", endpoint_url=endpoint, region_name="us-east-1",
                           aws_access_key_id="key", aws_secret_access_key="secret")
        yield sqs, sqs.create_queue(QueueName="fruits")["QueueUrl"]
    finally:
        server.kill()
        server.wait()


def wait_for(server, endpoint):
    end = time.monotonic() + TIMEOUT_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError("the queue's server did not start")


def waiting(sqs, url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_an_event_starts_a_run_and_is_deleted_after_it(pomona, queue, small):
    sqs, url = queue
    images, results = pomona.folder / "images", pomona.folder / "results"
    shutil.copytree(SAMPLES / "Lemon", images / "Lemon")
    process = pomona.start("extract", images, results, "--model", small, "--watch-queue", url)
    wait_until(process, lambda: manifest(results)["rows"] == 10)
    shutil.copytree(SAMPLES / "Banana", images / "Banana")
    for i in range(25):  # more than one answer holds
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [{"n": i}]}))
    wait_until(process, lambda: manifest(results)["rows"] == 20)
    wait_until(process, lambda: waiting(sqs, url) == 0)
    process.terminate()
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode in (0, 130), err
    assert "10 computed now" in out


def test_a_queue_that_is_none(pomona, queue, small):
    sqs, url = queue
    process = pomona.start("extract", SAMPLES, "results", "--model", small, "--denoise", "none",
                           "--watch-queue", url + "-no")
    told = process.stderr.readline()
    process.terminate()
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert "the queue" in told and "sqs:ReceiveMessage" in told, told
    assert "testsecret" not in told
