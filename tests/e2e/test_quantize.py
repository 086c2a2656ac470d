"""pomona models quantize: what is refused, and, where NNCF is installed, the whole way."""
import json
import shutil
import sys

import pytest
from PIL import Image, ImageOps

from conftest import SAMPLES, declarative, files

NNCF = declarative.ROOT / ".venv-quantize/bin/python"
ID = "efficientnet-lite0"


@pytest.fixture(autouse=True)
def needs_vnni(pomona):
    if not pomona.json("doctor")["int8"]:
        refused = pomona.run("models", "quantize", ID, SAMPLES, code=2)
        assert "AVX512-VNNI" in refused.stderr
        pytest.skip("this CPU has no VNNI")
    pomona.env["POMONA_PYTHON"] = sys.executable  # no NNCF in it


def quantize(pomona, images, *args, code):
    done = pomona.run("models", "quantize", ID, images, "--out", "cards", "--denoise", "none", *args,
                      code=code)
    assert code == 0 or not (pomona.folder / "cards").exists()
    return done


def test_one_image_is_no_calibration(pomona):
    images = pomona.folder / "images"
    images.mkdir()
    shutil.copy(next(SAMPLES.glob("Lemon/*.jpg")), images)
    for i in range(3):
        (images / f"bad{i}.jpg").write_bytes(b"no image")
    said = quantize(pomona, images, code=2).stderr
    assert "int8 needs 40 or more usable images" in said and "has 1 and 3 unusable ones" in said
    said = quantize(pomona, SAMPLES, "--images", "1", code=2).stderr
    assert "a calibration on 1 image says nothing" in said


def test_a_python_without_nncf_is_told(pomona):
    said = quantize(pomona, SAMPLES, code=1).stderr
    assert "No module named 'nncf'" in said and "scripts/setup quantize" in said


def test_no_python_is_told(pomona):
    pomona.env["POMONA_PYTHON"] = "/nonexistent/python"
    said = quantize(pomona, SAMPLES, code=2).stderr
    assert "/nonexistent/python" in said and "scripts/setup quantize" in said


def test_weights_that_are_not_there(pomona):
    pomona.run("models", "quantize", "resnet50", SAMPLES, code=1)


def test_int8_of_int8_is_refused(pomona):
    said = pomona.run("models", "quantize", ID + "-int8", SAMPLES, code=2).stderr
    assert "is int8 already" in said


def turned(folder):
    """400 images: the samples, mirrored and turned."""
    for path in SAMPLES.glob("*/*.jpg"):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        for turn in range(8):
            image = Image.open(path).rotate(90 * (turn % 4))
            image = ImageOps.mirror(image) if turn >= 4 else image
            image.save(folder / path.parent.name / f"{path.stem}-{turn}.png")


@pytest.mark.skipif(not NNCF.exists(), reason="NNCF is large: `make test-quantize` installs it")
def test_the_whole_way(pomona):
    """The card agrees with f32, is found, and runs."""
    pomona.env["POMONA_PYTHON"] = str(NNCF)
    turned(pomona.folder / "images")
    process = pomona.start("models", "quantize", ID, "images", "--out", "cards", "--denoise", "none",
                           "--json")
    out, said = process.communicate()  # minutes, on a busy machine
    assert process.returncode == 0, said
    done = json.loads(out)
    assert done["calibration"] == 267 and done["unusable"] == 0
    assert done["agreement"] == done["attempts"][-1]["agreement"]
    assert done["agreement"]["images"] == 133 and done["agreement"]["min_cosine"] >= 0.99
    first = files(pomona.folder / "cards")
    assert set(first) == {f"{ID}-int8.{suffix}" for suffix in ("json", "xml", "bin")}
    pomona.env["POMONA_MODELS"] = str(pomona.folder / "cards")
    shown = pomona.json("models", "info", ID + "-int8")
    assert shown["quantized_from"]["agreement"] == done["agreement"]
    ran = pomona.json("extract", SAMPLES, "out", "--precision", "int8", "--denoise", "none")
    model = json.loads((pomona.folder / "out/features/_pomona/manifest.json").read_text())["model"]
    assert ran["featured"] == 50
    assert model["weights_sha256"] == json.loads(first[f"{ID}-int8.json"])["weights"]["sha256"]
