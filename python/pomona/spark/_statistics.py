"""Count, mean and centred second moments of float64 rows, exactly mergeable.

The engine's own moments (``pomona.spark.reduce``) are of float32 features, which they standardise;
Spark ML's stages are defined on doubles of any scale. Rows are centred before they are multiplied,
and blocks merged as Chan, Golub and LeVeque (1979), so a large mean costs no digits.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

__all__ = ["Statistics"]


@dataclass
class Statistics:
    """Of n rows of d numbers: mean [d], and either m2 [d], the sums of squared deviations, or m2
    [d, d], those of all products."""

    n: int
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, products: bool) -> Statistics:
        """Of rows [n, d] float64, n at least 1."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        m2 = centred.T @ centred if products else np.einsum("ij,ij->j", centred, centred)
        return cls(len(rows), mean, m2)

    def merged(self, other: Statistics) -> Statistics:
        """Of both sets of rows together."""
        n = self.n + other.n
        delta = other.mean - self.mean
        square = np.outer(delta, delta) if self.m2.ndim == 2 else delta * delta
        m2 = self.m2 + other.m2 + square * (self.n * other.n / n)
        return Statistics(n, self.mean + delta * (other.n / n), m2)

    def to_bytes(self) -> bytes:
        """Of the symmetric m2, the upper triangle."""
        m2 = self.m2[np.triu_indices(len(self.mean))] if self.m2.ndim == 2 else self.m2
        file = io.BytesIO()
        np.savez(file, n=self.n, mean=self.mean, m2=m2)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Statistics:
        with np.load(io.BytesIO(data)) as file:
            n, mean, m2 = int(file["n"]), file["mean"], file["m2"]
        if len(m2) == len(mean):
            return cls(n, mean, m2)
        full = np.zeros((len(mean), len(mean)))
        full[np.triu_indices(len(mean))] = m2
        return cls(n, mean, full + np.triu(full, 1).T)
