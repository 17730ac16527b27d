"""A local OpenID Connect issuer: one RSA key, its two public documents, and tokens on request."""

import base64
import json
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER_PATH: Final = "/issuer"
DISCOVERY_PATH: Final = f"{ISSUER_PATH}/.well-known/openid-configuration"
KEYS_PATH: Final = f"{ISSUER_PATH}/.well-known/jwks.json"
AUTHORIZE_PATH: Final = f"{ISSUER_PATH}/authorize"
TOKEN_PATH: Final = f"{ISSUER_PATH}/token"
CLIENT_ID: Final = "order-desk"
DEFAULT_TTL_SECONDS: Final = 12 * 3600

SCOPES: Final = ("orders:read", "orders:write", "orders:sell", "orders:operate")
_CUSTOMER_SCOPES: Final = SCOPES[:2]
_KEY_FILE: Final = "key.pem"
_BITS: Final = 2048


class UnknownScopeError(ValueError):
    """A token was requested with scopes that do not exist."""

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(f"there is no scope {', '.join(scopes)}; there are {', '.join(SCOPES)}")


@dataclass(frozen=True)
class Key:
    """The signing key; `id` is derived from its public half, so it names this very key."""

    private: rsa.RSAPrivateKey = field(repr=False)
    id: str

    @property
    def public(self) -> rsa.RSAPublicKey:
        """The half that verifies."""
        return self.private.public_key()


def load_or_create_key(state_dir: Path) -> Key:
    """Return the key kept in `state_dir`/issuer, made at the first call; readable by its owner."""
    directory = state_dir / "issuer"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / _KEY_FILE
    if path.exists():
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise TypeError(f"{path} holds no RSA key")
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        _write_private(path, private)
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Key(private, sha256(public).hexdigest()[:16])


def _write_private(path: Path, key: rsa.RSAPrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Renamed into place, so that a second process sees the whole key or none.
    draft = path.with_name(f"{_KEY_FILE}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
    draft.replace(path)


def mint_token(
    key: Key,
    issuer: str,
    audience: str,
    *,
    customer: str | None,
    scopes: Sequence[str] | None = None,
    scope_prefix: str = "",
    ttl_seconds: int = DEFAULT_TTL_SECONDS,
) -> str:
    """Return a signed access token (RS256).

    `customer` is its `customer_id` claim; None: there is none. `scopes` are of `SCOPES`, and the
    token has exactly these; None: a customer's, or all where there is no customer. `scope_prefix`
    comes before each. Raises UnknownScopeError.
    """
    if scopes is None:
        scopes = SCOPES if customer is None else _CUSTOMER_SCOPES
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise UnknownScopeError(unknown)
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": _subject(customer, scopes),
        "scope": " ".join(scope_prefix + scope for scope in scopes),
        "iat": now,
        "nbf": now,
        "exp": now + ttl_seconds,
        "jti": str(uuid.uuid4()),
    }
    if customer is not None:
        claims["customer_id"] = customer
    return jwt.encode(claims, key.private, algorithm="RS256", headers={"kid": key.id})


def _subject(customer: str | None, scopes: Sequence[str]) -> str:
    """Return who the token is for: idempotency keys are each subject's own."""
    if customer is not None:
        return f"customer:{customer}"
    if "orders:operate" in scopes:
        return "operator"
    return "checkout" if "orders:sell" in scopes else "reader"


def documents(key: Key, issuer: str, scopes: Sequence[str] = SCOPES) -> dict[str, bytes]:
    """Return the issuer's public JSON documents by path (OpenID Connect Discovery 1.0).

    `scopes` are the names that its tokens have.
    """
    configuration = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "id_token_signing_alg_values_supported": ["RS256"],
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "subject_types_supported": ["public"],
        "scopes_supported": list(scopes),
    }
    numbers = key.public.public_numbers()
    keys = {
        "keys": [
            {
                "kty": "RSA",
                "use": "sig",
                "alg": "RS256",
                "kid": key.id,
                "n": _base64url(numbers.n),
                "e": _base64url(numbers.e),
            }
        ]
    }
    return {
        DISCOVERY_PATH: json.dumps(configuration).encode(),
        KEYS_PATH: json.dumps(keys).encode(),
    }


def _base64url(number: int) -> str:
    """Encode as RFC 7518 (6.3.1) asks: big-endian bytes, base64url, no padding."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
