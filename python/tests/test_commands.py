"""Commands as functions: what they write, give back and raise."""

import pathlib
import warnings

import pytest
from conftest import files

import pomona
from pomona._flags import to_args
from pomona._progress import _Bars, _Lines


def test_writes_what_the_command_writes(results, fruits, tmp_path):
    out = tmp_path / "results"
    result = pomona.run(fruits, out, part_images=20, progress=False)
    ours, theirs = files(out), files(results)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert result.extract.listed == result.extract.computed == result.extract.featured == 50
    assert result.extract.dimension == 1280 and result.extract.results == str(out)
    assert result.reduce.k == 6 == len(result.reduce.explained_ratio)
    assert result.plots == ["plots/scree.svg", "plots/scree.png", "plots/pca.svg", "plots/pca.png"]


def test_extract_counts_what_it_did(fruits, tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for i, path in enumerate(sorted(fruits.glob("*/*.jpg"))[:4]):
        (images / f"{i}.jpg").write_bytes(path.read_bytes())
    (images / "4.jpg").write_bytes(b"not an image")
    first = pomona.extract(str(images), str(out), denoise="none", progress=False)
    assert (first.listed, first.featured, first.rejected, first.computed) == (5, 4, 1, 5)
    (images / "0.jpg").unlink()
    second = pomona.extract(images, out, denoise="none", progress=False)
    assert (second.listed, second.removed, second.carried, second.computed) == (4, 1, 4, 0)
    table = pomona.Dataset(out).rejected()
    assert table.select(["path", "reason"]).to_pylist() == [
        {"path": "4.jpg", "reason": "not_an_image"}
    ]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"denoise": "blur"}, "blur"),
        ({"no_such_flag": 1}, "--no-such-flag"),
        ({"weights": ""}, "no file"),
        ({"part_images": 0}, "--part-images"),
        ({"model": "resnet51"}, "no model resnet51"),
        ({"precision": "f16"}, "f16"),
    ],
)
def test_flags_are_checked_as_the_command_checks_them(flags, says, fruits, tmp_path):
    with pytest.raises(pomona.UsageError, match=says) as raised:
        pomona.extract(fruits, tmp_path / "out", progress=False, **flags)
    assert isinstance(raised.value, ValueError)
    assert not (tmp_path / "out").exists()


def test_errors_have_their_types(fruits, results, tmp_path):
    with pytest.raises(pomona.NothingToRead, match="there is no"):
        pomona.extract(tmp_path / "nowhere", tmp_path / "out", progress=False)
    with pytest.raises(pomona.NothingToRead, match="no features"):
        pomona.reduce(tmp_path, progress=False)
    with pytest.raises(pomona.UsageError, match="at most 1280"):
        pomona.reduce(results, k=1281, progress=False)
    with pytest.raises(pomona.UsageError, match="denoise"):  # another recipe than what is there
        pomona.extract(fruits, results, denoise="none", progress=False)
    with pytest.raises(pomona.PomonaError, match="models pull resnet50") as raised:
        pomona.extract(fruits, tmp_path / "out", model="resnet50", progress=False)
    assert not isinstance(raised.value, ValueError)
    assert not (tmp_path / "out").exists()


