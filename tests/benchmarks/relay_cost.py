"""What the relay adds to sending records: `make bench-relay`. Nothing needs to run.

The same events go to a topic of Apache Kafka by turns: from the outbox by the relay, which reads
them, sends them, waits for the acknowledgements and deletes their rows; and by kafka-python alone,
with the same settings, of records that are ready. Rates are events per second of one process.
"""

from __future__ import annotations

import contextlib
import gc
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2

from infra.local.logs import Logs
from infra.local.servers.kafka_broker import KafkaBroker, create_topics
from infra.local.servers.kafka_install import choose_kafka
from infra.local.servers.ports import Ports
from infra.local.settings import DEFAULT_STATE
from infra.local.template.model import Topic as TopicOfTemplate
from ordering.delivery.envelope import CONTENT_TYPE
from ordering.delivery.outbox import listen
from ordering.delivery.relay import Relay
from ordering.delivery.topic import Topic
from ordering.runtime.postgres import Database
from ordering.runtime.settings import Relay as RelaySettings
from tests.databases import running_databases, running_loop
from tests.running_stack import free_ports
from tests.shared import eventually

from .data.dataset import SEED
from .data.lives import ORDERS_OF_SCALE_1, Lives, generate_tables
from .data.loading import load_events
from .measuring import parser_of, run_benchmark, say, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from ordering.delivery.bus import Delivery

ORDERS: Final = 2_000
ROUNDS: Final = 5
_TOPIC: Final = TopicOfTemplate("relayed", 6, {})
_HEADERS: Final = [("content-type", CONTENT_TYPE.encode())]
_FILL: Final = """
insert into outbox (shard, order_id, version)
select 0, order_id, version from order_events order by recorded_at, version
"""


class _CountingTopic(Topic):
    """Keeps what it sends, and ends the relay when all is sent."""

    def __init__(self, settings: RelaySettings, events: int) -> None:
        super().__init__(settings)
        self.sent: list[tuple[str, bytes]] = []
        self._events = events

    def publish(self, records: Sequence[tuple[str, bytes]]) -> Delivery:
        self.sent += records
        return super().publish(records)

    def publish_watermark(self, as_of: datetime, withheld: int) -> None:
        super().publish_watermark(as_of, withheld)
        if len(self.sent) >= self._events:
            raise SystemExit


def relayed(database: str, settings: RelaySettings, events: int) -> tuple[float, _CountingTopic]:
    """Relay everything; return the seconds from the first look until the outbox is empty."""
    topic = _CountingTopic(settings, events)
    connection = Database(database, "none", "benchmark", on_connect=listen(0))
    relay = Relay(connection, topic, shard=0, owner="benchmark")
    topic.connect()
    thread = threading.Thread(target=relay.run, args=(time.monotonic() + 300,))
    began = time.perf_counter()
    thread.start()
    looking = Database(database, "none", "benchmark")
    eventually(
        lambda: len(topic.sent) >= events and looking.rows("select count(*) from outbox") == [(0,)],
        300,
    )
    seconds = time.perf_counter() - began
    thread.join()
    connection.close()
    looking.close()
    return seconds, topic


def sent(topic: _CountingTopic) -> float:
    """Send the same records by the same producer alone; return the seconds."""
    producer = topic._producer()  # noqa: SLF001 - with the relay's own settings
    began = time.perf_counter()
    for key, value in topic.sent:
        producer.send(_TOPIC.name, key=key.encode(), value=value, headers=_HEADERS)
    producer.flush()
    return time.perf_counter() - began


@contextlib.contextmanager
def running_broker(directory: Path, kind: str) -> Iterator[str]:
    """Run a broker with its data in the directory; return its address."""
    ports = Ports.from_base(free_ports())
    with Logs(directory / "logs", console=None) as logs, running_loop() as run:
        broker: list[KafkaBroker] = []

        async def start() -> None:
            choice = await choose_kafka(kind, ports.kafka, DEFAULT_STATE / "cache", say)
            broker.append(
                KafkaBroker(
                    choice, ports, directory / "kafka", logs=logs, logs_directory=directory / "logs"
                )
            )
            await broker[0].start()

        try:
            run(start(), 300)
            yield f"127.0.0.1:{ports.kafka}"
        finally:
            for each in broker:
                run(each.stop(), 30)


def run(orders: int, rounds: int, kafka: str) -> dict[str, Any]:
    """Race the relay and the producer so many times; return the result."""
    samples: dict[str, list[float]] = {"relay": [], "producer": []}
    with (
        tempfile.TemporaryDirectory() as name,
        running_databases(Path(name)) as databases,
        running_broker(Path(name), kafka) as servers,
    ):
        directory = Path(name)
        create_topics(servers, [_TOPIC])
        generate_tables(orders / ORDERS_OF_SCALE_1, directory)
        events = load_events(
            Lives(directory, SEED).of_share(0, 1), databases.conninfo("write", "ordering_owner")
        )
        database = databases.conninfo("write", "ordering_relay")
        settings = RelaySettings(database, servers, _TOPIC.name, "none", "none")
        for number in range(rounds + 1):
            owner = psycopg2.connect(databases.conninfo("write", "ordering_owner"))
            with contextlib.closing(owner), owner, owner.cursor() as cursor:
                cursor.execute(_FILL)
            seconds, topic = relayed(database, settings, events)
            raw = sent(topic)
            if number:  # the first is a warm-up
                samples["relay"].append(events / seconds)
                samples["producer"].append(events / raw)
            del topic
            gc.collect()
    ratios = [a / b for a, b in zip(samples["relay"], samples["producer"], strict=True)]
    told = {"relay": spread(samples["relay"]), "producer": spread(samples["producer"])}
    summary = {**told, "ratio": spread(ratios), "events": events}
    say(f"relay {told['relay']}, producer {told['producer']}, ratio {summary['ratio']}")
    return {"seed": SEED, "rounds": rounds, "summary": summary, "samples": samples}


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, ORDERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    run_benchmark("relay", lambda: run(asked.orders, asked.rounds, asked.kafka), asked.build)


if __name__ == "__main__":
    main()
