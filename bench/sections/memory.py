"""Peak memory as the number of images grows."""

from harness import FEW, MANY, THREADS, in_turn, spread


def measure(bench):
    few, many = bench.tar("five", FEW), bench.tar("test", MANY)
    none = ("--denoise", "none")
    values = in_turn(
        1,
        few_lite=lambda: bench.pomona("run", few, *none)[0].peak_mib,
        many_lite=lambda: bench.pomona("run", many, *none)[0].peak_mib,
        few_resnet50=lambda: bench.pomona("run", few, *none, *bench.resnet50_flags())[0].peak_mib,
        **({"many_resnet50": lambda: bench.pomona(
            "run", many, *none, *bench.resnet50_flags())[0].peak_mib} if bench.full else {}),
    )
    rows = []
    for key, name in [("lite", "efficientnet-lite0"), ("resnet50", "resnet50")]:
        low, high = values[f"few_{key}"], values.get(f"many_{key}")
        rows.append([name, spread(low, 0).split()[0],
                     spread(high, 0).split()[0] if high else "(with --full)",
                     f"{high[0] / low[0]:.2f}" if high else ""])
    return {
        "title": "Peak memory",
        "text": "MiB, the largest resident set of the whole process (`ru_maxrss`) of `pomona "
                f"run --denoise none --threads {THREADS}`: extraction, moments, PCA and "
                "pictures. Targets: 1.1 times, and 1,024 MiB with ResNet50.",
        "head": ["network", f"{FEW:,} images", f"{MANY:,} images", "ratio"],
        "rows": rows,
        "values": values,
    }

