"""Only what is new is read from the bucket, by the count of requests."""
import itertools
import random

import pyarrow.parquet

from test_faults import put_images
from test_run import manifest

OLD, NEW = 4000, 1000


def reads_of_images(proxy):
    paths = [r.split()[1] for r in proxy.requests if r.startswith("GET") and ".jpg" in r]
    proxy.requests.clear()
    return paths


def test_only_new_images_are_read(pomona, small, bucket, proxy, image, tmp_path):
    put_images(bucket, OLD + NEW)
    aside = tmp_path / "aside"
    aside.mkdir()
    everything = sorted((bucket.folder / "images").rglob("*.jpg"))
    new = random.Random(3).sample(everything, NEW)
    for path in new:
        path.rename(aside / path.name)
    args = ("run", bucket.uri + "/images", bucket.uri + "/results", "--model", small, "--denoise",
            "none")
    assert pomona.json(*args)["extract"]["computed"] == OLD
    assert len(reads_of_images(proxy)) == OLD

    for path in new:
        (aside / path.name).rename(path)
    done = pomona.json(*args)["extract"]
    assert (done["computed"], done["kept"] + done["carried"]) == (NEW, OLD)
    reads = reads_of_images(proxy)
    assert len(reads) == NEW
    assert {r.rsplit("/", 1)[1] for r in reads} == {path.name for path in new}

    # Another number of components asks for no image.
    pomona.run(*args, "--k", "3")
    assert reads_of_images(proxy) == []

    replaced, deleted = itertools.islice(bucket.keys("images"), 2)
    bucket.put(replaced, image + b"another")
    bucket.delete(deleted)
    done = pomona.json(*args)["extract"]
    assert (done["computed"], done["replaced"], done["removed"]) == (1, 1, 1)
    assert reads_of_images(proxy) == [f"/{bucket.name}/{replaced.replace(' ', '%20')}"]
    removed = [key for key in bucket.keys("results") if "_pomona/removed-" in key]
    assert len(removed) == 1
    (tmp_path / "removed.parquet").write_bytes(bucket.get(removed[0]))
    table = pyarrow.parquet.read_table(tmp_path / "removed.parquet").to_pydict()
    assert deleted.removeprefix("images/") in table["path"]
    assert sum(part["rows"] for part in manifest(bucket)["parts"]) == OLD + NEW - 1
