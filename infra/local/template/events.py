"""Reads the Events of a function: its routes, Kafka sources and schedules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.local.template.model import (
    DEFAULT_ROUTE,
    HttpRoute,
    KafkaSource,
    Schedule,
    TemplateError,
    Throttle,
)
from infra.local.template.properties import Properties

_RATE: Final = re.compile(r"rate\((\d+) (second|minute|hour|day)s?\)")
_FAILURE_DESTINATION: Final = re.compile(r"arn:[^:]*:(s3|sqs|sns):.+|kafka://.+")
_UNIT_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class ApiAuthorization:
    """The authorizers of the HTTP API: the scopes each asks for, and the default one's name.

    `throttle` is that of routes which say nothing themselves.
    """

    authorizers: Mapping[str, tuple[str, ...]]
    default: str | None
    throttle: Throttle | None = None


@dataclass(frozen=True)
class Events:
    """The events of one function, by kind."""

    routes: tuple[HttpRoute, ...]
    kafka_sources: tuple[KafkaSource, ...]
    schedules: tuple[Schedule, ...]


def read_events(function: Properties, api: ApiAuthorization) -> Events:
    """Return a function's events; raises TemplateError for a type that cannot run here."""
    events = function.block("Events")
    routes: list[HttpRoute] = []
    sources: list[KafkaSource] = []
    schedules: list[Schedule] = []
    for name in list(function.raw("Events") or {}):
        event = events.block(name)
        kind = event.text("Type")
        properties = event.block("Properties")
        match kind:
            case "HttpApi":
                routes.append(_route(properties, api))
            case "MSK":
                sources.append(_kafka_source(properties))
            case "Schedule" | "ScheduleV2":
                if schedule := _schedule(properties, name, kind):
                    schedules.append(schedule)
            case _:
                raise TemplateError(f"{event.where}.Type: the local runner has no {kind} events")
        properties.finish()
        event.finish()
    return Events(tuple(routes), tuple(sources), tuple(schedules))


def _route(properties: Properties, api: ApiAuthorization) -> HttpRoute:
    properties.descriptive("ApiId")  # there is one API, which load_template makes sure of
    if (payload_format := properties.text("PayloadFormatVersion", "2.0")) != "2.0":
        raise TemplateError(
            f"{properties.where}.PayloadFormatVersion: the local runner speaks 2.0 only, "
            f"not {payload_format}"
        )
    method = properties.text("Method", "ANY").upper()
    path = properties.text("Path", DEFAULT_ROUTE)
    if method == "X-AMAZON-APIGATEWAY-ANY-METHOD":
        method = "ANY"
    if path != DEFAULT_ROUTE and not path.startswith("/"):
        raise TemplateError(f"{properties.where}.Path: {path!r} does not start with /")
    auth = properties.block("Auth")
    authorizer = auth.text("Authorizer", api.default or "NONE")
    if authorizer != "NONE" and authorizer not in api.authorizers:
        raise TemplateError(f"{auth.where}.Authorizer: the API has no authorizer {authorizer}")
    authorized = authorizer != "NONE"
    own_scopes = auth.texts("AuthorizationScopes")
    if "AuthorizationScopes" in auth:
        scopes = own_scopes
    else:
        scopes = api.authorizers[authorizer] if authorized else ()
    auth.finish()
    timeout = properties.integer("TimeoutInMillis", 30_000)
    throttle = read_throttle(properties.block("RouteSettings")) or api.throttle
    return HttpRoute(method, path, scopes, authorized, timeout / 1000, throttle)


def read_throttle(settings: Properties) -> Throttle | None:
    """Return how a route is throttled, None where its settings do not say it."""
    settings.cloud_only(["DataTraceEnabled", "DetailedMetricsEnabled", "LoggingLevel"])
    rate = settings.text("ThrottlingRateLimit", "")
    burst = settings.integer("ThrottlingBurstLimit", 0)
    settings.finish()
    try:
        return Throttle(float(rate), burst) if rate and burst else None
    except ValueError:
        raise TemplateError(
            f"{settings.where}.ThrottlingRateLimit: {rate!r} is no number"
        ) from None


def _kafka_source(properties: Properties) -> KafkaSource:
    properties.cloud_only(
        ["KmsKeyArn", "LoggingConfig", "MetricsConfig", "SourceAccessConfigurations"]
    )
    position = properties.text("StartingPosition")
    if position not in {"TRIM_HORIZON", "LATEST"}:
        raise TemplateError(
            f"{properties.where}.StartingPosition: the local runner cannot start at {position}"
        )
    topics = properties.texts("Topics")
    if not topics:
        raise TemplateError(f"{properties.where}.Topics: missing")
    pollers = properties.block("ProvisionedPollerConfig")
    pollers.descriptive("MaximumPollers", "PollerGroupName")
    minimum_pollers = pollers.integer("MinimumPollers", 1)
    pollers.finish()
    response_types = properties.texts("FunctionResponseTypes")
    destinations = properties.block("DestinationConfig")
    on_failure = destinations.block("OnFailure")
    on_failure.descriptive("Type")  # SAM itself only derives a role policy from it
    destination = on_failure.text("Destination", "") or None
    if destination and not _FAILURE_DESTINATION.fullmatch(destination):
        raise TemplateError(
            f"{on_failure.where}.Destination: {destination} is no bucket, queue or SNS topic, and "
            "no kafka://topic"
        )
    on_failure.finish()
    destinations.finish()
    window = properties.value("MaximumBatchingWindowInSeconds")
    return KafkaSource(
        topics=topics,
        group=properties.text("ConsumerGroupId", properties.where.replace(".", "-")),
        starting_position=position,
        stream_arn=properties.text("Stream"),
        batch_size=properties.integer("BatchSize", 100),
        window_seconds=0.5 if window is None else float(window),
        retries=properties.integer("MaximumRetryAttempts", -1),
        max_age_seconds=properties.integer("MaximumRecordAgeInSeconds", -1),
        bisect=properties.flag("BisectBatchOnFunctionError", default=False),
        partial_responses="ReportBatchItemFailures" in response_types,
        pollers=minimum_pollers,
        on_failure=destination,
        enabled=properties.flag("Enabled", default=True),
    )


def _schedule(properties: Properties, event: str, kind: str) -> Schedule | None:
    """Return the schedule, or None when the template has it switched off."""
    properties.descriptive("Description")
    properties.cloud_only(["RoleArn", "PermissionsBoundary", "KmsKeyArn", "GroupName"])
    properties.cloud_only(["RetryPolicy", "DeadLetterConfig", "OmitName"])
    is_v2 = kind == "ScheduleV2"
    key = "ScheduleExpression" if is_v2 else "Schedule"
    expression = properties.text(key)
    match = _RATE.fullmatch(expression)
    if match is None or int(match[1]) == 0:
        raise TemplateError(
            f"{properties.where}.{key}: the local runner runs rate(...) only, not {expression}"
        )
    window = properties.block("FlexibleTimeWindow")
    if (mode := window.text("Mode", "OFF")) != "OFF":
        raise TemplateError(f"{window.where}.Mode: the local runner has no {mode}")
    window.finish()
    enabled = properties.flag("Enabled", default=True)
    if not enabled or properties.text("State", "ENABLED") != "ENABLED":
        properties.descriptive("Input", "Name")
        return None
    return Schedule(
        name=properties.text("Name", event),
        expression=expression,
        interval_seconds=float(int(match[1]) * _UNIT_SECONDS[match[2]]),
        input=properties.text("Input", ""),
        source="aws.scheduler" if is_v2 else "aws.events",
    )
