#!/usr/bin/env python3
"""Reads committed datasets as any Parquet reader would, by the manifest's list of parts.

    columns.py show RESULTS COLUMN...     a line an image, in the order of the parts
    columns.py same A B COLUMN...         fails unless both hold the same values for the same paths
    columns.py rejected RESULTS           path and reason, a line an image, from rejected.parquet

Values are separated by a tab and written so that each stays on its line.
"""
import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq


def committed(results):
    features = pathlib.Path(results, "features")
    manifest = json.loads((features / "_pomona/manifest.json").read_text())
    parts = [pq.read_table(features / f"part-{p['key']}.parquet") for p in manifest["parts"]]
    for part, entry in zip(parts, manifest["parts"]):
        assert part.num_rows == entry["rows"], f"part {entry['key']} has {part.num_rows} rows"
    return pa.concat_tables(parts)


def shown(value):
    return value.replace("\\", "\\\\").replace("\n", "\\n") if isinstance(value, str) else str(value)


def show(table, columns):
    for row in table.select(columns).to_pylist():
        print("\t".join(shown(row[c]) for c in columns))


def same(a, b, columns):
    a, b = (committed(r).sort_by("path").select(columns) for r in (a, b))
    if a.num_rows != b.num_rows:
        sys.exit(f"{a.num_rows} and {b.num_rows} images")
    for column in columns:
        if a[column].combine_chunks() != b[column].combine_chunks():
            sys.exit(f"column {column} differs")
    print(f"{a.num_rows} images are the same")


def main():
    command, *args = sys.argv[1:]
    if command == "show":
        show(committed(args[0]), args[1:])
    elif command == "same":
        same(args[0], args[1], args[2:])
    elif command == "rejected":
        rejected = pathlib.Path(args[0], "features/_pomona/rejected.parquet")
        show(pq.read_table(rejected).sort_by("path"), ["path", "reason"])
    else:
        sys.exit(__doc__)


main()
