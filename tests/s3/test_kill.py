"""Killed at a hundred random moments, the run or the server: the same bytes, no work twice."""
import random
import time

import pyarrow.parquet
import pytest

import server as s3
from test_faults import command, objects, put_images

IMAGES = 300
FLAGS = ("--part-images", "16")


@pytest.fixture
def own_server(tmp_path, pomona):
    """One that may be killed."""
    server = s3.Server(tmp_path / "server")
    pomona.env["AWS_ENDPOINT_URL_S3"] = server.url
    yield server
    server.remove()


@pytest.fixture
def bucket(own_server):
    from conftest import Bucket
    return Bucket(own_server)


def left_parts(bucket):
    """{name: images} of parts that are there, finished, whether or not a manifest names them."""
    return {p.name: pyarrow.parquet.read_metadata(p).num_rows
            for p in (bucket.folder / "results/features").glob("part-*.parquet")}


@pytest.mark.parametrize("victim,times", [("run", 70), ("server", 30)])
def test_killed_at_random_moments(pomona, small, own_server, bucket, victim, times):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    put_images(bucket, IMAGES)
    start = time.monotonic()
    pomona.run(*command(bucket, small, "undisturbed", *FLAGS))
    seconds = time.monotonic() - start
    wanted = objects(bucket, "undisturbed")
    for _ in range(times):
        process = pomona.start(*command(bucket, small, "results", *FLAGS))
        time.sleep(rng.uniform(0, seconds))
        if victim == "server":
            own_server.stop()  # SIGKILL
            time.sleep(rng.uniform(0, 0.3))
            own_server.start()
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0 or "error" in errors, errors
        process.kill()
        process.communicate()
        before = left_parts(bucket)
        manifest = bucket.folder / "results/features/_pomona/manifest.json"
        committed = manifest.exists()
        # Sometimes to the end: what is finished is found again, and the results are the same.
        if rng.random() < 0.3 or committed:
            done = pomona.json(*command(bucket, small, "results", *FLAGS))["extract"]
            assert done["kept"] + done["resumed"] + done["computed"] == done["listed"] == IMAGES
            assert done["kept" if committed else "resumed"] >= sum(before.values())
            assert left_parts(bucket).items() >= before.items()
            pomona.run("gc", f"{bucket.uri}/results")
            assert objects(bucket, "results") == wanted
            for key in bucket.keys("results"):
                bucket.delete(key)
    pomona.run(*command(bucket, small, "results", *FLAGS))
    pomona.run("gc", f"{bucket.uri}/results")
    assert objects(bucket, "results") == wanted
    pomona.run("verify", f"{bucket.uri}/results")
