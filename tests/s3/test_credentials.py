"""Credentials of an instance's role, by the instance metadata service (IMDSv2)."""
import http.server
import json
import threading

import boto3
import pytest

import server as s3
from test_errors import failing

TOKEN = "token-of-the-metadata-service"
ROLE = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIAROLE",
        "SecretAccessKey": "secret-of-the-role", "Token": "session-token-of-the-role",
        "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z"}


class Metadata(http.server.BaseHTTPRequestHandler):
    """As the EC2 user guide describes version 2: nothing without a token that was asked for."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, text=""):
        self.send_response_only(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        if self.path != "/latest/api/token":
            return self.answer(404)
        if "x-aws-ec2-metadata-token-ttl-seconds" not in self.headers:
            return self.answer(400)
        self.answer(200, TOKEN)

    def do_GET(self):
        if self.headers.get("x-aws-ec2-metadata-token") != TOKEN:
            return self.answer(401)
        folder, _, name = self.path.partition("/iam/security-credentials")
        if folder != "/latest/meta-data" or not self.server.role:
            return self.answer(404)
        self.answer(200, json.dumps(self.server.role) if name.strip("/") else "pomona")


@pytest.fixture
def metadata(pomona):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.role = ROLE
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        del pomona.env[name]
    pomona.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def test_the_role_of_an_instance(pomona, small, metadata, moto, image):
    client = boto3.client("s3", endpoint_url=moto.url, region_name="us-east-1",
                          aws_access_key_id="key", aws_secret_access_key="secret")
    client.create_bucket(Bucket="fruits")
    client.put_object(Bucket="fruits", Key="images/a.jpg", Body=image)
    proxy = s3.Proxy(moto)
    pomona.env["AWS_ENDPOINT_URL_S3"] = proxy.url
    done = pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert "1 image: 1 feature" in done.stdout
    assert "Credential=ASIAROLE/" in proxy.headers["authorization"]
    assert "x-amz-security-token" in proxy.headers["authorization"]  # signed
    assert proxy.headers["x-amz-security-token"] == ROLE["Token"]
    told = pomona.run("doctor", "s3://fruits").stdout
    assert "the role of this instance" in told
    for secret in (ROLE["SecretAccessKey"], ROLE["Token"]):
        assert secret not in told + done.stdout + done.stderr
    proxy.close()


def test_an_instance_without_a_role(pomona, small, metadata):
    metadata.role = None
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert "no AWS credentials from the role of this instance: " in error and "a role" in error


def test_a_web_identity_whose_token_is_not_there(pomona, small, metadata):
    pomona.env |= {"AWS_EC2_METADATA_DISABLED": "true",
                   "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pomona",
                   "AWS_WEB_IDENTITY_TOKEN_FILE": str(pomona.folder / "none")}
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert "no AWS credentials from a web identity: " in error
