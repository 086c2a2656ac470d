"""A real S3 server (versitygw) over a folder of its own, and a proxy that writes down requests."""
import contextlib
import ctypes
import http.client
import http.server
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

VERSION = "v1.8.0"  # as in scripts/setup
ACCESS_KEY = "testkey"
SECRET_KEY = "testsecret-7c1e9b"
REGION = "us-east-1"
START_SECONDS = 60


def find():
    """The server's program: POMONA_S3_SERVER, or where `scripts/setup test` puts it."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("POMONA_S3_SERVER",
                                       pathlib.Path(cache) / f"pomona/tools/versitygw-{VERSION}"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    """The server ends with the tests, however they end: with the thread that started it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Server:
    def __init__(self, folder):
        assert find().exists(), f"no S3 server at {find()}: run scripts/setup test"
        self.folder = pathlib.Path(folder)
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "iam").mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder),
               "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        self.process = subprocess.Popen(
            [find(), "--port", f"127.0.0.1:{self.port}", "--health", "/health", "--quiet",
             "--region", REGION, "--iam-dir", self.folder / "iam",
             "posix", self.folder / "data"],
            env=env, preexec_fn=die_with_parent, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        for _ in range(START_SECONDS * 20):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.url + "/health", timeout=1)
                return
            assert self.process.poll() is None, "the S3 server did not start"
            time.sleep(0.05)
        raise AssertionError("the S3 server does not answer")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def admin(self, *args):
        subprocess.run([find(), "admin", *args], check=True, stdout=subprocess.DEVNULL,
                       env={"PATH": os.environ["PATH"], "ADMIN_ACCESS_KEY_ID": ACCESS_KEY,
                            "ADMIN_SECRET_ACCESS_KEY": SECRET_KEY, "ADMIN_ENDPOINT_URL": self.url})

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """Passes requests on to the server, as they are, and remembers "METHOD path?query" of each.

    `before(request_number, method, path)` may return a status code that is answered instead, with
    an S3 error of that name.
    """

    def __init__(self, server, before=None):
        self.requests = []
        self.headers = {}  # of all requests, the last value of each
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def pass_on(self):
                outer.requests.append(f"{self.command} {self.path}")
                outer.headers.update({k.lower(): v for k, v in self.headers.items()})
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fault = before and before(len(outer.requests), self.command, self.path)
                if fault:
                    code, name = fault
                    text = f"<Error><Code>{name}</Code><Message>-</Message></Error>".encode()
                    return self.answer(code, {"Content-Length": str(len(text))}, text)
                upstream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                upstream.putrequest(self.command, self.path, skip_host=True,
                                    skip_accept_encoding=True)
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(body)
                answer = upstream.getresponse()
                data = answer.read()
                headers = {k: v for k, v in answer.getheaders()
                           if k.lower() not in ("connection", "transfer-encoding")}
                headers["Content-Length"] = str(len(data))
                self.answer(answer.status, headers, data)
                upstream.close()

            def answer(self, code, headers, data):
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

        class Threads(http.server.ThreadingHTTPServer):
            request_queue_size = 512

            def handle_error(self, *args):
                pass  # a client that went away

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def count(self, start):
        return sum(request.startswith(start) for request in self.requests)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
