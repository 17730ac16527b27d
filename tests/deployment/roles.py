"""What a function's role may do: its own policies and AWS's, within its boundary.

Statements are evaluated by moto's IAM, as its enforcement does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.iam.aws_managed_policies import aws_managed_policies_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deployment.stack import Stack

_MANAGED: Final[dict[str, Any]] = json.loads(aws_managed_policies_data)
Document = dict[str, Any]
FUNCTION: Final = {"lambda:SourceFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}
"""What a call has with it that a function's own code makes, and Lambda's own calls have not."""


@dataclass(frozen=True)
class Role:
    """One function's role."""

    function: str
    own: tuple[Document, ...]
    managed: tuple[Document, ...]
    boundary: Document

    def may(self, action: str, resource: str, *, by_code: bool = True) -> bool:
        """Return whether it may; ``by_code`` False: Lambda itself asks, in the role's name."""
        values = FUNCTION if by_code else {}
        results = [_result(each, action, resource, values) for each in (*self.own, *self.managed)]
        results_of_boundary = _result(self.boundary, action, resource, values)
        if PermissionResult.DENIED in (*results, results_of_boundary):
            return False
        allowed = PermissionResult.PERMITTED
        return allowed in results and results_of_boundary == allowed

    def statements(self) -> Iterator[Document]:
        """Give the statements that are the project's own."""
        for document in self.own:
            yield from document["Statement"]


def _result(
    document: Document, action: str, resource: str, values: dict[str, str]
) -> PermissionResult:
    # moto takes a condition that it has no value for as fulfilled; IAM does not.
    statements = [
        each
        for each in document["Statement"]
        if all(key in values for part in each.get("Condition", {}).values() for key in part)
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return IAMPolicy(text).is_action_permitted(action, resource, None, values)


def role_of(stack: Stack, function: str) -> Role:
    """Return the role of a function, which has one to itself."""
    (name,) = (
        name for name in stack.needs(function) if stack.resources[name]["Type"] == "AWS::IAM::Role"
    )
    properties = stack.properties(name)
    managed = [arn.rsplit("/", 1)[-1] for arn in properties["ManagedPolicyArns"]]
    assert properties["PermissionsBoundary"] == "FunctionBoundary"
    return Role(
        function,
        tuple(each["PolicyDocument"] for each in properties.get("Policies", [])),
        tuple(_MANAGED[policy]["Document"] for policy in managed),
        stack.properties("FunctionBoundary")["PolicyDocument"],
    )
