"""The commands and queries that there are, read from their files and from the template."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.local.template import load_template
from ordering.domain.errors import Refusal

if TYPE_CHECKING:
    from types import ModuleType

    from infra.local.template.model import Template

ROOT: Final = Path(__file__).parents[2]
_FUNCTIONS: Final = ROOT / "functions"

# What a deployment would say; nothing of it is in a contract.
PARAMETERS: Final = {
    "JwtIssuer": "https://issuer.example",
    "WriteDatabaseHost": "write.example",
    "WriteClusterHost": "write.cluster.example",
    "ReadDatabaseHost": "read.example",
    "ReadClusterHost": "read.cluster.example",
    "KafkaClusterArn": "arn:aws:kafka:us-east-1:000000000000:cluster/example/0",
    "KafkaBootstrapServers": "kafka.example:9098",
    "WriteMasterSecret": "arn:aws:secretsmanager:us-east-1:000000000000:secret:write",
    "ReadMasterSecret": "arn:aws:secretsmanager:us-east-1:000000000000:secret:read",
    "SubnetIds": "subnet-example",
    "SecurityGroupIds": "sg-example",
}


class MissingDeclarationError(Exception):
    """A function's file or its test lacks what the documents need; the message says what."""


def read_template(**given: str) -> Template:
    """Read template.yaml, with placeholders for what a deployment says and is not given."""
    return load_template(ROOT / "template.yaml", PARAMETERS | given)


@dataclass(frozen=True)
class HttpFile:
    """One function behind a route: its stem, what its first line says, and its module."""

    kind: str
    """``commands`` or ``queries``."""
    stem: str
    route: str
    meaning: str
    module: ModuleType

    @property
    def handler(self) -> Any:  # noqa: ANN401 - a CommandFunction or a QueryFunction of any model
        """What Lambda calls."""
        return self.module.handler

    @property
    def refusals(self) -> list[Refusal]:
        """The named refusals that the rule may answer, by their codes."""
        found = {r.code: r for r in vars(self.module).values() if isinstance(r, Refusal)}
        return [found[code] for code in sorted(found)]


def answer_type(file: HttpFile) -> Any:  # noqa: ANN401 - any TypedDict
    """Return the type of what a query answers, from the annotation of its ``answer``.

    Raises:
        MissingDeclarationError: it has none.
    """
    annotation = ast.parse(file.module.answer.__annotations__["return"], mode="eval").body
    for node in ast.walk(annotation):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Answer":
            return vars(file.module)[ast.unparse(node.slice)]
    raise MissingDeclarationError(
        f"functions/{file.kind}/{file.stem}.py: annotate `answer` with Answer[<a TypedDict>]"
    )


def files_of(kind: str) -> list[HttpFile]:
    """Return the functions of a kind, ``commands`` or ``queries``, by their stems."""
    return [
        _read(kind, file)
        for file in sorted((_FUNCTIONS / kind).glob("*.py"))
        if file.name != "__init__.py"
    ]


def _read(kind: str, file: Path) -> HttpFile:
    line = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    route, _, meaning = line.partition(": ")
    return HttpFile(kind, file.stem, route, meaning, importlib.import_module(f"{kind}.{file.stem}"))
