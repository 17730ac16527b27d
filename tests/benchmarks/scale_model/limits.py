"""What the model takes from AWS: published limits and list prices, and what is only assumed.

Prices are of US East (N. Virginia), arm64 where there is a choice, without discounts, as they are
generally known; they were not looked up on the day that the model ran.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Given(NamedTuple):
    """A number that was not measured: what it says, and where it comes from."""

    value: float
    meaning: str
    source: str


_LAMBDA: Final = "AWS Lambda Developer Guide"
_PRICES: Final = "AWS's price lists"
_ASSUMED: Final = "assumed: nothing was deployed"

MEMORY_OF_A_CORE: Final = Given(1769, "MB of memory with which a function has one vCPU", _LAMBDA)
SCALING: Final = Given(100, "environments that a function gets more per second", _LAMBDA)
CONCURRENCY: Final = Given(1_000, "environments of an account, before it asks for more", _LAMBDA)
MOST_CONCURRENCY: Final = Given(20_000, "environments of an account that has asked", _ASSUMED)
POLLER_BYTES: Final = Given(5e6, "bytes per second of an event poller, provisioned mode", _LAMBDA)
MOST_POLLERS: Final = Given(2_000, "event pollers of a poller group", _LAMBDA)
API_REQUESTS: Final = Given(10_000, "requests per second of an account", "API Gateway's quotas")
MOST_API_REQUESTS: Final = Given(100_000, "requests per second, if asked for", _ASSUMED)
MOST_VCPUS: Final = Given(192, "vCPUs of the largest Aurora instance", "Aurora User Guide")
MOST_REPLICAS: Final = Given(15, "Aurora replicas of a cluster", "Aurora User Guide")
MOST_CONNECTIONS: Final = Given(5_000, "connections of an Aurora instance", "Aurora User Guide")
MOST_PARTITIONS: Final = Given(4_000, "partitions of a large MSK broker", "MSK Developer Guide")

USABLE: Final = Given(0.6, "share of a capacity that is planned with", _ASSUMED)
NETWORK_MS: Final = Given(0.5, "ms of a round trip to the database", _ASSUMED)
INVOKE_MS: Final = Given(10, "ms from a record's arrival to the function's begin", _ASSUMED)
PUBLISH_MS: Final = Given(5, "ms until all brokers of a partition have a batch", _ASSUMED)

MONTH_SECONDS: Final = 730 * 3600.0
GB_SECOND: Final = Given(0.0000133334, "USD per GB-second of Lambda", _PRICES)
INVOCATION: Final = Given(0.20 / 1e6, "USD per invocation of Lambda", _PRICES)
API_REQUEST: Final = Given(
    0.90 / 1e6, "USD per request of an HTTP API, beyond 300 million", _PRICES
)
VCPU_HOUR: Final = Given(0.138, "USD per hour and vCPU of Aurora (r7g, Standard)", _PRICES)
PROXY_VCPU_HOUR: Final = Given(0.015, "USD per hour and vCPU behind RDS Proxy", _PRICES)
POLLER_HOUR: Final = Given(0.185, "USD per hour of an event poller unit", _PRICES)
BROKER_HOUR: Final = Given(0.816, "USD per hour of an Express broker (m7g.xlarge)", _PRICES)
BROKER_BYTES: Final = Given(
    31.2e6, "bytes per second written to such a broker", "MSK Developer Guide"
)

ALL: Final = [value for value in vars().values() if isinstance(value, Given)]
