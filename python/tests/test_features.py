"""FeatureExtractor: the command's features, from whatever holds an image."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import pomona
from pomona import _native


@pytest.fixture(scope="module")
def extractor():
    return pomona.FeatureExtractor()


@pytest.fixture(scope="module")
def quick():
    return pomona.FeatureExtractor(denoise="none")


@pytest.fixture(scope="module")
def expected(results):
    return pomona.Dataset(results).features()


def rgb(path):
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(
    "hold",
    [
        lambda path: path,
        str,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        Image.open,
        rgb,
        lambda path: rgb(path)[:, ::-1][:, ::-1],  # not contiguous
    ],
    ids=["Path", "str", "bytes", "bytearray", "memoryview", "PIL", "array", "strided"],
)
def test_is_the_commands_feature_bit_for_bit(hold, extractor, paths, expected):
    x = extractor.transform([hold(path) for path in paths])
    assert x.dtype == np.float32
    assert np.array_equal(x, expected)


def test_other_flags_are_the_commands_too(command, fruits, paths, tmp_path):
    flags = {"denoise": "median", "resize": "area", "precision": "f32", "jpeg_policy": "warn"}
    command("extract", fruits, tmp_path, "--denoise=median", "--resize=area", "--jpeg-policy=warn")
    x = pomona.FeatureExtractor(**flags, threads=1, sandbox=True, memory="4GB").transform(paths)
    assert np.array_equal(x, pomona.Dataset(tmp_path).features())


def test_pil_images_are_turned_and_laid_over_white(quick):
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    with_alpha = Image.fromarray(noise)
    file = io.BytesIO()
    with_alpha.save(file, "png")
    turned = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
    turned.getexif()[0x0112] = 6
    by_hand = np.asarray(ImageOps.exif_transpose(turned))
    x = quick.transform([with_alpha, file.getvalue(), turned, by_hand])
    assert np.allclose(x[0], x[1], atol=1e-4)  # alpha is rounded elsewhere
    assert np.array_equal(x[2], x[3])


def test_orders_and_threads_change_nothing(quick, paths):
    x = quick.transform(paths)
    assert np.array_equal(quick.transform(paths[::-1]), x[::-1])
    assert np.array_equal(pomona.FeatureExtractor(denoise="none", threads=5).transform(paths), x)


def test_no_image_is_no_row(quick):
    assert quick.transform([]).shape == (0, 1280)


def test_collections(quick, paths):
    pa = pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    contents = [path.read_bytes() for path in paths[:3]]
    x = quick.transform(contents)
    stack = np.stack([rgb(path) for path in paths[:3]])
    for images in (
        iter(contents),
        tuple(contents),
        pa.array(contents),
        pa.chunked_array([contents[:1], contents[1:]]),
        pd.Series(contents),
        np.array([str(path) for path in paths[:3]], dtype=object),
        stack,
    ):
        assert np.array_equal(quick.transform(images), x), type(images)


BAD = [
    (None, "missing: there is no content"),
    (b"", "empty"),
    (b"GIF89a" + bytes(50), "unsupported_format"),
    ("/nonexistent.jpg", "missing: there is no such file"),
    ("/dev/null", "not_a_file"),
    (np.zeros((0, 5, 3), np.uint8), "empty"),
]


@pytest.mark.parametrize(("image", "why"), BAD)
def test_an_image_without_a_feature(image, why, quick, paths):
    with pytest.raises(pomona.PomonaError, match=why) as raised:
        quick.transform([paths[0], image, paths[1], image])
    assert str(raised.value).startswith("image 1 (") and "2 of 4 have none" in str(raised.value)
    x, errors = quick.featurize([paths[0], image])
    assert errors[0] is None and errors[1].startswith(why)
    assert np.isfinite(x[0]).all() and np.isnan(x[1]).all()


def test_rows_of_nan(paths):
    truncated = paths[0].read_bytes()[:2000]
    x = pomona.FeatureExtractor(denoise="none", errors="nan").transform([truncated, paths[1]])
    assert np.isnan(x[0]).all() and np.isfinite(x[1]).all()


@pytest.mark.parametrize(
    "image",
    [
        3,
        object(),
        np.zeros((5, 5, 3)),  # floats
        np.zeros((5, 5), np.uint8),  # grey
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((2, 5, 5, 3), np.uint8),
        Image.new("I;16", (5, 5)),
        Image.new("F", (5, 5)),
        "s3://bucket/image.jpg",
        ["nested"],
    ],
)
def test_what_is_no_image_at_all(image, quick, paths):
    with pytest.raises(pomona.UsageError):
        quick.transform([paths[0], image])


@pytest.mark.parametrize("alone", ["a.jpg", b"bytes", np.zeros((5, 5, 3), np.uint8)])
def test_a_single_image_is_no_list(alone, quick):
    with pytest.raises(pomona.UsageError, match="give a list"):
        quick.transform(alone)


@pytest.mark.parametrize(
    ("params", "error", "says"),
    [
        ({"model": "nothing"}, pomona.UsageError, "no model nothing"),
        ({"model": "resnet50"}, pomona.PomonaError, "models pull resnet50"),
        ({"weights": "/nonexistent.h5"}, pomona.PomonaError, "/nonexistent.h5"),
        ({"precision": "auto"}, pomona.UsageError, "auto"),
        ({"errors": "ignore"}, pomona.UsageError, "'raise' or 'nan'"),
        ({"threads": 0}, pomona.UsageError, "--threads"),
    ],
)
def test_wrong_parameters(params, error, says, paths):
    with pytest.raises(error, match=says):
        pomona.FeatureExtractor(**params).fit().transform(paths[:1])


def test_limits(paths):
    with pytest.raises(pomona.PomonaError, match="too_large"):
        pomona.FeatureExtractor(max_pixels=9_999).transform(paths[:1])
    with pytest.raises(pomona.PomonaError, match="too_large"):
        pomona.FeatureExtractor(max_bytes=1_000).transform(paths[:1])


def test_is_an_estimator(quick, paths):
    x = quick.transform(paths[:2])
    for other in (clone(quick), pickle.loads(pickle.dumps(quick))):
        assert other.get_params() == quick.get_params()
        assert np.array_equal(other.transform(paths[:2]), x)
    quick_again = clone(quick).set_params(resize="bicubic")
    assert not np.array_equal(quick_again.transform(paths[:2]), x)
    assert quick.get_feature_names_out()[-1] == "feature1279"
    assert quick.description["recipe"]["denoise"] == "none"
    pipeline = make_pipeline(
        pomona.FeatureExtractor(denoise="none"), pomona.StandardScaler(), pomona.PCA(2)
    )
    assert pipeline.fit_transform(paths[:9]).shape == (9, 2)
    assert clone(pipeline).fit(paths[:9]).transform(paths[9:12]).shape == (3, 2)


def test_batches_of_a_stream_come_out_in_order(paths):
    network = _native.Featurizer(["--denoise=none", "--threads=2"])
    expected, _ = network.featurize([str(path) for path in paths])
    stream = network.stream()
    contents = [path.read_bytes() for path in paths]
    stream.put(contents[:20])
    stream.put([])
    stream.put([None, *contents[20:]])
    first, errors = stream.take()
    assert np.array_equal(first, expected[:20]) and errors == [None] * 20
    assert stream.take()[1] == []
    rest, errors = stream.take()
    assert np.array_equal(rest[1:], expected[20:])
    assert errors[0] == "missing: there is no content"
    with pytest.raises(pomona.UsageError, match="no batch"):
        stream.take()
    stream.put(contents)  # left behind


def test_progress_counts_over_chunks(monkeypatch, paths):
    monkeypatch.setattr("pomona._estimators._CHUNK", 20)
    told = []
    extractor = pomona.FeatureExtractor(denoise="none", progress=lambda *what: told.append(what))
    extractor.featurize([*paths, None])
    assert told[-1] == ("features", 51, 51, 1)
    assert [t[1] for t in told] == sorted(t[1] for t in told)


def test_native_describes_itself():
    assert _native.Featurizer([]).dimension == 1280
    with pytest.raises(TypeError):
        _native.Featurizer("--threads=1")
