"""Reading images from a bucket, beside the AWS command line and boto3."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

from harness import BENCH, FEW, MANY, ROOT, THREADS, in_turn, ratio, run, spread

sys.path.insert(0, str(ROOT / "tests/s3"))
import server as s3  # noqa: E402

READS = 64  # under way at a time, of Pomona and of boto3
DENOISE = ("none", "nlm:3")  # the least work an image, and the default
LATENCY_MS = 20


def fill(folder, tar):
    """The images of a tar, as files of the server's folder."""
    with tarfile.open(tar) as file:
        file.extractall(folder, filter="data")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def delayed(bench, server):
    """The URL of a proxy before the server that holds each request back."""
    proxy = subprocess.Popen([bench.build / "delay_proxy", str(server.port), str(LATENCY_MS)],
                             stdout=subprocess.PIPE, text=True)
    yield f"http://127.0.0.1:{int(proxy.stdout.readline())}", proxy.pid
    proxy.kill()
    proxy.wait()
    proxy.stdout.close()


def read_by_pomona(bench):
    """Seconds to list and read everything into memory."""
    os.environ["POMONA_BENCH_SOURCE"] = "s3://few"
    report = json.loads(run(
        bench.build / "pomona_io_bench", "--benchmark_format=json", "--benchmark_min_time=0.001",
        f"--benchmark_filter=^(ReadAll/{READS}|List)/").stdout)
    return sum(b["real_time"] for b in report["benchmarks"]) / 1000


def read_by_aws(bench):
    """Seconds to copy everything into a folder, which is all that it can."""
    folder = bench.work / "s3-copied"
    shutil.rmtree(folder, ignore_errors=True)
    return run(bench.python.with_name("aws"), "s3", "cp", "--recursive", "--quiet", "s3://few",
               folder).seconds


def read_by_boto3(bench):
    return float(run(bench.python, BENCH / "peers/s3_boto3.py", "few", READS).stdout.split()[0])


def cpu_seconds(pids):
    """What the processes have used so far (proc(5), stat: utime and stime)."""
    fields = [pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
              for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def extract(bench, images, denoise, url=None, others=()):
    """Images a second, and cores that the processes `others` took meanwhile."""
    if url:
        os.environ["AWS_ENDPOINT_URL_S3"] = url
    before = cpu_seconds(others)
    done, report = bench.pomona("extract", images, "--denoise", denoise)
    return {"images": report["images_per_second"], "peak": done.peak_mib,
            "cores": (cpu_seconds(others) - before) / done.seconds}


def measure(bench):
    environment = dict(os.environ)
    try:
        return measure_bucket(bench)
    finally:
        os.environ.clear()
        os.environ.update(environment)


def measure_bucket(bench):
    work = bench.work / "s3"
    shutil.rmtree(work, ignore_errors=True)
    server = s3.Server(work)
    os.environ.update({"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY,
                       "AWS_REGION": s3.REGION, "AWS_ENDPOINT_URL_S3": server.url,
                       "AWS_EC2_METADATA_DISABLED": "true"})
    few, many = work / "data/few", work / "data/many"
    few_bytes = fill(few, bench.tar("five", FEW))
    fill(many, bench.tar("test", MANY))
    seconds = in_turn(bench.rounds, pomona=lambda: read_by_pomona(bench),
                      aws=lambda: read_by_aws(bench), boto3=lambda: read_by_boto3(bench))
    with delayed(bench, server) as (url, proxy):
        others = (server.process.pid, proxy)
        extracted = {
            denoise: in_turn(bench.rounds,
                             local=lambda d=denoise: extract(bench, few, d),
                             bucket=lambda d=denoise: extract(bench, "s3://few", d, url, others))
            for denoise in DENOISE}
        # Without latency and once: it is memory that is compared.
        peak = extract(bench, "s3://many", "none", server.url)["peak"]
    server.remove()

    def row(what, name):
        return [what, spread([FEW / s for s in seconds[name]], 0),
                spread([few_bytes / s / 1e6 for s in seconds[name]], 1),
                ratio(seconds[name], seconds["pomona"], 1)]

    def extract_rows(denoise):
        speed = {name: [e["images"] for e in runs] for name, runs in extracted[denoise].items()}
        left = [images * (THREADS - e["cores"]) / THREADS
                for images, e in zip(speed["local"], extracted[denoise]["bucket"])]
        return [
            [f"`extract --denoise {denoise}`, folder", spread(speed["local"], 1), "", "1"],
            [f"  bucket at {LATENCY_MS} ms", spread(speed["bucket"], 1), "",
             ratio(speed["bucket"], speed["local"])],
            ["  of the cores that are left", "", "", ratio(speed["bucket"], left)],
        ]

    cores = [e["cores"] for denoise in DENOISE for e in extracted[denoise]["bucket"]]
    few_peak = max(e["peak"] for e in extracted["none"]["bucket"])
    return {
        "title": "Images in a bucket",
        "text": f"{FEW:,} images in a versitygw {s3.VERSION} on the same machine. Reading: images "
                f"and MB a second, listing included; Pomona (`ReadAll/{READS}` and `List` of "
                f"`pomona_io_bench`) and boto3, {READS} reads at a time, into memory, `aws s3 cp "
                "--recursive`, with its start, into files; the last column is their seconds over "
                "Pomona's. Targets: 3 times, and more than 1. Extraction: "
                f"efficientnet-lite0, {THREADS} threads, from a folder and from the bucket behind "
                "a proxy (peers/delay_proxy.cc) that holds every request back for "
                f"{LATENCY_MS} ms; the last column is over the folder, and over what the folder "
                "would give on the cores that server and proxy leave, which a bucket elsewhere "
                "would not take. Target: 0.95.",
        "notes": f"Server and proxy take {spread(cores, 2)} of {THREADS} cores. Peak memory "
                 "(`ru_maxrss`) of extracting from the bucket with `--denoise none`: "
                 f"{few_peak:,.0f} MiB for {FEW:,} images, {peak:,.0f} for {MANY:,}, "
                 f"{peak / few_peak:.2f} times.",
        "head": ["what", "images a second", "MB a second", "ratio"],
        "rows": [
            row("reading: Pomona", "pomona"), row("reading: boto3", "boto3"),
            row("reading: aws s3 cp", "aws"),
            *extract_rows("none"), *extract_rows("nlm:3"),
        ],
        "values": {"seconds": seconds, "extract": extracted, "peak_many_mib": peak,
                   "bytes": few_bytes},
    }
