"""What the tests against a real S3 server share."""
import importlib.util
import pathlib
import sys
import uuid

import pyarrow.fs
import pytest

import server as s3

E2E = pathlib.Path(__file__).resolve().parent.parent / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
e2e = importlib.util.module_from_spec(_spec)
sys.modules["e2e_conftest"] = e2e
_spec.loader.exec_module(e2e)

pytest_addoption = e2e.pytest_addoption
small = e2e.small


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = s3.Server(tmp_path_factory.mktemp("s3") / "server")
    yield server
    server.remove()


@pytest.fixture
def pomona(request, tmp_path, server):
    """The program with the server as its S3 and credentials in the environment."""
    pomona = e2e.Pomona(request.config.getoption("--pomona").resolve(), tmp_path)
    for name in [name for name in pomona.env if name.startswith("AWS_")]:
        del pomona.env[name]
    pomona.env |= {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY,
                   "AWS_REGION": s3.REGION, "AWS_ENDPOINT_URL_S3": server.url,
                   "AWS_EC2_METADATA_DISABLED": "true"}
    return pomona


@pytest.fixture
def proxy(server, pomona):
    proxy = s3.Proxy(server)
    pomona.env["AWS_ENDPOINT_URL_S3"] = proxy.url
    yield proxy
    proxy.close()


@pytest.fixture
def moto(pomona):
    moto = s3.Moto(pomona.folder, pomona.env)
    yield moto
    moto.stop()


class Bucket:
    """A bucket of the test's own, read and written with Arrow's independent client."""

    def __init__(self, server):
        self.name = "test-" + uuid.uuid4().hex[:12]
        self.uri = "s3://" + self.name
        self.folder = server.folder / "data" / self.name
        self.files = pyarrow.fs.S3FileSystem(
            access_key=s3.ACCESS_KEY, secret_key=s3.SECRET_KEY, region=s3.REGION, scheme="http",
            endpoint_override=server.url.removeprefix("http://"), allow_bucket_creation=True,
            allow_delayed_open=True)  # small objects by one PUT
        self.files.create_dir(self.name)

    def put(self, key, data):
        with self.files.open_output_stream(f"{self.name}/{key}") as out:
            out.write(data)

    def upload(self, folder, prefix):
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())

    def get(self, key):
        with self.files.open_input_stream(f"{self.name}/{key}") as file:
            return file.read()

    def keys(self, prefix=""):
        selector = pyarrow.fs.FileSelector(f"{self.name}/{prefix}".rstrip("/"), recursive=True,
                                           allow_not_found=True)
        return sorted(info.path.removeprefix(self.name + "/")
                      for info in self.files.get_file_info(selector) if info.is_file)

    def download(self, prefix, folder):
        for key in self.keys(prefix):
            path = pathlib.Path(folder) / key.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.get(key))
        return pathlib.Path(folder)

    def delete(self, key):
        self.files.delete_file(f"{self.name}/{key}")


@pytest.fixture
def bucket(server):
    return Bucket(server)


@pytest.fixture
def image():
    """The bytes of an image."""
    return next((e2e.SAMPLES / "Lemon").glob("*.jpg")).read_bytes()
