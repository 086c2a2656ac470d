#!/usr/bin/env python3
"""scikit-learn's principal components of a dataset: what `pomona reduce` does.

    sklearn_pca.py PARTS OUT K TYPE

Reads the Parquet files in the folder PARTS, standardises every column, finds K components by the
eigenvectors of the covariance, and writes OUT/projection.parquet (path, label, pc1 ...) and
OUT/components.npy (K x dimension). TYPE is what it computes in: f8, or f4 as the features are.
"""

import pathlib
import sys

import numpy
import pyarrow
import pyarrow.parquet
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


def main():
    parts, out, k, dtype = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
    table = pyarrow.concat_tables(
        pyarrow.parquet.read_table(file, columns=["path", "label", "features"])
        for file in sorted(parts.glob("*.parquet")))
    rows = numpy.concatenate([
        chunk.flatten().to_numpy().reshape(len(chunk), -1) for chunk in table["features"].chunks
    ]).astype(dtype, copy=False)
    table = table.drop_columns("features")

    scaled = StandardScaler().fit_transform(rows)
    pca = PCA(n_components=int(k), svd_solver="covariance_eigh")
    projected = pca.fit_transform(scaled)

    for c in range(projected.shape[1]):
        table = table.append_column(f"pc{c + 1}", pyarrow.array(projected[:, c]))
    out.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, out / "projection.parquet")
    numpy.save(out / "components.npy", pca.components_)


if __name__ == "__main__":
    main()
