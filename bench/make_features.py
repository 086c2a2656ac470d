#!/usr/bin/env python3
"""Writes a results folder with made-up features, as if `pomona extract` had made it.

    bench/make_features.py RESULTS ROWS DIMENSION [--mean M]

Parts of 1,024 rows. By default the numbers are like those of a network's last, pooled layer: not
negative, skewed, of unequal scale; half of the variance lies in 64 directions of falling strength,
the other half is each column's own.
With --mean each column has that mean and a deviation of 1, as far as float32 holds it.
"""

import argparse
import json
import pathlib
import shutil

import numpy
import pyarrow
import pyarrow.parquet
import xxhash

PART_ROWS = 1024
LATENT = 64


def canonical(value):
    """As nlohmann::json writes it, which the hashes of recipe and model are of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def xxh3(data):
    return xxhash.xxh3_128_hexdigest(data.encode() if isinstance(data, str) else data)


def draw(random, weights, scale, rows, mean):
    shared = random.standard_normal((rows, LATENT), numpy.float32) @ weights
    noise = random.standard_normal(shared.shape, numpy.float32)
    if mean is not None:  # either half of the variance is 1/2
        return ((shared + noise) * numpy.float32(0.5**0.5) + numpy.float32(mean)).astype("f4")
    return numpy.logaddexp(0, shared + noise - 1) * scale


def table(features, part, metadata):
    rows, dimension = features.shape
    item = pyarrow.field("item", pyarrow.float32(), nullable=False)
    lists = pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(features.reshape(-1)), type=pyarrow.list_(item, dimension))
    names = [f"class{part % 131:03d}/{part:04d}-{i:04d}.jpg" for i in range(rows)]
    columns = [
        ("path", pyarrow.array(names), False),
        ("label", pyarrow.array([name.split("/")[0] for name in names]), True),
        ("features", lists, False),
        ("width", pyarrow.array([100] * rows, pyarrow.int32()), False),
        ("height", pyarrow.array([100] * rows, pyarrow.int32()), False),
        ("bytes", pyarrow.array([4000] * rows, pyarrow.int64()), False),
        ("content", pyarrow.array([xxh3(name) for name in names]), False),
        ("version", pyarrow.array(["0"] * rows), False),
        ("damage", pyarrow.nulls(rows, pyarrow.string()), True),
    ]
    schema = pyarrow.schema(
        [pyarrow.field(name, array.type, nullable) for name, array, nullable in columns], metadata)
    return pyarrow.table([array for _, array, _ in columns], schema=schema)


def write_part(folder, features, part, contract):
    key = xxh3(f"{part} of {contract}")
    footer = {"pomona.part": key, "pomona.recipe": xxh3(canonical(contract["recipe"])),
              "pomona.model": xxh3(canonical(contract["model"])), "pomona.rejected": "[]"}
    leaf = "features.list.element"
    path = folder / f"part-{key}.parquet"
    pyarrow.parquet.write_table(
        table(features, part, footer), path, compression="zstd",
        use_dictionary=["path", "label", "content", "version"],
        column_encoding={leaf: "BYTE_STREAM_SPLIT"})
    data = path.read_bytes()
    return {"key": key, "rows": len(features), "rejected": 0, "bytes": len(data),
            "hash": xxh3(data)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("dimension", type=int)
    parser.add_argument("--mean", type=float)
    options = parser.parse_args()

    random = numpy.random.Generator(numpy.random.PCG64(1))
    strength = numpy.float32(0.9) ** numpy.arange(LATENT, dtype="f4")[:, None]
    weights = random.standard_normal((LATENT, options.dimension), numpy.float32) * strength
    weights /= numpy.linalg.norm(weights, axis=0)
    scale = random.uniform(0.05, 0.8, options.dimension).astype("f4")
    contract = {
        "recipe": {"version": 0},
        "model": {"id": "made-up", "identity": {"output": {"dimension": options.dimension}},
                  "weights_sha256": "0" * 64, "precision": "f32"},
    }
    shutil.rmtree(options.results, ignore_errors=True)
    folder = options.results / "features"
    (folder / "_pomona").mkdir(parents=True)
    parts = []
    for done in range(0, options.rows, PART_ROWS):
        rows = min(PART_ROWS, options.rows - done)
        features = draw(random, weights, scale, rows, options.mean)
        parts.append(write_part(folder, features, len(parts), contract))
    manifest = contract | {
        "format": 1, "tool": "make_features.py", "source": "none", "label": "folder", "ignored": 0,
        "recipe_hash": xxh3(canonical(contract["recipe"])),
        "model_hash": xxh3(canonical(contract["model"])), "parts": parts,
        "rows": options.rows, "rejected": 0, "removed": 0,
    }
    (folder / "_pomona" / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main()
