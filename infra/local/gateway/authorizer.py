"""The HTTP API's JWT authorizer, against the local issuer's key."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from infra.local.gateway.issuer import Key

_MAX_REMEMBERED: Final = 1024
_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not yet valid"),
    (jwt.InvalidIssuedAtError, "the token has an invalid issued-at time"),
    (jwt.InvalidIssuerError, "the token does not have a valid issuer"),
    (jwt.InvalidAudienceError, "the token does not have a valid audience"),
    (jwt.InvalidSignatureError, "signing method or key is invalid"),
    (jwt.InvalidAlgorithmError, "signing method or key is invalid"),
    (jwt.MissingRequiredClaimError, "a required claim is missing"),
)


class Refused(Exception):  # noqa: N818 - an answer of the authorizer rather than an error
    """The request is not let in. `challenge` is its WWW-Authenticate header (RFC 6750, 3).

    `claims` are those of a valid token that lacks the scope.
    """

    def __init__(
        self, status: int, challenge: str, reason: str, claims: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(challenge)
        self.status = status
        self.challenge = challenge
        self.reason = reason
        self.claims = {} if claims is None else claims


@dataclass(frozen=True)
class Authorization:
    """What a valid token says: its claims as the texts the event carries, and its scopes."""

    claims: Mapping[str, str]
    scopes: frozenset[str]
    expires: float


class JwtAuthorizer:
    """Checks bearer tokens: signature (RS256), issuer, audience, times, scopes.

    A token that was found good is remembered until it expires: verifying a signature costs more
    than everything else the gateway does for a request.
    """

    def __init__(self, key: Key, issuer: str, audience: tuple[str, ...]) -> None:
        self._key = key
        self._issuer = issuer
        self._audience = audience
        self._good: dict[str, Authorization] = {}

    def authorize(self, header: str | None, scopes: tuple[str, ...]) -> Authorization:
        """Return what the Authorization header grants; `scopes`: any one of them is needed.

        Raises Refused with 401 without a valid token, with 403 without one of the scopes.
        """
        if not header:
            raise Refused(401, "Bearer", "there is no token")
        # API Gateway takes the token with and without its scheme.
        scheme, _, rest = header.partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else header
        known = self._good.get(token)
        if known is None or known.expires <= time.time():
            known = self._verify(token)
        if scopes and known.scopes.isdisjoint(scopes):
            needed, reason = " ".join(scopes), "the token does not have a required scope"
            raise Refused(
                403,
                f'Bearer scope="{needed}" error="insufficient_scope" error_description="{reason}"',
                reason,
                known.claims,
            )
        return known

    def _verify(self, token: str) -> Authorization:
        self._good.pop(token, None)
        try:
            claims = self._decode(token)
        except jwt.InvalidTokenError as error:
            reason = next(
                (text for kind, text in _REASONS if isinstance(error, kind)),
                "the token is malformed",
            )
            challenge = f'Bearer scope="" error="invalid_token" error_description="{reason}"'
            raise Refused(401, challenge, reason) from None
        scope = claims.get("scope") or claims.get("scp") or ()
        listed = scope.split() if isinstance(scope, str) else scope
        scopes = frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()
        texts = {name: _claim_text(value) for name, value in claims.items()}
        authorization = Authorization(texts, scopes, float(claims["exp"]))
        if len(self._good) >= _MAX_REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[token] = authorization
        return authorization

    def _decode(self, token: str) -> dict[str, Any]:
        if not token.isascii():
            raise jwt.DecodeError
        if jwt.get_unverified_header(token).get("kid") != self._key.id:
            raise jwt.InvalidSignatureError
        claims: dict[str, Any] = jwt.decode(
            token,
            self._key.public,
            algorithms=["RS256"],
            issuer=self._issuer,
            options={"require": ["exp", "iss"], "verify_aud": False},
        )
        # client_id counts only where there is no aud: Cognito's access tokens have none.
        audience = claims["aud"] if "aud" in claims else claims.get("client_id")
        values = audience if isinstance(audience, list) else [audience]
        if not set(map(str, values)) & set(self._audience):
            raise jwt.InvalidAudienceError
        return claims


def _claim_text(value: object) -> str:
    """Return a claim as the HTTP API passes it: everything is text, a list is `[a b]`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(map(_claim_text, value))}]"
    return json.dumps(value)
