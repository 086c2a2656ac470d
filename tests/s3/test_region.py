"""A bucket of Amazon's in another region than was asked for. Amazon is played by a proxy (HTTPS_PROXY)
that answers for its host names itself, with a certificate of an authority of the tests' own."""
import http.server
import ssl
import threading

import pytest

import server as s3
from test_errors import failing
from test_tls import authority, openssl  # noqa: F401

HERE, THERE = "us-east-1", "eu-west-1"
LISTING = """<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents>
<Key>images/a.jpg</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"1"</ETag>
<Size>{}</Size></Contents></ListBucketResult>"""


class Amazon(http.server.BaseHTTPRequestHandler):
    """Has the bucket `fruits` with one image in the region THERE."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self):
        region = self.headers["Host"].removeprefix("fruits.s3.").removesuffix(".amazonaws.com")
        self.server.asked.append(region)
        assert f"/{region}/s3/aws4_request" in self.headers["Authorization"]
        refusal = self.server.refusals.get(region)
        if refusal:
            return self.answer(*refusal)
        image = self.server.image
        body = LISTING.format(len(image)).encode() if "list-type" in self.path else image
        self.answer(200, {}, body)

    def answer(self, code, headers, body):
        self.send_response_only(code)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def amazon(pomona, authority, image, tmp_path):  # noqa: F811
    names = ",".join(f"DNS:fruits.s3.{region}.amazonaws.com" for region in (HERE, THERE))
    (tmp_path / "names").write_text(f"subjectAltName={names}\n")
    for file in ("ca.pem", "ca.key", "server.csr", "server.key"):
        (tmp_path / file).write_bytes((authority / file).read_bytes())
    openssl(tmp_path, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Amazon)
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    server.asked, server.refusals, server.image = [], {}, image
    threading.Thread(target=server.serve_forever, daemon=True).start()
    del pomona.env["AWS_ENDPOINT_URL_S3"]
    pomona.env |= {"HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}", "AWS_REGION": HERE,
                   "AWS_CA_BUNDLE": str(tmp_path / "ca.pem")}
    yield server
    server.shutdown()
    server.server_close()


def refusal(code, name, region=None, in_body=False):
    told = f"<Region>{region}</Region>" if in_body else ""
    body = f"<Error><Code>{name}</Code><Message>-</Message>{told}</Error>".encode()
    return code, {} if in_body or region is None else {"x-amz-bucket-region": region}, body


@pytest.mark.parametrize("answer", [
    refusal(301, "PermanentRedirect", THERE), refusal(307, "TemporaryRedirect", THERE),
    refusal(400, "AuthorizationHeaderMalformed", THERE, in_body=True)],
    ids=["301", "307", "400"])
def test_the_region_that_amazon_tells_is_followed(pomona, small, amazon, answer):
    amazon.refusals[HERE] = answer
    done = pomona.json("extract", "s3://fruits/images", "out", "--model", small)
    assert done["featured"] == 1
    assert amazon.asked.count(HERE) == 1


@pytest.mark.parametrize("code,name", [(301, "PermanentRedirect"), (307, "TemporaryRedirect"),
                                       (400, "AuthorizationHeaderMalformed")])
def test_a_region_that_nobody_tells(pomona, small, amazon, code, name):
    amazon.refusals[HERE] = refusal(code, name)
    error = failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert f"s3://fruits is not in the region {HERE}: set --region or AWS_REGION" in error
    assert amazon.asked == [HERE]
    assert pomona.json("extract", "s3://fruits/images", "out", "--model", small, "--region",
                       THERE)["featured"] == 1


def test_regions_that_tell_of_each_other(pomona, small, amazon):
    amazon.refusals = {HERE: refusal(301, "PermanentRedirect", THERE),
                       THERE: refusal(301, "PermanentRedirect", HERE)}
    assert "is not in the region" in failing(pomona, "s3://fruits/images", "out", "--model", small)
    assert len(amazon.asked) == 10


@pytest.mark.parametrize("code,name", [(301, "PermanentRedirect"), (307, "TemporaryRedirect")])
def test_an_endpoint_of_another_region(pomona, small, bucket, proxy, code, name):
    """Whoever gives the endpoint gives the region, too: nothing is followed to elsewhere."""
    proxy.before = lambda number, method, path: s3.error(code, name)
    error = failing(pomona, bucket.uri, "out", "--model", small)
    assert f"is not in the region {s3.REGION}: set --region or AWS_REGION" in error
    assert len(proxy.requests) == 1
