"""What each function may do on AWS, and what it must not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.deployment.roles import Role, role_of
from tests.deployment.stack import Stack

ACCOUNT: Final = "us-east-1:000000000000"
CLUSTER: Final = f"arn:aws:kafka:{ACCOUNT}:cluster/events/1f"
WRITE_SECRET: Final = f"arn:aws:secretsmanager:{ACCOUNT}:secret:write"
READ_SECRET: Final = f"arn:aws:secretsmanager:{ACCOUNT}:secret:read"
STACK: Final = Stack(
    Stage="test",
    KafkaClusterArn=CLUSTER,
    WriteDatabaseResource="prx-write",
    WriteClusterResource="cluster-write",
    ReadDatabaseResource="prx-read",
    ReadClusterResource="cluster-read",
    WriteMasterSecret=WRITE_SECRET,
    ReadMasterSecret=READ_SECRET,
)
FUNCTIONS: Final = sorted(STACK.of_type("AWS::Lambda::Function"))
USERS: Final = ("command", "relay", "cleaner", "projector", "query", "operation", "owner")
DATABASES: Final = ("prx-write", "cluster-write", "prx-read", "cluster-read")
TOPIC: Final = f"arn:aws:kafka:{ACCOUNT}:topic/events/1f/ordering.orders"
GROUP: Final = f"arn:aws:kafka:{ACCOUNT}:group/events/1f/test-sales"
LOG: Final = f"arn:aws:logs:{ACCOUNT}:log-group:FunctionLog:log-stream:one"


_ANALYSE: Final = """
import sys, parliament
for document in sys.argv[1:]:
    for finding in parliament.analyze_policy_string(document).findings:
        print(finding)
"""


def kind_of(function: str) -> str:
    handler: str = STACK.properties(function)["Handler"]
    kind, stem, _ = handler.split(".")
    return stem if kind in {"operations", "relay"} else kind


SIGN_IN: Final = {
    "commands": {("prx-write", "command")},
    "queries": {("prx-read", "query")},
    "projectors": {("prx-read", "projector")},
    "publish_events": {("cluster-write", "relay")},
    "forget_answers": {("prx-write", "cleaner")},
    "migrate": {("cluster-write", "owner"), ("cluster-read", "owner")},
    "prepare_databases": set(),
}
"""As whom a function may sign in where; other operations as ``operation`` on both sides."""
OPERATION: Final = {("prx-write", "operation"), ("prx-read", "operation")}
PUBLISHES: Final = {"kafka-cluster:WriteData", "kafka-cluster:WriteDataIdempotently"}
READS: Final = {"kafka-cluster:ReadData", "kafka-cluster:AlterGroup"}
KAFKA: Final = {
    "kafka-cluster:AlterCluster": CLUSTER,
    "kafka-cluster:AlterGroup": GROUP,
    "kafka-cluster:AlterTopic": TOPIC,
    "kafka-cluster:CreateTopic": TOPIC,
    "kafka-cluster:DeleteGroup": GROUP,
    "kafka-cluster:DeleteTopic": TOPIC,
    "kafka-cluster:ReadData": TOPIC,
    "kafka-cluster:WriteData": TOPIC,
    "kafka-cluster:WriteDataIdempotently": CLUSTER,
}
NOBODY: Final = (
    ("iam:CreateRole", "arn:aws:iam::000000000000:role/x"),
    ("iam:PassRole", "arn:aws:iam::000000000000:role/x"),
    ("sts:AssumeRole", "arn:aws:iam::000000000000:role/x"),
    ("lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:ordering-test-Migrate"),
    ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{ACCOUNT}:function:ordering-test-Migrate"),
    ("s3:GetObject", "arn:aws:s3:::any/thing"),
    ("ssm:GetParameter", f"arn:aws:ssm:{ACCOUNT}:parameter/ordering/test/JwtIssuer"),
    ("kms:Decrypt", f"arn:aws:kms:{ACCOUNT}:key/x"),
    ("rds:DeleteDBCluster", f"arn:aws:rds:{ACCOUNT}:cluster:ordering-test-write"),
    ("kafka:DeleteCluster", CLUSTER),
    ("logs:PutLogEvents", f"arn:aws:logs:{ACCOUNT}:log-group:/somebody/else"),
    ("logs:CreateLogGroup", f"arn:aws:logs:{ACCOUNT}:log-group:/somebody/else"),
    ("ec2:CreateNetworkInterface", "*"),
    ("ec2:DeleteNetworkInterface", "*"),
    ("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:000000000000:FailedInvocations"),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{ACCOUNT}:secret:other"),
)


@pytest.fixture(params=FUNCTIONS)
def role(request: pytest.FixtureRequest) -> Role:
    return role_of(STACK, request.param)


def test_it_signs_in_as_one_user_and_nobody_else(role: Role) -> None:
    allowed = {
        (database, user)
        for database in DATABASES
        for user in USERS
        if role.may("rds-db:connect", f"arn:aws:rds-db:{ACCOUNT}:dbuser:{database}/ordering_{user}")
    }
    assert allowed == SIGN_IN.get(kind_of(role.function), OPERATION)
    for user in ("master", "postgres", "rds_superuser"):
        for database in DATABASES:
            resource = f"arn:aws:rds-db:{ACCOUNT}:dbuser:{database}/{user}"
            assert not role.may("rds-db:connect", resource)


def test_who_produces_and_who_consumes(role: Role) -> None:
    """No function changes topics; only the relay writes, and only projectors read."""
    allowed = {action for action, resource in KAFKA.items() if role.may(action, resource)}
    kind = kind_of(role.function)
    expected = {"publish_events": PUBLISHES, "projectors": READS}.get(kind, set())
    assert allowed == expected
    other = TOPIC.replace("ordering.orders", "somebody.elses")
    for action in ("kafka-cluster:ReadData", "kafka-cluster:WriteData"):
        assert not role.may(action, other)
    assert not role.may("kafka-cluster:AlterGroup", GROUP.replace("test-", "production-"))
    assert role.may("kafka-cluster:Connect", CLUSTER) is bool(expected)


@pytest.mark.parametrize(("action", "resource"), NOBODY, ids=[action for action, _ in NOBODY])
def test_what_no_function_may(action: str, resource: str) -> None:
    may = [name for name in FUNCTIONS if role_of(STACK, name).may(action, resource)]
    assert may == []


def test_who_reads_the_masters_secrets() -> None:
    for secret in (WRITE_SECRET, READ_SECRET):
        may = [
            name
            for name in FUNCTIONS
            if role_of(STACK, name).may("secretsmanager:GetSecretValue", secret)
        ]
        assert may == ["PrepareDatabases"]


def test_what_lambda_itself_needs_in_its_name(role: Role) -> None:
    """A log, and network interfaces, which the function's own code may not have."""
    assert role.may("logs:PutLogEvents", LOG)
    for action in ("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"):
        assert role.may(action, "*", by_code=False)
        assert not role.may(action, "*")


