"""Applications of their own: spark-submit, several at a time, workers that lack something."""
import json
import os
import pathlib
import subprocess
import threading

import numpy as np
import pyarrow.parquet
import pytest

import cluster as spark_cluster
from conftest import PACKAGE, ROOT, credentials, e2e, settings
from pomona import Conflict, __version__
from pomona.spark import ImageFeaturizer, __main__, extract

APPLICATION = ROOT / "python/pomona/spark/__main__.py"
HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture
def submit(cluster, server, folder, tmp_path):
    """submit(script, *args, **settings): what came of an application on the cluster."""

    def run(script, *args, code=0, **more):
        chosen = settings(cluster, server, folder) | more
        words = [f"--conf={key}={value}" for key, value in chosen.items()]
        done = subprocess.run(
            [spark_cluster.HOME / "bin/spark-submit", *words, script, *map(str, args)],
            cwd=tmp_path, capture_output=True, text=True, timeout=e2e.TIMEOUT_SECONDS,
            env=spark_cluster.environment(PYTHONPATH=PACKAGE) | credentials(server))
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def test_of_two_applications_one_wins_and_the_other_says_so(spark, submit, many, small, tmp_path,
                                                            pomona):
    """The same images in parts of other sizes: another outcome. The second application runs from
    start to end while this one waits before its commit."""
    results = tmp_path / "results"
    second = []

    def meanwhile(stage, done, total, rejected):
        if stage == "features" and not second:
            second.append(submit(APPLICATION, "run", many, results, "--model", "small.json",
                                 "--denoise=none", "--part-images", 16, "--k=2", "--json", code=4))

    flags = {"model": tmp_path / "small.json", "denoise": "none"}
    with pytest.raises(Conflict, match="another run committed"):
        extract(spark, many, results, part_images=8, progress=meanwhile, **flags)
    answer = json.loads(second[0].stdout.splitlines()[-1])  # spark-submit puts stderr before it
    done = answer["extract"]  # the last six images are a part of both, so it may be resumed
    assert done["computed"] + done["resumed"] == 310 and answer["reduce"]["k"] == 2
    pomona.run("verify", "results")
    # What the second committed is all there is to do.
    again = extract(spark, many, results, part_images=8, progress=False, **flags)
    assert again.kept == 310 and again.computed == 0


def test_two_that_do_the_same_agree(spark, many, small, tmp_path, pomona):
    ends = []

    def run():
        ends.append(extract(spark, many, tmp_path / "results", model=tmp_path / "small.json",
                            part_images=16, denoise="none", progress=False))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.featured for end in ends] == [300, 300]
    pomona.run("verify", "results")


def test_workers_without_pomona_or_with_another(submit, tmp_path, many, small):
    """The folder is the executors' PYTHONPATH: empty at first, then with another version."""
    packages = tmp_path / "packages"
    packages.mkdir()
    done = submit(HERE / "wrong_workers.py", many, tmp_path / "small.json", packages,
                  **{"spark.executorEnv.PYTHONPATH": str(packages), "spark.task.maxFailures": "1"})
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == {"none: files", "none: images", "none: scaler", "other: files",
                         "other: scaler"}
    for what, message in told.items():
        assert message.startswith("the worker on "), (what, message)
        assert f"install pomona {__version__} on every worker" in message
        assert ("has pomona 0.0.1" if what.startswith("other") else "No module named") in message
        assert len(message.splitlines()) == 1


def test_images_to_vectors_through_hadoops_s3a(spark, bucket, many, small, tmp_path, pomona):
    """binaryFile -> ImageFeaturizer -> Parquet, all by s3a://: the numbers of the command."""
    for path in (many / "0").rglob("*.jpg"):
        bucket.put(f"images/{path.parent.name}/{path.name}", path.read_bytes())
    root = bucket.uri.replace("s3:", "s3a:")
    images = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(
        f"{root}/images")
    stage = ImageFeaturizer(model=str(tmp_path / "small.json"), denoise="none", outputType="array")
    stage.transform(images).drop("content").write.parquet(f"{root}/features")

    pomona.run("extract", many / "0", "expected", "--model", small, "--denoise", "none", code=4)
    expected = pyarrow.parquet.read_table(tmp_path / "expected/features")
    expected = dict(zip(expected["path"].to_pylist(), expected["features"].to_pylist(),
                        strict=True))
    found = pyarrow.parquet.read_table(bucket.download("features", tmp_path / "downloaded"))
    rows = found.to_pylist()
    images = [path for path in (many / "0").rglob("*.jpg") if path.stat().st_size]
    assert len(rows) == len(images) == 51  # binaryFile passes over empty files
    for row in rows:
        name = "/".join(row["path"].split("/")[-2:])
        assert (row["features"] is None) == (row["error"] is not None) == (name not in expected)
        if name in expected:
            assert np.array_equal(row["features"], expected[name])


def test_help_and_mistakes_need_no_cluster(capsys):
    assert __main__.main(["--help"]) == 0
    assert "spark-submit" in capsys.readouterr().out
    assert __main__.main(["--version"]) == 0
    assert __main__.main([]) == 2
    assert __main__.main(["map", "x"]) == 2
    assert __main__.main(["extract", "--k=3", "x"]) == 2
    assert "extract takes IMAGES RESULTS before flags" in capsys.readouterr().err


def test_flags_are_one_word_each():
    assert __main__._parse(["run", "a", "b", "--k", "6", "--sandbox", "--denoise=nlm:3"]) == (
        "run", ["a", "b"], ["--k=6", "--sandbox", "--denoise=nlm:3"])
    assert os.access(APPLICATION, os.R_OK)
