"""template.yaml is read as CloudFormation and SAM read it, or refused by name."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.template import (
    AccessLog,
    Cors,
    HttpRoute,
    Schedule,
    Template,
    TemplateError,
    load_template,
)

HEAD = """
Parameters:
  Host: {Type: String}
  Port: {Type: Number, Default: 5432}
  Mode: {Type: String, Default: iam, AllowedValues: [iam, none]}
  Partitions: {Type: Number, Default: 4}
  Prefix: {Type: String, Default: "", AllowedPattern: "[a-z/]*"}
Conditions:
  IsIam: !Equals [!Ref Mode, iam]
Globals:
  Function:
    Runtime: python3.13
    CodeUri: functions/
    Timeout: 7
    Layers: [!Ref Common]
    VpcConfig: {SubnetIds: [subnet-1]}
    Environment: {Variables: {LEVEL: INFO}}
Resources:
  Common:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.13}
    Properties: {ContentUri: layers/common/}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Jwt
        Authorizers:
          Jwt:
            JwtConfiguration: {issuer: https://issuer.example, audience: [ordering]}
      CorsConfiguration: {AllowOrigins: ["https://desk.example"], AllowMethods: [GET], MaxAge: 60}
  Access: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 30}}
  Failed: {Type: AWS::S3::Bucket}
  Alarm: {Type: AWS::CloudWatch::Alarm}
  Orders:
    Type: AWS::MSK::Topic
    Properties:
      ClusterArn: arn
      TopicName: ordering.orders
      PartitionCount: !Ref Partitions
      ReplicationFactor: 3
      Configs: cmV0ZW50aW9uLm1zPTEKY2xlYW51cC5wb2xpY3k9ZGVsZXRl
  Place:
    Type: AWS::Serverless::Function
    Properties:
      Handler: place_order.handler
