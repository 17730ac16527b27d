"""A function that Lambda restores from a snapshot: the real runtime client, with stub servers."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import socketserver
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from infra.local.settings import ROOT
from ordering.runtime import credentials
from ordering.runtime.credentials import CredentialsUnavailableError, role_credentials
from ordering.runtime.settings import MissingSettingError
from tests.integration.requests import request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNTIME: Final = "/2018-06-01/runtime"


class Served:
    """What Lambda serves an environment: its lifecycle, and the keys of its role."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.events: queue.Queue[bytes] = queue.Queue()
        self.valid_for = timedelta(hours=1)
        self.status = 200
        self.document: bytes | None = None
        self.keys = 0

    def credentials(self) -> bytes:
        self.keys += 1
        return (
            self.document
            or json.dumps(
                {
                    "AccessKeyId": f"KEY{self.keys}",
                    "SecretAccessKey": "secret",
                    "Token": "session",
                    "Expiration": f"{datetime.now(UTC) + self.valid_for:%Y-%m-%dT%H:%M:%SZ}",
                }
            ).encode()
        )


def _handler_of(served: Served) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == f"{_RUNTIME}/restore/next":
                served.happened.append("snapshot")
                self._answer(200, b"")
            elif self.path == f"{_RUNTIME}/invocation/next":
                self._answer(200, served.events.get(), invocation=True)
            elif self.headers.get("Authorization") == "the token":
                served.happened.append("credentials")
                self._answer(served.status, served.credentials())
            else:
                self._answer(403, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            served.answers.put({"path": self.path, **json.loads(body)})
            self._answer(202, b"")

        def _answer(self, status: int, body: bytes, *, invocation: bool = False) -> None:
            self.send_response(status)
            if invocation:
                self.send_header("Content-Type", "application/json")
                self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
                deadline = int(time.time() + 10) * 1000
                self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class _AsksForPassword(socketserver.BaseRequestHandler):
    """The first words of a PostgreSQL server that asks for a password and then goes away."""

    def handle(self) -> None:
        length = int.from_bytes(self.request.recv(4), "big")
        self.request.recv(length - 4)
        self.request.sendall(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))
        message = self.request.recv(65536)
        self.server.passwords.put(message[5:-1].decode())  # type: ignore[attr-defined] # set below


@pytest.fixture
def served() -> Iterator[tuple[Served, str]]:
    answers = Served()
    with running(_Server(("127.0.0.1", 0), _handler_of(answers))) as port:
        yield answers, f"127.0.0.1:{port}"


@contextlib.contextmanager
def running(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        host_and_port: Any = server.server_address
        yield host_and_port[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def key_in(password: str) -> str:
    """Return the key that a database's token is signed with."""
    ((credential,),) = [
        value for name, value in parse_qs(urlsplit(password).query).items() if "Credential" in name
    ]
    return unquote(credential).split("/")[0]


def test_connections_and_credentials_are_made_after_the_snapshot(
    served: tuple[Served, str],
) -> None:
    answers, address = served
    database = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _AsksForPassword)
    database.passwords = passwords = queue.Queue[str]()  # type: ignore[attr-defined] # its own
    database.daemon_threads = True
    with running(database) as port:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "commands.place_order.handler"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'layers' / 'common'}",
                "AWS_LAMBDA_RUNTIME_API": address,
                "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{address}/role?of=mine",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the token",
                "AWS_REGION": "eu-central-1",
                "_HANDLER": "commands.place_order.handler",
                "WRITE_DATABASE": f"host=127.0.0.1 port={port} dbname=ordering user=u",
                "PGSSLMODE": "disable",
                "PGGSSENCMODE": "disable",
            },
        )
        try:
            # The keys that a snapshot's environment begins with last as long as the first ones.
            for _ in range(2):
                answers.events.put(json.dumps(request(an_order())).encode())
                answer = answers.answers.get(timeout=20)
                assert answer["path"] == f"{_RUNTIME}/invocation/1/response"
                assert answer["statusCode"] == 503
            assert answers.happened == ["snapshot", "credentials"]
            assert {key_in(passwords.get(timeout=5)) for _ in range(2)} == {"KEY1"}
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, served: tuple[Served, str]
) -> Iterator[tuple[Served, str]]:
    answers, address = served
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/role")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the token")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    credentials.forget_credentials()
    yield answers, address
    credentials.forget_credentials()


def test_they_are_kept_until_shortly_before_their_end(environment: tuple[Served, str]) -> None:
    answers, _ = environment
    assert role_credentials() is role_credentials()
    credentials.forget_credentials()
    answers.valid_for = timedelta(minutes=4)
    assert [role_credentials().aws_access_key_id for _ in range(2)] == ["KEY2", "KEY3"]
    assert role_credentials().aws_region == "eu-central-1"


def test_what_is_no_answer_names_no_secret(
    environment: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, address = environment
    for answers.document in (b"{", b"[]", b'{"AccessKeyId": "SECRET"}'):
        with pytest.raises(CredentialsUnavailableError) as raised:
            role_credentials()
        assert "SECRET" not in str(raised.value)
    answers.status = 500
    with pytest.raises(CredentialsUnavailableError, match="answers 500"):
        role_credentials()
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address[:-1]}9/role")
    with pytest.raises(CredentialsUnavailableError):
        role_credentials()


def test_without_a_service_they_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert role_credentials().aws_access_key_id == "AKIA"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(MissingSettingError, match="AWS_ACCESS_KEY_ID"):
        role_credentials()
