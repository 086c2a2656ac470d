"""Every kind of source, on the disk and in a bucket."""
import csv
import datetime
import io
import tarfile

import pyarrow
import pyarrow.parquet
import pytest

from e2e_conftest import SAMPLES
from test_run import RUN, rows

IMAGES = sorted(SAMPLES.rglob("*.jpg"))


@pytest.fixture
def expected(pomona, small, tmp_path):
    """path -> feature of the samples, read as a folder."""
    pomona.run("extract", SAMPLES, "expected", "--model", small, *RUN)
    got = rows(tmp_path / "expected")
    return dict(zip(got["path"], got["features"]))


def make_tar(path):
    with tarfile.open(path, "w") as tar:
        for image in IMAGES:
            tar.add(image, image.relative_to(SAMPLES))


def binary_file(images, prefix="file:/data/"):
    """A table as Spark's binaryFile format gives it."""
    time = datetime.datetime(2026, 11, 22, tzinfo=datetime.timezone.utc)
    return pyarrow.table({
        "path": [prefix + str(p.relative_to(SAMPLES)) for p in images],
        "modificationTime": pyarrow.array([time] * len(images), pyarrow.timestamp("us", "UTC")),
        "length": pyarrow.array([p.stat().st_size for p in images], pyarrow.int64()),
        "content": pyarrow.array([p.read_bytes() for p in images], pyarrow.binary())})


def make_parquet(path):
    shuffled = IMAGES[::2] + IMAGES[1::2]
    pyarrow.parquet.write_table(binary_file(shuffled), path, row_group_size=7)


def make_csv(path):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["path", "label", "other"])
        for image in IMAGES:
            out.writerow([image.relative_to(SAMPLES), "class of " + image.parent.name, "x"])


def check(got, expected, prefix=""):
    assert {p.removeprefix(prefix): f for p, f in zip(got["path"], got["features"])} == expected


@pytest.mark.parametrize("where", ["disk", "bucket"])
@pytest.mark.parametrize("kind", ["tar", "parquet", "csv"])
def test_gives_what_the_folder_gives(pomona, small, bucket, tmp_path, expected, kind, where):
    file = tmp_path / f"images.{kind}"
    {"tar": make_tar, "parquet": make_parquet, "csv": make_csv}[kind](file)
    uri = file
    if where == "bucket":
        bucket.put(f"in/images.{kind}", file.read_bytes())
        uri = f"{bucket.uri}/in/images.{kind}"
        if kind == "csv":
            bucket.upload(SAMPLES, "in")
    elif kind == "csv":
        (tmp_path / "images.csv").rename(tmp_path / "list.csv")
        text = (tmp_path / "list.csv").read_text().replace("\r\n", "\n").split("\n")
        file.write_text("\n".join([text[0]] + [f"{SAMPLES}/{line}" for line in text[1:] if line]))
    args = ("extract", uri, "results", "--model", small, *RUN)
    done = pomona.json(*args)
    assert done["featured"] == len(IMAGES)
    got = rows(tmp_path / "results")
    prefix = {"parquet": "file:/data/", "csv": f"{SAMPLES}/" if where == "disk" else ""}
    check(got, expected, prefix.get(kind, ""))
    want = "class of " if kind == "csv" else ""
    assert all(label == want + path.split("/")[-2] for path, label in zip(got["path"], got["label"]))
    assert pomona.json(*args)["kept"] == len(IMAGES)


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_a_folder_of_parquet_files_as_spark_writes_it(pomona, small, bucket, tmp_path, expected,
                                                      where):
    folder = tmp_path / "images.parquet"
    folder.mkdir()
    for i in range(3):
        pyarrow.parquet.write_table(binary_file(IMAGES[i::3]), folder / f"part-0000{i}.snappy.parquet")
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / ".part-00000.crc").write_bytes(b"x")
    uri = folder
    if where == "bucket":
        bucket.upload(folder, "in/images.parquet")
        uri = bucket.uri + "/in/images.parquet"
    pomona.run("extract", uri, "results", "--model", small, *RUN)
    check(rows(tmp_path / "results"), expected, "file:/data/")


