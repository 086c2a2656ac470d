"""StandardScaler and PCA beside scikit-learn's, and as scikit-learn wants estimators."""

import pickle
import warnings

import numpy as np
import pytest
import sklearn.decomposition
import sklearn.preprocessing
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import pomona
from pomona import _native


# Its checks make data without variance, and warn when they skip.
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([pomona.StandardScaler(), pomona.StandardScaler(ddof=0), pomona.PCA()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def x(results):
    return pomona.Dataset(results).features()


def table(rows=500, columns=30, seed=3):
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 5)) @ random.normal(size=(5, columns)) + random.normal(
        size=(rows, columns)
    )


def same_up_to_sign(ours, theirs, tolerance):
    signs = np.sign((ours * theirs).sum(axis=0))
    assert np.abs(ours - theirs * signs).max() <= tolerance * np.abs(theirs).max()


def test_scaler_is_scikit_learns_but_for_the_divisor(x):
    theirs = sklearn.preprocessing.StandardScaler().fit(x.astype(np.float64))
    ours = pomona.StandardScaler(ddof=0).fit(x)
    assert np.allclose(ours.mean_, theirs.mean_, rtol=1e-12, atol=1e-15)
    assert np.allclose(ours.scale_, theirs.scale_, rtol=1e-12)
    assert np.allclose(ours.var_, theirs.var_, rtol=1e-12, atol=1e-15)
    sample = pomona.StandardScaler().fit(x)
    varies = ours.var_ > 0
    assert np.allclose(sample.scale_[varies], ours.scale_[varies] * np.sqrt(50 / 49), rtol=1e-12)
    assert (sample.scale_[~varies] == 1).all() and (~varies).sum() == 48
    z = sample.transform(x.astype(np.float64))
    assert np.allclose(z[:, varies].std(axis=0, ddof=1), 1)
    assert np.allclose(sample.inverse_transform(z), x, atol=1e-6)
    assert sample.transform(x).dtype == np.float32


def test_batches_are_as_one():
    a = table()
    whole = pomona.StandardScaler().fit(a)
    batches = pomona.StandardScaler()
    for part in np.array_split(a, 7):
        batches.partial_fit(part)
    assert batches.n_samples_seen_ == 500
    assert np.allclose(batches.mean_, whole.mean_, rtol=1e-13)
    assert np.allclose(batches.scale_, whole.scale_, rtol=1e-13)


def test_a_large_mean_costs_no_digits():
    a = table()
    scaler = pomona.StandardScaler().fit(a + 1e8)
    assert np.allclose(scaler.scale_, a.std(axis=0, ddof=1), rtol=1e-7)
    pca = pomona.PCA(3).fit(a + 1e8)
    assert np.allclose(pca.explained_variance_, pomona.PCA(3).fit(a).explained_variance_, rtol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(500, 30), (20, 100), (300, 300)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pca_is_scikit_learns(rows, columns, dtype):
    a = table(rows, columns).astype(dtype)
    theirs = sklearn.decomposition.PCA(5, svd_solver="full").fit(a.astype(np.float64))
    ours = pomona.PCA(5).fit(a)
    assert np.allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-10)
    assert np.allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-10)
    assert np.allclose(ours.singular_values_, theirs.singular_values_, rtol=1e-10)
    assert np.allclose(ours.mean_, theirs.mean_, atol=1e-12)
    same_up_to_sign(ours.components_.T, theirs.components_.T, 1e-9)
    same_up_to_sign(ours.transform(a), theirs.transform(a.astype(np.float64)), 1e-9)
    largest = np.abs(ours.components_).argmax(axis=1)
    assert (ours.components_[range(5), largest] > 0).all()
    assert np.allclose(
        ours.inverse_transform(ours.transform(a)),
        theirs.inverse_transform(theirs.transform(a.astype(np.float64))),
        atol=1e-9,
    )


def test_standardize_is_a_scaler_before(x):
    once = pomona.PCA(4, standardize=True).fit(x)
    twice = make_pipeline(pomona.StandardScaler(), pomona.PCA(4)).fit(x.astype(np.float64))
    theirs = make_pipeline(
        sklearn.preprocessing.StandardScaler(), sklearn.decomposition.PCA(4, svd_solver="full")
    ).fit(x.astype(np.float64))
    projected = once.transform(x)
    same_up_to_sign(projected, twice.transform(x.astype(np.float64)), 1e-10)
    scale = np.sqrt(49 / 50)  # scikit-learn's scaler divides by n
    same_up_to_sign(projected, theirs.transform(x.astype(np.float64)) * scale, 1e-9)
    assert np.allclose(once.inverse_transform(projected).mean(axis=0), x.mean(axis=0), atol=1e-5)


