#!/usr/bin/env python3
"""Checks that no image of a run got lost: reads `pomona extract --json` from stdin.

    pomona extract --json IMAGES RESULTS | add_up.py RESULTS

listed = featured + rejected; every listed image has one origin; the parts hold `featured` rows, all
finite and none all zeros; rejected.parquet holds `rejected` rows, each with a reason; no path is in
both. Prints "LISTED = FEATURED + REJECTED".
"""
import json
import pathlib
import sys

import numpy as np
import pyarrow.parquet as pq

REASONS = {"missing", "unreadable", "not_a_file", "changed", "duplicate", "empty", "not_an_image",
           "unsupported_format", "truncated", "corrupt", "too_large", "no_memory", "decoder_crashed",
           "non_finite"}


def main():
    run, features = json.load(sys.stdin), pathlib.Path(sys.argv[1], "features")
    assert run["listed"] == run["featured"] + run["rejected"], run
    assert run["listed"] == sum(run[k] for k in ("kept", "carried", "resumed", "computed")), run
    rows = pq.read_table(sorted(features.glob("part-*.parquet")))
    rejected = pq.read_table(features / "_pomona/rejected.parquet").to_pylist()
    assert rows.num_rows == run["featured"], rows.num_rows
    assert len(rejected) == run["rejected"], rejected
    assert all(r["reason"] in REASONS and r["detail"] for r in rejected), rejected
    vectors = np.stack(rows["features"].to_numpy()) if rows.num_rows else np.ones((1, 1))
    assert np.isfinite(vectors).all() and (vectors != 0).any(axis=1).all()
    paths = rows["path"].to_pylist()
    others = [r["path"] for r in rejected if r["reason"] != "duplicate"]
    assert len(set(paths + others)) == len(paths) + len(others)
    print(f"{run['listed']} = {run['featured']} + {run['rejected']}")


main()
