"""What every function, route, schedule and name of the deployed system has."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from infra.local.settings import ROOT
from infra.local.template.cloudformation import read_template
from tests.cloudwatch import read_alarms
from tests.deployment.stack import Stack, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GIVEN: Final = {
    "KafkaClusterArn": "arn:aws:kafka:us-east-1:000000000000:cluster/events/1f",
    "ScopePrefix": "ordering/",
}
STACK: Final = Stack(Stage="test", **GIVEN)
FUNCTIONS: Final = sorted(STACK.of_type("AWS::Lambda::Function"))
STACKS: Final = sorted((ROOT / "infra" / "stacks").glob("*.yaml"))
DEFAULT_CONCURRENCY: Final = 1_000
"""Of an account and region (AWS documentation, "Lambda quotas"); 100 of it cannot be reserved."""
KEPT_UNRESERVED: Final = 100
MAX_CONNECTIONS: Final = 2_000
"""Of Aurora Serverless v2 with 0.5 capacity units at least (Aurora User Guide, "Maximum
connections"), of which a proxy takes 80 %."""
NAMES: Final = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
}


@functools.cache
def alarm_names() -> set[str]:
    stack = yaml.safe_load((ROOT / "infra" / "stacks" / "monitoring.yaml").read_text())
    return {
        each["Properties"].get("AlarmName", {}).get("Fn::Sub")
        for each in stack["Resources"].values()
    }


def kind_of(name: str) -> str:
    return str(STACK.properties(name)["Handler"]).split(".")[0]


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_each_function_has_all_that_the_house_asks_for(function: str) -> None:
    properties = STACK.properties(function)
    assert properties["FunctionName"] == f"ordering-test-{function}"
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["ReservedConcurrentExecutions"] > 0
    assert properties["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": "FunctionLog"}
    assert properties["VpcConfig"]["SubnetIds"]
    is_restored = kind_of(function) in {"commands", "queries"}
    assert properties["SnapStart"]["ApplyOn"] == ("PublishedVersions" if is_restored else "None")
    assert properties["Layers"]
    stem = properties["Handler"].split(".")[1]
    assert (ROOT / "events" / f"{stem}.json").is_file()
    assert f"ordering-${{Stage}}-function-{stem}" in alarm_names()


def test_the_log_is_kept_for_a_time() -> None:
    for name in STACK.of_type("AWS::Logs::LogGroup"):
        assert 0 < int(STACK.properties(name)["RetentionInDays"]) <= 90


def test_new_versions_of_what_answers_people_are_tried_first(function: str) -> None:
    alias = STACK.resources[f"{function}Aliaslive"]
    answers = kind_of(function) in {"commands", "queries"}
    assert ("CodeDeployLambdaAliasUpdate" in alias.get("UpdatePolicy", {})) is answers
    if answers:
        group = STACK.properties(f"{function}DeploymentGroup")
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
        alarms = group["AlarmConfiguration"]["Alarms"]
        assert alarms == [{"Name": STACK.properties("AnswersFail")["AlarmName"]}]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]


def test_what_nobody_waits_for_has_a_destination_for_failures() -> None:
    invoked = {
        STACK.properties(name)["Target"]["Arn"].removesuffix("Aliaslive")
        for name in STACK.of_type("AWS::Scheduler::Schedule")
    }
    invoked |= {
        STACK.properties(name)["ServiceToken"].removesuffix("Aliaslive")
        for name in STACK.resources
        if STACK.resources[name]["Type"].startswith("Custom::")
    }
    assert len(invoked) == 7
    queue = STACK.resolver.attributes["FailedInvocations.Arn"]
    configured = {}
    for name in STACK.of_type("AWS::Lambda::EventInvokeConfig"):
        properties = STACK.properties(name)
        assert properties["Qualifier"] == "live"
        configured[properties["FunctionName"]] = properties
    assert configured.keys() == invoked
    for properties in configured.values():
        assert properties["DestinationConfig"]["OnFailure"]["Destination"] == queue


