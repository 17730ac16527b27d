"""A whole stack of its own for tests: started by the project's own command, on free ports."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import psycopg2
import pytest

from infra.local.gateway.issuer import load_or_create_key, mint_token
from infra.local.settings import AUDIENCE
from infra.local.stack_record import StackRecord, read_record
from tests.shared import an_order, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
_PORTS = 7


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def token(self) -> str:
        return self.headers["consistency-token"]


class RunningStack:
    """A stack that runs in ``state``, as its clients and its operators see it."""

    def __init__(self, state: Path, port: int, kafka: str) -> None:
        self.state = state
        self.port = port
        self.kafka = kafka
        self.url = f"http://127.0.0.1:{port}"

    # ── as an operator ───────────────────────────────────────────────────────────────────────

    def command(self, *arguments: str) -> list[str]:
        where = [f"--state-dir={self.state}", f"--port={self.port}", f"--kafka={self.kafka}"]
        return [sys.executable, "-m", "infra.local", *arguments, *where]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=ROOT, check=False
        )

    def start(self) -> None:
        done = self.run("up", "--detach")
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        done = self.run("down")
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def record(self) -> StackRecord:
        record = read_record(self.state)
        assert record is not None, "the stack does not run"
        return record

    def child(self, part: str) -> psutil.Process:
        """Return the server whose name contains ``part``; one that was killed is waited for."""
        found: list[psutil.Process] = []

        def runs() -> bool:
            (pid,) = (child.pid for name, child in self.record.children.items() if part in name)
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(pid))
            return bool(found)

        eventually(runs)
        return found[-1]

    def environments(self, stem: str) -> list[psutil.Process]:
        """Return the processes that run this function."""
        return [
            process
            for process in psutil.Process(self.record.pid).children(recursive=True)
            if any(argument.endswith(f".{stem}.handler") for argument in _command_of(process))
        ]

    def log(self, part: str) -> str:
        return (self.state / "logs" / f"{part}.log").read_text()

    @contextlib.contextmanager
    def write_database(self) -> Iterator[psycopg2.extensions.cursor]:
        """Return a cursor of the write database's owner, in one transaction."""
        with self._database(self.record.ports.write_database) as cursor:
            yield cursor

    @contextlib.contextmanager
    def read_database(self) -> Iterator[psycopg2.extensions.cursor]:
        """Return a cursor of the read database's owner, in one transaction."""
        with self._database(self.record.ports.read_database) as cursor:
            yield cursor

    @contextlib.contextmanager
    def _database(self, port: int) -> Iterator[psycopg2.extensions.cursor]:
        with (
            contextlib.closing(
                psycopg2.connect(
                    host="127.0.0.1",
                    port=port,
                    dbname="ordering",
                    user="ordering_owner",
                    passfile=self.record.pgpass,
                )
            ) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def count(self, sql: str) -> int:
        """Ask the write database for a number."""
        with self.write_database() as cursor:
            cursor.execute(sql)
            (number,) = cursor.fetchone() or (0,)
            assert isinstance(number, int)
            return number

    # ── as a client ──────────────────────────────────────────────────────────────────────────

    def jwt(
        self,
        *,
        customer: str | None = None,
        scopes: Sequence[str] | None = None,
        ttl_seconds: int = 3600,
    ) -> str:
        return mint_token(
            load_or_create_key(self.state),
            f"{self.url}/issuer",
            AUDIENCE,
            customer=customer,
            scopes=scopes,
            ttl_seconds=ttl_seconds,
        )

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        customer: str | None = None,
        authorization: str | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request, as an operator unless told otherwise; a str body goes as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["authorization"] = authorization or f"Bearer {self.jwt(customer=customer)}"
        content = body if isinstance(body, str) else json.dumps(body)
        if body is not None:
            sent.setdefault("content-type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            connection.request(method, path, content.encode() if body is not None else None, sent)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        answered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, answered, json.loads(text) if text else None)

    def place(self, **changes: object) -> Answer:
        answer = self.call("POST", "/orders", an_order(**changes))
        assert answer.status == 201, answer
        return answer

    def read(self, order: str, token: str, *, wait: int = 20) -> Answer:
        """Read an order once the query has seen ``token``."""
        path = f"/orders/{order}"
        return self.call("GET", path, consistency_token=token, prefer=f"wait={wait}")


def lambda_client(url: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
    """Return boto3's Lambda client for the stack's Invoke API."""
    return boto3.client(
        "lambda",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - no secret, as LocalStack wants it
    )


@contextlib.contextmanager
def running_stack(state: Path, kafka: str) -> Iterator[RunningStack]:
    """Start a stack on free ports; at the end it is stopped and nothing of it may be left."""
    stack = RunningStack(state, free_ports(), kafka)
    try:
        stack.start()
        yield stack
    finally:
        record = read_record(state)
        left = [] if record is None else psutil.Process(record.pid).children(recursive=True)
        stack.run("down")
        assert not [process for process in left if process.is_running()]


def kafka_kinds() -> list[str]:
    """Return the brokers to test with: the one that KAFKA= names, or both."""
    chosen = os.environ.get("KAFKA", "auto")
    return ["apache", "embedded"] if chosen in ("", "auto") else [chosen]


def has_apache() -> bool:
    """Return whether Apache Kafka is among them and can run here."""
    return "apache" in kafka_kinds() and all(map(shutil.which, ("java", "mvn")))


def leave_to_apache(stack: RunningStack) -> None:
    """Skip on the embedded broker what is the same whatever carries the events."""
    if stack.kafka == "embedded" and has_apache():
        pytest.skip("tried on the stack with Apache Kafka")


def free_ports() -> int:
    """Find seven free ports in a row, outside the range that the kernel hands out.

    They are this process's until it ends: tests that run beside it look for some at the same time.
    """
    for base in range(20_000 + os.getpid() % 1000 * 10, 32_000, 10):
        # Open until this process ends. Not in TMPDIR, which is each process's own.
        file = os.open(f"/tmp/ordering-ports-{base}", os.O_RDWR | os.O_CREAT)  # noqa: S108 - empty
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        if all(_is_free(port) for port in range(base, base + _PORTS)):
            return base
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) != 0


def _command_of(process: psutil.Process) -> list[str]:
    try:
        command: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return command
