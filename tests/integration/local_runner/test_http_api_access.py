"""Who gets in: the JWT authorizer, the local issuer, and CORS."""

import asyncio
import time
from pathlib import Path

import aiohttp
import jwt

from infra.local.gateway.issuer import Key, load_or_create_key, mint_token
from infra.local.template import Cors
from tests.integration.local_runner.http_fixtures import (
    AUDIENCE,
    ISSUER,
    Functions,
    a_route,
    problem_of,
    run,
)


def signed(key: Key, **changes: object) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "s",
        "scope": "orders:write",
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.id})


PROTECTED = {"F": a_route("POST", "/orders", "orders:write")}


def test_a_good_token_lets_in_and_its_claims_are_texts(tmp_path: Path) -> None:
    functions = Functions()

    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        token = mint_token(key, ISSUER, AUDIENCE, customer="ALFKI", ttl_seconds=60)
        for authorization in (f"Bearer {token}", f"bearer {token}", token):
            headers = {"Authorization": authorization}
            async with client.post("/orders", headers=headers) as response:
                assert response.status == 200
        authorizer = functions.events[0]["requestContext"]["authorizer"]["jwt"]
        assert authorizer["claims"]["sub"] == "customer:ALFKI"
        assert authorizer["claims"]["customer_id"] == "ALFKI"
        assert isinstance(authorizer["claims"]["exp"], str)
        assert authorizer["scopes"] == ["orders:read", "orders:write"]

    run(tmp_path, scenario, functions, routes=PROTECTED)


def test_a_bad_token_is_a_401_that_says_why(tmp_path: Path) -> None:
    functions = Functions()
    stranger = load_or_create_key(tmp_path / "stranger")

    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        past = int(time.time()) - 1
        forged = Key(stranger.private, key.id)
        unsigned = jwt.encode({"iss": ISSUER}, "", algorithm="none", headers={"kid": key.id})
        cases = [
            ("", None),
            ("Bearer nonsense", "the token is malformed"),
            (f"Bearer {signed(key, exp=past)}", "the token has expired"),
            (f"Bearer {signed(key, nbf=past + 600)}", "the token is not yet valid"),
            (f"Bearer {signed(key, aud='else')}", "the token does not have a valid audience"),
            (f"Bearer {signed(key, aud=None)}", "the token does not have a valid audience"),
            (f"Bearer {signed(key, iss='else')}", "the token does not have a valid issuer"),
            (f"Bearer {signed(key, exp=None)}", "a required claim is missing"),
            (f"Bearer {signed(forged)}", "signing method or key is invalid"),
            (f"Bearer {signed(stranger)}", "signing method or key is invalid"),
            (f"Bearer {unsigned}", "signing method or key is invalid"),
        ]
        for authorization, reason in cases:
            headers = {"Authorization": authorization} if authorization else {}
            async with client.post("/orders", headers=headers) as response:
                assert await problem_of(response) == (401, "unauthorized", "Unauthorized")
                challenge = response.headers["www-authenticate"]
                expected = (
                    f'Bearer scope="" error="invalid_token" error_description="{reason}"'
                    if reason
                    else "Bearer"
                )
                assert challenge == expected
        assert functions.events == []

    run(tmp_path, scenario, functions, routes=PROTECTED)


def test_a_client_id_stands_in_for_a_missing_audience(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        token = signed(key, aud=None, client_id=AUDIENCE)
        async with client.post("/orders", headers={"Authorization": token}) as response:
            assert response.status == 200

    run(tmp_path, scenario, Functions(), routes=PROTECTED)


def test_a_token_without_the_scope_is_a_403(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        headers = {"Authorization": f"Bearer {signed(key, scope='orders:read')}"}
        async with client.post("/orders", headers=headers) as response:
            assert await problem_of(response) == (403, "forbidden", "Forbidden")
            assert 'error="insufficient_scope"' in response.headers["www-authenticate"]

    run(tmp_path, scenario, Functions(), routes=PROTECTED)


def test_a_token_that_was_good_is_refused_once_it_has_expired(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        headers = {"Authorization": f"Bearer {signed(key, exp=int(time.time()) + 1)}"}
        deadline = time.monotonic() + 5
        statuses = []
        while 401 not in statuses:
            assert time.monotonic() < deadline
            async with client.post("/orders", headers=headers) as response:
                statuses.append(response.status)
            await asyncio.sleep(0.01)
        assert statuses[0] == 200

    run(tmp_path, scenario, Functions(), routes=PROTECTED)


def test_the_issuer_publishes_the_key_that_signs(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, key: Key) -> None:
        async with client.get("/issuer/.well-known/openid-configuration") as response:
            configuration = await response.json()
        assert configuration["issuer"] == ISSUER
        assert configuration["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
        async with client.get("/issuer/.well-known/jwks.json") as response:
            [published] = jwt.PyJWKSet.from_dict(await response.json()).keys
        token = mint_token(key, ISSUER, AUDIENCE, customer=None)
        claims = jwt.decode(token, published.key, ["RS256"], audience=AUDIENCE)
        assert claims["scope"] == "orders:read orders:write orders:sell orders:operate"
        assert claims["sub"] == "operator"

    run(tmp_path, scenario, Functions())


def test_the_key_is_kept_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path)
    assert load_or_create_key(tmp_path).id == first.id
    assert (tmp_path / "issuer" / "key.pem").stat().st_mode & 0o777 == 0o600


DESK = Cors(
    allow_origins=("https://desk.example",),
    allow_headers=("authorization", "if-match"),
    allow_methods=("GET", "POST"),
    expose_headers=("etag",),
    max_age=60,
)


def test_a_preflight_is_answered_without_a_token(tmp_path: Path) -> None:
    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        headers = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
        async with client.options("/orders", headers=headers) as response:
            assert response.status == 204
            assert response.headers["access-control-allow-origin"] == "https://desk.example"
            assert response.headers["access-control-allow-methods"] == "GET,POST"
            assert response.headers["access-control-allow-headers"] == "authorization,if-match"
            assert response.headers["access-control-max-age"] == "60"

    run(tmp_path, scenario, Functions(), routes=PROTECTED, cors=DESK)


def test_cors_headers_are_for_allowed_origins_and_the_gateway_s_own(tmp_path: Path) -> None:
    functions = Functions(
        lambda _event: {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}
    )

    async def scenario(client: aiohttp.ClientSession, _key: Key) -> None:
        name = "access-control-allow-origin"
        for origin, allowed in [("https://desk.example", "https://desk.example"), ("x", None)]:
            async with client.post("/orders/1", headers={"Origin": origin}) as response:
                assert response.headers.get(name) == allowed
        async with client.post("/orders/1") as response:
            assert name not in response.headers
        async with client.get("/nowhere", headers={"Origin": "https://desk.example"}) as response:
            assert response.headers["access-control-expose-headers"] == "etag"

    run(tmp_path, scenario, functions, cors=DESK)