def test_a_path_that_looks_like_a_flag(fruits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("--images").symlink_to(fruits)
    assert pomona.extract("--images", "-out", denoise="none", progress=False).featured == 50
    assert len(pomona.Dataset("-out")) == 50


def test_names_that_are_not_utf8(fruits, paths, tmp_path):
    images = tmp_path / b"caf\xe9".decode(errors="surrogateescape")
    images.mkdir()
    (images / "a.jpg").write_bytes(paths[0].read_bytes())
    out = tmp_path / b"r\xe9sultats".decode(errors="surrogateescape")
    assert pomona.extract(images, out, denoise="none", progress=False).featured == 1
    assert len(pomona.Dataset(out)) == 1


def test_reduce_plot_verify_gc(fruits, tmp_path):
    pomona.extract(fruits, tmp_path, denoise="none", progress=False)
    assert pomona.reduce(tmp_path, k=3, progress=False).k == 3
    assert all((tmp_path / name).is_file() for name in pomona.plot(tmp_path).plots)
    assert pomona.verify(tmp_path, progress=False)
    stray = tmp_path / "features" / f"part-{'0' * 32}.parquet"
    stray.write_bytes(b"of an interrupted run")
    assert pomona.gc(tmp_path, dry_run=True).removed == [f"features/{stray.name}"]
    assert stray.exists()
    assert pomona.gc(tmp_path).removed == [f"features/{stray.name}"]
    assert not stray.exists()

    (part,) = (tmp_path / "features").glob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    verdict = pomona.verify(tmp_path, progress=False)
    assert not verdict and not verdict.ok
    assert part.name in verdict.problems[0]


def test_models_and_doctor():
    by_id = {model.id: model for model in pomona.models()}
    assert by_id["efficientnet-lite0"].ready and by_id["efficientnet-lite0"].dimension == 1280
    assert by_id["resnet50"].dimension == 2048
    report = pomona.doctor()
    assert len(report["libtbb"]) == 1 and "openvino/libs" in report["libtbb"][0]
    with pytest.raises(pomona.UsageError, match="no URI of a bucket"):
        pomona.doctor("a/folder")


def test_results_show_themselves():
    models = pomona.models()
    assert "efficientnet-lite0" in models._repr_html_() and "<th>id</th>" in models._repr_html_()
    result = pomona.VerifyResult({}, False, 1, 2, 3, 4, ["<part> is gone"], [])
    assert "&lt;part&gt; is gone" in result._repr_html_()
    assert repr(result).startswith("VerifyResult(ok=False, parts=1")


def test_to_args():
    assert to_args(threads=2, label=None, sandbox=False) == ["--threads=2"]
    assert to_args(weights=pathlib.Path("a b/-c.h5")) == ["--weights=a b/-c.h5"]
    assert to_args(weights="", k=0.95) == ["--weights", "", "--k=0.95"]


def test_progress_is_told_to_a_function(fruits, tmp_path):
    told = []
    pomona.run(fruits, tmp_path, denoise="none", progress=lambda *what: told.append(what))
    assert ("features", 50, 50, 0) in told and ("projection", 50, 50, 0) in told
    for stage in {stage for stage, *_ in told}:
        done = [d for s, d, *_ in told if s == stage]
        assert done == sorted(done)


def test_what_progress_raises_ends_the_run(fruits, tmp_path):
    def no(stage, done, total, rejected):
        raise ZeroDivisionError(stage)

    with pytest.raises(ZeroDivisionError):
        pomona.extract(fruits, tmp_path, progress=no)
    assert pomona.extract(fruits, tmp_path, progress=False).featured == 50


def test_warnings_are_pythons(tmp_path, fruits):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(3):
        (images / f"{i}.jpg").write_bytes(next(fruits.glob("*/*.jpg")).read_bytes() + b"\0" * i)
    out = tmp_path / "out"
    pomona.extract(images, out, denoise="none", progress=False)
    with pytest.warns(UserWarning, match="component"):
        pomona.reduce(out, k=5, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            pomona.reduce(out, k=5, progress=False)


def test_lines_come_every_ten_seconds(capsys, monkeypatch):
    import sys

    lines = _Lines(sys.stderr)
    lines("features", 1, 2000, 0)
    assert capsys.readouterr().err == ""
    lines._said -= lines.SECONDS
    lines("features", 1500, 2000, 3)
    assert capsys.readouterr().err == "pomona: features: 1,500 of 2,000, 3 rejected\n"


def test_a_bar_for_each_stage(capsys):
    tqdm = pytest.importorskip("tqdm").tqdm
    bars = _Bars(tqdm)
    bars("listing", 10, 0, 0)
    bars("features", 4, 10, 0)
    bars("features", 10, 10, 1)
    bars.close()
    shown = capsys.readouterr().err
    assert "listing" in shown and "10/10" in shown and "rejected=1" in shown
