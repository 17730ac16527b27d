"""A step of a deployment: CloudFormation invokes a function, and waits for what it answers.

It asks with a request type and an address for the answer (AWS CloudFormation User Guide, "Custom
resource request and response objects"). Without an answer it waits until its own time is over, so
every outcome is answered. The same function may be invoked by hand, without any of that.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

from .observability import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DELETE: Final = "Delete"
_SECONDS: Final = 10
_TRIES: Final = 3
_LONGEST_REASON: Final = 1_000
"""In characters: CloudFormation takes 4,096 bytes for the whole answer."""


Done = tuple["Mapping[str, Any]", "Mapping[str, str]"]
"""What a step has done, and the attributes that other resources read (Fn::GetAtt)."""


def carry_out(event: Mapping[str, Any], step: Callable[[], Done]) -> dict[str, Any]:
    """Run ``step`` and return what it has done; tell CloudFormation, if it is CloudFormation's.

    When the resource is deleted nothing is done: databases stay as they are.

    Raises:
        Exception: whatever the step raised, after CloudFormation knows.
    """
    kind = event.get("RequestType")
    if kind is None:
        return dict(step()[0])
    if kind == _DELETE:
        _answer(event, "SUCCESS", "", {})
        return {}
    try:
        done, attributes = step()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
        _answer(event, "FAILED", reason[:_LONGEST_REASON], {})
        raise
    _answer(event, "SUCCESS", "", attributes)
    return dict(done)


def _answer(event: Mapping[str, Any], status: str, reason: str, data: Mapping[str, str]) -> None:
    body = {
        "Status": status,
        "Reason": reason,
        # One and the same for ever: another one would have CloudFormation delete the first.
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": dict(data),
    }
    address = str(event["ResponseURL"])
    request = Request(  # noqa: S310 - CloudFormation's own address
        address,
        data=json.dumps(body).encode(),
        method="PUT",
        # A signed address of S3 was signed without a type of content.
        headers={"Content-Type": ""},
    )
    for left in reversed(range(_TRIES)):
        try:
            with urlopen(request, timeout=_SECONDS):  # noqa: S310 - see above
                return
        except OSError as error:
            # The address lets whoever has it answer: it stays out of the log.
            logger.warning("CloudFormation was not told", extra={"reason": type(error).__name__})
            if not left:
                raise
