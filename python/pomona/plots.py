"""Pictures with matplotlib, of a dataset or of arrays.

``pomona.plot`` draws the engine's own pictures into the results; these are for notebooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _native
from ._dataset import Dataset
from .errors import UsageError

try:
    import matplotlib.pyplot as plt
except ImportError as error:
    raise ImportError("this needs matplotlib: pip install matplotlib") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["scatter", "scree"]


def scree(
    of: Dataset | _native.Pca | npt.ArrayLike, *, ax: Axes | None = None, k: int = 20
) -> Axes:
    """How much of the variance each component explains, and all up to it.

    Args:
        of: a dataset that was reduced, its PCA, or explained shares of the variance.
        ax: where to draw; None for the current axes.
        k: components to show, at most.

    >>> _ = pomona.run("samples/fruits", out, progress=False)
    >>> pomona.plots.scree(pomona.Dataset(out), k=10).get_xlabel()
    'component'
    """
    if isinstance(of, Dataset):
        of = of.pca()
    ratio = of.explained_ratio if isinstance(of, _native.Pca) else np.asarray(of, float)
    if ratio.ndim != 1 or len(ratio) == 0:
        raise UsageError(f"shares of the variance are numbers in a row, not {ratio.shape}")
    shown = ratio[:k]
    number = np.arange(1, len(shown) + 1)
    ax = plt.gca() if ax is None else ax
    ax.bar(number, shown, label="each")
    ax.plot(number, np.cumsum(shown), "o-", color="tab:orange", label="up to it")
    ax.set(xlabel="component", ylabel="share of the variance", ylim=(0, 1))
    ax.legend()
    return ax


def _points(
    of: Dataset | npt.ArrayLike, labels: Sequence[Any] | None, axes: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], Sequence[Any] | None]:
    if isinstance(of, Dataset):
        table = of.projection()
        names = [f"pc{axis}" for axis in axes]
        missing = [name for name in names if name not in table.column_names]
        if missing:
            raise UsageError(f"the dataset was reduced to fewer components: no {missing[0]}")
        points = np.column_stack([table[name].to_numpy() for name in names])
        return points, table["label"].to_pylist() if labels is None else labels
    values = np.asarray(of, float)
    if values.ndim != 2 or values.shape[1] < max(axes):
        raise UsageError(f"points have {max(axes)} columns or more, not the shape {values.shape}")
    return values[:, [axis - 1 for axis in axes]], labels


def scatter(
    of: Dataset | npt.ArrayLike,
    *,
    labels: Sequence[Any] | None = None,
    axes: tuple[int, int] = (1, 2),
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """The images on two components, a colour a label.

    Args:
        of: a dataset that was reduced, or points (rows x components).
        labels: one for each point; None for the dataset's own.
        axes: which components, counted from 1.
        ax: where to draw; None for the current axes.
        **style: for ``matplotlib.axes.Axes.scatter``.
    """
    points, labels = _points(of, labels, axes)
    if labels is not None and len(labels) != len(points):
        raise UsageError(f"there are {len(points)} points and {len(labels)} labels")
    ax = plt.gca() if ax is None else ax
    style = {"s": 12, **style}
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], **style)
    else:
        names = np.asarray(["" if label is None else str(label) for label in labels])
        for name in np.unique(names):
            x, y = points[names == name].T
            ax.scatter(x, y, label=name or "(none)", **style)
        ax.legend()
    ax.set(xlabel=f"component {axes[0]}", ylabel=f"component {axes[1]}")
    return ax
