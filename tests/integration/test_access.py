"""Who may do what: every command and query with every kind of token, on own and others' orders.

What is expected is computed from the contract: its table of scopes and its rule of confinement, as
they are written here. Routes and the scopes that they ask for are the template's, requests go
through the gateway's authorizer to the functions and their databases.
"""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest
import uvloop

from commands import confirm_order, place_order
from infra.contracts.declarations import declared, sample
from infra.contracts.functions import files_of, read_template
from infra.local.gateway.issuer import SCOPES, load_or_create_key
from infra.local.lambdas.invocation import Invocation
from ordering.delivery.envelope import write_event
from ordering.runtime.http import NOBODY, Principal
from tests.callers import OPERATE, READ, SELL, WRITE
from tests.databases import empty_read_side
from tests.integration.local_runner.http_fixtures import an_api
from tests.integration.projections import PROJECTORS
from tests.integration.requests import OPERATOR, body_of, request
from tests.shared import an_order

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import aiohttp

    from infra.local.gateway.issuer import Key
    from infra.local.template import Template
    from ordering.runtime.function import HttpFunction
    from tests.databases import Databases

# ── the contract ─────────────────────────────────────────────────────────────────────────────────


def sufficient_scopes(stem: str) -> frozenset[str]:
    """Return the scopes of which any suffices, as the function's test declares them."""
    scopes: frozenset[str] = declared(stem, "CALLERS")
    return scopes


# ── the tokens ───────────────────────────────────────────────────────────────────────────────────

OWN, OTHER = "OWN", "OTHER"
NO_CLAIM: Final = object()


@dataclass(frozen=True)
class Token:
    """One kind of token; an ``invalid`` one has something wrong that the gateway has to see."""

    scopes: tuple[str, ...] = SCOPES
    claim: object = NO_CLAIM
    invalid: str = ""
    scopes_claim: str = "scope"
    is_prefixed: bool = True

    def sees(self, customer: str) -> bool:
        """Return whether, by the contract, the customer's orders exist for the token."""
        if OPERATE in self.scopes:
            return True
        if self.claim is NO_CLAIM:
            return SELL in self.scopes
        return self.claim == customer


TOKENS: Final = {
    "no token": Token(invalid="missing"),
    "bad signature": Token(invalid="signature"),
    "expired": Token(invalid="expired"),
    "another issuer's": Token(invalid="issuer"),
    "no scope": Token(()),
    "read only": Token((READ,)),
    "write only": Token((WRITE,)),
    "read and write": Token((READ, WRITE)),
    "sell only": Token((SELL,)),
    "checkout": Token((READ, WRITE, SELL)),
    "operate only": Token((OPERATE,)),
    "operator": Token(),
    "operator, scp is a list": Token(scopes_claim="scp"),
    "customer": Token((READ, WRITE), OWN),
    "other customer": Token((READ, WRITE), OTHER),
    "third customer": Token((READ, WRITE), "THIRD"),
    "customer, read only": Token((READ,), OWN),
    "customer's checkout": Token((READ, WRITE, SELL), OWN),
    "other customer's checkout": Token((READ, WRITE, SELL), OTHER),
    "operator with a customer": Token(SCOPES, OWN),
    "claim null": Token((READ, WRITE), None),
    "claim null, checkout": Token((READ, WRITE, SELL), None),
    "claim null, operator": Token(SCOPES, None),
    "claim empty": Token((READ, WRITE, SELL), ""),
    "claim blank": Token((READ, WRITE, SELL), "  "),
    "claim of several": Token((READ, WRITE, SELL), [OWN, OTHER]),
    "claim of one in a list": Token((READ, WRITE, SELL), [OWN]),
    "claim an object": Token((READ, WRITE, SELL), {"id": OWN}),
    "claim true": Token((READ, WRITE, SELL), claim=True),
    "claim a number": Token((READ, WRITE, SELL), 4711),
    "names without the prefix": Token(is_prefixed=False),
}
WITH_PREFIX: Final = {
    *("no token", "no scope", "read only", "operator", "names without the prefix"),
    *("customer", "other customer's checkout"),
}
"""What is tried again where scopes' names have a prefix: nothing else depends on it."""


def header_of(token: Token, name: str, prefix: str, key: Key, stranger: Key) -> dict[str, str]:
    if token.invalid == "missing":
        return {}
    now = int(time.time())
    scopes = [(prefix if token.is_prefixed else "") + scope for scope in token.scopes]
    claims: dict[str, Any] = {
        "iss": "https://stranger.example"
        if token.invalid == "issuer"
        else "https://issuer.example",
        "aud": "ordering",
        "sub": name,
        "exp": now - 1 if token.invalid == "expired" else now + 600,
        token.scopes_claim: scopes if token.scopes_claim == "scp" else " ".join(scopes),
    }
    if token.claim is not NO_CLAIM:
        claims["customer_id"] = token.claim
    private = stranger.private if token.invalid == "signature" else key.private
    signed = jwt.encode(claims, private, algorithm="RS256", headers={"kid": key.id})
    return {"Authorization": f"Bearer {signed}"}


