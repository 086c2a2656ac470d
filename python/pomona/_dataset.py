"""Results as they lie in a folder or a bucket."""

from __future__ import annotations

import html
import io
import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from . import _native
from ._commands import Location
from ._flags import to_args

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset"]


class _Schema:
    """A schema that was made already, for who asks by the protocol."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> Any:
        return self._capsule


class _Array:
    """A batch that was made already, for who asks by the protocol."""

    def __init__(self, capsules: tuple[Any, Any]) -> None:
        self._capsules = capsules

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        return self._capsules


class Dataset:
    """The features that are committed in a results folder, as they were when it was opened.

    Args:
        uri: what :func:`pomona.extract` wrote to; here, or in an object store.
        **flags: those of buckets: ``endpoint_url``, ``region``, ``ca_bundle``,
            ``no_sign_request``, ``request_payer``, ``virtual_hosted``.

    Raises:
        NothingToRead: nothing is committed there.
        PomonaError: on reading, a part is not what the manifest says of it.

    Only parts that the manifest names are read, in its order. Libraries that know the Arrow
    PyCapsule interface take a dataset as it is, without a copy: ``polars.DataFrame(ds)``,
    ``pandas.DataFrame.from_arrow(ds)``, ``pyarrow.table(ds)``, ``duckdb.sql("from ds")``.

    >>> _ = pomona.extract("samples/fruits", out, progress=False)
    >>> ds = pomona.Dataset(out)
    >>> len(ds), ds.dimension, ds.schema.names[:3]
    (50, 1280, ['path', 'label', 'features'])
    >>> ds.to_arrow(["path", "label"]).num_columns
    2
    """

    def __init__(self, uri: Location, **flags: object) -> None:
        self._native = _native.Dataset([*to_args(**flags), "--", os.fsdecode(uri)])

    @property
    def uri(self) -> str:
        """The results folder."""
        return self._native.uri

    def __len__(self) -> int:
        """Images that have a feature."""
        return self._native.rows

    @property
    def dimension(self) -> int:
        """Numbers a feature has."""
        return self._native.dimension

    @property
    def manifest(self) -> dict[str, Any]:
        """Recipe, model, source and parts."""
        return dict(json.loads(self._native.manifest()))

    @property
    def schema(self) -> pa.Schema:
        """``path``, ``label``, ``features`` (float32 lists of :attr:`dimension`), ``width``,
        ``height`` (pixels), ``bytes``, ``content`` (XXH3-128), ``version``, ``damage``."""
        return self._schema()

    def _schema(self, columns: Sequence[str] | None = None) -> pa.Schema:
        return pa.schema(_Schema(self._native.schema(None if columns is None else list(columns))))

    def __arrow_c_schema__(self) -> Any:
        return self._native.schema()

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self._native.stream()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """A batch a part, of all columns or these. Memory is that of one part.

        >>> _ = pomona.extract("samples/fruits", out, part_images=20, progress=False)
        >>> [batch.num_rows for batch in pomona.Dataset(out).batches(["path"])]
        [20, 20, 10]
        """
        names = self._schema(columns).names
        parts = (_Array(self._native.batch(i, names)) for i in range(self._native.parts))
        batches = (pa.record_batch(part) for part in parts)
        return (batch for batch in batches if batch.num_rows)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Everything, or these columns."""
        return pa.Table.from_batches(self.batches(columns), self._schema(columns))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Everything, or these columns; a feature is a NumPy array (float32)."""
        return self.to_arrow(columns).to_pandas()

    def features(self) -> npt.NDArray[np.float32]:
        """The features alone: rows x :attr:`dimension`, float32, in the order of the rows."""
        out = np.empty((len(self), self.dimension), np.float32)
        first = 0
        for batch in self.batches(["features"]):
            values = batch.column(0).flatten().to_numpy().reshape(-1, self.dimension)
            out[first : first + len(values)] = values
            first += len(values)
        return out

    def rejected(self) -> pa.Table:
        """The images without a feature: ``path``, ``label``, ``reason``, ``detail``, ..."""
        return pyarrow.parquet.read_table(io.BytesIO(self._native.rejected()))

    def pca(self) -> _native.Pca:
        """What :func:`pomona.reduce` found: mean, scale, components, variance.

        Raises:
            NothingToRead: there is none.
            PomonaError: it is of other features than these.
        """
        return self._native.pca()

    def projection(self) -> pa.Table:
        """``path``, ``label``, ``pc1`` ... (float64) of every image. Errors as :meth:`pca`."""
        return pyarrow.parquet.read_table(io.BytesIO(self._native.projection()))

    def _model(self) -> str:
        return str(self.manifest["model"]["id"])

    def __repr__(self) -> str:
        return (
            f"Dataset({self.uri!r}): {len(self):,} features of {self.dimension:,} numbers "
            f"({self._model()})"
        )

    def _repr_html_(self) -> str:
        manifest = self.manifest
        rows = {
            "features": f"{len(self):,} of {self.dimension:,} numbers",
            "model": f"{self._model()}, {manifest['model']['precision']}",
            "source": manifest["source"],
            "parts": f"{len(manifest['parts']):,}",
        }
        cells = (f"<tr><th>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
        return f"<table><caption>{html.escape(self.uri)}</caption>{''.join(cells)}</table>"
