"""Signing in at the local issuer: the code flow with PKCE, as a page of the order desk uses it."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest

from infra.local.gateway import sign_in as module
from infra.local.gateway.http_api import HttpApi
from infra.local.gateway.issuer import Key, load_or_create_key
from infra.local.gateway.sign_in import SignIn
from infra.local.logs import Logs
from tests.integration.local_runner.http_fixtures import (
    AUDIENCE,
    ISSUER,
    Functions,
    a_route,
    a_template,
)

PAGE = "http://127.0.0.1:3000/"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
ASKED = {
    "response_type": "code",
    "client_id": "order-desk",
    "redirect_uri": PAGE,
    "state": "s t",
    "code_challenge": CHALLENGE.decode(),
    "code_challenge_method": "S256",
}
GRANT = {
    "grant_type": "authorization_code",
    "redirect_uri": PAGE,
    "code_verifier": VERIFIER,
}
Scenario = Callable[[aiohttp.ClientSession, Key], Awaitable[None]]


def run(directory: Path, scenario: Scenario) -> None:
    """Run the scenario with a client of a gateway that has the issuer's endpoints."""

    async def with_gateway() -> None:
        key = load_or_create_key(directory)
        template = a_template({"F": a_route("GET", "/orders")})
        issuer = SignIn(key, ISSUER, (AUDIENCE,), scope_prefix="x/")
        with Logs(directory / "logs", console=None) as logs:
            api = HttpApi(template, Functions(), key=key, logs=logs, sign_in=issuer)
            await api.start("127.0.0.1", 0)
            try:
                async with aiohttp.ClientSession(f"http://127.0.0.1:{api.port}") as client:
                    await scenario(client, key)
            finally:
                await api.close()

    asyncio.run(with_gateway())


async def code_for(client: aiohttp.ClientSession, **form: str) -> str:
    """Choose who one is; return the code that the page gets."""
    async with client.post(
        "/issuer/authorize", params=ASKED, data=form, allow_redirects=False
    ) as response:
        assert response.status == 303
        target = urlsplit(response.headers["location"])
    assert target._replace(query="").geturl() == PAGE
    answer = parse_qs(target.query)
    assert answer["state"] == ["s t"]
    return answer["code"][0]


@pytest.mark.parametrize(
    ("form", "customer", "scopes"),
    [
        ({"who": "operator"}, None, ["read", "write", "sell", "operate"]),
        ({"who": "checkout"}, None, ["read", "write", "sell"]),
        ({"who": "customer", "customer_id": " ALFKI "}, "ALFKI", ["read", "write"]),
    ],
)
def test_a_page_gets_a_token_of_whom_one_has_chosen(
    tmp_path: Path, form: dict[str, str], customer: str | None, scopes: list[str]
) -> None:
    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        async with client.get("/issuer/authorize", params=ASKED) as response:
            assert response.status == 200
            assert "Who are you?" in await response.text()
        code = await code_for(client, **form)
        async with client.post("/issuer/token", data={**GRANT, "code": code}) as response:
            assert (response.status, response.headers["cache-control"]) == (200, "no-store")
            token = (await response.json())["access_token"]
        claims = jwt.decode(token, key.public, algorithms=["RS256"], audience=AUDIENCE)
        assert claims.get("customer_id") == customer
        assert claims["scope"] == " ".join(f"x/orders:{scope}" for scope in scopes)
        async with client.post("/issuer/token", data={**GRANT, "code": code}) as response:
            assert (response.status, await response.json()) == (400, {"error": "invalid_grant"})

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:9/"}, "invalid_grant"),
        ({"code": "other"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_no_other_grant_is_taken(tmp_path: Path, change: dict[str, str], error: str) -> None:
    async def scenario(client: aiohttp.ClientSession, _: Key) -> None:
        code = await code_for(client, who="operator")
        async with client.post("/issuer/token", data={**GRANT, "code": code, **change}) as response:
            assert (response.status, await response.json()) == (400, {"error": error})

    run(tmp_path, scenario)


def test_a_code_is_good_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CODE_SECONDS", 0.0)

    async def scenario(client: aiohttp.ClientSession, _: Key) -> None:
        code = await code_for(client, who="operator")
        async with client.post("/issuer/token", data={**GRANT, "code": code}) as response:
            assert response.status == 400

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
        ({"redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ({"redirect_uri": ""}, "redirect_uri"),
        ({"client_id": "other"}, "client_id"),
        ({"response_type": "token"}, "response_type"),
        ({"code_challenge_method": "plain"}, "code_challenge"),
        ({"code_challenge": ""}, "code_challenge"),
    ],
)
def test_what_is_asked_wrongly_is_sent_nowhere(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    async def scenario(client: aiohttp.ClientSession, _: Key) -> None:
        asked = {**ASKED, **change}
        for method in ("GET", "POST"):
            async with client.request(
                method, "/issuer/authorize", params=asked, allow_redirects=False
            ) as response:
                assert response.status == 400
                assert said in await response.text()

    run(tmp_path, scenario)


@pytest.mark.parametrize("form", [{}, {"who": "root"}, {"who": "customer", "customer_id": " "}])
def test_who_is_nobody_is_asked_again(tmp_path: Path, form: dict[str, str]) -> None:
    async def scenario(client: aiohttp.ClientSession, _: Key) -> None:
        async with client.post("/issuer/authorize", params=ASKED, data=form) as response:
            assert response.status == 200
            assert "Who are you?" in await response.text()

    run(tmp_path, scenario)
