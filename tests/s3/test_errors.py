"""What is wrong with credentials, buckets and endpoints is said once, clearly, without secrets."""
import json
import time

import pytest

import server as s3
from e2e_conftest import SAMPLES, files

SECRET = "wrong-secret-5f0c2ab9"
TOKEN = "session-token-88c1d3"


def failing(pomona, *args, code=1):
    start = time.monotonic()
    done = pomona.run("extract", *args, code=code)
    assert time.monotonic() - start < 60
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(errors) == 1, done.stderr
    for secret in (SECRET, s3.SECRET_KEY, TOKEN):
        assert secret not in done.stderr + done.stdout
    return errors[0]


def test_a_missing_bucket(pomona, small, proxy):
    error = failing(pomona, "s3://no-such-bucket-here/x", "out", "--model", small)
    assert "there is no bucket s3://no-such-bucket-here" in error
    assert len(proxy.requests) == 1
    error = failing(pomona, SAMPLES, "s3://no-such-bucket-here/x", "--model", small)
    assert "there is no bucket" in error


def test_nothing_below_a_prefix(pomona, small, bucket):
    assert "no image in " + bucket.uri + "/nothing" in failing(
        pomona, bucket.uri + "/nothing", "out", "--model", small, code=3)


def test_a_wrong_secret(pomona, small, bucket, proxy):
    pomona.env["AWS_SECRET_ACCESS_KEY"] = SECRET
    error = failing(pomona, bucket.uri, "out", "--model", small)
    assert "secret key of the environment (AWS_ACCESS_KEY_ID)" in error
    assert len(proxy.requests) == 1, "a refusal is not tried again"


def test_an_unknown_access_key(pomona, small, bucket):
    pomona.env["AWS_ACCESS_KEY_ID"] = "nobody"
    assert "does not know the access key" in failing(pomona, bucket.uri, "out", "--model", small)


def test_a_wrong_session_token(pomona, small, bucket):
    pomona.env["AWS_SESSION_TOKEN"] = TOKEN
    assert "session token" in failing(pomona, bucket.uri, "out", "--model", small)


def test_a_wrong_region(pomona, small, bucket, proxy):
    pomona.env["AWS_REGION"] = "eu-south-2"
    error = failing(pomona, bucket.uri, "out", "--model", small)
    assert "eu-south-2" in error and "us-east-1" in error and "AWS_REGION" in error
    assert len(proxy.requests) == 1


def test_a_closed_port(pomona, small):
    pomona.env["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{s3.free_port()}"
    error = failing(pomona, "s3://bucket/x", "out", "--model", small)
    assert "cannot reach s3://bucket" in error and "endpoint" in error


def test_an_endpoint_that_is_no_url_and_one_that_is_no_s3(pomona, small):
    pomona.env["AWS_ENDPOINT_URL_S3"] = "localhost"
    assert "begins with http" in failing(pomona, "s3://b/x", "out", "--model", small, code=2)


def test_no_credentials(pomona, small, bucket):
    del pomona.env["AWS_ACCESS_KEY_ID"], pomona.env["AWS_SECRET_ACCESS_KEY"]
    error = failing(pomona, bucket.uri, "out", "--model", small)
    assert "no AWS credentials" in error and "AWS_PROFILE" in error


def test_credentials_of_a_profile(pomona, small, bucket, image):
    bucket.put("images/a.jpg", image)
    del pomona.env["AWS_ACCESS_KEY_ID"], pomona.env["AWS_SECRET_ACCESS_KEY"]
    del pomona.env["AWS_REGION"]
    aws = pomona.folder / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        f"[other]\naws_access_key_id = {s3.ACCESS_KEY}\naws_secret_access_key = {s3.SECRET_KEY}\n")
    (aws / "config").write_text(f"[profile other]\nregion = {s3.REGION}\n")
    pomona.env["AWS_PROFILE"] = "other"
    done = pomona.json("extract", bucket.uri + "/images", "out", "--model", small)
    assert done["featured"] == 1


@pytest.fixture
def reader(server, pomona, bucket):
    """Credentials that may read images/ and nothing else."""
    server.admin("create-user", "-a", "reader-" + bucket.name, "-s", SECRET, "-r", "user")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ["reader-" + bucket.name]},
         "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::" + bucket.name]},
        {"Effect": "Allow", "Principal": {"AWS": ["reader-" + bucket.name]},
         "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket.name}/images/*"]}]}
    put_policy(server, bucket.name, policy)
    pomona.env |= {"AWS_ACCESS_KEY_ID": "reader-" + bucket.name, "AWS_SECRET_ACCESS_KEY": SECRET}


def put_policy(server, bucket, policy):
    """Signed by hand: Arrow's client has no policies."""
    import datetime
    import hashlib
    import hmac
    import urllib.request
    body = json.dumps(policy).encode()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    host = server.url.removeprefix("http://")
    canonical = (f"PUT\n/{bucket}\npolicy=\nhost:{host}\nx-amz-content-sha256:{digest}\n"
                 f"x-amz-date:{now}\n\nhost;x-amz-content-sha256;x-amz-date\n{digest}")
    scope = f"{now[:8]}/{s3.REGION}/s3/aws4_request"
    key = ("AWS4" + s3.SECRET_KEY).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"{server.url}/{bucket}?policy=", data=body, method="PUT", headers={
        "x-amz-date": now, "x-amz-content-sha256": digest, "Content-Type": "application/json",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={s3.ACCESS_KEY}/{scope}, "
                         f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
                         f"Signature={signature}"})
    urllib.request.urlopen(request).close()


def test_what_is_denied_names_the_action(pomona, small, bucket, proxy, reader, image):
    bucket.put("images/a.jpg", image)
    assert pomona.json("extract", bucket.uri + "/images", "out", "--model", small)["featured"] == 1
    proxy.requests.clear()
    error = failing(pomona, bucket.uri + "/images", bucket.uri + "/results", "--model", small)
    assert "is denied" in error and "s3:" in error and bucket.uri + "/results" in error
    assert len(proxy.requests) <= 3, "a refusal is not tried again"


def test_secrets_are_nowhere(pomona, small, bucket, proxy, image):
    bucket.put("images/a.jpg", image)
    results = bucket.uri + "/results"
    done = pomona.run("run", bucket.uri + "/images", results, "--model", small, code=1)  # one image
    for text in (done.stdout, done.stderr, "\n".join(proxy.requests)):
        assert s3.SECRET_KEY not in text
    for key in bucket.keys():
        assert s3.SECRET_KEY.encode() not in bucket.get(key)
    for name, data in files(pomona.folder).items():
        assert s3.SECRET_KEY.encode() not in data, name
