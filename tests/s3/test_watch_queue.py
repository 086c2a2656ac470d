"""--watch-queue: a bucket's events in an SQS queue (moto's) start a run."""
import json
import shutil

import boto3
import pytest

from e2e_conftest import SAMPLES, TIMEOUT_SECONDS, manifest, wait_until


@pytest.fixture
def queue(moto):
    """An empty queue and a client for it."""
    sqs = boto3.client("sqs", endpoint_url=moto.url, region_name="us-east-1",
                       aws_access_key_id="key", aws_secret_access_key="secret")
    return sqs, sqs.create_queue(QueueName="fruits")["QueueUrl"]


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
