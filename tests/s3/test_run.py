"""The main job on buckets does what it does on folders."""
import json

import pyarrow.parquet

from e2e_conftest import SAMPLES

RUN = ("--denoise", "none", "--part-images", "16")
NASTY = ["with space.jpg", "café (NFC).jpg", "café (NFD).jpg", "🍎.jpg", "+&%#?=;:@!*'().jpg",
         "%20.jpg", "a+b.jpg", "tab\there.jpg", "new\nline.jpg", "a..jpg", "~.jpg", "日本.jpg",
         "back\\slash.jpg", '"quoted".jpg', "<&amp;>.jpg"]


def rows(folder):
    table = pyarrow.parquet.read_table(folder / "features")
    return table.drop_columns(["version"]).sort_by("path").to_pydict()


def manifest(bucket, results="results"):
    return json.loads(bucket.get(f"{results}/features/_pomona/manifest.json"))


def test_a_bucket_gives_what_a_folder_gives(pomona, small, bucket, tmp_path):
    bucket.upload(SAMPLES, "input_images")
    local = pomona.json("run", SAMPLES, "local", "--model", small, *RUN)
    remote = pomona.json("run", bucket.uri + "/input_images", bucket.uri + "/results", "--model",
                         small, *RUN)
    for name in ("listed", "featured", "rejected", "computed"):
        assert remote["extract"][name] == local["extract"][name] > -1
    assert remote["reduce"] == local["reduce"]
    got = bucket.download("results", tmp_path / "downloaded")
    assert rows(got) == rows(tmp_path / "local")
    theirs = {p.relative_to(got) for p in got.rglob("*") if p.is_file() and "part-" not in p.name}
    ours = {p.relative_to(tmp_path / "local") for p in (tmp_path / "local").rglob("*")
            if p.is_file() and "part-" not in p.name}
    assert theirs == ours
    for name in ("pca/components.parquet", "plots/scree.svg"):
        assert (got / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    pomona.run("verify", bucket.uri + "/results")

    again = pomona.json("run", bucket.uri + "/input_images", bucket.uri + "/results", "--model",
                        small, *RUN)["extract"]
    assert again["kept"] == again["listed"] and again["computed"] == 0


def test_local_images_into_a_bucket_and_back(pomona, small, bucket, tmp_path):
    pomona.run("run", SAMPLES, bucket.uri, "--model", small, *RUN)  # the bucket itself
    assert "features/_pomona/manifest.json" in bucket.keys()
    bucket.upload(SAMPLES / "Lemon", "images")
    done = pomona.json("extract", bucket.uri + "/images/", "here", "--model", small, *RUN)
    assert done["featured"] == len(list((SAMPLES / "Lemon").iterdir()))


def test_a_replaced_image_is_computed_again(pomona, small, bucket, image):
    bucket.upload(SAMPLES / "Lemon", "images")
    first = bucket.keys("images")[0]
    bucket.put(first, image + b"0")
    args = ("extract", bucket.uri + "/images", bucket.uri + "/results", "--model", small, *RUN)
    listed = pomona.json(*args)["listed"]
    bucket.put(first, image + b"1")  # of the same size, and maybe within the same second
    done = pomona.json(*args)
    assert (done["computed"], done["carried"], done["replaced"]) == (1, listed - 1, 1)
    bucket.delete(first)
    done = pomona.json(*args)
    assert (done["removed"], done["listed"]) == (1, listed - 1)


def test_more_than_two_pages_of_keys(pomona, small, bucket, proxy):
    for i in range(2500):  # as files, which is faster
        path = bucket.folder / f"images/{i % 3}/empty-{i:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    for i in range(1100):
        (bucket.folder / f"images/folder-{i}").mkdir()
        (bucket.folder / f"images/folder-{i}/a.txt").write_bytes(b"")
    done = pomona.json("extract", bucket.uri + "/images", "results", "--model", small, code=4)
    assert done["listed"] == done["rejected"] == 2500
    assert done["ignored"] == 1100
    assert proxy.count("GET") < 20, "a folder with little in it is no request of its own"


def test_keys_of_all_kinds(pomona, small, bucket, image, tmp_path):
    for name in NASTY:
        bucket.put("images/" + name, image)
        bucket.put(f"images/{name}.d/x.jpg", image)
    pomona.run("extract", bucket.uri + "/images", "results", "--model", small, *RUN)
    got = dict(zip(*(rows(tmp_path / "results")[c] for c in ("path", "label"))))
    assert got == {name: "images" for name in NASTY} | {f"{n}.d/x.jpg": f"{n}.d" for n in NASTY}


def test_hidden_names_and_results_are_passed_over(pomona, small, bucket, image):
    for key in ("a.jpg", ".hidden.jpg", ".git/a.jpg", "deep/.x/a.jpg", "deep/b.jpg",
                "old/features/_pomona/manifest.json", "old/plots/pca.png",
                "old/plots/more/pca.jpg"):
        bucket.put("images/" + key, image)
    bucket.files.create_dir(bucket.name + "/images/empty.jpg")  # an object with a slash at the end
    done = pomona.json("extract", bucket.uri + "/images", "results", "--model", small)
    assert done["featured"] == 2


def test_one_request_an_image_and_no_head(pomona, small, bucket, proxy):
    bucket.upload(SAMPLES, "images")
    n = pomona.json("extract", bucket.uri + "/images", "results", "--model", small, *RUN)["listed"]
    assert proxy.count("HEAD") == 0
    images = [r for r in proxy.requests if ".jpg" in r or ".png" in r]
    assert len(images) == len(set(images)) == n


def test_bad_images_are_rejected_as_they_are_locally(pomona, small, bucket, tmp_path):
    folder = SAMPLES.parent.parent / "tests/images"
    bucket.upload(folder, "images")
    local = pomona.json("extract", folder, "local", "--model", small, code=4)
    remote = pomona.json("extract", bucket.uri + "/images", bucket.uri + "/results", "--model",
                         small, code=4)
    assert (remote["featured"], remote["rejected"]) == (local["featured"], local["rejected"])
    table = [pyarrow.parquet.read_table(p / "features/_pomona/rejected.parquet")
             .drop_columns(["version"]).to_pydict()
             for p in (tmp_path / "local", bucket.download("results", tmp_path / "got"))]
    assert table[0] == table[1]


def test_auto_finds_what_it_finds_on_a_folder(pomona, small, bucket):
    bucket.upload(SAMPLES, "images")
    found = [pomona.json("extract", images, out, "--model", small, "--denoise", "none",
                         "--precision", "auto")["precision_choice"]["candidates"]
             for images, out in ((SAMPLES, "local"), (bucket.uri + "/images", "remote"))]
    assert found[0] == found[1] and len(found[0]) == 2
