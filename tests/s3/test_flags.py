"""Flags and `doctor`: what is given on the command line goes before the environment."""
import server as s3
from test_errors import failing, reader  # noqa: F401


def test_flags_override_the_environment(pomona, small, bucket, server, image):
    bucket.put("images/a.jpg", image)
    url = pomona.env["AWS_ENDPOINT_URL_S3"]
    pomona.env["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:1"
    pomona.env["AWS_REGION"] = "eu-south-2"
    args = ("extract", bucket.uri + "/images", bucket.uri + "/results", "--model", small)
    done = pomona.json(*args, "--endpoint-url", url + "/", "--region", s3.REGION)
    assert done["featured"] == 1


def test_results_are_not_put_into_the_images(pomona, small, bucket):
    error = failing(pomona, bucket.uri + "/a", bucket.uri + "/a/", "--model", small, code=2)
    assert "IMAGES and RESULTS are both" in error


def test_anonymous_and_requester_pays(pomona, small, bucket, proxy, image):
    bucket.put("images/a.jpg", image)
    error = failing(pomona, bucket.uri + "/images", "out", "--model", small, "--no-sign-request")
    assert "is denied" in error and "--no-sign-request" in error
    pomona.run("extract", bucket.uri + "/images", "out", "--model", small, "--request-payer")
    assert proxy.headers["x-amz-request-payer"] == "requester"


def test_doctor_on_a_bucket_of_ones_own(pomona, bucket):
    before = bucket.keys()
    report = pomona.json("doctor", bucket.uri + "/results")
    assert report["credentials"] == "the environment (AWS_ACCESS_KEY_ID)"
    assert report["checks"] == dict.fromkeys(
        ("list", "write", "conditional write", "read", "delete", "list uploads"), True)
    assert bucket.keys() == before
    assert s3.SECRET_KEY not in pomona.run("doctor", bucket.uri).stdout


def test_doctor_names_what_is_missing(pomona, bucket, reader):  # noqa: F811
    report = pomona.json("doctor", bucket.uri + "/images", code=1)["checks"]
    assert report["list"] is True and report["read"] is True
    assert "must allow s3:PutObject" in report["write"]
    assert "s3:ListBucketMultipartUploads" in report["list uploads"]


def test_doctor_on_what_is_no_bucket(pomona):
    assert "no URI of a bucket" in pomona.run("doctor", "photos", code=2).stderr
