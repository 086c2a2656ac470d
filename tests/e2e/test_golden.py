"""Features and components from the command line against other implementations (tests/golden)."""
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import GOLDEN, SAMPLES

PATHS = (GOLDEN / "paths.txt").read_text().splitlines()


def features_of(results):
    """The features of the sample images in the order of the golden ones, as float64."""
    table = pq.read_table(sorted((results / "features").glob("part-*.parquet")))
    by_path = dict(zip(table["path"].to_pylist(), table["features"].to_pylist()))
    return np.array([by_path[path] for path in PATHS])


@pytest.mark.parametrize("model, weights, golden", [
    ("efficientnet-lite0", None, "efficientnet_lite0"),
    ("resnet50", "resnet50.h5", "resnet50_keras"),
    ("resnet50-v1.5", "resnet50.pth", "resnet50_torchvision"),
    ("resnet50-v1.5", "resnet50.safetensors", "resnet50_torchvision"),
])
def test_features(pomona, model, weights, golden):
    """Cosine >= 0.99999 and relative error <= 1e-3 for every image (PyTorch's and Keras' values)."""
    args = ["--weights", pomona.path.parent / "test-weights" / weights] if weights else []
    pomona.run("extract", SAMPLES, "results", "--denoise", "none", "--model", model, *args)
    got = features_of(pomona.folder / "results")
    want = np.load(GOLDEN / "features.npz")[golden].astype(np.float64)
    norms = np.linalg.norm(got, axis=1), np.linalg.norm(want, axis=1)
    assert got.shape == want.shape
    assert ((got * want).sum(axis=1) / (norms[0] * norms[1])).min() >= 0.99999
    assert (np.linalg.norm(got - want, axis=1) / norms[1]).max() <= 1e-3


class Components:
    def __init__(self, results):
        self.model = json.loads((results / "pca/model.json").read_text())
        table = pq.read_table(results / "pca/components.parquet")
        self.loadings = np.array(table["loadings"].to_pylist())
        self.ratio = np.array(table["explained_ratio"].to_pylist())
        table = pq.read_table(results / "pca/projection.parquet")
        rows = dict(zip(table["path"].to_pylist(), table.drop(["path", "label"]).to_pylist()))
        self.projection = np.array([list(rows[path].values()) for path in PATHS])


@pytest.fixture
def reduced(pomona):
    pomona.run("run", SAMPLES, "results", "--denoise", "none", "--k", "10", "--part-images", "16")
    return Components(pomona.folder / "results")


def test_components_of_these_very_features(pomona, reduced):
    """To 1e-6 what numpy's SVD makes of the features that were written."""
    x = features_of(pomona.folder / "results")
    deviation = x.std(axis=0, ddof=1)
    z = (x - x.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    _, singular, vt = np.linalg.svd(z, full_matrices=False)
    ratio = singular**2 / (singular**2).sum()
    signs = np.sign((reduced.loadings * vt[:10]).sum(axis=1))
    assert np.abs(reduced.ratio - ratio[:10]).max() < 1e-6
    assert np.abs(reduced.loadings - signs[:, None] * vt[:10]).max() < 1e-6
    assert np.abs(reduced.projection - z @ reduced.loadings.T).max() < 1e-6
    largest = np.abs(reduced.loadings).argmax(axis=1)
    assert (np.take_along_axis(reduced.loadings, largest[:, None], axis=1) > 0).all()


def test_components_of_scikit_learn(reduced):
    """Of features that differ in their sixth digit; its scaler divides by n, ours by n - 1."""
    golden = np.load(GOLDEN / "sklearn_pca.npz")
    want = golden["features_components"]
    signs = np.sign((reduced.loadings * want).sum(axis=1))
    assert np.abs(reduced.ratio - golden["features_ratio"][:10]).max() < 1e-5
    assert np.abs(reduced.loadings - signs[:, None] * want).max() < 1e-3
    projection = golden["features_projection"] * signs * np.sqrt(49 / 50)
    assert np.abs(reduced.projection - projection).max() < 1e-3 * np.abs(projection).max()


def test_components_of_spark(reduced):
    golden = np.load(GOLDEN / "spark_pca.npz")
    want = golden["with_mean_pc"].T
    signs = np.sign((reduced.loadings[:6] * want).sum(axis=1))
    assert np.abs(reduced.ratio[:6] - golden["with_mean_explained"]).max() < 1e-5
    assert np.abs(reduced.loadings[:6] - signs[:, None] * want).max() < 1e-3
    projection = golden["with_mean_proj"] * signs
    assert np.abs(reduced.projection[:, :6] - projection).max() < 1e-3 * np.abs(projection).max()


def test_as_many_components_as_95_percent_need(pomona, reduced):
    done = pomona.json("reduce", "results", "--k", "0.95")
    assert done["k"] == np.load(GOLDEN / "sklearn_pca.npz")["features_k95"]
    assert 0.95 <= done["kept_variance"] < 0.96
