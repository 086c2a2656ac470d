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
    """Of n rows of d numbers: mean [d], and m2 [d, d], the sums of products of deviations."""

    n: int
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Statistics:
        """Of rows [n, d] float64, n at least 1."""
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merged(self, other: Statistics) -> Statistics:
        """Of both sets of rows together."""
        n = self.n + other.n
        delta = other.mean - self.mean
        m2 = self.m2 + other.m2 + np.outer(delta, delta) * (self.n * other.n / n)
        return Statistics(n, self.mean + delta * (other.n / n), m2)

    def scaled(self, shift: np.ndarray | float, factor: np.ndarray | float) -> Statistics:
        """Of the rows (row - shift) * factor."""
        factor = np.broadcast_to(factor, self.mean.shape)
        return Statistics(self.n, (self.mean - shift) * factor, self.m2 * np.outer(factor, factor))

    def variance(self) -> np.ndarray:
        """Of each column, with the divisor n - 1."""
        return np.diagonal(self.m2) / (self.n - 1)

    def to_bytes(self) -> bytes:
        """Of the symmetric m2, the upper triangle."""
        m2 = self.m2[np.triu_indices(len(self.mean))]
        file = io.BytesIO()
        np.savez(file, n=self.n, mean=self.mean, m2=m2)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Statistics:
        with np.load(io.BytesIO(data)) as file:
            n, mean, m2 = int(file["n"]), file["mean"], file["m2"]
        full = np.zeros((len(mean), len(mean)))
        full[np.triu_indices(len(mean))] = m2
        return cls(n, mean, full + np.triu(full, 1).T)