def test_each_schedule_tries_again_and_keeps_what_it_cannot_deliver() -> None:
    schedules = STACK.of_type("AWS::Scheduler::Schedule")
    assert len(schedules) == 6
    for name in schedules:
        properties = STACK.properties(name)
        assert "Name" not in properties
        target = properties["Target"]
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert (
            target["DeadLetterConfig"]["Arn"] == STACK.resolver.attributes["FailedInvocations.Arn"]
        )


def test_each_event_source_keeps_its_order_and_gives_nothing_up() -> None:
    sources = STACK.of_type("AWS::Lambda::EventSourceMapping")
    assert len(sources) == 8
    groups = set()
    for name in sources:
        properties = STACK.properties(name)
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert properties["MaximumRetryAttempts"] == properties["MaximumRecordAgeInSeconds"] == -1
        assert "DestinationConfig" not in properties
        pollers = properties["ProvisionedPollerConfig"]
        assert pollers["PollerGroupName"] == "ordering-test"
        assert pollers["MaximumPollers"] >= pollers["MinimumPollers"] >= 1
        groups.add(properties["AmazonManagedKafkaEventSourceConfig"]["ConsumerGroupId"])
    assert len(groups) == 8
    assert all(group.startswith("test-") for group in groups)


def test_each_route_has_scopes_and_a_throttle() -> None:
    api = STACK.properties("Api")
    routes = {
        f"{method.upper()} {path}": operation
        for path, operations in api["Body"]["paths"].items()
        for method, operation in operations.items()
        if method != "options"
    }
    assert len(routes) == 36
    (stage,) = STACK.of_type("AWS::ApiGatewayV2::Stage")
    settings = STACK.properties(stage)
    assert settings["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    for key, operation in routes.items():
        ((scopes,),) = [each.values() for each in operation["security"]]
        assert scopes
        assert all(scope.startswith("ordering/orders:") for scope in scopes)
        throttle = settings["RouteSettings"][key]
        assert 0 < throttle["ThrottlingRateLimit"] <= 500
        assert throttle["ThrottlingBurstLimit"] > 0
        assert throttle["DetailedMetricsEnabled"] is True


def limit(*kinds: str) -> int:
    return sum(
        STACK.properties(name)["ReservedConcurrentExecutions"]
        for name in FUNCTIONS
        if kind_of(name) in kinds
    )


def test_the_limits_fit_an_account() -> None:
    """All functions at their limits at once: an account's share, and the databases' connections."""
    everything = limit("commands", "queries", "projectors", "relay", "operations")
    assert everything <= DEFAULT_CONCURRENCY - KEPT_UNRESERVED
    # An environment has a connection to each side that it uses.
    through_proxies = {
        "write": limit("commands", "operations"),
        "read": limit("queries", "projectors", "operations"),
    }
    for side, connections in through_proxies.items():
        assert connections <= MAX_CONNECTIONS * 0.8, side
    # What is written beside the limits.
    text = (ROOT / "docs" / "deployment" / "README.md").read_text()
    for number in (everything, *through_proxies.values()):
        assert f"{number:,}" in text, number


def test_no_more_projectors_run_than_partitions() -> None:
    partitions = int(STACK.resolver.text({"Ref": "TopicPartitions"}, "here"))
    for name in FUNCTIONS:
        if kind_of(name) == "projectors":
            assert STACK.properties(name)["ReservedConcurrentExecutions"] > partitions


def test_the_stack_is_within_cloudformations_limits() -> None:
    everything = Stack(WriteMasterSecret="arn:w", ReadMasterSecret="arn:r")
    assert len(everything.resources) < 500 - 50  # some room for the next functions
    assert len(json.dumps(translated())) < 1_000_000


def names_of(stage: str) -> Iterator[str]:
    """Give the physical names of everything that a stage has, of all stacks."""
    stack = Stack(Stage=stage, **GIVEN)
    for kind, named in NAMES.items():
        for name in stack.of_type(kind):
            if named in stack.properties(name):
                yield str(stack.properties(name)[named])
    for file in STACKS:
        for resource in read_template(file)["Resources"].values():
            for key, value in resource.get("Properties", {}).items():
                if key == "ServiceName":  # AWS's own
                    continue
                if re.fullmatch(r"Name|\w*Name|Domain|\w+Identifier", key):
                    yield from _resolved(value, stage, f"{file.name}: {key}")


def _resolved(value: object, stage: str, where: str) -> Iterator[str]:
    if isinstance(value, dict) and "Fn::Sub" in value and isinstance(value["Fn::Sub"], str):
        yield value["Fn::Sub"].replace("${Stage}", stage)
    elif isinstance(value, str) and where.split(": ")[1] not in _WITHIN:
        yield value


_WITHIN: Final = {
    # Names within something that has the stage's own name.
    *("ClientName", "DatabaseName", "GroupName", "MasterUsername", "MetricName", "PolicyName"),
    *("TargetGroupName", "Identifier", "Name"),
}


def test_two_stages_share_no_name() -> None:
    test, production = set(names_of("test")), set(names_of("production"))
    assert len(test) > 100
    assert not test & production
    assert all("test" in name for name in test)


def test_no_secret_is_in_a_variable_or_a_default(function: str) -> None:
    for name, value in (
        STACK.properties(function).get("Environment", {"Variables": {}})["Variables"].items()
    ):
        assert "{{resolve:" not in str(value)
        assert not re.search(r"password=|secret[^s]|token", f"{name}={value}", re.IGNORECASE) or (
            name.endswith("_SECRET") and str(value).startswith("arn:")
        )


@pytest.mark.parametrize("file", [ROOT / "template.yaml", *STACKS], ids=lambda file: file.name)
def test_no_parameter_is_a_secret(file: Path) -> None:
    for name, parameter in read_template(file).get("Parameters", {}).items():
        assert "password" not in name.lower()
        if "secret" in name.lower():
            assert parameter.get("Default", "") == ""  # it is the ARN of one


def test_what_people_would_miss_is_kept() -> None:
    kept = {
        "databases.yaml": {"AWS::RDS::DBCluster"},
        "kafka.yaml": {"AWS::MSK::Cluster"},
        "identity.yaml": {"AWS::Cognito::UserPool"},
        "web.yaml": {"AWS::S3::Bucket"},
    }
    for file, kinds in kept.items():
        resources = read_template(ROOT / "infra" / "stacks" / file)["Resources"].values()
        for resource in resources:
            if resource["Type"] in kinds:
                assert resource["DeletionPolicy"] in {"Retain", "Snapshot"}
                assert resource["UpdateReplacePolicy"] == resource["DeletionPolicy"]
    topic = STACK.resources["OrdersTopic"]
    assert topic["DeletionPolicy"] == topic["UpdateReplacePolicy"] == "Retain"


def test_databases_are_encrypted_backed_up_and_protected() -> None:
    resources = read_template(ROOT / "infra" / "stacks" / "databases.yaml")["Resources"]
    clusters = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::RDS::DBCluster"]
    assert len(clusters) == 2
    for cluster in clusters:
        for wanted in (
            "DeletionProtection",
            "EnableIAMDatabaseAuthentication",
            "ManageMasterUserPassword",
            "StorageEncrypted",
        ):
            assert cluster[wanted] in {True, "true"}, wanted
    proxies = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::RDS::DBProxy"]
    assert len(proxies) == 2
    for proxy in proxies:
        assert proxy["DefaultAuthScheme"] == "IAM_AUTH"
        assert "Auth" not in proxy


def test_every_alarm_that_watches_a_read_model_alarms_when_nobody_reports() -> None:
    for name, alarm in read_alarms().items():
        if name.startswith("age-") or name == "outbox":
            assert alarm["TreatMissingData"] == "breaching", name
