"""The main job on Azure and Google Cloud Storage, against servers that speak their protocols."""
import pytest
from e2e_conftest import SAMPLES, Pomona

import other_servers
import test_run

RUN = ("--denoise", "none", "--part-images", "16")


@pytest.fixture(scope="module", params=[other_servers.Azure, other_servers.Google],
                ids=["azure", "google"])
def store(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    store = request.param(folder)
    store.upload(SAMPLES, "images")
    yield store
    store.close()


@pytest.fixture
def pomona(request, tmp_path, store):
    pomona = Pomona(request.config.getoption("--pomona").resolve(), tmp_path)
    pomona.env |= store.env
    return pomona


@pytest.fixture
def flags(store, small):
    return ("--endpoint-url", store.url, *getattr(store, "flags", ()))


def test_gives_what_a_folder_gives(pomona, store, flags, small, tmp_path):
    args = ("--model", small, *RUN)
    local = pomona.json("run", SAMPLES, "local", *args)
    remote = pomona.json("run", store.uri + "/images", store.uri + "/results", *args, *flags)
    for name in ("listed", "featured", "rejected", "computed"):
        assert remote["extract"][name] == local["extract"][name] > -1
    assert remote["reduce"] == local["reduce"]
    got = store.download("results", tmp_path / "downloaded")
    assert test_run.rows(got) == test_run.rows(tmp_path / "local")
    for name in ("pca/components.parquet", "plots/scree.svg"):
        assert (got / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    pomona.run("verify", store.uri + "/results", *flags)


def test_only_what_changed_is_computed(pomona, store, flags, small):
    args = ("extract", store.uri + "/images", store.uri + "/again", "--model", small, *RUN, *flags)
    listed = pomona.json(*args)["listed"]
    assert pomona.json(*args)["kept"] == listed
    image = next((SAMPLES / "Lemon").glob("*.jpg"))
    store.put("images/Lemon/new.jpg", image.read_bytes())
    done = pomona.json(*args)
    assert (done["kept"] + done["carried"], done["computed"]) == (listed, 1)
    store.put("images/Lemon/new.jpg", image.read_bytes() + b"0")
    done = pomona.json(*args)
    assert (done["replaced"], done["computed"]) == (1, 1)
    store.files.delete_file(f"{store.bucket}/images/Lemon/new.jpg")
    assert pomona.json(*args)["removed"] == 1
    pomona.run("verify", store.uri + "/again", *flags)


def test_what_cannot_be_read_is_one_sentence(pomona, store, flags, small):
    args = ("results", "--model", small, *flags)
    done = pomona.run("extract", store.missing, *args, code=3)
    assert "nowhere" in done.stderr and done.stderr.count("\n") == 1
    done = pomona.run("extract", store.uri + "/empty", *args, code=3)
    assert "empty" in done.stderr and done.stderr.count("\n") == 1
    if hasattr(store, "wrong"):
        pomona.env |= store.wrong
        done = pomona.run("extract", store.uri + "/images", *args, code=1)
        assert done.stderr.count("\n") == 1
        assert store.wrong["AZURE_STORAGE_KEY"] not in done.stderr
