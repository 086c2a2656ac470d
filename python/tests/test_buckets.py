"""Images and results in a bucket of a real S3 server (tests/s3/server.py)."""

import subprocess
import sys
import uuid

import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from conftest import ROOT

import pomona

sys.path.insert(0, str(ROOT / "tests/s3"))
import server as s3  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = s3.Server(tmp_path_factory.mktemp("s3") / "server")
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bucket(server, fruits):
    """Arrow's own client, a bucket with the samples, and the flags that find it."""
    files = pyarrow.fs.S3FileSystem(
        access_key=s3.ACCESS_KEY,
        secret_key=s3.SECRET_KEY,
        region=s3.REGION,
        scheme="http",
        endpoint_override=server.url.removeprefix("http://"),
        allow_bucket_creation=True,
    )
    name = "test-" + uuid.uuid4().hex[:12]
    files.create_dir(name)
    for path in fruits.glob("*/*.jpg"):
        with files.open_output_stream(f"{name}/in/{path.relative_to(fruits)}") as out:
            out.write(path.read_bytes())
    return files, name, {"endpoint_url": server.url, "region": s3.REGION}


def test_everything_in_a_bucket(bucket, results):
    files, name, flags = bucket
    out = f"s3://{name}/out"
    run = pomona.run(f"s3://{name}/in", out, part_images=20, progress=False, **flags)
    assert run.extract.featured == 50
    assert pomona.reduce(out, k=3, progress=False, **flags).k == 3
    assert pomona.verify(out, progress=False, **flags)
    assert pomona.gc(out, **flags).removed == []

    ds = pomona.Dataset(out, **flags)
    assert len(ds) == 50 and ds.uri == out
    local = pomona.Dataset(results)
    columns = ["path", "label", "features", "content"]
    assert ds.to_arrow(columns).equals(local.to_arrow(columns))
    assert ds.rejected().num_rows == 0
    written = pq.read_table(f"{name}/out/pca/projection.parquet", filesystem=files)
    assert ds.projection().equals(written)
    assert pomona.doctor(out, **flags)["checks"]["list"] is True


def test_a_dataset_stays_what_it_was_when_it_was_opened(bucket):
    files, name, flags = bucket
    out = f"s3://{name}/out"
    pomona.extract(f"s3://{name}/in", out, denoise="none", progress=False, **flags)
    ds = pomona.Dataset(out, **flags)
    folders = files.get_file_info(pyarrow.fs.FileSelector(f"{name}/in"))
    files.delete_dir(min(info.path for info in folders))
    assert pomona.extract(f"s3://{name}/in", out, denoise="none", progress=False, **flags).removed
    assert len(ds) == 50 and len(pomona.Dataset(out, **flags)) < 50


def test_errors(bucket, monkeypatch):
    _, name, flags = bucket
    with pytest.raises(pomona.NothingToRead):
        pomona.Dataset(f"s3://{name}/nowhere", **flags)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(pomona.PomonaError, match="credentials|signature|Signature|access"):
        pomona.extract(f"s3://{name}/in", f"s3://{name}/out", progress=False, **flags)


def test_arrows_own_client_beside_it(bucket):
    """Both use the AWS SDK of one libarrow_s3, which each may begin and end."""
    _, name, flags = bucket
    code = f"""
import pyarrow.fs, pomona
files = pyarrow.fs.S3FileSystem(scheme="http", region={flags["region"]!r},
                                endpoint_override={flags["endpoint_url"][7:]!r})
files.get_file_info(pyarrow.fs.FileSelector({name + "/in"!r}))
result = pomona.extract("s3://{name}/in", "s3://{name}/out", denoise="none", progress=False,
                        **{flags!r})
features = pyarrow.fs.FileSelector({name + "/out/features"!r})
print(result.featured, len(files.get_file_info(features)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("50 ")