def test_parquet_rows_that_are_no_images(pomona, small, tmp_path):
    table = pyarrow.table({"path": ["a.jpg", "b.jpg", None, "a.jpg", "c.txt"],
                           "content": [b"no image", None, b"x", b"y", IMAGES[0].read_bytes()],
                           "class": ["u", "v", "w", None, "z"]})
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    pomona.run("extract", "x.parquet", "results", "--model", small, "--label", "class", code=4)
    got = rows(tmp_path / "results")
    assert (got["path"], got["label"]) == (["c.txt"], ["z"])
    rejected = pyarrow.parquet.read_table(
        tmp_path / "results/features/_pomona/rejected.parquet").to_pydict()
    assert sorted(zip(rejected["path"], rejected["reason"])) == [
        ("", "missing"), ("a.jpg", "duplicate"), ("a.jpg", "not_an_image"), ("b.jpg", "missing")]


def test_parquet_without_the_columns_and_what_is_no_parquet(pomona, small, tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"path": ["a"], "bytes": [b""]}),
                                tmp_path / "x.parquet")
    done = pomona.run("extract", "x.parquet", "results", "--model", small, code=2)
    assert "no column 'content'" in done.stderr
    (tmp_path / "y.parquet").write_bytes(b"PAR1 is not enough")
    assert "cannot read" in pomona.run("extract", "y.parquet", "r", "--model", small, code=1).stderr


def test_a_manifest_in_a_bucket_names_what_is_there_and_what_is_not(pomona, small, bucket, image,
                                                                    tmp_path):
    bucket.put("deep/er/a b.jpg", image)
    bucket.put("elsewhere/é+%20.jpg", image)
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["path", "label"])
    names = ["er/a b.jpg", f"{bucket.uri}/elsewhere/é+%20.jpg", "er/missing.jpg", "",
             "s3://no-such-bucket-at-all/x.jpg"]
    for name in names[:4]:
        out.writerow([name, "l"])
    bucket.put("deep/list.csv", text.getvalue().encode())
    pomona.run("extract", bucket.uri + "/deep/list.csv", "results", "--model", small, code=4)
    assert rows(tmp_path / "results")["path"] == sorted(names[:2])
    # A local manifest may name images in buckets, too.
    (tmp_path / "local.csv").write_text(f"path\n{names[1]}\n{IMAGES[0]}\n")
    done = pomona.json("extract", "local.csv", "local", "--model", small)
    assert done["featured"] == 2
    (tmp_path / "wrong.csv").write_text(f"path\n{names[4]}\n")
    done = pomona.run("extract", "wrong.csv", "wrong", "--model", small, code=1)
    assert "there is no bucket" in done.stderr


def test_a_tar_in_a_bucket_that_is_replaced_is_computed_again(pomona, small, bucket, proxy,
                                                              tmp_path):
    make_tar(tmp_path / "x.tar")
    bucket.put("x.tar", (tmp_path / "x.tar").read_bytes())
    args = ("extract", bucket.uri + "/x.tar", "results", "--model", small, *RUN)
    pomona.run(*args)
    with tarfile.open(tmp_path / "x.tar", "a") as tar:
        info = tarfile.TarInfo("Lemon/more.jpg")
        data = IMAGES[0].read_bytes()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    bucket.put("x.tar", (tmp_path / "x.tar").read_bytes())
    done = pomona.json(*args)
    assert (done["computed"], done["kept"] + done["carried"]) == (1, len(IMAGES))
    proxy.requests.clear()
    assert pomona.json(*args)["kept"] == len(IMAGES) + 1
    # Its size and its only block, to see whether it is a tar and to list it.
    assert proxy.count(f"GET /{bucket.name}/x.tar") == 4