def test_what_an_event_source_needs_in_its_name() -> None:
    for name in FUNCTIONS:
        role = role_of(STACK, name)
        is_projector = kind_of(name) == "projectors"
        for action in ("kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"):
            assert role.may(action, CLUSTER, by_code=False) is is_projector


def test_failed_events_are_sent_to_the_queue() -> None:
    queue = "arn:aws:sqs:us-east-1:000000000000:FailedInvocations"
    may = {name for name in FUNCTIONS if role_of(STACK, name).may("sqs:SendMessage", queue)}
    configured = {
        STACK.properties(name)["FunctionName"]
        for name in STACK.of_type("AWS::Lambda::EventInvokeConfig")
    }
    assert may == configured


def test_its_own_statements_name_what_they_are_for(role: Role) -> None:
    for statement in role.statements():
        assert statement["Effect"] == "Allow"
        resources, actions = statement["Resource"], statement["Action"]
        for resource in [resources] if isinstance(resources, str) else resources:
            # The groups of a stage's projectors, which begin with its name.
            assert "*" not in resource.removesuffix("/test-*"), resource
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action


def test_each_role_is_one_functions(role: Role) -> None:
    (own,) = STACK.needs(role.function) & set(STACK.of_type("AWS::IAM::Role"))
    assert [name for name in FUNCTIONS if own in STACK.needs(name)] == [role.function]


def test_policies_are_what_iam_takes() -> None:
    """Parliament knows each service's actions, and which resources they take."""
    documents = {
        json.dumps(
            {"Version": "2012-10-17", **STACK.properties("FunctionBoundary")["PolicyDocument"]}
        )
    }
    for name in FUNCTIONS:
        for document in role_of(STACK, name).own:
            documents.add(json.dumps({"Version": "2012-10-17", **document}, sort_keys=True))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ANALYSE, *documents],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [
        line
        for line in done.stdout.splitlines()
        # It does not know that key, which AWS documents for every action; and what Lambda does
        # with network interfaces, it does with any.
        if "lambda:SourceFunctionArn" not in line
        and not line.startswith("RESOURCE_STAR - ['ec2:AssignPrivateIpAddresses'")
    ]
    assert found == [], "\n".join(found)


def test_the_boundary_is_no_longer_than_iam_takes() -> None:
    text = json.dumps(STACK.properties("FunctionBoundary")["PolicyDocument"], separators=(",", ":"))
    # With the longest names that a stage's resources have on AWS.
    assert len(text.replace(" ", "")) < 6_144 - 1_000
