"""--watch: a dataset that follows its source."""
import json
import shutil
import signal

from conftest import SAMPLES, TIMEOUT_SECONDS, manifest, wait_until


def stop(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, out, err


def test_images_that_come_and_go(pomona, small):
    images, results = pomona.folder / "images", pomona.folder / "results"
    shutil.copytree(SAMPLES / "Lemon", images / "Lemon")
    process = pomona.start("run", images, results, "--model", small, "--k", "2", "--watch", "1")
    wait_until(process, lambda: manifest(results)["rows"] == 10)
    shutil.copytree(SAMPLES / "Banana", pomona.folder / "Banana")
    (pomona.folder / "Banana").rename(images / "Banana")
    wait_until(process, lambda: manifest(results)["rows"] == 20)
    (images / "Lemon/0_100.jpg").unlink()
    wait_until(process, lambda: manifest(results)["removed"] == 1)
    wait_until(process, lambda: json.loads((results / "pca/model.json").read_text())["n"] == 19)
    code, out, err = stop(process)
    assert code in (0, 130), err
    assert out.count("Watching for changes") == 1
    assert "10 computed now" in out and "1 no longer in the source" in out


def test_waits_for_the_first_image(pomona, small):
    images, results = pomona.folder / "images", pomona.folder / "results"
    images.mkdir()
    process = pomona.start("extract", images, results, "--model", small, "--watch", "1")
    assert "trying again in 10 seconds" in process.stderr.readline()
    shutil.copy(SAMPLES / "Lemon/0_100.jpg", images)
    wait_until(process, lambda: manifest(results)["rows"] == 1)
    assert stop(process)[0] in (0, 130)


def test_a_wrong_command_line_ends_it(pomona, small):
    pomona.run("extract", SAMPLES, "results", "--model", small, "--denoise", "none")
    done = pomona.run("extract", SAMPLES, "results", "--model", small, "--watch", "1", code=2)
    assert "never mixed" in done.stderr
    assert "is no queue" in pomona.run("extract", SAMPLES, "results", "--model", small,
                                       "--watch-queue", "here", code=2).stderr
