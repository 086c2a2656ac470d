"""Datasets: what is committed, for every library that reads Arrow."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pomona


@pytest.fixture(scope="module")
def ds(results):
    return pomona.Dataset(results)


@pytest.fixture(scope="module")
def table(results):
    """The parts as the manifest names them, read without Pomona."""
    manifest = json.loads((results / "features/_pomona/manifest.json").read_text())
    parts = [results / "features" / f"part-{part['key']}.parquet" for part in manifest["parts"]]
    return pa.concat_tables([pq.read_table(p).replace_schema_metadata() for p in parts])


def test_is_what_the_parts_hold(ds, table, results):
    assert len(ds) == 50 and ds.dimension == 1280 and ds.uri == str(results)
    assert ds.schema.equals(table.schema)
    assert ds.to_arrow().equals(table)
    assert [batch.num_rows for batch in ds.batches()] == [20, 20, 10]
    assert ds.manifest["model"]["id"] == "efficientnet-lite0"
    features = ds.features()
    assert features.dtype == np.float32
    assert features.tolist() == table["features"].to_pylist()


@pytest.mark.parametrize("columns", [["path"], ["features", "label"], ["damage", "path"], []])
def test_columns(ds, table, columns):
    assert ds.to_arrow(columns).equals(table.select(columns))


def test_a_column_that_is_not_there(ds):
    with pytest.raises(pomona.UsageError, match="no column feature: it has path, label"):
        ds.to_arrow(["feature"])


def test_pandas_polars_duckdb(ds, table):
    frame = ds.to_pandas()
    assert frame["path"].tolist() == table["path"].to_pylist()
    assert np.array_equal(np.stack(frame["features"]), ds.features())
    pandas = pytest.importorskip("pandas", "2.2")
    if hasattr(pandas.DataFrame, "from_arrow"):
        assert len(pandas.DataFrame.from_arrow(ds)) == 50
    polars = pytest.importorskip("polars")
    assert polars.DataFrame(ds).to_arrow()["bytes"].to_pylist() == table["bytes"].to_pylist()
    duckdb = pytest.importorskip("duckdb")
    count = duckdb.sql("select label, count(*) from ds group by label order by label").fetchall()
    assert count == sorted(
        (v["values"], v["counts"]) for v in table["label"].value_counts().to_pylist()
    )


def test_a_stream_that_nobody_reads_is_released(ds):
    for _ in range(100):
        ds.__arrow_c_stream__()
        ds.__arrow_c_schema__()


def test_pca_and_projection(ds, results):
    pca, projection = ds.pca(), ds.projection()
    assert projection.equals(pq.read_table(results / "pca/projection.parquet"))
    assert (pca.n, pca.dimension, pca.k) == (50, 1280, 6)
    ours = pca.project(ds.features())
    written = np.column_stack([projection[f"pc{i}"].to_numpy() for i in range(1, 7)])
    assert np.array_equal(ours, written)
    components = pq.read_table(results / "pca/components.parquet")["loadings"].to_pylist()
    assert pca.components.tolist() == components


def test_rejected_is_empty_but_typed(ds):
    assert ds.rejected().num_rows == 0
    assert ds.rejected().schema.names[:3] == ["path", "label", "reason"]


def test_nothing_there(tmp_path):
    with pytest.raises(pomona.NothingToRead, match="pomona extract"):
        pomona.Dataset(tmp_path)
    with pytest.raises(pomona.UsageError, match="--no-such"):
        pomona.Dataset(tmp_path, no_such=1)


def test_only_what_is_committed_and_sound(fruits, tmp_path):
    pomona.extract(fruits, tmp_path, denoise="none", part_images=30, progress=False)
    ds = pomona.Dataset(tmp_path)
    with pytest.raises(pomona.NothingToRead):
        ds.pca()
    parts = sorted((tmp_path / "features").glob("part-*.parquet"))
    stray = parts[0].with_name(f"part-{'0' * 32}.parquet")
    stray.write_bytes(parts[0].read_bytes())
    assert ds.to_arrow(["path"]).num_rows == 50

    parts[0].write_bytes(parts[0].read_bytes().replace(b"PAR1", b"PAR2"))
    with pytest.raises(pomona.PomonaError, match="is damaged: its content changed"):
        ds.to_arrow()
    with pytest.raises(pa.ArrowInvalid, match="is damaged: its content changed"):
        pa.table(ds)  # streams have error codes and text only
    for part in parts:
        part.unlink()
    with pytest.raises(pomona.PomonaError, match="cannot be read"):
        list(ds.batches(["path"]))


def test_a_pca_of_other_features_is_refused(fruits, tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for i, path in enumerate(sorted(fruits.glob("*/*.jpg"))[:3]):
        (images / f"{i}.jpg").write_bytes(path.read_bytes())
    pomona.run(images, out, denoise="none", k=1, progress=False)
    (images / "0.jpg").unlink()
    pomona.extract(images, out, denoise="none", progress=False)
    for read in (pomona.Dataset(out).pca, pomona.Dataset(out).projection):
        with pytest.raises(pomona.PomonaError, match="other features"):
            read()


def test_shows_itself(ds):
    assert repr(ds).endswith("50 features of 1,280 numbers (efficientnet-lite0)")
    assert "efficientnet-lite0, f32" in ds._repr_html_()
