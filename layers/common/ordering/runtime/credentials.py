"""The function's own credentials, wherever Lambda has put them.

Lambda sets a role's keys in the environment. In an environment that was restored from a snapshot
(SnapStart) those would be the snapshot's, long expired: there Lambda serves them over HTTP instead
(AWS documentation, "SnapStart: credentials"), with the time until which they hold.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from .settings import AwsCredentials, ServedCredentials, read_settings

_EARLY_SECONDS: Final = 300
"""They are fetched anew so long before they end: a token made with them is used at once."""
_SECONDS: Final = 2
_OK: Final = 200


class CredentialsUnavailableError(Exception):
    """Lambda's own service did not give the function its credentials."""


class _Kept:
    """What was served last, and until when (``time.time``) it is used."""

    credentials: AwsCredentials | None = None
    until = 0.0


def role_credentials() -> AwsCredentials:
    """Return the keys of the function's role.

    Raises:
        CredentialsUnavailableError: they are served, and their service does not answer.
        MissingSettingError: there are none in the environment either.
    """
    served = read_settings(ServedCredentials)
    if not served.aws_container_credentials_full_uri:
        return read_settings(AwsCredentials)
    if _Kept.credentials is None or time.time() >= _Kept.until:
        _Kept.credentials, _Kept.until = _fetch(served)
    return _Kept.credentials


def forget_credentials() -> None:
    """Fetch them anew next time: a snapshot must not hold any."""
    _Kept.credentials = None


def _fetch(served: ServedCredentials) -> tuple[AwsCredentials, float]:
    # Imported where they are served: it takes 10 ms that no other cold start needs.
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - see above

    address = urlsplit(served.aws_container_credentials_full_uri)
    path = f"{address.path}?{address.query}" if address.query else address.path
    connection = HTTPConnection(address.hostname or "", address.port or 80, timeout=_SECONDS)
    try:
        connection.request(
            "GET", path, headers={"Authorization": served.aws_container_authorization_token}
        )
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != _OK:
            raise CredentialsUnavailableError(f"their service answers {answer.status}")
        document = json.loads(body)
        credentials = AwsCredentials(
            aws_access_key_id=document["AccessKeyId"],
            aws_secret_access_key=document["SecretAccessKey"],
            aws_session_token=document["Token"],
            aws_region=served.aws_region,
        )
        ends_at = datetime.fromisoformat(document["Expiration"]).timestamp()
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        # What was served is not quoted: it may be half of a secret.
        raise CredentialsUnavailableError(f"{type(error).__name__} while they were read") from error
    finally:
        connection.close()
    return credentials, ends_at - _EARLY_SECONDS