"""


def load(directory: Path, function: str = "", resources: str = "", **given: str) -> Template:
    """Load the template above, with more properties of Place and more resources."""
    (directory / "functions").mkdir(exist_ok=True)
    (directory / "functions" / "place_order.py").touch()
    (directory / "layers" / "common").mkdir(parents=True, exist_ok=True)
    indented = "".join(f"      {line}\n" for line in function.splitlines())
    path = directory / "template.yaml"
    path.write_text(HEAD + indented + resources)
    return load_template(path, {"Host": "127.0.0.1", **given})


def event(kind: str, properties: str) -> str:
    return f"Events: {{E: {{Type: {kind}, Properties: {{{properties}}}}}}}"


def test_globals_are_merged_into_each_function(tmp_path: Path) -> None:
    function = load(
        tmp_path, "Timeout: 3\nEnvironment: {Variables: {DSN: !Sub 'host=${Host} port=${Port}'}}"
    ).functions["Place"]
    assert function.timeout == 3
    assert function.environment == {"LEVEL": "INFO", "DSN": "host=127.0.0.1 port=5432"}
    assert function.code == tmp_path / "functions"
    assert function.layers == (tmp_path / "layers" / "common",)
    assert (function.memory, function.concurrency, function.stem) == (128, None, "place_order")


def test_asynchronous_invocations_have_their_limits_and_lambda_s_defaults(tmp_path: Path) -> None:
    function = load(tmp_path).functions["Place"]
    assert (function.async_retries, function.max_event_age) == (2, 6 * 3600)
    limits = "EventInvokeConfig: {MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0}"
    function = load(tmp_path, limits).functions["Place"]
    assert (function.async_retries, function.max_event_age) == (0, 60)


def test_layers_of_globals_and_function_add_up(tmp_path: Path) -> None:
    (tmp_path / "own" / "python").mkdir(parents=True)
    own = "  Own: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: own/}}\n"
    function = load(tmp_path, "Layers: [!Ref Own]", own).functions["Place"]
    assert function.layers == (tmp_path / "own" / "python", tmp_path / "layers" / "common")


def test_a_topic_has_its_partitions_and_its_configuration(tmp_path: Path) -> None:
    [topic] = load(tmp_path, Partitions="8").topics
    assert (topic.name, topic.partitions) == ("ordering.orders", 8)
    assert topic.config == {"retention.ms": "1", "cleanup.policy": "delete"}


def test_the_api_gives_authorizer_and_cors(tmp_path: Path) -> None:
    template = load(tmp_path)
    assert template.jwt_issuer == "https://issuer.example"
    assert template.jwt_audience == ("ordering",)
    assert template.cors == Cors(
        allow_origins=("https://desk.example",), allow_methods=("GET",), max_age=60
    )


def test_a_route_has_its_scopes_and_may_need_no_token(tmp_path: Path) -> None:
    scoped = "Method: post, Path: '/orders/{id}', Auth: {AuthorizationScopes: ['orders:write']}"
    [route] = load(tmp_path, event("HttpApi", scoped)).functions["Place"].routes
    assert route == HttpRoute("POST", "/orders/{id}", ("orders:write",), authorized=True)
    assert route.key == "POST /orders/{id}"
    public = "Method: GET, Path: /, Auth: {Authorizer: NONE}"
    [route] = load(tmp_path, event("HttpApi", public)).functions["Place"].routes
    assert route.authorized is False


def test_the_names_of_scopes_may_come_from_parameters(tmp_path: Path) -> None:
    scopes = "[!Sub '${Prefix}orders:sell', !Sub '${Prefix}orders:operate']"
    route = event("HttpApi", f"Method: POST, Path: /, Auth: {{AuthorizationScopes: {scopes}}}")
    for prefix in ("", "ordering/"):
        template = load(tmp_path, route, Prefix=prefix)
        [found] = template.functions["Place"].routes
        assert found.scopes == (f"{prefix}orders:sell", f"{prefix}orders:operate")
        assert template.scopes == (f"{prefix}orders:operate", f"{prefix}orders:sell")


def api_with_access_log(directory: Path, destination: str, log_format: str) -> Template:
    load(directory)
    path = directory / "template.yaml"
    settings = f"AccessLogSettings: {{DestinationArn: {destination}, Format: '{log_format}'}}"
    path.write_text(HEAD.replace("      CorsConf", f"      {settings}\n      CorsConf"))
    return load_template(path, {"Host": "127.0.0.1"})


def test_the_access_log_has_the_fields_of_its_format(tmp_path: Path) -> None:
    assert load(tmp_path).access_log is None
    log_format = '{"status": "$context.status", "who": "$context.authorizer.claims.sub"}'
    template = api_with_access_log(tmp_path, "!GetAtt Access.Arn", log_format)
    assert template.access_log == AccessLog({"status": "status", "who": "authorizer.claims.sub"})


@pytest.mark.parametrize(
    ("destination", "log_format", "message"),
    [
        ("!GetAtt Failed.Arn", "{}", r"DestinationArn: arn:aws:s3:::.* is no log group of this"),
        ("arn:aws:firehose:x", "{}", r"DestinationArn: arn:aws:firehose:x is no log group"),
        ("!GetAtt Alarm.Arn", "{}", r"!GetAtt Alarm\.Arn: AWS::CloudWatch::Alarm has no value"),
        ("!GetAtt Access.Arn", "$context.status", r"Format: .* writes JSON only"),
        ("!GetAtt Access.Arn", "[]", r"Format: a JSON object is needed"),
        (
            "!GetAtt Access.Arn",
            '{"ip": "$context.identity.sourceIp"}',
            r"Format: the local runner has no .\$context\.identity\.sourceIp. \(ip\)",
        ),
        ("!GetAtt Access.Arn", '{"a": "status"}', r"has no .status. \(a\)"),
        ("!GetAtt Access.Arn", '{"a": "$context.status!"}', r"has no .\$context\.status!. \(a\)"),
        ("!GetAtt Access.Arn", '{"a": "$context.authorizer.claims."}', r"has no .* \(a\)"),
        ("!GetAtt Access.Arn", '{"a": 1}', r"has no 1 \(a\)"),
    ],
)
def test_an_access_log_that_cannot_be_written_here_is_refused_by_name(
    tmp_path: Path, destination: str, log_format: str, message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        api_with_access_log(tmp_path, destination, log_format)


def test_a_kafka_source_has_its_settings_and_kafka_s_defaults(tmp_path: Path) -> None:
    properties = (
        "Stream: arn:k, Topics: [ordering.orders], ConsumerGroupId: g, BatchSize: 500, "
        "StartingPosition: TRIM_HORIZON, FunctionResponseTypes: [ReportBatchItemFailures], "
        "ProvisionedPollerConfig: {MinimumPollers: 2, MaximumPollers: 4}, "
        "DestinationConfig: {OnFailure: {Type: S3, Destination: !GetAtt Failed.Arn}}"
    )
    [source] = load(tmp_path, event("MSK", properties)).functions["Place"].kafka_sources
    assert (source.topics, source.group, source.batch_size) == (("ordering.orders",), "g", 500)
    assert (source.window_seconds, source.retries, source.pollers) == (0.5, -1, 2)
    assert source.partial_responses is True
    assert source.on_failure == "arn:aws:s3:::failed-local"


@pytest.mark.parametrize(
    ("destination", "resources", "uses"),
    [
        ("", {}, False),
        ("kafka://failed", {}, False),
        ("arn:aws:sqs:us-east-1:000000000000:failed", {}, True),
        ("", {"buckets": {"Files": "files"}}, True),
        ("", {"queues": {"Waiting": "waiting"}}, True),
        ("", {"notification_topics": {"News": "news"}}, True),
    ],
)
def test_aws_services_are_used_by_resources_and_failure_destinations(
    tmp_path: Path, destination: str, resources: dict[str, Any], *, uses: bool
) -> None:
    source = "Stream: arn:k, Topics: [t], StartingPosition: LATEST"
    if destination:
        source += f", DestinationConfig: {{OnFailure: {{Destination: '{destination}'}}}}"
    template = replace(load(tmp_path, event("MSK", source)), **{"buckets": {}, **resources})
    assert template.uses_aws_services is uses


def test_a_schedule_has_its_interval_and_input(tmp_path: Path) -> None:
    properties = "ScheduleExpression: rate(2 minutes), Input: '{\"shard\": 0}'"
    [schedule] = load(tmp_path, event("ScheduleV2", properties)).functions["Place"].schedules
    assert schedule == Schedule("E", "rate(2 minutes)", 120.0, '{"shard": 0}')


def test_a_schedule_that_is_switched_off_is_left_out(tmp_path: Path) -> None:
    properties = "ScheduleExpression: rate(1 hour), State: DISABLED, Input: '{}'"
    assert load(tmp_path, event("ScheduleV2", properties)).functions["Place"].schedules == ()


def test_conditions_choose_values_and_resources(tmp_path: Path) -> None:
    function = "Timeout: !If [IsIam, 9, !Ref AWS::NoValue]\nMemorySize: !If [IsIam, 256, 512]"
    other = "  Other: {Type: AWS::DynamoDB::Table, Condition: IsIam}\n"
    assert load(tmp_path, function, other, Mode="none").functions["Place"].memory == 512
    with pytest.raises(TemplateError, match=r"Other\.Type: .* AWS::DynamoDB::Table"):
        load(tmp_path, function, other)


def test_what_is_only_in_the_cloud_is_named_in_one_warning(tmp_path: Path) -> None:
    warnings = load(tmp_path, "Policies: [AWSLambdaBasicExecutionRole]").warnings
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    [text] = [warning for warning in warnings if not warning.endswith(here)]
    assert text == (
        "only in the cloud, without effect here: AWS::CloudWatch::Alarm (Alarm), "
        "Policies (Place), RetentionInDays (Access), VpcConfig (Place)"
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("Handler: nowhere.handler", r"Place\.Handler: .*nowhere\.py does not exist"),
        ("Runtime: nodejs22.x", r"Place\.Runtime: .* Python only"),
        ("PackageType: Image", r"Place\.PackageType: .* cannot run Image"),
        ("CodeUri: missing/", r"Place\.CodeUri: .* is no directory"),
        ("InlineCode: x", r"Place\.InlineCode: .* cannot run this property"),
        ("Timeout: soon", r"Place\.Timeout: 'soon' is no whole number"),
        ("Environment: {Variables: {A: !Ref Alarm}}", r"A: !Ref Alarm: AWS::CloudWatch::Alarm"),
        ("Environment: {Variables: {A: !Ref Nothing}}", r"A: !Ref Nothing: no such"),
        ("Layers: ['arn:aws:lambda:layer:1']", r"Place\.Layers: .* not of this template"),
        (event("Api", "Path: /, Method: GET"), r"E\.Type: .* no Api events"),
        (event("SQS", "Queue: arn"), r"E\.Type: .* no SQS events"),
        (event("Schedule", "Schedule: 'cron(0 0 * * ? *)'"), r"Schedule: .* not cron"),
        (
            event("MSK", "Stream: a, Topics: [t], StartingPosition: LATEST, FilterCriteria: {}"),
            r"FilterCriteria: .* cannot run this property",
        ),
        (
            event("MSK", "Stream: a, Topics: [t], StartingPosition: AT_TIMESTAMP"),
            r"StartingPosition: .* cannot start at AT_TIMESTAMP",
        ),
        (
            event(
                "MSK",
                "Stream: a, Topics: [t], StartingPosition: LATEST, "
                "DestinationConfig: {OnFailure: {Destination: 'arn:aws:lambda:r:1:function:F'}}",
            ),
            r"E\.Properties\.DestinationConfig\.OnFailure\.Destination: .*function:F is no bucket",
        ),
        (
            event("HttpApi", "Path: /, Method: GET, PayloadFormatVersion: '1.0'"),
            r"PayloadFormatVersion: .* 2\.0 only",
        ),
        (
            event("HttpApi", "Path: /, Method: GET, Auth: {Authorizer: Other}"),
            r"Authorizer: the API has no authorizer Other",
        ),
    ],
)
def test_what_cannot_run_here_is_refused_by_name(
    tmp_path: Path, function: str, message: str
) -> None:
    with pytest.raises(TemplateError, match=message):
        load(tmp_path, function)


def test_a_function_may_wait_for_what_runs_here_only(tmp_path: Path) -> None:
    waiting = """  Waiting:
    Type: AWS::Serverless::Function
    DependsOn: {}
    Properties: {{Handler: place_order.handler}}
