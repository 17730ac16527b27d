"""What the runner needs to know of a template, as plain frozen values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_ROUTE = "$default"


class TemplateError(Exception):
    """The template is wrong, or asks for something that this machine cannot run."""


@dataclass(frozen=True)
class Throttle:
    """How many requests a route takes: so many a second, and so many at once after a pause."""

    rate: float
    burst: int


@dataclass(frozen=True)
class HttpRoute:
    """One route of the HTTP API; `path` is `$default` for the catch-all.

    A request needs any one of `scopes`; `authorized` is False where the route takes no token.
    """

    method: str
    path: str
    scopes: tuple[str, ...]
    authorized: bool
    timeout_seconds: float = 30.0
    throttle: Throttle | None = None

    @property
    def key(self) -> str:
        """The route key as API Gateway writes it, for example `POST /orders`."""
        return self.path if self.path == DEFAULT_ROUTE else f"{self.method} {self.path}"

    @property
    def variables(self) -> list[str]:
        """The names in braces in the path, in their order."""
        return re.findall(r"\{(\w+)\}", self.path)


@dataclass(frozen=True)
class KafkaSource:
    """One event-source mapping of a function to Kafka topics.

    `retries` and `max_age_seconds` are -1 for "without end"; `on_failure` is the ARN of a bucket,
    queue or SNS topic, or `kafka://topic`.
    """

    topics: tuple[str, ...]
    group: str
    starting_position: str
    stream_arn: str
    batch_size: int = 100
    window_seconds: float = 0.5  # Kafka's own default, unlike the other sources' 0
    retries: int = -1
    max_age_seconds: int = -1
    bisect: bool = False
    partial_responses: bool = False
    pollers: int = 1
    on_failure: str | None = None
    enabled: bool = True


@dataclass(frozen=True)
class Schedule:
    """A `rate(...)` schedule; `input` is JSON text, empty for the scheduler's own notification."""

    name: str
    expression: str
    interval_seconds: float
    input: str
    source: str = "aws.scheduler"


@dataclass(frozen=True)
class Function:
    """One Lambda function. `layers` are the directories that its layers add to PYTHONPATH.

    `timeout` is in seconds, `memory` in MB; `concurrency` is ReservedConcurrentExecutions;
    `async_retries` is how often a failed asynchronous invocation is tried again, `max_event_age`
    how many seconds it may take to come to an end.
    """

    name: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    timeout: int
    memory: int
    concurrency: int | None
    environment: Mapping[str, str]
    routes: tuple[HttpRoute, ...]
    kafka_sources: tuple[KafkaSource, ...]
    schedules: tuple[Schedule, ...]
    async_retries: int = 2
    max_event_age: int = 21_600

    @property
    def stem(self) -> str:
        """The name of the handler's file: `confirm_order` of `commands.confirm_order.handler`."""
        return self.handler.replace("/", ".").split(".")[-2]


@dataclass(frozen=True)
class Topic:
    """A Kafka topic and the configuration it differs in from the broker's defaults."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Cors:
    """The CORS configuration of the HTTP API; `max_age` in seconds."""

    allow_origins: tuple[str, ...]
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = None
    allow_credentials: bool = False


ACCESS_LOG_VARIABLES = frozenset(
    {
        "authorizer.error",
        "error.message",
        "integrationErrorMessage",
        "integrationLatency",
        "requestId",
        "requestTimeEpoch",
        "responseLatency",
        "responseLength",
        "routeKey",
        "status",
    }
)
CLAIM_VARIABLE = "authorizer.claims."


@dataclass(frozen=True)
class AccessLog:
    """The access log of the HTTP API: a line of JSON per request.

    `fields` gives each member's name the variable that is its value: one of ACCESS_LOG_VARIABLES,
    or a claim of the token after CLAIM_VARIABLE.
    """

    fields: Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """Everything in a template that runs on one machine; `warnings` names what does not.

    `buckets`, `queues` and `notification_topics` (SNS) map logical ids to generated names.
    """

    functions: Mapping[str, Function]
    topics: tuple[Topic, ...]
    buckets: Mapping[str, str]
    queues: Mapping[str, str]
    jwt_issuer: str | None
    jwt_audience: tuple[str, ...]
    cors: Cors | None
    warnings: tuple[str, ...]
    notification_topics: Mapping[str, str] = field(default_factory=dict)
    access_log: AccessLog | None = None

    @property
    def uses_aws_services(self) -> bool:
        """Whether it has a bucket, a queue, an SNS topic, or a failure destination that is one."""
        sources = [s for function in self.functions.values() for s in function.kafka_sources]
        destinations = [s.on_failure for s in sources if (s.on_failure or "").startswith("arn:")]
        return bool(self.buckets or self.queues or self.notification_topics or destinations)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that routes ask for, each once."""
        routes = (route for function in self.functions.values() for route in function.routes)
        return tuple(sorted({scope for route in routes for scope in route.scopes}))
