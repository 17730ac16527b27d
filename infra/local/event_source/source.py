"""Lambda's event-source mapping for Kafka: fetched records become invocations of a function.

Positions in the group are committed for what is done, so a crash repeats records and loses none:
that of the machine, of the runner, and of the mapping itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from infra.local.backoff import Restarts
from infra.local.event_source.feed import KafkaFeed
from infra.local.event_source.pollers import Pollers
from infra.local.event_source.target import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.local.event_source.failure_destinations import FailureDestinations
    from infra.local.event_source.records import RecordFeed
    from infra.local.lambdas.invocation import Invocation
    from infra.local.template.model import KafkaSource

FIRST_RESTART_SECONDS: Final = 0.1
LONGEST_RESTART_SECONDS: Final = 5.0


class KafkaEventSource:
    """One mapping of Kafka topics to one function.

    `invoke` runs the function with a payload; `log` takes lines for the user, `log_error` those
    about what should not happen. `feed` makes what replaces the cluster at `bootstrap_servers`.
    """

    def __init__(
        self,
        function_name: str,
        source: KafkaSource,
        *,
        bootstrap_servers: str,
        invoke: Callable[[bytes], Awaitable[Invocation]],
        destinations: FailureDestinations,
        log: Callable[[str], None],
        log_error: Callable[[str], None],
        feed: Callable[[], RecordFeed] | None = None,
        region: str = "us-east-1",
    ) -> None:
        self._source = source
        self._log: Callable[[str], None] = lambda line: log(f"{function_name}: {line}")
        self._log_error: Callable[[str], None] = lambda line: log_error(f"{function_name}: {line}")
        self._feed = feed or (
            lambda: KafkaFeed(source, bootstrap_servers, self._log, self._log_error)
        )
        self._target = Target(
            function_name,
            source,
            bootstrap_servers=bootstrap_servers,
            invoke=invoke,
            destinations=destinations,
            log=self._log,
            region=region,
        )
        self._pollers: Pollers | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin at the group's positions. Raises SourceError when a topic does not exist.

        Waits for as long as the cluster cannot be reached.
        """
        if not self._source.enabled:
            return
        pollers = self._begin()
        await pollers.start()
        self._watch = asyncio.create_task(self._keep_running(pollers))

    async def close(self) -> None:
        """End invocations in flight (2 s at most), commit the last positions and disconnect."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._pollers is not None:
            await self._pollers.close()

    def _begin(self) -> Pollers:
        self._pollers = Pollers(self._source, self._feed(), self._target, self._log)
        return self._pollers

    async def _keep_running(self, pollers: Pollers) -> None:
        """Replace pollers that break by others, ever more slowly while they break at once."""
        restarts = Restarts(FIRST_RESTART_SECONDS, LONGEST_RESTART_SECONDS)
        problem = await pollers.broken
        while True:
            pause = restarts.broke()
            self._log_error(
                f"reading for {self._source.group} broke off, it begins again at the group's "
                f"positions in {pause:.1f} s: {problem!r}"
            )
            try:
                await pollers.close()
                await asyncio.sleep(pause)
                restarts.begin()
                pollers = self._begin()
                await pollers.start()
                problem = await pollers.broken
            except Exception as unforeseen:  # noqa: BLE001 - whatever it is, the events must not stop
                problem = unforeseen
