"""A disturbed store gives the same results as a quiet one, with few requests more."""
import random
import shutil
import time

import pytest

import server as s3
from e2e_conftest import SAMPLES, TIMEOUT_SECONDS

IMAGES = 3546
USERS = 60


def put_images(bucket, count):
    """Copies of the samples as files of the server's folder, which is faster than by requests."""
    samples = sorted(SAMPLES.rglob("*.jpg"))
    for i in range(count):
        image = samples[i % len(samples)]
        path = bucket.folder / f"images/{image.parent.name}/{i:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, path)


def command(bucket, small, results, *flags):
    return ("run", f"{bucket.uri}/images", f"{bucket.uri}/{results}", "--model", small, "--denoise",
            "none", *flags)


def objects(bucket, folder):
    return {key.removeprefix(folder + "/"): bucket.get(key) for key in bucket.keys(folder)}


def run_through(pomona, proxy, *args, code=0):
    """What the run printed on stderr; the proxy counts from zero."""
    proxy.requests.clear()
    proxy.faults.clear()
    process = pomona.start(*args)
    _, errors = process.communicate(timeout=8 * TIMEOUT_SECONDS)
    assert process.returncode == code, errors
    return errors


def only_sentence(errors):
    lines = [line for line in errors.splitlines() if line.startswith("error")]
    assert len(lines) == 1, errors
    return lines[0]


@pytest.fixture
def rotation(server, pomona, proxy, bucket):
    """Credentials in a profile; `rotation()` puts new ones there and lets all earlier ones expire.

    The store has no session tokens, so the proxy says that they are expired, by the access key.
    """
    names = [f"{bucket.name}-{i}" for i in range(USERS)]
    for name in names:
        server.admin("create-user", "-a", name, "-s", s3.SECRET_KEY, "-r", "admin")
    file = pomona.folder / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del pomona.env[name]
    pomona.env["AWS_SHARED_CREDENTIALS_FILE"] = str(file)

    class Rotation:
        current = 0

        def write(self):
            aside = file.with_suffix(".new")
            aside.write_text(f"[default]\naws_access_key_id = {names[self.current]}\n"
                             f"aws_secret_access_key = {s3.SECRET_KEY}\n")
            aside.rename(file)  # a reader sees the old file or the new one

        def __call__(self):
            self.current = min(self.current + 1, USERS - 1)
            self.write()

        def is_expired(self):  # of the request that the proxy has just taken
            return f"={names[self.current]}/" not in proxy.headers["authorization"]

    rotation = Rotation()
    rotation.write()
    return rotation


EACH = {"500": s3.INTERNAL, "503": s3.SLOW_DOWN, "reset": s3.RESET, "lost": s3.LOST,
        "truncated": s3.TRUNCATED, "too short": s3.TOO_SHORT, "too long": s3.TOO_LONG,
        "slow first byte": s3.slow_first_byte(0.3), "stall": s3.stall(0.3),
        "clock skew": s3.skewed(3600), "late": s3.skewed(0), "cut refusal": s3.CUT_REFUSAL}


@pytest.mark.parametrize("name", EACH)
def test_a_fault_on_the_first_attempt_of_every_request(pomona, small, bucket, proxy, name):
    bucket.upload(SAMPLES, "images")
    flags = ("--part-images", "16")
    run_through(pomona, proxy, *command(bucket, small, "quiet", *flags))
    quiet = len(proxy.requests)
    seen = set()

    def before(number, method, path):
        if (method, path) in seen:
            return None
        seen.add((method, path))
        return EACH[name]

    proxy.before = before
    run_through(pomona, proxy, *command(bucket, small, "results", *flags))
    assert objects(bucket, "results") == objects(bucket, "quiet")
    assert sum(proxy.faults.values()) == len(seen) >= 50
    assert len(proxy.requests) <= 4 * quiet


