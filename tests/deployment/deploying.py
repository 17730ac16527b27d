"""What CloudFormation does with the template's custom resources, against real databases."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final

from operations import migrate, prepare_databases
from tests.deployment.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.deployment.aurora import Aurora

HANDLERS: Final = {
    "PrepareDatabasesAliaslive": prepare_databases.handler,
    "MigrateAliaslive": migrate.handler,
}


class Answers:
    """Where functions answer CloudFormation, by the request's id."""

    def __init__(self) -> None:
        self.received: dict[str, dict[str, Any]] = {}
        self.refused = 0
        """How many of the next answers get an error."""
        self.address = ""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        answers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert not self.headers["Content-Type"]
                if answers.refused:
                    answers.refused -= 1
                    self.send_error(503)
                    return
                answers.received[body["RequestId"]] = body
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{server.server_port}/answer?Signature=secret"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class FailedDeploymentError(Exception):
    """CloudFormation would take everything back now; the message is what it was told."""


class Deployment:
    """Deploys the template's stack as CloudFormation does; what it changed is in ``done``.

    AWS is mocked while it does.
    """

    def __init__(
        self, aurora: Aurora, answers: Answers, monkeypatch: pytest.MonkeyPatch, migrations: Path
    ) -> None:
        self.answers = answers
        self.done: list[str] = []
        self.told: dict[str, dict[str, Any]] = {}
        self.migrations = migrations
        self._set = monkeypatch.setenv
        secrets = aurora.keep_secrets()
        self._aurora = aurora
        self.stack = Stack(
            WriteMasterSecret=secrets["write"],
            ReadMasterSecret=secrets["read"],
            WriteClusterHost="127.0.0.1",
            ReadClusterHost="127.0.0.1",
        )

    def carry_out(self, request_type: str = "Create") -> None:
        """Create or update every resource, in an order that the template allows.

        Raises:
            FailedDeploymentError: a custom resource failed; nothing that waits for it was changed.
        """
        self.done.clear()
        for name in self.stack.order():
            resource = self.stack.resources[name]
            if resource["Type"].startswith("Custom::"):
                self._custom(name, request_type)
            self.done.append(name)

    def _custom(self, name: str, request_type: str) -> None:
        properties = self.stack.properties(name)
        alias = properties["ServiceToken"]
        request = {
            "RequestType": request_type,
            "ResponseURL": self.answers.address,
            "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/ordering-test/0",
            "RequestId": str(uuid.uuid4()),
            "LogicalResourceId": name,
            "ResourceType": self.stack.resources[name]["Type"],
            "ResourceProperties": properties,
        }
        self._set_environment(alias)
        failure: Exception | None = None
        try:
            HANDLERS[alias](request, None)
        except Exception as error:  # noqa: BLE001 - as Lambda, which counts it as an error
            failure = error
        self.told[name] = answer = self.answers.received[request["RequestId"]]
        assert (answer["Status"] == "FAILED") is (failure is not None)
        if failure is not None:
            raise FailedDeploymentError(answer["Reason"]) from failure

    def _set_environment(self, alias: str) -> None:
        """Set what the template says, on this machine's servers."""
        function = alias.removesuffix("Aliaslive")
        variables = self.stack.properties(function)["Environment"]["Variables"]
        for name, value in variables.items():
            self._set(name, value)
        for side in ("write", "read"):
            port = str(self._aurora.ports[side])
            variable = f"{side.upper()}_DATABASE"
            self._set(variable, variables[variable].replace("port=5432", f"port={port}"))
        self._set("DATABASE_AUTHENTICATION", "password-file")
        self._set("PGSSLMODE", "disable")
        self._set("MIGRATIONS_DIRECTORY", str(self.migrations))
