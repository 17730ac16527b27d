"""How API Gateway throttles a route: a bucket of tokens that is filled at the route's rate."""

import time
from collections.abc import Callable
from typing import Final

from infra.local.template.model import HttpRoute, Throttle


class _Bucket:
    """As many tokens as the burst at most; one more each 1/rate s."""

    def __init__(self, throttle: Throttle, now: float) -> None:
        self._throttle = throttle
        self._tokens = float(throttle.burst)
        self._filled_at = now

    def take(self, now: float) -> bool:
        passed = now - self._filled_at
        self._filled_at = now
        self._tokens = min(self._tokens + passed * self._throttle.rate, self._throttle.burst)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Throttling:
    """Counts the requests of each route. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock: Final = clock
        self._buckets: dict[str, _Bucket] = {}

    def allows(self, route: HttpRoute) -> bool:
        """Return whether the route takes one more request now."""
        if route.throttle is None:
            return True
        now = self._clock()
        bucket = self._buckets.get(route.key)
        if bucket is None:
            bucket = self._buckets[route.key] = _Bucket(route.throttle, now)
        return bucket.take(now)
