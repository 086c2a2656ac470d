"""Precisions from the command line: what each CPU can, auto, and that threads change nothing."""
import json
import os
import shutil

import pyarrow.parquet as pq
import pytest

from conftest import SAMPLES, declarative, files

PRECISIONS = ("f32", "bf16", "int8")


@pytest.fixture
def cpu(pomona):
    """Which precisions this CPU has."""
    doctor = pomona.json("doctor")
    return {"f32": True, "bf16": doctor["bf16"], "int8": doctor["int8"]}


def manifest(pomona, results):
    return json.loads((pomona.folder / results / "features/_pomona/manifest.json").read_text())


def footers(pomona, results):
    parts = (pomona.folder / results / "features").glob("part-*.parquet")
    return [pq.read_schema(part).metadata for part in sorted(parts)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_change_no_byte(pomona, cpu, precision):
    args = ("--denoise", "none", "--part-images", "20", "--precision", precision)
    if not cpu[precision]:
        refused = pomona.run("extract", SAMPLES, "out", *args, code=2)
        assert "which this one has not" in refused.stderr and "use f32" in refused.stderr
        assert not (pomona.folder / "out").exists()
        return
    for threads in (1, 2, 5):
        done = pomona.json("extract", SAMPLES, f"out{threads}", *args, "--threads", str(threads))
        assert done["precision"] == precision and done["featured"] == 50
    assert files(pomona.folder / "out1") == files(pomona.folder / "out2")
    assert files(pomona.folder / "out1") == files(pomona.folder / "out5")


def test_more_threads_than_usable_cpus_change_no_byte(pomona):
    args = ("--denoise", "none", "--part-images", "20", "--threads")
    pomona.run("extract", SAMPLES, "all", *args, "1")
    one = {min(os.sched_getaffinity(0))}
    for threads in ("1", "3", "8"):
        pomona.run("extract", SAMPLES, threads, *args, threads,
                   preexec_fn=lambda: os.sched_setaffinity(0, one))
        assert files(pomona.folder / threads) == files(pomona.folder / "all")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_size_of_parts_changes_no_feature(pomona, cpu, precision):
    if not cpu[precision]:
        pytest.skip(f"this CPU has no {precision}")
    for size in ("7", "1024"):
        pomona.run("extract", SAMPLES, size, "--denoise", "none", "--part-images", size,
                   "--precision", precision)
    pomona.tool("columns.py", "same", "7", "1024", "path", "features")


def test_the_manifest_says_what_ran(pomona, cpu):
    if not cpu["int8"]:
        pytest.skip("this CPU has no VNNI")
    pomona.run("extract", SAMPLES, "out", "--denoise", "none", "--precision", "int8")
    model = manifest(pomona, "out")["model"]
    card = json.loads((declarative.ROOT / "models/efficientnet-lite0-int8.json").read_text())
    assert model["id"] == "efficientnet-lite0-int8" and model["precision"] == "int8"
    assert model["weights_sha256"] == card["weights"]["sha256"]
    refused = pomona.run("extract", SAMPLES, "out", "--denoise", "none", code=2)
    assert "model.id is efficientnet-lite0-int8 there and efficientnet-lite0 here" in refused.stderr


def test_auto_records_what_it_found(pomona, cpu):
    found = {}
    for threads in ("1", "2", "5"):
        done = pomona.json("extract", SAMPLES, threads, "--precision", "auto", "--denoise", "none",
                           "--threads", threads)
        choice = manifest(pomona, threads)["precision_choice"]
        assert choice["precision"] == done["precision"] == done["precision_choice"]["precision"]
        speeds = done["precision_choice"].pop("images_per_second")
        assert done["precision_choice"] == choice
        assert [json.loads(f[b"pomona.precision"]) for f in footers(pomona, threads)] == [choice]
        for candidate in choice["candidates"]:
            precision = candidate["precision"]
            assert ("agreement" in candidate) == cpu[precision]
            assert (speeds[precision] > 0) == cpu[precision]
            if cpu[precision]:
                assert candidate["agreement"]["images"] == 50
            else:
                assert "which this one has not" in candidate["unavailable"]
        chosen = {c["precision"]: c for c in choice["candidates"]}.get(choice["precision"])
        assert chosen is None or chosen["inside_budget"]
        found[threads] = choice["candidates"]
    assert found["1"] == found["2"] == found["5"]


def test_auto_shows_a_table(pomona):
    out = pomona.run("extract", SAMPLES, "out", "--precision", "auto", "--denoise", "none").stdout
    assert "precision auto: " in out and "what the others are compared with" in out
    assert all(f"    {p} " in out for p in PRECISIONS)


def test_a_dataset_keeps_its_precision(pomona, cpu):
    """Whatever auto finds later, and although a run adds images."""
    images = pomona.folder / "images"
    shutil.copytree(SAMPLES, images)
    moved = images / "Lemon"
    moved.rename(pomona.folder / "Lemon")
    pomona.run("extract", images, "out", "--precision", "auto", "--denoise", "none")
    before = manifest(pomona, "out")
    (pomona.folder / "Lemon").rename(moved)
    again = pomona.run("extract", images, "out", "--precision", "auto", "--denoise", "none")
    after = manifest(pomona, "out")
    assert f"precision {before['model']['precision']}: the features that are there" in again.stdout
    assert after["model"] == before["model"]
    assert after["precision_choice"] == before["precision_choice"]
    assert sum(part["rows"] for part in after["parts"]) == 50
    assert {f[b"pomona.precision"] for f in footers(pomona, "out")} == {
        json.dumps(before["precision_choice"], separators=(",", ":"), sort_keys=True).encode()}
    pomona.run("verify", "out")

    pomona.run("extract", images, "f32", "--denoise", "none")
    done = pomona.json("extract", images, "f32", "--denoise", "none", "--precision", "auto")
    assert done["precision"] == "f32" and done["kept"] == 50
    assert "precision_choice" not in manifest(pomona, "f32")


def test_auto_on_too_few_images_is_f32(pomona, cpu):
    done = pomona.json("extract", SAMPLES / "Lemon", "out", "--precision", "auto",
                       "--denoise", "none")
    assert done["precision"] == "f32"
    reason = manifest(pomona, "out")["precision_choice"]["reason"]
    if cpu["bf16"] or cpu["int8"]:
        assert reason == "10 usable images are too few to compare precisions on: 20 are needed"
    else:
        assert reason == "no other precision can run here"


def test_auto_on_bad_images(pomona, cpu):
    """Unusable images of the sample are counted, and rejected by the run as ever."""
    images = pomona.folder / "images"
    shutil.copytree(SAMPLES, images)
    for i in range(5):
        (images / f"Lemon/bad{i}.jpg").write_bytes(b"no image")
    done = pomona.json("extract", images, "out", "--precision", "auto", "--denoise", "none", code=4)
    assert done["featured"] == 50 and done["rejected"] == 5
    if cpu["bf16"] or cpu["int8"]:
        assert manifest(pomona, "out")["precision_choice"]["unusable"] == 5


def test_int8_that_is_not_there_says_how_to_make_it(pomona, cpu, small):
    if not cpu["int8"]:
        pytest.skip("this CPU has no VNNI")
    none = pomona.run("extract", SAMPLES, "out", "--model", small, "--precision", "int8", code=2)
    assert "pomona models quantize small IMAGES" in none.stderr
    done = pomona.json("extract", SAMPLES, "auto", "--model", small, "--precision", "auto",
                       "--denoise", "none")
    int8 = done["precision_choice"]["candidates"][-1]
    assert "has no int8 form" in int8["unavailable"]
    itself = pomona.run("extract", SAMPLES, "out", "--model", "efficientnet-lite0-int8", code=2)
    assert "use --precision int8, or --model efficientnet-lite0" in itself.stderr
    assert not (pomona.folder / "out").exists()


def test_int8_of_other_weights_is_refused(pomona, cpu):
    if not cpu["int8"]:
        pytest.skip("this CPU has no VNNI")
    for suffix in ("xml", "bin"):
        shutil.copy(declarative.ROOT / f"models/efficientnet-lite0.{suffix}",
                    pomona.folder / f"mine.{suffix}")
    with open(pomona.folder / "mine.xml", "a") as file:
        file.write("\n")
    refused = pomona.run("extract", SAMPLES, "out", "--weights", "mine.xml", "--precision", "int8",
                         code=2)
    assert "was made from other weights of 'efficientnet-lite0'" in refused.stderr
