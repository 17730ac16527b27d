"""What raises an alarm: each read model, query and function of the template, and the servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from infra.contracts.functions import read_template
from ordering.read_side.query import READ_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.template.model import Function, Template

NAMESPACE: Final = "Ordering"
PERIOD: Final = 60
_STAGE: Final = {"Ref": "Stage"}
_RELAY: Final = "README: Does the relay publish?"


@dataclass(frozen=True)
class Alarm:
    """One alarm: what it watches, when it is raised, what that means and what is to be done.

    ``metrics`` are the metrics by their ids, more than one with an ``expression`` over them.
    ``periods`` are minutes, ``of`` how many of them have to be over the threshold. ``each`` is what
    it is one of many for, as its name and its meaning have it.
    """

    name: str
    meaning: str
    remedy: str
    metrics: Mapping[str, Mapping[str, Any]]
    threshold: float
    periods: int = 1
    of: int = 1
    missing: str = "notBreaching"
    expression: str = ""
    statistic: str = "Maximum"
    each: str = ""

    @property
    def logical_id(self) -> str:
        """Its name in the template."""
        parts = [*self.name.replace("_", "-").split("-"), "alarm"]
        return "".join(part[:1].upper() + part[1:] for part in parts)

    def resource(self) -> dict[str, Any]:
        """Return it as CloudFormation has it."""
        return {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": {"Fn::Sub": f"ordering-${{Stage}}-{self.name}"},
                "AlarmDescription": f"{self.meaning} {self.remedy}",
                **self._watched(),
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": self.threshold,
                "EvaluationPeriods": self.periods,
                "DatapointsToAlarm": self.of,
                "TreatMissingData": self.missing,
                "AlarmActions": [{"Ref": "Alarms"}],
                "OKActions": [{"Ref": "Alarms"}],
            },
        }

    def _watched(self) -> dict[str, Any]:
        how = {"Period": PERIOD, **_statistic(self.statistic)}
        if not self.expression:
            (metric,) = self.metrics.values()
            return {**metric, **how}
        return {
            "Metrics": [
                {"Id": "watched", "Expression": self.expression},
                *(
                    {
                        "Id": name,
                        "ReturnData": False,
                        "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": self.statistic},
                    }
                    for name, metric in self.metrics.items()
                ),
            ]
        }


def _statistic(name: str) -> dict[str, str]:
    return {"ExtendedStatistic": name} if name.startswith("p") else {"Statistic": name}


def _metric(namespace: str, name: str, **dimensions: object) -> dict[str, Any]:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def _own(name: str, **dimensions: object) -> dict[str, Mapping[str, Any]]:
    return {"own": _metric(NAMESPACE, name, stage=_STAGE, **dimensions)}


def alarms() -> list[Alarm]:
    """Return all alarms, in the order of the operators' table."""
    template = read_template()
    return [
        *_of_read_models(),
        *_of_the_relay(),
        *_of_what_is_wrong(),
        *_of_queries(template),
        *_of_functions(template),
        *_of_servers(),
    ]


def _of_read_models() -> Iterator[Alarm]:
    for name in READ_MODELS:
        yield Alarm(
            f"age-{name}",
            f"What queries read of {name} is over 30 s old, or nobody says how old it is.",
            "README: How fresh is what people see?",
            _own("ReadModelAge", read_model=name),
            threshold=30,
            periods=2,
            of=2,
            missing="breaching",
            each=name,
        )
    for name in READ_MODELS:
        yield Alarm(
            f"parked-{name}",
            f"Orders are parked in {name}: events cannot be applied, or not be published.",
            "README: An event cannot be applied.",
            _own("OrdersParked", read_model=name),
            threshold=0,
            missing="ignore",
            each=name,
        )


def _of_the_relay() -> Iterator[Alarm]:
    yield Alarm(
        "outbox",
        "An event has waited for the relay for over 30 s, or nobody says how long.",
        _RELAY,
        _own("OutboxOldest"),
        threshold=30,
        periods=2,
        of=2,
        missing="breaching",
    )
    yield Alarm(
        "relay-fails",
        "For three minutes the relay could not publish, or failed.",
        _RELAY,
        _own("RelayFailures"),
        threshold=0,
        periods=3,
        of=3,
        statistic="Sum",
    )
    yield Alarm(
        "relay-polls",
        "Notifications do not reach the relay: it looks ten times a second instead.",
        "Give it the endpoint of the cluster (WriteClusterHost), not that of a proxy.",
        _own("RelaysPolling"),
        threshold=0,
        statistic="Sum",
    )


def _counted(name: str, metric: str, meaning: str, remedy: str, minutes: int = 1) -> Alarm:
    """Return the alarm of something that is counted when it happens, and should not."""
    watched = _own(metric)
    return Alarm(name, meaning, remedy, watched, 0, minutes, minutes, statistic="Sum")


