"""Servers of other stores than S3, over folders of their own: Azurite (Azure) and fake-gcs-server
(Google). `scripts/setup test` installs both."""
import os
import pathlib
import shutil
import subprocess

import pyarrow.fs

import server as s3

AZURITE = "azurite-3.35.0"  # as in scripts/setup
FAKE_GCS = "fake-gcs-server-v1.56.1"
# Azurite has one account, whose name and key its documentation states.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Store:
    """A server and an independent client of it. Its address is in `url`, for --endpoint-url."""

    def __init__(self, folder, command, port):
        program = s3.find().parent / command[0]
        assert program.exists(), f"no {program}: run scripts/setup test"
        self.folder = pathlib.Path(folder)
        self.url = f"http://127.0.0.1:{port}"
        # Node comes with Azurite where the machine has none.
        path = f"{os.environ['PATH']}:{s3.find().parent / 'toolchains/bin'}"
        self.process = subprocess.Popen(
            [program, *command[1:]], preexec_fn=s3.die_with_parent, cwd=self.folder,
            env=os.environ | {"PATH": path},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        s3.wait_for(self.process, self.url)

    def upload(self, folder, prefix):
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())

    def put(self, key, data):
        with self.files.open_output_stream(f"{self.bucket}/{key}") as out:
            out.write(data)

    def download(self, prefix, folder):
        selector = pyarrow.fs.FileSelector(f"{self.bucket}/{prefix}", recursive=True)
        for info in self.files.get_file_info(selector):
            if info.is_file:
                path = folder / info.path.removeprefix(f"{self.bucket}/{prefix}").lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                with self.files.open_input_stream(info.path) as file:
                    path.write_bytes(file.read())
        return folder

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Azure(Store):
    uri = "az://fruits"
    missing = "az://nowhere/images"
    env = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": KEY}
    wrong = env | {"AZURE_STORAGE_KEY": "d3JvbmctMmY4Y2E3"}
    bucket = "fruits"

    def __init__(self, folder):
        port = s3.free_port()
        super().__init__(folder, [f"{AZURITE}/node_modules/.bin/azurite-blob", "--silent",
                                  "--skipApiVersionCheck", "--disableTelemetry", "--blobPort",
                                  str(port), "--location", "."], port)
        address = self.url.removeprefix("http://")
        self.files = pyarrow.fs.AzureFileSystem(
            ACCOUNT, account_key=KEY, blob_storage_authority=address, blob_storage_scheme="http",
            dfs_storage_authority=address, dfs_storage_scheme="http")
        self.files.create_dir(self.bucket)


class Google(Store):
    uri = "gs://fruits"
    missing = "gs://nowhere/images"
    env = {}
    flags = ("--no-sign-request",)
    bucket = "fruits"

    def __init__(self, folder):
        port = s3.free_port()
        super().__init__(folder, [FAKE_GCS, "-scheme", "http", "-host", "127.0.0.1", "-port",
                                  str(port), "-filesystem-root", ".", "-public-host",
                                  f"127.0.0.1:{port}"], port)
        self.files = pyarrow.fs.GcsFileSystem(
            anonymous=True, scheme="http", endpoint_override=self.url.removeprefix("http://"),
            default_bucket_location="us", project_id="fruits")
        self.files.create_dir(self.bucket)
