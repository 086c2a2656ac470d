"""Principal components, beside the bare matrix product, scikit-learn and Spark ML."""

import json

import numpy
import pyarrow.parquet

from harness import BENCH, THREADS, in_turn, ratio, run, spread

K = 6
BIG, SMALL = (90_000, 2048), (20_622, 1280)


def features(bench, shape, *flags):
    """A results folder with made-up features of this shape."""
    name = "-".join(["features", *map(str, shape), *map(str, flags)])
    folder = bench.work / name
    if not folder.exists():
        partial = bench.work / f"{name}.partial"
        run(bench.python, BENCH / "make_features.py", partial, *shape, *flags)
        partial.rename(folder)
    return folder


def pomona(bench, folder):
    return run(bench.pomona_command, "reduce", folder, "--k", K, "--threads", THREADS, "--quiet")


def peer(bench, name, folder, out, *flags):
    """A whole process that writes the components of `folder` to `out`."""
    return run(bench.python, BENCH / "peers" / name, folder / "features", out, K, *flags)


def difference(folder, out):
    """The largest difference of a number of the components, up to the sign of each."""
    loadings = pyarrow.parquet.read_table(folder / "pca" / "components.parquet")["loadings"]
    ours = numpy.array(loadings.to_pylist())
    theirs = numpy.load(out / "components.npy")
    signs = numpy.sign(numpy.sum(ours * theirs, axis=1, keepdims=True))
    return float(numpy.abs(ours - signs * theirs).max())


def bare(bench, folder):
    seconds = json.loads(
        run(bench.python, BENCH / "peers/dsyrk.py", folder / "features", THREADS).stdout)
    return seconds["dsyrk"] + seconds["dsyevd"]


def row(name, theirs, ours, differs=None):
    """Of runs; the ratios say how many times Pomona's they are."""
    peaks = [r.peak_mib for r in theirs]
    memory = [f"{max(peaks):,.0f}", ratio(peaks, [r.peak_mib for r in ours], 1).split()[0]]
    if name == "Spark ML":  # its memory is that of a JVM, a process of its own
        memory = ["", ""]
    return [name, spread([r.seconds for r in theirs], 2),
            ratio([r.seconds for r in theirs], [r.seconds for r in ours]), *memory,
            f"{differs:.0e}" if differs is not None else ""]


def measure(bench):
    big, small = features(bench, BIG), features(bench, SMALL)
    far = features(bench, SMALL, "--mean", 10000)
    outs = {name: bench.work / f"components-{name}" for name in ("f8", "f4", "spark", "far")}

    runs = in_turn(
        bench.rounds,
        pomona_big=lambda: pomona(bench, big),
        bare_big=lambda: bare(bench, big),
        sklearn_f8_big=lambda: peer(bench, "sklearn_pca.py", big, outs["f8"], "f8"),
        sklearn_f4_big=lambda: peer(bench, "sklearn_pca.py", big, outs["f4"], "f4"),
        pomona_small=lambda: pomona(bench, small),
        spark_small=lambda: peer(bench, "spark_pca.py", small, outs["spark"], THREADS),
    )
    differs = {"sklearn_f8_big": difference(big, outs["f8"]),
               "sklearn_f4_big": difference(big, outs["f4"]),
               "spark_small": difference(small, outs["spark"])}
    far_runs = in_turn(
        1,
        pomona_far=lambda: pomona(bench, far),
        sklearn_far=lambda: peer(bench, "sklearn_pca.py", far, outs["far"], "f8"),
    )
    differs["sklearn_far"] = difference(far, outs["far"])
    if bench.full:
        runs["spark_big"] = [peer(bench, "spark_pca.py", big, outs["spark"], THREADS)]
        differs["spark_big"] = difference(big, outs["spark"])
    runs |= far_runs

    ours_big, ours_small = runs["pomona_big"], runs["pomona_small"]
    seconds = [r.seconds for r in ours_big]
    rows = [
        row("90,000 x 2,048: `pomona reduce`", ours_big, ours_big),
        ["cblas_dsyrk and dsyevd alone, rows in memory", spread(runs["bare_big"], 2),
         ratio(runs["bare_big"], seconds), "", "", ""],
        row("scikit-learn, fp64", runs["sklearn_f8_big"], ours_big, differs["sklearn_f8_big"]),
        row("scikit-learn, float32 as stored", runs["sklearn_f4_big"], ours_big,
            differs["sklearn_f4_big"]),
        *([row("Spark ML", runs["spark_big"], ours_big[:1], differs["spark_big"])]
          if bench.full else []),
        row("20,622 x 1,280: `pomona reduce`", ours_small, ours_small),
        row("Spark ML", runs["spark_small"], ours_small, differs["spark_small"]),
        row("the same shape, mean 10,000 and deviation 1: `pomona reduce`", runs["pomona_far"],
            runs["pomona_far"]),
        row("scikit-learn, fp64", runs["sklearn_far"], runs["pomona_far"],
            differs["sklearn_far"]),
    ]
    values = {name: [value if name == "bare_big" else [value.seconds, value.peak_mib]
                     for value in some] for name, some in runs.items()}
    times = ratio(seconds, runs["bare_big"])
    return {
        "title": "Principal components, against BLAS, scikit-learn and Spark ML",
        "text": "Seconds and peak memory (MiB, `ru_maxrss`) of whole processes, from the same "
                f"Parquet parts to {K} components and the projections in Parquet; {THREADS} threads "
                "each. The bare row is different: only the time of `cblas_dsyrk` in fp64 over rows "
                f"that are in memory already, not centred, on {THREADS} threads, and of `dsyevd` "
                "(all eigenvectors) on one, with the OpenBLAS that Pomona links. scikit-learn is "
                "StandardScaler and PCA(svd_solver=\"covariance_eigh\"), Spark ML StandardScaler and "
                "PCA. Targets: at most 1.3 times the bare row, 1.3 times as fast as scikit-learn at "
                "a tenth of its memory, 30 times as fast as Spark ML. The last column is the "
                "largest difference of a number in the unit vectors that are the components, up to "
                "their signs.",
        "notes": f"Pomona takes {times} times the bare row.",
        "head": ["what", "seconds", "times Pomona's", "MiB", "times Pomona's",
                 "components differ by"],
        "rows": rows,
        "values": values | {"components_differ_by": differs},
    }