def test_is_what_reduce_writes(x, results):
    written = pomona.Dataset(results).pca()
    ours = pomona.PCA(6, standardize=True).fit(x)
    assert np.allclose(ours.components_, written.components, atol=1e-12)
    assert np.allclose(ours.scale_, written.scale, rtol=1e-14)


def test_a_share_of_the_variance():
    a = table()
    for share in (0.3, 0.9, 0.999):
        ours = pomona.PCA(share).fit(a)
        assert ours.n_components_ == sklearn.decomposition.PCA(share).fit(a).n_components_


def test_fewer_components_than_asked_for():
    a = np.outer(np.arange(10.0), [1, 2, 3])
    with pytest.warns(UserWarning, match="1 components of any variance, not 3"):
        pca = pomona.PCA(3).fit(a)
    assert pca.n_components_ == 1 and pca.transform(a).shape == (10, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pomona.PCA().fit(a).n_components_ == 1


@pytest.mark.parametrize("k", [0, -1, 4, 1.0, 1.5, 0.0, "mle", True, float("nan")])
def test_wrong_numbers_of_components(k):
    with pytest.raises(ValueError, match="n_components is"):
        pomona.PCA(k).fit(table(10, 3))


@pytest.mark.parametrize(
    "bad",
    [
        [[1.0, np.nan], [2, 3]],
        [[1.0, np.inf], [2, 3]],
        [["a", "b"], ["c", "d"]],
        [[1.0, 2], [3]],
        [1.0, 2.0],
        [[1.0, 2.0]],
        np.empty((0, 3)),
    ],
)
def test_bad_tables(bad):
    with pytest.raises(ValueError):
        pomona.PCA(1).fit(bad)


def test_other_columns_than_fitted():
    for estimator in (pomona.PCA(1), pomona.StandardScaler()):
        with pytest.raises(ValueError, match="3 features"):
            estimator.fit(table(9, 4)).transform(table(9, 3))


def test_clone_and_pickle():
    a = table()
    for estimator in (pomona.PCA(3), pomona.StandardScaler()):
        fitted = estimator.fit(a)
        again = pickle.loads(pickle.dumps(fitted))
        assert np.array_equal(again.transform(a), fitted.transform(a))
        assert not hasattr(clone(fitted), "mean_")
    scaler = pickle.loads(pickle.dumps(pomona.StandardScaler().fit(a[:100]))).partial_fit(a[100:])
    assert np.allclose(scaler.scale_, a.std(axis=0, ddof=1), rtol=1e-13)


def test_names_and_data_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(table(20, 3), columns=["a", "b", "c"])
    assert list(pomona.PCA(2).fit(frame).get_feature_names_out()) == ["pca0", "pca1"]
    scaled = pomona.StandardScaler().set_output(transform="pandas").fit_transform(frame)
    assert list(scaled.columns) == ["a", "b", "c"]


def test_native_moments_merge_exactly():
    a = table(700, 8)
    whole, left, right = (_native.Moments(8) for _ in range(3))
    whole.add(a)
    left.add(a[:300].copy())
    right.add(a[300:].copy())
    left.merge(_native.Moments.from_bytes(right.to_bytes()))
    assert left.n == whole.n == 700 and left.dimension == 8
    assert np.allclose(left.mean, whole.mean, rtol=1e-13)
    left.merge(left)
    assert left.n == 1400
    one, other = (_native.fit_pca(m, "8", standardize=False) for m in (whole, left))
    assert np.allclose(other.variance * (1399 / 1400), one.variance * (699 / 700), rtol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.add(np.zeros((2, 5))),
        lambda m: m.merge(_native.Moments(4)),
        lambda m: _native.Moments(0),
        lambda m: _native.fit_pca(m, "4"),
        lambda m: _native.fit_pca(m, "x"),
        lambda m: _native.fit_scaler(m),
    ],
)
def test_native_misuse(call):
    with pytest.raises(pomona.UsageError):
        call(_native.Moments(3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: _native.Moments(3).add(np.zeros((2, 3), np.int64)),
        lambda: _native.Moments(3).add(np.zeros((3, 2)).T),
        lambda: _native.Moments(3).add(None),
        lambda: _native.Moments.from_bytes("text"),
    ],
)
def test_native_types_are_not_converted(call):
    with pytest.raises(TypeError):
        call()


def test_damaged_bytes():
    whole = _native.Moments(3)
    whole.add(table(9, 3))
    for of, make in ((whole, _native.Moments), (_native.fit_pca(whole, "2"), _native.Pca)):
        data = of.to_bytes()
        assert make.from_bytes(data).to_bytes() == data
        for damaged in (b"", data[:-1], data[: len(data) // 2], b"\xff" + data[1:]):
            with pytest.raises(pomona.PomonaError):
                make.from_bytes(damaged)