# ── the requests ─────────────────────────────────────────────────────────────────────────────────


class Functions:
    """The functions of all routes in this process, on the databases of the tests."""

    def __init__(self, template: Template, databases: Databases) -> None:
        self.stems = {f.name: f.stem for f in template.functions.values() if f.routes}
        roles = {"commands": ("write", "ordering_command"), "queries": ("read", "ordering_query")}
        self._handlers: dict[str, HttpFunction] = {}
        for kind, (side, role) in roles.items():
            database = databases.open(side, role)
            for file in files_of(kind):
                self._handlers[file.stem] = file.handler.using(database)
        for function in template.functions.values():
            if function.routes:
                prefix = function.environment["SCOPE_PREFIX"]
                self._handlers[function.stem].scope_prefix = prefix

    async def __call__(
        self, name: str, payload: bytes, *, trace_id: str | None = None
    ) -> Invocation:
        assert trace_id
        answer = self._handlers[self.stems[name]](json.loads(payload), None)
        return Invocation(200, json.dumps(answer).encode(), None, "id")


def placed(databases: Databases, customer: str) -> str:
    """Place an order, and have it in the read models."""
    command = place_order.handler.using(databases.open("write", "ordering_command"))
    event = request(an_order(customer_id=customer), path=None, query=None, claims=OPERATOR)
    order_id: str = body_of(command(event, None))["order_id"]
    [(event_type, version, schema_version, data, at)] = databases.owner("write").rows(
        "select type, version, schema_version, data::text, recorded_at from order_events"
        " where order_id = %(id)s",
        {"id": order_id},
    )
    value = write_event(
        order_id=order_id,
        version=version,
        event_type=event_type,
        schema_version=schema_version,
        data=data,
        metadata={},
        recorded_at=at,
    )
    # Each order in a partition of its own, at its begin.
    partition = [OWN, OTHER].index(customer)
    record = {
        "topic": "ordering.orders",
        "partition": partition,
        "offset": 0,
        "key": base64.b64encode(order_id.encode()).decode(),
        "value": base64.b64encode(value).decode(),
        "headers": [],
    }
    batch = {"eventSource": "aws:kafka", "records": {f"ordering.orders-{partition}": [record]}}
    for projector in PROJECTORS:
        function = projector.using(databases.open("read", "ordering_projector"))
        assert function(batch, None) == {"batchItemFailures": []}
    return order_id


@pytest.fixture(scope="module")
def orders(databases: Databases) -> dict[str, str]:
    """One order of each of the two customers, on both sides."""
    empty_read_side(databases.owner("read"))
    return {customer: placed(databases, customer) for customer in (OWN, OTHER)}


def sample_request(
    stem: str, path: str, customer: str, order_id: str
) -> tuple[str, dict[str, Any] | None]:
    """Return path and body of the function's sample, about this customer's order."""
    fields = {**sample(stem), "order_id": order_id}
    if "customer_id" in fields or "{customer_id}" in path:
        fields["customer_id"] = customer
    in_path = {
        name: fields.pop(name)
        for name in ("order_id", *re.findall(r"{(\w+)}", path))
        if name in fields
    }
    is_query = stem in {file.stem for file in files_of("queries")}
    return path.format(**in_path), None if is_query else fields


def expected(stem: str, path: str, token: Token, customer: str) -> str:
    if token.invalid:
        return "401"
    if not sufficient_scopes(stem) & {*token.scopes}:
        return "403"
    if stem == "place_order":
        return "let through" if token.sees(customer) else "403 not-your-customer-id"
    if "{order_id}" in path or "{customer_id}" in path:
        return "let through" if token.sees(customer) else "404"
    return "let through"


def outcome(status: int, body: Mapping[str, Any]) -> str:
    code = body.get("code", "")
    if status == 401 or (status == 403 and code == "forbidden"):
        return str(status)
    if status == 404 and code in {"order-not-found", "customer-not-found"}:
        return "404"
    # What the rules refuse, and parts that the order does not have: the order itself was seen.
    if status in {200, 201, 409} or (status == 404 and code.endswith("-not-found")):
        return "let through"
    return f"{status} {code}"


SAFE_HEADERS: Final = {"cache-control", "content-length", "content-type"}  # for every page (Fetch)
CONNECTION: Final = {"date", "server"}


def hidden_from_pages(headers: Mapping[str, str]) -> set[str]:
    names = {name.lower() for name in headers}
    exposed = {*headers["access-control-expose-headers"].split(",")}
    own = {name for name in names if name.startswith("access-control-")}
    return names - exposed - own - SAFE_HEADERS - CONNECTION


