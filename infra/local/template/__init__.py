"""Reads template.yaml into what the local runner starts: functions, routes, sources, topics."""

import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.local.template.api import HttpApiSettings, read_api
from infra.local.template.cloudformation import (
    ACCOUNT,
    REGION,
    Resolver,
    Yaml,
    parameter_values,
    read_template,
)
from infra.local.template.functions import FunctionReader
from infra.local.template.model import (
    AccessLog,
    Cors,
    Function,
    HttpRoute,
    KafkaSource,
    Schedule,
    Template,
    TemplateError,
    Throttle,
    Topic,
)
from infra.local.template.properties import Properties

__all__ = [
    "AccessLog",
    "Cors",
    "Function",
    "HttpRoute",
    "KafkaSource",
    "Schedule",
    "Template",
    "TemplateError",
    "Throttle",
    "Topic",
    "load_template",
]

# These would have to run something here, which nothing does: better no start than a silent gap.
_CANNOT_RUN: Final = (
    "AWS::ApiGateway::",
    "AWS::ApiGatewayV2::",
    "AWS::DynamoDB::",
    "AWS::Events::Rule",
    "AWS::Kinesis::",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Url",
    "AWS::Scheduler::Schedule",
    "AWS::Serverless::",
    "AWS::StepFunctions::",
)
_LOG_GROUP: Final = "AWS::Logs::LogGroup"
_CUSTOM: Final = "Custom::"
_MADE_AT_START: Final = "made at the start"
"""What custom resources do with the databases, the runner does when it starts."""
_RUNS: Final = {
    _LOG_GROUP,
    "AWS::MSK::Topic",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",
}


def load_template(path: Path, parameters: Mapping[str, str]) -> Template:
    """Return what `path` asks this machine to run.

    Raises TemplateError, naming resource and property, for what is wrong or cannot run here.
    What has its effect only in the cloud is listed in the result's `warnings`.
    """
    return _Reader(path, parameters).read()


