"""Writes agreement.npz: how far two sets of features agree, by scikit-learn and SciPy, for
src/pomona/precision.

  pip install scikit-learn==1.9.1 scipy==1.17.1 && python make_agreement.py

`truncated`: the features of the sample images, and the same cut to bfloat16's 16 bits. `noisy`: 300
x 40 drawn numbers (make_sklearn_pca.py's generator), and the same with half of others added. The
tests make the same matrices. Each array is mean cosine, least cosine, share of the 10 nearest
neighbours kept, largest principal angle in degrees of 6 components.
"""

import pathlib

import numpy as np
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import paired_cosine_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from make_sklearn_pca import lcg

HERE = pathlib.Path(__file__).parent


def neighbours(x):
    return NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(x).kneighbors(
        return_distance=False)


def subspace(x):
    return PCA(6, svd_solver="full").fit(StandardScaler().fit_transform(x)).components_.T


def agreement(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    cosine = 1 - paired_cosine_distances(a, b)
    kept = np.mean([len(np.intersect1d(p, q)) / 10 for p, q in zip(neighbours(a), neighbours(b))])
    angle = np.degrees(subspace_angles(subspace(a), subspace(b)).max())
    return np.array([cosine.mean(), cosine.min(), kept, angle])


def main():
    features = np.load(HERE / "features.npz")["efficientnet_lite0"]
    truncated = (features.view(np.uint32) & 0xFFFF0000).view(np.float32)
    drawn = lcg(2 * 300 * 40).reshape(2, 300, 40).astype(np.float32) / 1024
    drawn[0] *= np.arange(1, 41, dtype=np.float32)
    noisy = drawn[0] + drawn[1] / 2
    np.savez_compressed(HERE / "agreement.npz", truncated=agreement(features, truncated),
                        noisy=agreement(drawn[0], noisy))


if __name__ == "__main__":
    main()