"""
    unused = "  Unused: {Type: AWS::DynamoDB::Table, Condition: IsIam}\n"
    load(tmp_path, resources=waiting.format("[Orders, Failed, Unused]") + unused, Mode="none")
    cloud = r"Waiting\.DependsOn: Alarm, AWS::CloudWatch::Alarm, is only in the cloud"
    with pytest.raises(TemplateError, match=cloud):
        load(tmp_path, resources=waiting.format("[Orders, Alarm]"))
    with pytest.raises(TemplateError, match=r"Waiting\.DependsOn: there is no Order"):
        load(tmp_path, resources=waiting.format("Order"))


def test_two_functions_cannot_have_one_route(tmp_path: Path) -> None:
    route = event("HttpApi", "Path: /orders, Method: POST")
    twin = f"""
  Twin:
    Type: AWS::Serverless::Function
    Properties:
      Handler: place_order.handler
      {route}
"""
    with pytest.raises(TemplateError, match=r"Twin\.Events: POST /orders is already .* of Place"):
        load(tmp_path, route, twin)


def test_parameters_must_be_declared_given_and_allowed(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"Parameters\.Mode: 'x' is not one of iam, none"):
        load(tmp_path, Mode="x")
    with pytest.raises(TemplateError, match=r"Parameters\.Prefix: 'a b' does not match \[a-z/\]"):
        load(tmp_path, Prefix="a b")
    with pytest.raises(TemplateError, match="Unknown not declared"):
        load(tmp_path, Unknown="x")
    with pytest.raises(TemplateError, match="no value for Host"):
        load_template(tmp_path / "template.yaml", {})
