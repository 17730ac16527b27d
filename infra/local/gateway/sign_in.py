"""Signing in at the local issuer: one picks who one is, and no password is asked.

It is the authorization code flow with PKCE of OpenID Connect (RFC 6749, RFC 7636), as a page uses
it with any issuer. Codes are kept in memory, for a minute and one use.
"""

import base64
import hashlib
import hmac
import html
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from infra.local.gateway.issuer import (
    AUTHORIZE_PATH,
    CLIENT_ID,
    DEFAULT_TTL_SECONDS,
    SCOPES,
    TOKEN_PATH,
    Key,
    mint_token,
)

_CODE_SECONDS: Final = 60.0
_HERE: Final = {"127.0.0.1", "localhost", "::1"}
_CHOICES: Final = {
    "operator": ("Operator: service desk and warehouse", SCOPES),
    "checkout": ("The shop's checkout", SCOPES[:3]),
    "customer": ("Customer:", SCOPES[:2]),
}
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)
_NO_STORE: Final = {"cache-control": "no-store"}
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in: local issuer</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif; }}
body {{ max-width: 30rem; margin: 2rem auto; padding: 0 1rem; }}
input, button {{ font: inherit; padding: 0.2rem 0.6rem; }}
</style>
</head>
<body>
<main>
<h1>Who are you?</h1>
<p>This issuer is on this machine only, and believes everybody.</p>
<form method="post">
<fieldset>
<legend>Sign in as</legend>
{choices}
<p><label>Customer id <input name="customer_id" value="ALFKI" maxlength="64"></label></p>
</fieldset>
<p><button type="submit">Sign in</button></p>
</form>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class _Code:
    """What a code is good for."""

    who: str
    customer_id: str
    redirect_uri: str
    challenge: str
    until: float


class SignIn:
    """The authorization and token endpoints of the local issuer.

    Without `issuer` there are none: the template has no authorizer.
    """

    def __init__(
        self, key: Key, issuer: str | None, audience: Sequence[str], *, scope_prefix: str
    ) -> None:
        self._key = key
        self._issuer = issuer
        self._audience = audience
        self._scope_prefix = scope_prefix
        self._codes: dict[str, _Code] = {}

    async def answer(self, request: web.BaseRequest) -> web.Response | None:
        """Answer what is asked of the endpoints; None: it is not."""
        if self._issuer is None:
            return None
        path, method = request.rel_url.raw_path, request.method
        if path == AUTHORIZE_PATH and method in {"GET", "POST"}:
            asked = dict(request.rel_url.query)
            wrong = _what_is_wrong(asked)
            if wrong is not None:
                return web.Response(status=400, text=f"Signing in is not possible: {wrong}.")
            if method == "GET":
                return _page()
            return self._chosen(asked, _form(await request.text()))
        if path == TOKEN_PATH and method == "POST":
            return self._token(_form(await request.text()), self._issuer)
        return None

    def _chosen(self, asked: Mapping[str, str], form: Mapping[str, str]) -> web.Response:
        who, customer_id = form.get("who", ""), form.get("customer_id", "").strip()
        if who not in _CHOICES or (who == "customer" and not customer_id):
            return _page()
        now = time.monotonic()
        self._codes = {code: each for code, each in self._codes.items() if each.until > now}
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(
            who, customer_id, asked["redirect_uri"], asked["code_challenge"], now + _CODE_SECONDS
        )
        answer = urlencode({"code": code, "state": asked.get("state", "")})
        return web.Response(status=303, headers={"location": f"{asked['redirect_uri']}?{answer}"})

    def _token(self, form: Mapping[str, str], issuer: str) -> web.Response:
        code = self._codes.pop(form.get("code", ""), None)
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type")
        if (
            code is None
            or code.until <= time.monotonic()
            or code.redirect_uri != form.get("redirect_uri")
            or not hmac.compare_digest(code.challenge, _challenge(form.get("code_verifier", "")))
        ):
            return _refused("invalid_grant")
        _, scopes = _CHOICES[code.who]
        token = mint_token(
            self._key,
            issuer,
            self._audience[0],
            customer=code.customer_id if code.who == "customer" else None,
            scopes=scopes,
            scope_prefix=self._scope_prefix,
        )
        body = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": DEFAULT_TTL_SECONDS,
            "scope": " ".join(self._scope_prefix + scope for scope in scopes),
        }
        return web.json_response(body, headers=_NO_STORE)


def _what_is_wrong(asked: Mapping[str, str]) -> str | None:
    """Return what is wrong with a request to authorize, to which no answer may be sent back."""
    if asked.get("client_id") != CLIENT_ID:
        return f"client_id has to be {CLIENT_ID}"
    target = urlsplit(asked.get("redirect_uri", ""))
    if target.scheme not in {"http", "https"} or target.hostname not in _HERE or target.query:
        return "redirect_uri has to be a page of this machine, without a query"
    if asked.get("response_type") != "code":
        return "response_type has to be code"
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
        return "it needs a code_challenge by the method S256"
    return None


def _page() -> web.Response:
    choices = "\n".join(
        f'<p><label><input type="radio" name="who" value="{who}"'
        f"{' checked' if who == 'operator' else ''}> {html.escape(label)}</label></p>"
        for who, (label, _) in _CHOICES.items()
    )
    headers = {"content-security-policy": _POLICY, **_NO_STORE}
    text = _PAGE.format(choices=choices)
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)


def _form(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refused(error: str) -> web.Response:
    return web.json_response({"error": error}, status=400, headers=_NO_STORE)