def test_faults_on_one_request_in_twenty(pomona, small, bucket, proxy, rotation):
    put_images(bucket, IMAGES)
    run_through(pomona, proxy, *command(bucket, small, "quiet"))
    quiet = len(proxy.requests)
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    long_stalls = [s3.stall(30), s3.slow_first_byte(30)]  # longer than the client waits

    def before(number, method, path):
        if rotation.is_expired():
            return s3.EXPIRED
        if rng.random() >= 0.05:
            return None
        kind = rng.choice(["rotate", "long stall", "short stall", "slow", "skew", *EACH])
        if kind == "rotate":
            rotation()
            return s3.EXPIRED
        if kind == "long stall" and long_stalls and number > 100:
            return long_stalls.pop()
        if kind == "skew":
            return s3.skewed(rng.uniform(-7200, 7200))
        return EACH.get(kind, s3.stall(rng.uniform(0, 2)))

    proxy.before = before
    run_through(pomona, proxy, *command(bucket, small, "results"))
    print(quiet, len(proxy.requests), dict(proxy.faults))
    assert objects(bucket, "results") == objects(bucket, "quiet")
    assert len(proxy.faults) >= 10
    assert sum(proxy.faults.values()) > 0.04 * quiet
    assert len(proxy.requests) < 1.6 * quiet
    pomona.run("verify", f"{bucket.uri}/results")


def test_stalls_longer_than_the_client_waits(pomona, small, bucket, proxy):
    bucket.upload(SAMPLES / "Lemon", "images")
    run_through(pomona, proxy, *command(bucket, small, "quiet"))
    quiet = len(proxy.requests)
    left = {"GET": [s3.stall(60), s3.slow_first_byte(60)], "PUT": [s3.slow_first_byte(60)]}

    def before(number, method, path):
        wanted = ".jpg" in path or method == "PUT"
        return left[method].pop() if wanted and left[method] else None

    proxy.before = before
    run_through(pomona, proxy, *command(bucket, small, "results"))
    assert not any(left.values())
    assert objects(bucket, "results") == objects(bucket, "quiet")
    # The PUT was carried out although its answer never came, which one request finds out.
    assert len(proxy.requests) <= quiet + 4


def test_expired_credentials_are_renewed_once(pomona, small, bucket, proxy, rotation):
    bucket.upload(SAMPLES, "images")

    def before(number, method, path):
        if number == 30:
            rotation()
        return s3.EXPIRED if rotation.is_expired() else None

    proxy.before = before
    run_through(pomona, proxy, *command(bucket, small, "results"))
    assert 1 <= proxy.faults["ExpiredToken"] <= 50
    pomona.run("verify", f"{bucket.uri}/results")


def test_expired_credentials_without_new_ones_end_the_run(pomona, small, bucket, proxy):
    bucket.upload(SAMPLES, "images")
    proxy.before = lambda number, method, path: s3.EXPIRED if number > 20 else None
    flags = ("--part-images", "4")
    error = only_sentence(run_through(pomona, proxy, *command(bucket, small, "results", *flags),
                                      code=1))
    assert "session token" in error and "get new credentials" in error
    assert proxy.faults["ExpiredToken"] <= 60, "each request under way is refused once"
    proxy.before = None
    done = pomona.json(*command(bucket, small, "results", *flags))["extract"]
    assert done["resumed"] + done["computed"] == done["listed"] == 50


@pytest.mark.parametrize("fault", [s3.SLOW_DOWN, s3.RESET], ids=["503", "reset"])
def test_a_store_that_does_not_recover_ends_the_run(pomona, small, bucket, proxy, fault):
    put_images(bucket, 1000)
    proxy.before = lambda number, method, path: fault if number > 300 else None
    start = time.monotonic()
    error = only_sentence(run_through(pomona, proxy, *command(bucket, small, "results"), code=1))
    print(len(proxy.requests), time.monotonic() - start)
    assert "run the same command again later" in error
    # Those under way, which libcurl sends again itself on a kept connection, and a few tries.
    assert len(proxy.requests) - 300 <= 2 * 256 + 32
    proxy.before = None
    pomona.run(*command(bucket, small, "results"))


def test_a_store_that_never_answers_is_asked_ten_times(pomona, small, bucket, proxy):
    proxy.before = lambda number, method, path: s3.SLOW_DOWN
    error = only_sentence(run_through(pomona, proxy, *command(bucket, small, "results"), code=1))
    assert "10 attempts" in error
    assert len(proxy.requests) == 10
