"""A real S3 server (versitygw) over a folder of its own, and a proxy that counts and disturbs."""
import collections
import ctypes
import datetime
import email.utils
import http.client
import http.server
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
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


def wait_for(process, url, context=None):
    """Until the server that was started answers, whatever it says."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5, context=context).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.poll() is None, f"{process.args[0]} did not start"
            assert time.monotonic() < end, f"{process.args[0]} does not answer"
            time.sleep(0.05)


class Server:
    def __init__(self, folder, certificate=None, key=None):
        assert find().exists(), f"no S3 server at {find()}: run scripts/setup test"
        self.folder = pathlib.Path(folder)
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "iam").mkdir()
        self.port = free_port()
        self.tls = ["--cert", certificate, "--key", key] if certificate else []
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder),
               "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        self.process = subprocess.Popen(
            [find(), "--port", f"127.0.0.1:{self.port}", "--health", "/health", "--quiet",
             "--region", REGION, "--iam-dir", self.folder / "iam", *self.tls,
             "posix", self.folder / "data"],
            env=env, preexec_fn=die_with_parent, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(self.process, self.url + "/health", ssl._create_unverified_context())

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


class Moto:
    """moto's stand-in for AWS. It checks no signature."""

    def __init__(self, folder, env):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.process, self.url)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Fault:
    """What becomes of one request: an answer of the proxy's own, or the server's, disturbed."""

    def __init__(self, name, code=0, seconds=0.0):
        self.name = name
        self.code = code  # of the proxy's own answer, which names the error
        self.seconds = seconds


def error(code, name):
    return Fault(name, code)


def skewed(seconds):
    """Refuses the caller's time by a clock that is so many seconds ahead of it."""
    return Fault("RequestTimeTooSkewed", 403, seconds)


INTERNAL = error(500, "InternalError")
SLOW_DOWN = error(503, "SlowDown")
EXPIRED = error(400, "ExpiredToken")
RESET = Fault("reset before the request is passed on")
LOST = Fault("reset after the request is carried out")
TRUNCATED = Fault("half of the body, then the end")
TOO_SHORT = Fault("a Content-Length of half of the body")
CUT_REFUSAL = Fault("AccessDenied, of which half of the body comes", 403)
TOO_LONG = Fault("a Content-Length of more than the body")


def slow_first_byte(seconds):
    return Fault("slow first byte", seconds=seconds)


def stall(seconds):
    return Fault("stall amid the body", seconds=seconds)


class Proxy:
    """Passes requests on to the server, as they are, and remembers "METHOD path?query" of each.

    `before(request_number, method, path)` may return a Fault for this request.
    """

    def __init__(self, server, before=None):
        self.requests = []
        self.headers = {}  # of all requests, the last value of each
        self.faults = collections.Counter()  # by name
        self.server = server
        self.before = before
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def any_method(self):
                outer.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = any_method

        class Threads(http.server.ThreadingHTTPServer):
            request_queue_size = 512

            def handle_error(self, *args):
                pass  # a client that went away

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def handle(self, client):
        body = client.rfile.read(int(client.headers.get("Content-Length", 0)))
        with self.lock:
            self.requests.append(f"{client.command} {client.path}")
            self.headers.update({k.lower(): v for k, v in client.headers.items()})
            fault = self.before and self.before(len(self.requests), client.command, client.path)
            if fault:
                self.faults[fault.name] += 1
        if fault is RESET:
            return self.reset(client)
        if fault and fault.code:
            text = f"<Error><Code>{fault.name}</Code><Message>-</Message></Error>".encode()
            if fault is CUT_REFUSAL:
                text = text[:len(text) // 2]
            signed = datetime.datetime.strptime(client.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
            date = signed + datetime.timedelta(seconds=fault.seconds)
            headers = {"Content-Length": str(len(text)),
                       "Date": email.utils.format_datetime(date.astimezone(datetime.timezone.utc),
                                                           usegmt=True)}
            return self.answer(client, fault.code, headers, text)
        code, headers, data = self.ask(client, body)
        self.disturb(client, fault, code, headers, data)

    def ask(self, client, body):
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        upstream.putrequest(client.command, client.path, skip_host=True, skip_accept_encoding=True)
        for name, value in client.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        headers = {k: v for k, v in answer.getheaders()
                   if k.lower() not in ("connection", "transfer-encoding")}
        return answer.status, headers | {"Content-Length": str(len(data))}, data

    def disturb(self, client, fault, code, headers, data):
        half = len(data) // 2
        if fault is LOST:
            return self.reset(client)
        if fault is TOO_SHORT:
            headers["Content-Length"] = str(half)
        if fault is TOO_LONG:
            headers["Content-Length"] = str(len(data) + 100)
        if fault in (TRUNCATED, TOO_SHORT, TOO_LONG):
            client.close_connection = True
        if fault is TRUNCATED:
            if not data:  # an answer without a body is cut off before it begins
                return self.reset(client)
            data = data[:half]
        if fault and fault.name == "slow first byte":
            time.sleep(fault.seconds)
        if fault and fault.name == "stall amid the body":
            self.answer(client, code, headers, data[:half])
            client.wfile.flush()
            time.sleep(fault.seconds)
            return client.wfile.write(data[half:] if client.command != "HEAD" else b"")
        self.answer(client, code, headers, data)

    @staticmethod
    def reset(client):
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.connection.close()
        client.close_connection = True

    @staticmethod
    def answer(client, code, headers, data):
        client.send_response_only(code)
        for name, value in headers.items():
            client.send_header(name, value)
        client.end_headers()
        if client.command != "HEAD":
            client.wfile.write(data)

    def count(self, start):
        return sum(request.startswith(start) for request in self.requests)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
