"""Being told before the environment ends: Lambda sends SIGTERM where an extension is registered.

Without one an environment is killed. An extension may live in the function's own process ("internal
extension", AWS documentation, "Lambda Extensions API"): it registers for no events, and asks for
the next one, which never comes.
"""

from __future__ import annotations

import threading
from http.client import HTTPConnection, HTTPException
from typing import Final

from .observability import logger
from .settings import RuntimeApi, read_settings

_PATH: Final = "/2020-01-01/extension"
_SECONDS: Final = 2
_OK: Final = 200


def register_extension(name: str) -> bool:
    """Register, while the environment starts; return whether it is told of its end now."""
    address = read_settings(RuntimeApi).aws_lambda_runtime_api
    if not address:
        return False
    connection = HTTPConnection(address, timeout=_SECONDS)
    try:
        connection.request(
            "POST",
            f"{_PATH}/register",
            body=b'{"events": []}',
            headers={"Lambda-Extension-Name": name, "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        answer.read()
        reason = "" if answer.status == _OK else f"status {answer.status}"
    except (OSError, HTTPException) as error:
        reason = str(error) or type(error).__name__
    if reason:
        # The relay works without; its shard is then free when the lease has run out.
        logger.warning("not told before the environment ends", extra={"reason": reason})
        connection.close()
        return False
    identifier = answer.getheader("Lambda-Extension-Identifier", "")
    connection.timeout = None  # it waits as long as the environment lives
    if connection.sock is not None:
        connection.sock.settimeout(None)
    threading.Thread(target=_wait, args=(connection, identifier), name=name, daemon=True).start()
    return True


def _wait(connection: HTTPConnection, identifier: str) -> None:
    """Say that the extension is ready: Lambda waits for that before the first invocation."""
    try:
        headers = {"Lambda-Extension-Identifier": identifier}
        connection.request("GET", f"{_PATH}/event/next", headers=headers)
        connection.getresponse().read()
    except (OSError, HTTPException):
        pass  # the environment is at its end
    finally:
        connection.close()