def _of_what_is_wrong() -> Iterator[Alarm]:
    gap = "README: A read model has a gap."
    refused = "Kafka refuses an event: its order is withheld."
    yield _counted("event-refused", "EventsRefused", refused, _RELAY)
    stopped = "For three minutes a projector has stopped at the same event."
    remedy = "README: Do the projectors apply?"
    yield _counted("partition-stopped", "PartitionsStopped", stopped, remedy, 3)
    lacks = "A read model lacks events that it can get from the log only."
    yield _counted("gap", "PartitionsWithGap", lacks, gap)
    restored = "Events have versions that others had before: the write database was restored."
    yield _counted("version-reused", "VersionsReused", restored, gap)
    differ = "The hourly comparison found orders that differ from a fresh fold of the log."
    yield _counted("orders-differ", "OrdersDiffering", differ, "README: Is a read model right?")
    clocks = "The clocks of the two databases differ by over half a second."
    yield _counted("clocks", "WatermarksAhead", clocks, "README: Clocks.")
    waits = "Callers got no place to wait for three minutes: they ask again instead."
    remedy = "Raise WAITING_CALLERS of the query and its ReservedConcurrentExecutions."
    yield _counted("waits-refused", "WaitsRefused", waits, remedy, 3)


def _of_queries(template: Template) -> Iterator[Alarm]:
    for function in by_kind(template, "queries"):
        yield Alarm(
            f"slow-{function.stem}",
            f"One in a hundred answers of {function.stem} took over a second, for three minutes.",
            "Look at the read database's load, then at the query's plan.",
            _own("QueryDuration", service=function.stem),
            threshold=1000,
            periods=5,
            of=3,
            statistic="p99",
            each=function.stem,
        )


def _of_functions(template: Template) -> Iterator[Alarm]:
    for function in template.functions.values():
        name = {"Fn::Sub": f"ordering-${{Stage}}-{function.name}"}
        yield Alarm(
            f"function-{function.stem}",
            f"{function.stem} fails (it crashes, or runs out of time or memory) or is throttled.",
            "Its log says why; for throttling see: Raising limits.",
            {
                "errors": _metric("AWS/Lambda", "Errors", FunctionName=name),
                "throttles": _metric("AWS/Lambda", "Throttles", FunctionName=name),
            },
            threshold=0,
            periods=5,
            of=2,
            expression="FILL(errors, 0) + FILL(throttles, 0)",
            statistic="Sum",
            each=function.stem,
        )


def _of_servers() -> Iterator[Alarm]:
    yield Alarm(
        "failed-invocations",
        "An event came to nothing: its function failed, or could not be called.",
        "Read the queue's messages: they name the function and have the event.",
        {
            "queue": _metric(
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                QueueName={"Ref": "FailedInvocations"},
            )
        },
        threshold=0,
    )
    for side in ("Write", "Read"):
        yield from _of_database(side)
    for name, metric, meaning in (
        ("kafka-offline", "OfflinePartitionsCount", "Partitions of Kafka have no leader."),
        ("kafka-disk", "KafkaDataLogsDiskUsed", "A broker's disk is filled to over 80 %."),
    ):
        dimensions = {"Cluster Name": {"Ref": "KafkaCluster"}}
        yield Alarm(
            name,
            meaning,
            "Look at the brokers (MSK console); the outbox keeps what is not published.",
            {"kafka": _metric("AWS/Kafka", metric, **dimensions)},
            threshold=80 if "disk" in name else 0,
            periods=3,
            of=3,
        )


def _of_database(side: str) -> Iterator[Alarm]:
    limits = "See: Raising limits."
    proxy = "Compare with the proxy's limit; see: Raising limits."
    busy = "has computed at over 80 % for five minutes."
    full = "uses over 90 % of the capacity that it may grow to."
    many = "has over 700 connections."
    for name, metric, statistic, threshold, minutes, meaning, remedy in (
        ("cpu", "CPUUtilization", "Average", 80, 5, busy, limits),
        ("capacity", "ACUUtilization", "Average", 90, 5, full, limits),
        ("connections", "DatabaseConnections", "Maximum", 700, 3, many, proxy),
    ):
        yield Alarm(
            f"{side.lower()}-database-{name}",
            f"The {side.lower()} database {meaning}",
            remedy,
            {name: _metric("AWS/RDS", metric, DBClusterIdentifier={"Ref": f"{side}Cluster"})},
            threshold=threshold,
            periods=minutes,
            of=minutes,
            statistic=statistic,
        )


def by_kind(template: Template, kind: str) -> list[Function]:
    """Return the functions of a directory, such as ``queries``."""
    return [each for each in template.functions.values() if each.handler.startswith(f"{kind}.")]
