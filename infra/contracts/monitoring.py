"""The stack of alarms and the dashboard, and the operators' table of alarms, from the template.

Each function, query and read model of the template has its alarms; nothing lists them by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from infra.contracts.alarms import NAMESPACE, PERIOD, Alarm, alarms, by_kind
from infra.contracts.functions import read_template
from ordering.read_side.query import READ_MODELS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.template.model import Template

STACK: Final = "infra/stacks/monitoring.yaml"
TABLE: Final = "docs/operations/alarms.md"

_HEAD: Final = """\
# Written by `make contracts` from template.yaml and infra/contracts/monitoring.py: change those.
"""
_TABLE_HEAD: Final = """\
# Alarms

Written by `make contracts`. What is named after "README" is in [README.md](README.md). All tell the
SNS topic ordering-STAGE-alarms; so does ordering-STAGE-answers-fail-now, when more than 1 % of the
requests of a minute are answered with 5xx. NAME is that of a function's file, or of a read model.

| Alarm | Raised when | It means | To do |
|---|---|---|---|"""


class _Dumper(yaml.SafeDumper):
    """Writes everything out: CloudFormation takes no aliases."""

    def ignore_aliases(self, _data: Any) -> bool:  # noqa: ANN401 - as its base
        return True


_PARAMETERS: Final[Mapping[str, Any]] = {
    "Stage": {"Type": "String", "AllowedPattern": "[a-z][a-z0-9-]{0,15}"},
    "AlarmEmail": {
        "Type": "String",
        "Default": "",
        "Description": "Who gets mail; empty: nobody, the topic is subscribed to by hand.",
    },
    "ApiId": {"Type": "String", "Description": "Of the HTTP API."},
    "FailedInvocations": {"Type": "String", "Description": "Name of the queue of failed events."},
    "WriteCluster": {
        "Type": "String",
        "Description": "Identifier of the write database's cluster.",
    },
    "ReadCluster": {"Type": "String", "Description": "Identifier of the read cluster."},
    "KafkaCluster": {"Type": "String", "Description": "Name of the MSK cluster."},
    "PeakRequestsPerSecond": {
        "Type": "Number",
        "Default": 300,
        "Description": "Three times the peak before; the dashboard draws it.",
    },
}


def _dashboard(template: Template) -> str:
    """Return the dashboard's body: what the decision for two databases is measured by."""

    def widget(title: str, metrics: list[Any], stat: str, **more: object) -> dict[str, Any]:
        properties = {"title": title, "metrics": metrics, "stat": stat, "period": PERIOD}
        properties |= {"region": "${AWS::Region}", "view": "timeSeries", **more}
        return {"type": "metric", "width": 12, "height": 6, "properties": properties}

    def own(name: str, **dimensions: str) -> list[str]:
        parts = [part for pair in dimensions.items() for part in pair]
        return [NAMESPACE, name, "stage", "${Stage}", *parts]

    queries = [own("QueryDuration", service=f.stem) for f in by_kind(template, "queries")]
    peaks = [{"label": "the decision's peak", "value": "PEAK"}]
    cpu = [
        ["AWS/RDS", "CPUUtilization", "DBClusterIdentifier", f"${{{side}Cluster}}"]
        for side in ("Write", "Read")
    ]
    requests = [
        [{"expression": "requests / 60", "label": "requests per second", "id": "rate"}],
        ["AWS/ApiGateway", "Count", "ApiId", "${ApiId}", {"id": "requests", "visible": False}],
    ]
    ages = [own("ReadModelAge", read_model=name) for name in READ_MODELS]
    widgets = [
        widget("Queries, half of them faster than (ms)", queries, "p50"),
        widget("Queries, 99 of 100 faster than (ms)", queries, "p99"),
        widget("CPU of both databases (%)", cpu, "Average"),
        widget("Load against the peak", requests, "Sum", annotations={"horizontal": peaks}),
        widget("Age of each read model (s)", ages, "Maximum"),
        widget("Command to read model (ms)", [own("EndToEndAge")], "p99"),
        widget("Waiting for the relay", [own("OutboxOldest"), own("OutboxEvents")], "Maximum"),
        widget("Commands", [own(f"Command{o}") for o in ("Answered", "Refused", "Failed")], "Sum"),
    ]
    body = json.dumps({"widgets": widgets})
    # A number, which the body has without quotes: the parameter's value is put in its place.
    return body.replace('"PEAK"', "${PeakRequestsPerSecond}")


def documents() -> Mapping[str, str]:
    """Return the stack and the table, by their paths."""
    template = read_template()
    body = _dashboard(template)
    every = alarms()
    stack = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Ordering - alarms, whom they tell, and the dashboard.",
        "Parameters": dict(_PARAMETERS),
        "Conditions": {"Mails": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, ""]}]}},
        "Resources": {
            "Alarms": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"TopicName": {"Fn::Sub": "ordering-${Stage}-alarms"}},
            },
            "AlarmsFromCloudWatchOnly": {
                "Type": "AWS::SNS::TopicPolicy",
                "Properties": {
                    "Topics": [{"Ref": "Alarms"}],
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                                "Action": "sns:Publish",
                                "Resource": {"Ref": "Alarms"},
                                "Condition": {
                                    "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
                                },
                            }
                        ],
                    },
                },
            },
            "Mail": {
                "Type": "AWS::SNS::Subscription",
                "Condition": "Mails",
                "Properties": {
                    "TopicArn": {"Ref": "Alarms"},
                    "Protocol": "email",
                    "Endpoint": {"Ref": "AlarmEmail"},
                },
            },
            "TakenBack": {
                "Type": "AWS::CloudWatch::CompositeAlarm",
                "Properties": {
                    "AlarmName": {"Fn::Sub": "ordering-${Stage}-answers-fail-now"},
                    "AlarmDescription": (
                        "More than one request in a hundred is answered with 5xx; a version that is"
                        " being deployed is taken back. README: Whose request was it?"
                    ),
                    "AlarmRule": {"Fn::Sub": 'ALARM("ordering-${Stage}-answers-fail")'},
                    "AlarmActions": [{"Ref": "Alarms"}],
                    "OKActions": [{"Ref": "Alarms"}],
                },
            },
            **{alarm.logical_id: alarm.resource() for alarm in every},
            "Dashboard": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {
                    "DashboardName": {"Fn::Sub": "ordering-${Stage}"},
                    "DashboardBody": {"Fn::Sub": body},
                },
            },
        },
    }
    text = yaml.dump(stack, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return {STACK: _HEAD + text, TABLE: _table(every)}


def _table(every: list[Alarm]) -> str:
    """List them; those that there is one of for each function or read model only once."""
    rows: dict[str, None] = {}
    for alarm in every:
        name, meaning = alarm.name, alarm.meaning
        if alarm.each:
            name, meaning = (text.replace(alarm.each, "NAME") for text in (name, meaning))
        cells = [f"ordering-STAGE-{name}", _when(alarm), meaning, alarm.remedy]
        rows[f"| {' | '.join(cells)} |"] = None
    return "\n".join([_TABLE_HEAD, *rows, ""])


def _when(alarm: Alarm) -> str:
    metric = alarm.expression or next(iter(alarm.metrics.values()))["MetricName"]
    minutes = "a minute" if alarm.periods == 1 else f"{alarm.of} of {alarm.periods} minutes"
    silent = ", or is silent" if alarm.missing == "breaching" else ""
    return f"{metric} ({alarm.statistic}) > {alarm.threshold:g} in {minutes}{silent}"
