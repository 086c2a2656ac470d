"""Writes sklearn_pca.npz: StandardScaler + PCA of scikit-learn, for src/pomona/reduce.

  pip install scikit-learn==1.9.1 && python make_sklearn_pca.py

scikit-learn's StandardScaler divides by n, Pomona's (and Spark ML's) by n - 1, so here `variance`
(PCA.explained_variance_, divisor n - 1) is n / (n - 1) times, and `projection` sqrt(n / (n - 1))
times, what Pomona gives. Ratios and components are the same.
"""

import pathlib

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
ROWS, COLUMNS, LATENT = 3000, 64, 8


def lcg(count):
    """`count` numbers of 10 bits; the test draws the same ones."""
    out = np.empty(count, np.uint32)
    state = 1
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state >> 22
    return out


def synthetic():
    """Correlated columns that float32 holds exactly, with the columns that go wrong."""
    drawn = lcg(ROWS * (LATENT + COLUMNS)).reshape(ROWS, -1).astype(np.float64)
    latent, noise = drawn[:, :LATENT], drawn[:, LATENT:]
    x = np.empty((ROWS, COLUMNS))
    for j in range(COLUMNS):
        x[:, j] = (j + 1) * latent[:, j % 8] + 3 * latent[:, (j + 3) % 8] + 5 * noise[:, j]
    x /= 1024
    x[:, 10] = 7.25  # constant
    x[:, 11] = 0  # constant
    x[:, 12] = 10000 + np.where(noise[:, 12] == 0, 2.0**-10, 0)  # one float32 step, now and then
    x[:, 13] = 10000 + noise[:, 13] / 256  # mean 1e4, deviation 1
    x[:, 14] = 1000000 + np.floor(noise[:, 14] / 16) / 16  # mean 1e6, deviation 1
    x[:, 15] = x[:, 20]  # a column twice
    single = x.astype(np.float32)
    assert np.array_equal(single, x)
    return single


def fit(x, keep, shown):
    x = x.astype(np.float64)
    scaler = StandardScaler().fit(x)
    pca = PCA(svd_solver="full").fit(scaler.transform(x))
    return {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "variance": pca.explained_variance_,
        "ratio": pca.explained_variance_ratio_,
        "components": np.ascontiguousarray(pca.components_[:keep]),
        "projection": np.ascontiguousarray(pca.transform(scaler.transform(x[:shown]))[:, :keep]),
        "k95": np.int64(PCA(0.95, svd_solver="full").fit(scaler.transform(x)).n_components_),
    }


def main():
    features = np.load(HERE / "features.npz")["efficientnet_lite0"]
    arrays = {f"features_{k}": v for k, v in fit(features, 10, 50).items()}
    x = synthetic()
    arrays |= {f"synthetic_{k}": v for k, v in fit(x, COLUMNS, 20).items()}
    arrays["synthetic_last_row"] = x[-1]
    np.savez_compressed(HERE / "sklearn_pca.npz", **arrays)


if __name__ == "__main__":
    main()