@pytest.mark.parametrize("prefix", ["", "ordering/"])
def test_each_token_may_do_what_the_contract_says_and_nothing_else(
    databases: Databases,
    orders: dict[str, str],
    prefix: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    template = read_template(ScopePrefix=prefix)
    functions = Functions(template, databases)
    stranger = load_or_create_key(tmp_path / "stranger")
    routes = [(f.stem, route) for f in template.functions.values() for route in f.routes]
    names = WITH_PREFIX if prefix else {name for name in TOKENS if TOKENS[name].is_prefixed}
    tokens = {name: token for name, token in TOKENS.items() if name in names}
    wrong: list[str] = []
    tried: dict[str, int] = {}

    async def attempt(client: aiohttp.ClientSession, key: Key, name: str) -> None:
        token = tokens[name]
        seen = token if token.is_prefixed else Token(())
        headers = header_of(token, name, prefix, key, stranger) | {"Origin": "https://desk.example"}
        for stem, route in routes:
            for customer, order_id in orders.items():
                path, body = sample_request(stem, route.path, customer, order_id)
                async with client.request(
                    route.method, path, json=body, headers=headers
                ) as response:
                    found = outcome(response.status, json.loads(await response.read()))
                right = expected(stem, route.path, seen, customer)
                tried[right] = tried.get(right, 0) + 1
                if found != right:
                    wrong.append(f"{name}: {stem} for {customer}: {found}, not {right}")
                if hidden := hidden_from_pages(response.headers):
                    wrong.append(f"{stem}: CORS does not expose {', '.join(hidden)}")

    async def main() -> None:
        async with an_api(tmp_path, template, functions) as (client, key):
            for name in tokens:
                await attempt(client, key, name)

    uvloop.run(main())
    with capsys.disabled():
        counts = ", ".join(f"{count} {right}" for right, count in sorted(tried.items()))
        print(f"\n{len(tokens)} tokens on {len(routes)} routes and 2 orders: {counts}")  # noqa: T201 - the count
    assert wrong == []
    assert len(tokens) >= (7 if prefix else 30)
    assert len(routes) >= 29
    assert sum(tried.values()) == len(tokens) * len(routes) * 2
    assert {*tried} == {"401", "403", "403 not-your-customer-id", "404", "let through"}


# ── what a function makes of the claims ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claim", "confined_to"),
    [
        ("ALFKI", "ALFKI"),
        ("4711", "4711"),
        ("nullable", "nullable"),
        ("", NOBODY),
        (" \t", NOBODY),
        ("null", NOBODY),
        ("<nil>", NOBODY),
        ("true", NOBODY),
        ("false", NOBODY),
        ("[ALFKI]", NOBODY),
        ("[ALFKI\nANATR]", NOBODY),
        ("[]", NOBODY),
        ('{"id": "ALFKI"}', NOBODY),
        ("map[id:ALFKI]", NOBODY),
        (None, NOBODY),
        (4711, NOBODY),
        (["ALFKI"], NOBODY),
    ],
)
@pytest.mark.parametrize("scopes", ["orders:read", "orders:read orders:sell"])
def test_a_customer_claim_confines_however_it_is_written(
    claim: object, confined_to: str, scopes: str
) -> None:
    principal = Principal.of({"sub": "s", "scope": scopes, "customer_id": claim})
    assert principal.confined_to == confined_to
    assert not principal.may_see("ANATR")
    assert Principal.of({"scope": "orders:operate", "customer_id": claim}).may_see("ANATR")


@pytest.mark.parametrize(
    ("scopes", "confined_to"),
    [
        ({"scope": "orders:read orders:write"}, NOBODY),
        ({"scope": "orders:sell"}, None),
        ({"scope": "orders:operate"}, None),
        ({"scp": "[orders:read orders:sell]"}, None),
        ({"scp": ["orders:read", "orders:sell"]}, None),
        ({"scope": "null"}, NOBODY),
        ({"scope": "orders:selling xorders:sell ORDERS:SELL"}, NOBODY),
        ({}, NOBODY),
    ],
)
def test_without_a_customer_claim_the_scopes_decide(
    scopes: dict[str, object], confined_to: str | None
) -> None:
    assert Principal.of(scopes).confined_to == confined_to


def test_a_token_that_is_nobodys_learns_nothing_from_a_consistency_token(
    databases: Databases, orders: dict[str, str]
) -> None:
    (get_order,) = (file for file in files_of("queries") if file.stem == "get_order")
    query = get_order.handler.using(databases.open("read", "ordering_query"))
    answers = []
    for order_id in (orders[OTHER], "01900000-0000-7000-8000-000000000000"):
        token = {"consistency_token": f"{order_id}.1"}
        claims = {"sub": "s", "scope": "orders:read orders:sell", "customer_id": "null"}
        path = {"order_id": order_id}
        answer = query(request(path=path, query=None, claims=claims, **token), None)
        answers.append((answer["statusCode"], body_of(answer)["code"]))
    assert answers[0] == answers[1]
    assert answers[0][0] != 200


def test_a_function_reads_the_prefix_of_the_scopes_from_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCOPE_PREFIX", "ordering/")
    function = type(confirm_order.handler)(confirm_order.ConfirmOrder, confirm_order.decide)
    assert function.scope_prefix == "ordering/"


def test_every_function_is_handed_the_prefix() -> None:
    for function in read_template(ScopePrefix="ordering/").functions.values():
        assert function.environment["SCOPE_PREFIX"] == "ordering/", function.name
