"""The rules of the house: one stem everywhere, and nothing where it does not belong."""

from __future__ import annotations

import ast
import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.contracts.examples import ORDER_ID
from infra.contracts.functions import read_template
from ordering.runtime.http import MAX_BODY_BYTES

if TYPE_CHECKING:
    from infra.local.template.model import Function

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
TEMPLATE = read_template()
FILES = sorted(f for f in FUNCTIONS.glob("*/*.py") if f.name != "__init__.py")
SOURCES = sorted(
    file
    for folder in ("functions", "layers", "infra", "tests")
    for file in (ROOT / folder).rglob("*.py")
)


def names(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def function_of(file: Path) -> Function:
    found = [f for f in TEMPLATE.functions.values() if f.stem == file.stem]
    assert found, f"template.yaml: add a block for {file.stem}"
    return found[0]


def first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def test_each_function_of_the_template_is_one_file_and_each_file_one_function() -> None:
    handlers = {function.handler for function in TEMPLATE.functions.values()}
    assert handlers == {f"{file.parent.name}.{file.stem}.handler" for file in FILES}


def test_a_functions_block_is_named_by_its_stem() -> None:
    for name, function in TEMPLATE.functions.items():
        assert name == "".join(word.capitalize() for word in function.stem.split("_"))


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_a_functions_file_begins_with_its_route_or_source(file: Path) -> None:
    function = function_of(file)
    line = first_line(file)
    for route in function.routes:
        assert line.startswith(f"{route.method} {route.path}: ")
    for source in function.kafka_sources:
        assert line.startswith(f"{source.topics[0]} → {file.stem}: ")
    assert re.search(r"[a-z].*: \S", line)


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_each_function_has_a_sample_event(file: Path) -> None:
    sample = json.loads((ROOT / "events" / f"{file.stem}.json").read_text())
    for route in function_of(file).routes:
        assert sample["routeKey"] == f"{route.method} {route.path}"
        jwt = sample["requestContext"]["authorizer"]["jwt"]
        assert set(route.scopes) & set(jwt["scopes"])
        assert sorted(jwt["claims"]["scope"].split()) == jwt["scopes"]


def test_there_is_no_sample_of_nothing() -> None:
    assert {file.stem for file in (ROOT / "events").glob("*.json")} == {f.stem for f in FILES}


@pytest.mark.parametrize("file", FILES, ids=names(FILES))
def test_each_function_is_named_by_a_test(file: Path) -> None:
    tests = (ROOT / "tests").rglob("test_*.py")
    if file.parent.name == "commands":
        assert (ROOT / "tests" / "domain" / f"test_{file.stem}.py").is_file()
    assert any(file.stem in test.read_text() for test in tests if test != Path(__file__))


def test_every_route_needs_a_scope() -> None:
    for function in TEMPLATE.functions.values():
        for route in function.routes:
            assert route.authorized
            assert route.scopes


def test_no_two_projectors_share_a_consumer_group() -> None:
    groups = [s.group for f in TEMPLATE.functions.values() for s in f.kafka_sources]
    assert len(groups) == len(set(groups))


def test_at_most_half_of_a_querys_environments_wait() -> None:
    for function in TEMPLATE.functions.values():
        if function.handler.startswith("queries."):
            waiting = int(function.environment["WAITING_CALLERS"])
            assert function.concurrency is not None
            assert 0 < waiting * 2 <= function.concurrency, function.stem


def test_only_the_settings_read_the_environment() -> None:
    deployed = [f for f in SOURCES if f.is_relative_to(FUNCTIONS) or "layers" in f.parts]
    readers = [file.name for file in deployed if "os.environ" in file.read_text()]
    assert readers == ["settings.py"]


def test_every_exemption_gives_its_reason() -> None:
    for file in SOURCES:
        if file == Path(__file__):
            continue
        above: list[str] = []
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            match = re.search(r"#\s*(noqa|type: ignore)(?P<rest>.*)", line)
            if match:
                _, _, reason = re.sub(r"\s[-#—]\s", "|", match["rest"]).partition("|")
                is_explained = len(reason) > 5 or any(
                    before.strip().startswith("# ") for before in above[-3:]
                )
                assert is_explained, f"{file}:{number} says no reason"
            above.append(line)


@pytest.mark.parametrize("file", SOURCES, ids=names(SOURCES))
def test_a_file_holds_one_thing(file: Path) -> None:
    # A specification is as long as its subject has cases.
    if not file.name.startswith("test_"):
        assert len(file.read_text().splitlines()) <= 320


@pytest.mark.parametrize(
    ("kind", "heavy"),
    [
        ("commands", {"boto3", "botocore.session", "kafka", "aws_xray_sdk"}),
        ("queries", {"boto3", "botocore.session", "kafka", "aws_xray_sdk"}),
        ("projectors", {"boto3", "botocore.session", "kafka", "aws_xray_sdk"}),
        ("relay", {"boto3", "botocore.session", "aws_xray_sdk"}),
    ],
)
def test_cold_starts_import_no_sdk_they_do_not_use(kind: str, heavy: set[str]) -> None:
    settings = {
        "WRITE_DATABASE": "host=nowhere",
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
        "KAFKA_TOPIC": "none",
        "PYTHONPATH": f"{FUNCTIONS}:{ROOT / 'layers' / 'common'}",
    }
    modules = [f"{kind}.{file.stem}" for file in FILES if file.parent.name == kind]
    assert modules
    script = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=settings, capture_output=True, text=True, check=True
    )
    assert "ordering" in done.stdout.split()
    assert not heavy & set(done.stdout.split())


def test_the_body_limit_is_the_contracts() -> None:
    assert MAX_BODY_BYTES == 256 * 1024


def test_samples_have_idempotency_keys_of_their_own() -> None:
    keys = [
        event["headers"]["idempotency-key"]
        for event in samples()
        if "idempotency-key" in event.get("headers", {})
    ]
    assert len(keys) == len(set(keys)) > 20


def test_samples_name_no_real_customer_and_no_real_order() -> None:
    """An order id is a UUID of version 7: the sample's is of 1970, when there were no orders."""
    for event in samples():
        records = [each for some in event.get("records", {}).values() for each in some]
        texts = [base64.b64decode(record["value"]).decode() for record in records]
        for text in (json.dumps(event), *texts):
            assert set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{22}", text)) <= {ORDER_ID}
            named = re.findall(r'\\?"customer_id\\?": ?\\?"([^"\\]+)', text)
            assert set(named) <= {"SAMPLE-CUSTOMER"}


def samples() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((ROOT / "events").glob("*.json"))]