class _Reader:
    def __init__(self, path: Path, parameters: Mapping[str, str]) -> None:
        self._root = path.resolve().parent
        document = read_template(path)
        values = parameter_values(document.get("Parameters", {}), parameters)
        self._resolver = Resolver(document, values)
        self._cloud_only: dict[str, list[str]] = {}
        self._globals: Mapping[str, Yaml] = document.get("Globals", {})
        self._declared = frozenset(document["Resources"])
        self._resources: dict[str, Mapping[str, Yaml]] = {
            name: resource
            for name, resource in document["Resources"].items()
            if "Condition" not in resource or self._resolver.condition(resource["Condition"])
        }

    def read(self) -> Template:
        self._check_types()
        buckets = self._named("AWS::S3::Bucket", "BucketName")
        queues = self._named("AWS::SQS::Queue", "QueueName")
        notification_topics = self._named("AWS::SNS::Topic", "TopicName")
        self._declare_references(buckets, queues, notification_topics)
        topics = tuple(self._topic(name) for name in self._of_type("AWS::MSK::Topic"))
        api = self._api()
        reader = FunctionReader(
            self._root,
            self._globals.get("Function", {}),
            self._resources,
            self._resolver,
            self._cloud_only,
        )
        names = self._of_type("AWS::Serverless::Function")
        for name in names:
            self._check_dependencies(name)
        functions = {name: reader.read(name, api) for name in names}
        _refuse_doubles(functions)
        # A queue for what is only in the cloud, such as events that a scheduler could not deliver.
        unused = sorted(queues.keys() - self._resolver.used)
        if unused:
            self._cloud_only.setdefault("AWS::SQS::Queue", []).extend(unused)
        return Template(
            functions=functions,
            topics=topics,
            buckets=buckets,
            queues={name: queue for name, queue in queues.items() if name not in unused},
            jwt_issuer=api.jwt_issuer,
            jwt_audience=api.jwt_audience,
            cors=api.cors,
            warnings=self._warnings(reader.runtimes),
            access_log=api.access_log,
            notification_topics=notification_topics,
        )

    def _properties(self, name: str) -> Properties:
        values = self._resources[name].get("Properties")
        return Properties(values, name, self._resolver, self._cloud_only)

    def _of_type(self, kind: str) -> list[str]:
        return [name for name, resource in self._resources.items() if resource["Type"] == kind]

    def _check_types(self) -> None:
        for name, resource in self._resources.items():
            kind = str(resource.get("Type"))
            if kind in _RUNS:
                continue
            # A nested application is other infrastructure; its functions are not this system's.
            if kind.startswith(_CANNOT_RUN) and kind != "AWS::Serverless::Application":
                raise TemplateError(f"{name}.Type: the local runner cannot run {kind}")
            self._cloud_only.setdefault(kind, []).append(name)

    def _check_dependencies(self, function: str) -> None:
        """Refuse a function that waits for what is only in the cloud: it says that it needs it."""
        names = self._resources[function].get("DependsOn", ())
        for name in [names] if isinstance(names, str) else names:
            if name not in self._declared:
                raise TemplateError(f"{function}.DependsOn: there is no {name}")
            kind = self._resources.get(name, {}).get("Type")
            if kind is not None and kind not in _RUNS:
                raise TemplateError(f"{function}.DependsOn: {name}, {kind}, is only in the cloud")

    def _named(self, kind: str, name_property: str) -> dict[str, str]:
        return {
            name: self._properties(name).text(name_property, f"{name.lower()}-local")
            for name in self._of_type(kind)
        }

    def _declare_references(
        self,
        buckets: Mapping[str, str],
        queues: Mapping[str, str],
        notification_topics: Mapping[str, str],
    ) -> None:
        references, attributes = self._resolver.references, self._resolver.attributes
        for name, bucket in buckets.items():
            references[name] = bucket
            attributes[f"{name}.Arn"] = f"arn:aws:s3:::{bucket}"
        for name, queue in queues.items():
            url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}"
            references[name] = attributes[f"{name}.QueueUrl"] = url
            attributes[f"{name}.Arn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"
            attributes[f"{name}.QueueName"] = queue
        for name, topic in notification_topics.items():
            references[name] = f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic}"
            attributes[f"{name}.TopicArn"] = references[name]
            attributes[f"{name}.TopicName"] = topic
        for name, resource in self._resources.items():
            if str(resource["Type"]).startswith(_CUSTOM):
                attributes[f"{name}.Schema"] = _MADE_AT_START
        for name in self._of_type("AWS::Serverless::Function"):
            references[name] = name
            attributes[f"{name}.Arn"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        for name in self._of_type("AWS::Serverless::HttpApi"):
            references[name] = name
        for name in self._of_type("AWS::Serverless::LayerVersion"):
            references[name] = f"layer:{name}"
        for name, group in self._log_groups().items():
            references[name] = group
            attributes[f"{name}.Arn"] = _log_group_arn(group)

    def _topic(self, name: str) -> Topic:
        properties = self._properties(name)
        # One broker is all there is here, so the number of replicas can only be one.
        properties.descriptive("ClusterArn", "ReplicationFactor")
        where = f"{name}.Configs"
        try:
            lines = base64.b64decode(properties.text("Configs", ""), validate=True).decode()
            config = dict(line.split("=", 1) for line in lines.splitlines() if line.strip())
        except ValueError as error:
            raise TemplateError(f"{where}: not base64 of key=value lines ({error})") from error
        topic = Topic(properties.text("TopicName"), properties.integer("PartitionCount", 1), config)
        properties.finish()
        return topic

    def _log_groups(self) -> dict[str, str]:
        """Return the log groups' names by logical id; here a log is a file with a size."""
        names: dict[str, str] = {}
        for name in self._of_type(_LOG_GROUP):
            properties = self._properties(name)
            properties.descriptive("Tags")
            properties.cloud_only(
                ["DataProtectionPolicy", "KmsKeyId", "LogGroupClass", "RetentionInDays"]
            )
            names[name] = properties.text("LogGroupName", name)
            properties.finish()
        return names

    def _api(self) -> HttpApiSettings:
        names = self._of_type("AWS::Serverless::HttpApi")
        if len(names) > 1:
            raise TemplateError(f"{names[1]}: the local runner runs one HTTP API, not {len(names)}")
        own = self._resources[names[0]].get("Properties") if names else {}
        merged = {**self._globals.get("HttpApi", {}), **(own or {})}
        where = names[0] if names else "Globals.HttpApi"
        log_groups = {self._resolver.attributes[f"{n}.Arn"] for n in self._of_type(_LOG_GROUP)}
        return read_api(Properties(merged, where, self._resolver, self._cloud_only), log_groups)

    def _warnings(self, runtimes: set[str]) -> tuple[str, ...]:
        here = f"python{sys.version_info.major}.{sys.version_info.minor}"
        warnings = [
            f"functions ask for {runtime} and run on {here}"
            for runtime in sorted(runtimes - {here})
        ]
        if self._cloud_only:
            parts = [
                f"{kind} ({', '.join(names) if len(names) < 4 else f'in {len(names)} places'})"  # noqa: PLR2004 - as many as read well in a line
                for kind, names in sorted(self._cloud_only.items())
            ]
            warnings.append(f"only in the cloud, without effect here: {', '.join(parts)}")
        return tuple(warnings)


def _log_group_arn(name: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"


def _refuse_doubles(functions: Mapping[str, Function]) -> None:
    owners: dict[str, str] = {}
    for function in functions.values():
        for route in function.routes:
            if route.key in owners:
                raise TemplateError(
                    f"{function.name}.Events: {route.key} is already a route of {owners[route.key]}"
                )
            owners[route.key] = function.name
