"""--watch on a bucket that fails and recovers."""
import server as s3
from e2e_conftest import SAMPLES, TIMEOUT_SECONDS, manifest, wait_until


def test_auto_chooses_again_after_it_failed(pomona, small, bucket, proxy):
    bucket.upload(SAMPLES, "images")
    images, results = bucket.uri + "/images", pomona.folder / "results"
    refused = s3.error(403, "InvalidAccessKeyId")

    def before(number, method, path):
        return refused if path.endswith(".jpg") else None

    proxy.before = before
    process = pomona.start("extract", images, results, "--model", small, "--denoise", "none",
                           "--precision", "auto", "--watch", "1")
    assert "trying again in 10 seconds" in process.stderr.readline()
    proxy.before = None
    wait_until(process, lambda: manifest(results)["rows"] == 50)
    for rows in (51, 52):
        bucket.put(f"images/Lemon/{rows}.jpg", (SAMPLES / "Lemon/0_100.jpg").read_bytes())
        wait_until(process, lambda: manifest(results)["rows"] == rows)
    process.terminate()
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode in (0, 130), err
    assert out.count("precision auto: ") == 3  # what was chosen, with each commit
    assert "the features that are there" not in out
