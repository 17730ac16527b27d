"""A client of the HTTP API that does not give up: it repeats what failed, with the same key."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST_WAIT_SECONDS: Final = 0.1
_LONGEST_WAIT_SECONDS: Final = 5.0
_REQUEST_SECONDS: Final = 60
# Passing trouble: too many at once, the same key still running, and whatever is down for now.
_AGAIN: Final = {429, 500, 502, 503, 504}


class ApiError(Exception):
    """The API refused a request, or has answered none for too long."""


@dataclass(frozen=True)
class Reply:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]


class ApiClient:
    """Sends requests to `url` with a bearer token, several at once on kept connections.

    Trouble that passes (no connection, 429, 5xx) is repeated with growing waits, or after as long
    as Retry-After says, until no request at all has succeeded for `patience_seconds`.
    """

    def __init__(self, url: str, token: str, *, patience_seconds: float = 180) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"}
        self._patience_seconds = patience_seconds
        self._succeeded_at = time.monotonic()
        self.retries = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
            connector=aiohttp.TCPConnector(limit=0),
        )
        self._succeeded_at = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, key: str, body: object = None) -> Reply:
        """Send a command once, however often it takes (`key` is its Idempotency-Key).

        Raises ApiError.
        """
        return await self._send("POST", path, {"idempotency-key": key}, body)

    async def get(
        self, path: str, tokens: str = "", *, max_age: int | None = None, **parameters: str | int
    ) -> Reply:
        """Ask a query that has seen the orders of these Consistency-Tokens.

        With `max_age` it has also seen all that was done until so many seconds ago. Raises
        ApiError.
        """
        headers = {"prefer": "wait=20"}
        if tokens:
            headers["consistency-token"] = tokens
        if max_age is not None:
            headers["cache-control"] = f"max-age={max_age}"
        return await self._send("GET", path, headers, None, parameters)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: object,
        parameters: Mapping[str, str | int] | None = None,
    ) -> Reply:
        wait = _FIRST_WAIT_SECONDS
        while True:
            asked: float | None = None
            try:
                async with self._session.request(
                    method, self._url + path, headers=headers, json=body, params=parameters
                ) as response:
                    text = await response.text()
                    if not _is_passing(response, text):
                        reply = _read(method, path, response, text)
                        self._succeeded_at = time.monotonic()
                        return reply
                    trouble = f"{response.status} {text[:200]}"
                    asked = _seconds(response.headers.get("retry-after"))
            except (aiohttp.ClientError, TimeoutError) as problem:
                trouble = repr(problem)
            self.retries += 1
            if time.monotonic() - self._succeeded_at > self._patience_seconds:
                minutes = self._patience_seconds / 60
                raise ApiError(
                    f"{method} {path}: nothing has succeeded for {minutes:g} min: {trouble}"
                )
            await asyncio.sleep(wait if asked is None else asked)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


def _is_passing(response: aiohttp.ClientResponse, text: str) -> bool:
    if response.status == 409:  # noqa: PLR2004 - only one of its codes is: the key is in use
        return '"request-in-progress"' in text
    # The read model had not come so far in the time given: ask again.
    return response.status in _AGAIN or response.headers.get("read-model-stale") == "?1"


def _read(method: str, path: str, response: aiohttp.ClientResponse, text: str) -> Reply:
    if not response.ok:
        raise ApiError(f"{method} {path} was refused: {response.status} {text}")
    return Reply(response.status, response.headers, json.loads(text))


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdigit() else None
