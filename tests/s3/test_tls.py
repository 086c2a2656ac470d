"""Over TLS: a certificate of an authority of one's own."""
import subprocess

import pytest

import server as s3
from test_errors import failing
from test_run import RUN


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with ca.pem and, by it, server.pem for 127.0.0.1 with server.key; other.pem is the
    certificate of an authority that has nothing to do with it."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ca", "other"):
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                f"/CN={name} of the tests", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout",
            "server.key", "-out", "server.csr")
    (folder / "server.ext").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "server.ext", "-out", "server.pem")
    return folder


@pytest.fixture
def tls_server(authority, tmp_path):
    server = s3.Server(tmp_path / "tls-server", authority / "server.pem", authority / "server.key")
    (server.folder / "data/images-of-tls/images").mkdir(parents=True)
    yield server
    server.remove()


@pytest.fixture
def pomona(pomona, tls_server):
    pomona.env["AWS_ENDPOINT_URL_S3"] = tls_server.url
    return pomona


URI = "s3://images-of-tls"


def test_an_authority_of_ones_own(pomona, small, tls_server, authority, image):
    (tls_server.folder / "data/images-of-tls/images/a.jpg").write_bytes(image)
    args = ("extract", URI + "/images", URI + "/results", "--model", small, *RUN)
    done = pomona.json(*args, "--ca-bundle", authority / "ca.pem")
    assert done["featured"] == 1
    pomona.env["AWS_CA_BUNDLE"] = str(authority / "ca.pem")
    assert pomona.json(*args)["kept"] == 1


@pytest.mark.parametrize("bundle", [(), ("--ca-bundle", "other.pem"), ("--ca-bundle", "none.pem")])
def test_a_certificate_that_nobody_trusts(pomona, small, authority, bundle):
    if bundle:
        bundle = (bundle[0], authority / bundle[1])
    error = failing(pomona, URI + "/images", "out", "--model", small, *bundle)
    assert f"the certificate of {URI}" in error and "not trusted" in error
    assert "--ca-bundle" in error


def test_http_to_a_server_that_speaks_tls(pomona, small, tls_server):
    pomona.env["AWS_ENDPOINT_URL_S3"] = tls_server.url.replace("https", "http")
    error = failing(pomona, URI + "/images", "out", "--model", small)
    assert URI in error
