"""Writers that race, are killed or lose the store: one wins, and nothing is lost."""
import json
import random
import shutil
import threading
import time

import pytest

import server as s3
from e2e_conftest import SAMPLES, TIMEOUT_SECONDS
from test_run import RUN, manifest

RACERS = 16


@pytest.fixture
def racers(tmp_path):
    """As many folders, each with images of its own."""
    images = sorted(SAMPLES.rglob("*.jpg"))
    for i in range(RACERS):
        folder = tmp_path / f"images-{i}/label"
        folder.mkdir(parents=True)
        for k in range(3):
            shutil.copy(images[(3 * i + k) % len(images)], folder / f"{i}-{k}.jpg")
    return [tmp_path / f"images-{i}" for i in range(RACERS)]


@pytest.mark.parametrize("where", ["s3", "disk"])
def test_of_sixteen_racing_writers_one_wins(pomona, small, bucket, racers, where):
    results = bucket.uri + "/results" if where == "s3" else "results"
    running = [pomona.start("extract", folder, results, "--model", small, *RUN, "--json")
               for folder in racers]
    ends = []
    for process in running:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        ends.append((process.returncode, err))
    # A writer that came after the first commit is told that the folder holds another source.
    winners = [i for i, (code, _) in enumerate(ends) if code == 0]
    assert len(winners) == 1, ends
    for code, error in ends:
        if code != 0:
            assert code in (1, 2)
            assert ("another run committed" in error and "run the same command again" in error
                    or "source" in error), error
    checked = pomona.json("verify", results)
    assert checked["rows"] == 3
    pomona.run("gc", results)
    again = pomona.json("extract", racers[winners[0]], results, "--model", small, *RUN)
    assert again["kept"] == 3


@pytest.mark.parametrize("where", ["s3", "disk"])
def test_the_same_job_twice_at_a_time_loses_no_work(pomona, small, bucket, where):
    results = bucket.uri + "/results" if where == "s3" else "results"
    args = ("extract", SAMPLES, results, "--model", small, "--denoise", "none", "--part-images",
            "4", "--json")
    running = [pomona.start(*args) for _ in range(4)]
    ends = [(p.communicate(timeout=TIMEOUT_SECONDS), p.returncode) for p in running]
    assert sum(code == 0 for _, code in ends) >= 1, ends
    done = pomona.json(*args[:-1])
    assert done["kept"] == done["listed"] and done["computed"] == 0
    pomona.run("verify", results)
    assert pomona.json("gc", results)["removed"] == []


def test_killed_at_random_moments(pomona, small, bucket):
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    bucket.upload(SAMPLES, "images")
    args = ("run", bucket.uri + "/images", bucket.uri + "/results", "--model", small, "--denoise",
            "none", "--part-images", "4")
    start = time.monotonic()
    pomona.run("run", bucket.uri + "/images", bucket.uri + "/undisturbed", *args[3:])
    seconds = time.monotonic() - start
    for _ in range(10):
        process = pomona.start(*args)
        time.sleep(rng.uniform(0, seconds))
        process.kill()
        process.communicate()
    done = pomona.json(*args)["extract"]
    assert done["kept"] + done["resumed"] + done["computed"] == done["listed"] == 50
    pomona.run("verify", bucket.uri + "/results")
    pomona.run("gc", bucket.uri + "/results")
    wanted = {k.removeprefix("undisturbed/"): bucket.get(k) for k in bucket.keys("undisturbed")}
    got = {k.removeprefix("results/"): bucket.get(k) for k in bucket.keys("results")}
    assert got == wanted


def test_the_server_dies_and_comes_back(pomona, small, bucket, server):
    bucket.upload(SAMPLES, "images")
    died = threading.Event()

    def before(number, method, path):
        if number == 30:
            server.stop()
            died.set()

    proxy = s3.Proxy(server, before)
    pomona.env["AWS_ENDPOINT_URL_S3"] = proxy.url
    process = pomona.start("extract", bucket.uri + "/images", bucket.uri + "/results", "--model",
                           small, "--denoise", "none", "--part-images", "4", "--json")
    assert died.wait(TIMEOUT_SECONDS)
    server.start()
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, err
    done = json.loads(out)
    assert (done["featured"], done["rejected"]) == (50, 0)
    pomona.run("verify", bucket.uri + "/results")
    proxy.close()


@pytest.mark.parametrize("first_byte", [None, s3.error(416, "InvalidRange")],
                         ids=["some", "as if empty"])
def test_a_commit_whose_answer_is_lost_is_known_by_its_header(pomona, small, bucket, proxy,
                                                              first_byte):
    bucket.upload(SAMPLES / "Lemon", "images")
    requests = []  # for the manifest, from the first PUT on

    def before(number, method, path):
        if not path.endswith("manifest.json") or (method == "GET" and not requests):
            return None
        requests.append((method, proxy.headers.pop("range", None)))
        if len(requests) == 1:
            return s3.LOST
        return first_byte if requests[-1] == ("GET", "bytes=0-0") else None

    proxy.before = before
    done = pomona.json("extract", bucket.uri + "/images", bucket.uri + "/results", "--model", small,
                       *RUN)
    assert done["featured"] == 10
    asked = [request for request in requests if request[0] == "GET"][:2]
    then = ("GET", "bytes=0-") if first_byte is None else ("GET", None)  # as any file is read
    assert asked == [("GET", "bytes=0-0"), then]


def test_gc_sweeps_what_a_killed_run_left_and_nothing_else(pomona, small, bucket):
    bucket.upload(SAMPLES / "Lemon", "images")
    results = bucket.uri + "/results"
    pomona.run("extract", bucket.uri + "/images", results, "--model", small, *RUN)
    before = bucket.keys()
    bucket.put("results/features/part-" + "0" * 32 + ".parquet", b"left over")
    bucket.put("results/mine.parquet", b"not Pomona's")
    # Uploads that were begun, of a committed part and of a file beside the results.
    committed = manifest(bucket)["parts"][0]["key"]
    streams = []
    for key in (f"results/features/part-{committed}.parquet", "elsewhere/x"):
        stream = bucket.files.open_output_stream(f"{bucket.name}/{key}")
        stream.write(bytes(11 << 20))
        streams.append(stream)
    told = pomona.json("gc", results, "--dry-run")["would_remove"]
    assert len(told) == 2 and sum("uploadId" in name for name in told) == 1
    assert len(pomona.json("gc", results)["removed"]) == 2
    assert bucket.keys() == sorted(before + ["results/mine.parquet"])
    assert pomona.json("gc", results)["removed"] == []
    assert len(pomona.json("gc", bucket.uri, "--dry-run")["would_remove"]) == 1  # elsewhere/x
    pomona.run("verify", results)


def test_slow_down_is_obeyed_and_transient_failures_are_no_bad_images(pomona, small, bucket, server):
    bucket.upload(SAMPLES, "images")
    rng = random.Random(7)

    def before(number, method, path):
        if rng.random() < 0.3:
            return rng.choice([s3.SLOW_DOWN, s3.INTERNAL, s3.error(502, "BadGateway")])
        return None

    proxy = s3.Proxy(server, before)
    pomona.env["AWS_ENDPOINT_URL_S3"] = proxy.url
    done = pomona.json("extract", bucket.uri + "/images", bucket.uri + "/results", "--model", small,
                       *RUN)
    assert (done["featured"], done["rejected"]) == (50, 0)
    proxy.close()
