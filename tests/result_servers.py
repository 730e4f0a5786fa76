"""Real servers that results are kept in, each installed by the test itself and started on a port of its own."""

import base64
import email.utils
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

PATIENCE = 60.0
AZURITE = "3.35.0"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, published in its documentation."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server process that can be stopped and started again at the same address."""

    scheme = ""
    variables: tuple[str, ...] = ()
    """What of the environment would get in the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str | Path]:
        """Return the server's command line."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return what a client's environment says of the server."""
        raise NotImplementedError

    def make_bucket(self) -> None:
        """Make the bucket, or container, called results."""
        raise NotImplementedError

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / f"{self.scheme}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                assert self.process.poll() is None, (self.folder / f"{self.scheme}.log").read_text()
                assert time.monotonic() < deadline, f"{self.command()} does not answer"
                time.sleep(0.05)
        self.make_bucket()

    def stop(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> None:
        """Ask for something directly."""
        url = f"http://127.0.0.1:{self.port}{path}"
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        with urllib.request.urlopen(urllib.request.Request(url, body, fields, method=method), timeout=PATIENCE):
            pass


def point_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's environment lead to *server*, and to nothing else."""
    for name in server.variables:
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)


class S3Server(Server):
    """moto, which checks signatures like S3 once it is told to."""

    scheme = "s3"
    variables = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3")

    def command(self):
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self):
        return {
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
        }

    def make_bucket(self):
        self.request("PUT", "/results")

    def demand_credentials(self, demanded: bool) -> None:
        """Refuse who is not known, or let everybody in again."""
        requests_let_in = b"0" if demanded else b"1e9"
        self.request("POST", "/moto-api/reset-auth", requests_let_in, Content_Type="text/plain")


class GcsServer(Server):
    """gcp-storage-emulator, with the two headers that its XML answers lack and Google's have."""

    scheme = "gs"
    variables = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY")

    def command(self):
        return [sys.executable, Path(__file__).with_name("gcs_emulator.py"), str(self.port)]

    def environment(self):
        return {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{self.port}"}

    def make_bucket(self):
        body = json.dumps({"name": "results"}).encode()
        self.request("POST", "/storage/v1/b?project=tests", body, Content_Type="application/json")


class AzureServer(Server):
    """Azurite, Microsoft's own."""

    scheme = "az"
    variables = ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN")

    def command(self):
        program = _azurite()
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        return ["node", program, *address, "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]

    def environment(self):
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{self.port}/{ACCOUNT}",
        }

    def make_bucket(self):
        now, version = email.utils.formatdate(usegmt=True), "2021-08-06"
        resource = f"/{ACCOUNT}/{ACCOUNT}/results\nrestype:container"
        text = "PUT" + "\n" * 12 + f"x-ms-date:{now}\nx-ms-version:{version}\n{resource}"
        signature = hmac.new(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256).digest()
        self.request(
            "PUT",
            f"/{ACCOUNT}/results?restype=container",
            x_ms_date=now,
            x_ms_version=version,
            Authorization=f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
        )


class PostgresServer:
    """PostgreSQL, which trusts who comes through its socket and asks others for a password."""

    def __init__(self) -> None:
        self._programs = _postgresql_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="tidemill-pg-"))
        self.port = free_port()
        self._as_user: list[str] = []
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres")
            self._as_user = ["runuser", "-u", "postgres", "--"]
        options = ["-A", "scram-sha-256", "--auth-local=trust", "-U", "tester", "-E", "UTF8", "--no-sync"]
        (self.folder / "password").write_text("swordfish")
        (self.folder / "password").chmod(0o644)
        self._run(self._programs / "initdb", "-D", self.folder / "data", *options, "--pwfile", self.folder / "password")

    @property
    def url(self) -> str:
        """The way through the socket."""
        return f"postgresql://tester@/postgres?host={self.folder}&port={self.port}"

    def url_of(self, password: str) -> str:
        """Return the way that asks for a password."""
        return f"postgresql://tester:{password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it serves."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._control("-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """End it as a crash would."""
        self._control("-m", "immediate", "stop", check=False)

    def remove(self) -> None:
        """Leave nothing behind."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *arguments: str | Path, check: bool = True) -> None:
        self._run(self._programs / "pg_ctl", "-D", self.folder / "data", "-w", *arguments, check=check)

    def _run(self, *command: str | Path, check: bool = True) -> None:
        # Its own children keep what they inherit, so there is no pipe to read from.
        done = subprocess.run(
            [*self._as_user, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}"


def _postgresql_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(shutil.which("initdb") or "/nowhere")]
    if not found[-1].exists():
        pytest.skip("PostgreSQL is not installed here; results are tested on SQLite only")
    pytest.importorskip("psycopg")
    return found[-1].parent


def _azurite() -> Path:
    """Install Azurite beside the virtual environment, once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("there is no Node.js to run Azurite with; results in Azure are not tested")
    folder = Path(sys.prefix) / "share" / f"azurite-{AZURITE}"
    program = folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "install",
            "--prefix",
            folder,
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            f"azurite@{AZURITE}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0 or not program.exists():
            pytest.skip(f"Azurite could not be installed; results in Azure are not tested: {done.stderr[-300:]}")
    return program
