"""Credentials of an instance's role, by the instance metadata service (IMDSv2), and of a web
identity, by STS."""
import datetime
import http.server
import json
import re
import threading
import urllib.parse

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


@pytest.fixture
def fruits(pomona, moto, image):
    """A proxy before moto's S3 with one image in it."""
    client = boto3.client("s3", endpoint_url=moto.url, region_name="us-east-1",
                          aws_access_key_id="key", aws_secret_access_key="secret")
    client.create_bucket(Bucket="fruits")
    client.put_object(Bucket="fruits", Key="images/a.jpg", Body=image)
    proxy = s3.Proxy(moto)
    pomona.env["AWS_ENDPOINT_URL_S3"] = proxy.url
    yield proxy
    proxy.close()


def test_the_role_of_an_instance(pomona, small, metadata, fruits):
    done = pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert "1 image: 1 feature" in done.stdout
    assert "Credential=ASIAROLE/" in fruits.headers["authorization"]
    assert "x-amz-security-token" in fruits.headers["authorization"]  # signed
    assert fruits.headers["x-amz-security-token"] == ROLE["Token"]
    told = pomona.run("doctor", "s3://fruits").stdout
    assert "the role of this instance" in told
    for secret in (ROLE["SecretAccessKey"], ROLE["Token"]):
        assert secret not in told + done.stdout + done.stderr


def test_an_instance_without_a_role(pomona, small, metadata):
    metadata.role = None
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert "no AWS credentials from the role of this instance: " in error and "a role" in error


class Sts(s3.Proxy):
    """Before moto's STS, which never refuses and gives credentials for an hour."""

    def __init__(self, moto):
        super().__init__(moto)
        self.lifetime = 3600
        self.refusal = None  # a code and a name
        self.forms = []
        self.given = []  # access keys
        self.secrets = []

    def ask(self, client, body):
        self.forms.append(urllib.parse.parse_qs(body.decode()))
        if self.refusal:
            code, name = self.refusal
            text = (f"<ErrorResponse><Error><Code>{name}</Code>"
                    "<Message>not you</Message></Error></ErrorResponse>").encode()
            return code, {"Content-Length": str(len(text))}, text
        code, headers, data = super().ask(client, body)
        expire = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(
            seconds=self.lifetime)
        data = re.sub(rb"(<Expiration>)[^<]*", rb"\g<1>" + expire.strftime(
            "%Y-%m-%dT%H:%M:%SZ").encode(), data)
        self.given += re.findall("<AccessKeyId>([^<]*)", data.decode())
        self.secrets += re.findall("<(?:SecretAccessKey|SessionToken)>([^<]*)", data.decode())
        return code, headers | {"Content-Length": str(len(data))}, data


ARN = "arn:aws:iam::123456789012:role/pomona"
WEB_TOKEN = "header.payload-of-the-web-token.signature"


@pytest.fixture
def sts(pomona, metadata, moto):
    """Of an instance that has a role of its own, too."""
    sts = Sts(moto)
    (pomona.folder / "token").write_text(WEB_TOKEN + "\n")
    pomona.env |= {"AWS_ENDPOINT_URL_STS": sts.url, "AWS_ROLE_ARN": ARN,
                   "AWS_WEB_IDENTITY_TOKEN_FILE": str(pomona.folder / "token"),
                   "AWS_ROLE_SESSION_NAME": "picker"}
    yield sts
    sts.close()


def test_a_web_identity(pomona, small, sts, fruits):
    done = pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert "1 image: 1 feature" in done.stdout
    assert sts.forms == [{"Action": ["AssumeRoleWithWebIdentity"], "Version": ["2011-06-15"],
                          "RoleArn": [ARN], "RoleSessionName": ["picker"],
                          "WebIdentityToken": [WEB_TOKEN]}]
    assert f"Credential={sts.given[0]}/" in fruits.headers["authorization"]
    assert fruits.headers["x-amz-security-token"] in sts.secrets
    told = pomona.run("doctor", "s3://fruits").stdout
    assert "a web identity" in told
    for secret in (WEB_TOKEN, *sts.secrets):
        assert secret not in told + done.stdout + done.stderr


def test_a_web_identity_of_a_profile(pomona, small, sts, fruits):
    config = pomona.folder / "config"
    config.write_text(f"[default]\nrole_arn = {ARN}\n"
                      f"web_identity_token_file = {pomona.env['AWS_WEB_IDENTITY_TOKEN_FILE']}\n")
    for name in ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME"):
        del pomona.env[name]
    pomona.env["AWS_CONFIG_FILE"] = str(config)
    pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert f"Credential={sts.given[0]}/" in fruits.headers["authorization"]
    assert sts.forms[0]["RoleArn"] == [ARN]


def test_the_environment_comes_before_a_web_identity(pomona, small, sts, fruits):
    pomona.env |= {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "secret"}
    pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert "Credential=AKIAENV/" in fruits.headers["authorization"] and not sts.forms


def test_a_web_identity_is_renewed_before_it_expires(pomona, small, sts, fruits):
    sts.lifetime = 3
    fruits.before = lambda *request: s3.slow_first_byte(1.2)
    pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert len(sts.given) > 1 and sts.given[0] not in fruits.headers["authorization"]


def test_a_web_identity_is_renewed_when_the_store_calls_it_expired(pomona, small, sts, fruits):
    fruits.before = lambda number, method, path: s3.EXPIRED if number == 2 else None
    pomona.run("extract", "s3://fruits/images", "out", "--model", small)
    assert len(sts.given) == 2
    assert f"Credential={sts.given[1]}/" in fruits.headers["authorization"]


def test_a_web_identity_that_is_refused_is_not_replaced_by_the_instance(pomona, small, sts, fruits):
    sts.refusal = (403, "AccessDenied")
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert ("no AWS credentials from a web identity: STS refuses to give the role "
            f"{ARN} (403 AccessDenied): not you") in error
    assert len(sts.forms) == 1 and not fruits.requests


def test_sts_out_of_order_is_asked_again(pomona, small, sts, fruits):
    sts.refusal = (503, "ServiceUnavailable")
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert "503 ServiceUnavailable" in error and len(sts.forms) == 4
    pomona.env["AWS_ENDPOINT_URL_STS"] = f"http://127.0.0.1:{s3.free_port()}"
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert "cannot reach STS at http://127.0.0.1:" in error


def test_a_web_identity_whose_token_is_not_there(pomona, small, metadata):
    pomona.env |= {"AWS_ROLE_ARN": ARN,
                   "AWS_WEB_IDENTITY_TOKEN_FILE": str(pomona.folder / "none")}
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert ("no AWS credentials from a web identity: there is no token in "
            f"{pomona.folder / 'none'}") in error
