"""Fetches the records of an event-source mapping from Kafka and keeps the group's positions.

One thread per mapping owns the consumer, which is not thread-safe. It never joins the group:
partitions are assigned by hand, and positions are only committed under the group's name. The
partitions are those that the topics have at the start.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaError

from infra.local.backoff import Restarts
from infra.local.event_source.consumer import (
    BROKER_MS,
    RECONNECT_SECONDS,
    metric,
    open_consumer,
    topic_id,
)
from infra.local.event_source.pace import GATHER_MS, LONG_POLL_MS, Pace
from infra.local.event_source.positions import (
    TopicReplacedError,
    kept_positions,
    require_same_topics,
    starting_offsets,
)
from infra.local.event_source.records import Partition, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kafka import KafkaConsumer

    from infra.local.event_source.records import Fetched
    from infra.local.template.model import KafkaSource

PAUSED_POLL_MS: Final = 20  # while partitions are paused, to hear soon that they are not
RECORDS_PER_POLL: Final = 500
COMMIT_SECONDS: Final = 0.2  # commits of that time become one
FIRST_RESTART_SECONDS: Final = 0.5
LONGEST_RESTART_SECONDS: Final = 5.0


class KafkaFeed:
    """Feeds from a Kafka cluster, beginning where the group's committed positions are.

    Where the group has none, the mapping's StartingPosition counts; `starting_timestamp` is for
    AT_TIMESTAMP, in seconds since 1970. Where Kafka no longer has the position, it begins at the
    oldest record. A cluster that cannot be reached is tried for as long as it takes.

    `log` takes lines for the user, `log_error` those about what should not happen: fetching then
    begins again with what was not delivered. A topic that is deleted and made anew meanwhile breaks
    the feed: what it has delivered is of the old one.
    """

    def __init__(
        self,
        source: KafkaSource,
        bootstrap_servers: str,
        log: Callable[[str], None],
        log_error: Callable[[str], None],
        starting_timestamp: float | None = None,
    ) -> None:
        self._source = source
        self._servers = bootstrap_servers.split(",")
        self._starting_timestamp = starting_timestamp
        self._log = log
        self._log_error = log_error
        self._thread = threading.Thread(target=self._run, name=f"kafka-{source.group}", daemon=True)
        self._begun = threading.Event()  # set when delivery has begun, or never will
        self._closing = threading.Event()
        self._changed = threading.Event()  # something to commit, a resumed partition, or closing
        self._lock = threading.Lock()  # for what both threads write:
        self._to_commit: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        # The thread's own:
        self._positions: dict[Partition, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._committing: dict[Partition, int] = {}
        self._committed_at = 0.0
        self._reachable = True
        # kafka-python reports every attempt to reconnect; this class says once what matters.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)

    async def open(self) -> Sequence[Partition]:
        """Connect, and give the partitions. Raises SourceError when a topic does not exist."""
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Sequence[Partition]] = self._loop.create_future()
        self._thread.start()
        return await self._opened

    def begin(self, deliver: Callable[[Fetched], None], broke: Callable[[Exception], None]) -> None:
        """Deliver from now on. What `deliver` raises is logged, and the records come again.

        `broke` is called once, with the reason, when no more records will come.
        """
        self._deliver = deliver
        self._broke = broke
        self._begun.set()

    def pause(self, partition: Partition) -> None:
        """Stop fetching this partition for now; what is on its way still arrives."""
        with self._lock:
            self._paused.add(partition)

    def resume(self, partition: Partition) -> None:
        """Fetch it again."""
        with self._lock:
            self._paused.discard(partition)
        self._changed.set()

    def commit(self, partition: Partition, offset: int) -> None:
        """Keep that everything before `offset` is done, within half a second or at closing."""
        with self._lock:
            self._to_commit[partition] = offset
        self._changed.set()

    async def close(self) -> None:
        """Stop delivering, once what was to commit is committed (2 s at most)."""
        self._closing.set()
        self._begun.set()
        self._changed.set()
        if self._thread.ident is not None:
            # A daemon: one that still hangs in a request to a dead broker is left behind.
            await asyncio.to_thread(self._thread.join, 2 * BROKER_MS / 1000)

    # ── in the thread ───────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        restarts = Restarts(FIRST_RESTART_SECONDS, LONGEST_RESTART_SECONDS)
        while not self._closing.is_set():
            restarts.begin()
            try:
                self._connect_and_feed()
            except TopicReplacedError as problem:
                self._on_loop(self._broke, problem)
                return
            except Exception as problem:  # noqa: BLE001 - it is reported to the source
                if not self._positions:
                    self._on_loop(self._tell_failed, problem)
                    return
                pause = restarts.broke()
                self._on_loop(
                    self._log_error,
                    f"fetching for {self._source.group} failed, it begins again with what was "
                    f"not delivered in {pause:.1f} s: {problem!r}",
                )
                self._closing.wait(pause)

    def _tell_failed(self, problem: Exception) -> None:
        if not self._opened.done():
            self._opened.set_exception(problem)

    def _connect_and_feed(self) -> None:
        try:
            consumer = open_consumer(self._servers, self._source.group)
        except KafkaError as problem:
            self._set_reachable(problem)
            self._closing.wait(RECONNECT_SECONDS)
            return
        try:
            self._assign(consumer)
            self._feed(consumer)
        except KafkaError as problem:
            self._set_reachable(problem)
            self._closing.wait(RECONNECT_SECONDS)
        finally:
            consumer.close(autocommit=False, timeout_ms=BROKER_MS)

    def _assign(self, consumer: KafkaConsumer) -> None:
        """Take all partitions, at the positions that were reached or the group's."""
        if not self._positions:
            offsets = starting_offsets(
                consumer,
                self._source,
                self._starting_timestamp,
                lambda line: self._on_loop(self._log_error, line),
            )
            self._topic_ids = {topic: topic_id(consumer, topic) for topic in self._source.topics}
            # From now on the group has a position: LATEST must not skip at the next start what
            # arrives from here on.
            self._commit_now(consumer, offsets)
            self._positions = offsets
        consumer.assign([TopicPartition(*partition) for partition in self._positions])
        for partition, offset in self._positions.items():
            consumer.seek(TopicPartition(*partition), offset)
        self._on_loop(self._tell_opened)

    def _tell_opened(self) -> None:
        if not self._opened.done():
            self._opened.set_result(sorted(self._positions))

    def _feed(self, consumer: KafkaConsumer) -> None:
        connections = metric(consumer, "connection-count")
        pace = Pace(metric(consumer, "fetch-latency-max"))
        with self._lock:  # a commit that was under way when the last consumer failed
            self._to_commit = self._committing | self._to_commit
            self._committing = {}
        self._begun.wait()
        while not self._closing.is_set():
            paused = self._apply_pauses(consumer)
            if len(paused) == len(self._positions):
                # Nothing to fetch: the consumer would sleep, deaf to a resumed partition.
                self._changed.wait(LONG_POLL_MS / 1000)
            self._changed.clear()
            fetched = consumer.poll(
                timeout_ms=pace.poll_ms(PAUSED_POLL_MS if paused else LONG_POLL_MS),
                max_records=RECORDS_PER_POLL,
            )
            if fetched and pace.is_gathering:
                # What is there was fetched when the first of it came; the rest is at the broker.
                rest = consumer.poll(timeout_ms=GATHER_MS, max_records=RECORDS_PER_POLL)
                for partition, records in rest.items():
                    fetched[partition] = [*fetched.get(partition, ()), *records]
            require_same_topics(consumer, self._topic_ids)
            if fetched:
                self._set_reachable(None)
                self._hand_over(fetched)
            elif not connections.value():
                self._set_reachable("no connection")
            elif not self._reachable and self._is_answered(consumer):
                self._set_reachable(None)
            self._commit_some(consumer)
            self._closing.wait(pace.after(sum(map(len, fetched.values()))))
        with self._lock:
            last = self._committing | self._to_commit
        try:
            self._commit_now(consumer, last)
        except KafkaError as problem:
            self._on_loop(
                self._log, f"the last positions of {self._source.group} are not kept: {problem!r}"
            )

    def _apply_pauses(self, consumer: KafkaConsumer) -> set[Partition]:
        with self._lock:
            wanted = set(self._paused)
        current = {Partition(*partition) for partition in consumer.paused()}
        consumer.pause(*(TopicPartition(*partition) for partition in wanted - current))
        consumer.resume(*(TopicPartition(*partition) for partition in current - wanted))
        return wanted

    def _hand_over(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Wait until the records are delivered, for only then are they behind the positions."""
        batches = [
            (Partition(*topic_partition), [encode(record) for record in records])
            for topic_partition, records in fetched.items()
        ]
        delivered: Future[None] = Future()

        def deliver() -> None:
            try:
                self._deliver(batches)
            except Exception as problem:  # noqa: BLE001 - it is the thread's, which stops for it
                delivered.set_exception(problem)
            else:
                delivered.set_result(None)

        if self._on_loop(deliver):
            delivered.result()
            for partition, records in batches:
                self._positions[partition] = records[-1].offset + 1

    def _commit_some(self, consumer: KafkaConsumer) -> None:
        """Send what is to commit, unless that was just done or is still under way."""
        now = time.monotonic()
        if self._committing or now - self._committed_at < COMMIT_SECONDS:
            return
        with self._lock:
            self._committing, self._to_commit = self._to_commit, {}
        if self._committing:
            self._committed_at = now
            consumer.commit_async(self._kept(self._committing), callback=self._committed)

    def _committed(self, _offsets: object, answer: object) -> None:
        """Hear of a commit, from the next poll; one that failed is tried again with newer ones."""
        if isinstance(answer, Exception):
            with self._lock:
                self._to_commit = self._committing | self._to_commit
        self._committing = {}

    def _commit_now(self, consumer: KafkaConsumer, positions: Mapping[Partition, int]) -> None:
        if positions:
            consumer.commit(self._kept(positions), timeout_ms=BROKER_MS)

    def _kept(self, positions: Mapping[Partition, int]) -> Mapping[TopicPartition, Any]:
        return kept_positions(positions, self._topic_ids)

    def _is_answered(self, consumer: KafkaConsumer) -> bool:
        """Send a request: a broker that is starting accepts connections and drops them."""
        partition = next(iter(self._positions))
        try:
            consumer.end_offsets([TopicPartition(*partition)], timeout_ms=BROKER_MS)
        except KafkaError:
            return False
        return True

    def _set_reachable(self, trouble: object) -> None:
        """Log once when the cluster goes, and once when it is back (`trouble` is None)."""
        if (trouble is None) != self._reachable:
            self._reachable = trouble is None
            servers = ",".join(self._servers)
            state = "is back" if self._reachable else f"cannot be reached, still trying: {trouble}"
            self._on_loop(self._log, f"Kafka at {servers} {state}")

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> bool:
        """Call something in the loop's thread soon; return False when the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            self._closing.set()
            return False
        return True
