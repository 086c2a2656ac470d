"""`pomona models pull` against a server that breaks off, stalls, lies and says no."""
import hashlib
import http.server
import json
import signal
import threading

import pytest

from conftest import SAMPLES, TIMEOUT_SECONDS, wait_until
from run import ROOT


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; each request takes the next of `ways`, the last one for ever."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.ways = ["well"]
        self.ranges = []  # asked for, "" for none
        self.released = threading.Event()  # ends stalling
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def next_way(self):
        return self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, way, asked = self.server, self.server.next_way(), self.headers.get("Range", "")
        server.ranges.append(asked)
        if way == "no":
            self.send_error(404)
            return
        total = len(server.content)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = server.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        self.close_connection = True
        if way == "lies":
            body = body[:-1] + bytes([body[-1] ^ 1])
        self.wfile.write(body if way in ("well", "lies") else body[:len(body) // 2])
        if way == "stalls":
            server.released.wait(TIMEOUT_SECONDS)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(pomona):
    """A server of ResNet50's weights, and a card `mirrored` that says so."""
    content = (pomona.path.parent / "test-weights/resnet50.safetensors").read_bytes()
    with Server(content) as server:
        card = json.loads((ROOT / "models/resnet50-v1.5.json").read_text())
        card["id"] = "mirrored"
        card["weights"] = {"url": f"http://127.0.0.1:{server.server_port}/net.safetensors",
                           "file": "net.safetensors",
                           "sha256": hashlib.sha256(content).hexdigest()}
        (pomona.folder / "cards").mkdir()
        (pomona.folder / "cards/mirrored.json").write_text(json.dumps(card))
        pomona.env.update(POMONA_MODELS=str(pomona.folder / "cards"), no_proxy="127.0.0.1",
                          XDG_CACHE_HOME=str(pomona.folder / "cache"))
        yield server
        server.released.set()
        server.shutdown()


def cached(pomona):
    return sorted(p.name for p in (pomona.folder / "cache").rglob("*") if p.is_file())


def weights(pomona):
    return next((pomona.folder / "cache").rglob("net.safetensors")).read_bytes()


def test_a_broken_connection_is_taken_up_where_it_broke(pomona, server):
    pomona.run("run", SAMPLES, "out", "--model", "mirrored", code=1)
    server.ways = ["breaks", "breaks", "well"]
    assert "mirrored is ready" in pomona.run("models", "pull", "mirrored").stdout
    assert server.ranges[0] == "" and all(r.startswith("bytes=") for r in server.ranges[1:])
    assert len(server.ranges) == 3
    assert weights(pomona) == server.content
    assert not [n for n in cached(pomona) if n.endswith(".part")]

    pomona.run("models", "pull", "mirrored")
    assert len(server.ranges) == 3, "it is there: nothing was asked for again"
    done = pomona.json("extract", SAMPLES / "Lemon", "out", "--model", "mirrored")
    assert done["featured"] == 10


def test_what_is_not_what_the_card_says_is_refused(pomona, server):
    server.ways = ["lies"]
    failed = pomona.run("models", "pull", "mirrored", code=1)
    assert "but the model card states" in failed.stderr
    assert cached(pomona) == []
    failed = pomona.run("run", SAMPLES, "out", "--model", "mirrored", code=1)
    assert "pomona models pull mirrored" in failed.stderr


def test_no_is_said_at_once(pomona, server):
    server.ways = ["no"]
    assert "HTTP 404" in pomona.run("models", "pull", "mirrored", code=1).stderr
    assert len(server.ranges) == 1
    assert "net.safetensors" not in cached(pomona)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_download_that_was_ended_is_continued(pomona, server, number, code):
    server.ways = ["stalls", "well"]
    process = pomona.start("models", "pull", "mirrored")
    half = len(server.content) // 2
    wait_until(process, lambda: sum(
        p.stat().st_size for p in (pomona.folder / "cache").rglob("*.part")) >= half)
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == code
    assert "net.safetensors" not in cached(pomona)
    assert pomona.json("models", "info", "mirrored")["ready"] is False

    pomona.run("models", "pull", "mirrored")
    assert server.ranges == ["", f"bytes={half}-"]
    assert weights(pomona) == server.content
