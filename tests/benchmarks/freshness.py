"""How long after its answer a command is seen: `make bench-freshness`.

While the workload arrives at a rate, one order after the other is placed beside it, and its version
is looked for in every read model at once, every two milliseconds. A sample is the time from the
command's answer until a read model has it. Beside it records go through a topic of their own on the
same broker, from kafka-python's ``send`` to its consumer: what no design could save. Milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaConsumer, KafkaProducer

from infra.local.servers.kafka_broker import create_topics
from infra.local.template.model import Topic
from ordering.read_side.query import READ_MODELS
from ordering.runtime.postgres import Database
from tests.integration.requests import request
from tests.shared import an_order

from .contest import contest
from .crew import Crew
from .data.dataset import BUILD, SEED, provide
from .measuring import parser_of, rounded, run_benchmark, say, summary
from .peak import half_of_the_peak
from .sides import OURS, open_side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .contest import Place

ORDERS: Final = 150_000
RATES: Final = (5.0, 20.0, 40.0)
SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.002
_PATIENCE_SECONDS: Final = 30.0
_TOPIC: Final = Topic("benchmark", 1, {})
_VERSIONS: Final = "select " + ", ".join(
    f"(select version from {name} where order_id = %(order_id)s::uuid)" for name in READ_MODELS
)


def seen_after(place: Place, until: float) -> dict[str, list[float]]:
    """Place orders until that moment, at least one; return when each read model had each."""
    samples: dict[str, list[float]] = {name: [] for name in READ_MODELS}
    database = Database(place.questions, "none", "benchmark")
    chance = random.Random(SEED)
    with contextlib.closing(open_side(OURS, place.commands, place.questions)) as side:
        while not all(samples.values()) or time.monotonic() < until:
            answer = side.call("place_order", request(an_order()))
            answered = time.monotonic()
            order_id = json.loads(answer["body"])["order_id"]
            missing = {*READ_MODELS}
            while missing:
                (versions,) = database.rows(_VERSIONS, {"order_id": order_id})
                now = time.monotonic()
                for name, version in zip(READ_MODELS, versions, strict=True):
                    if version is not None and name in missing:
                        missing.remove(name)
                        samples[name].append(rounded((now - answered) * 1000, 4))
                if now > answered + _PATIENCE_SECONDS:
                    raise TimeoutError(f"{missing} do not have {order_id}")
                time.sleep(_LOOK_SECONDS)
            time.sleep(chance.uniform(0.02, 0.1))
    database.close()
    return samples


def through_the_broker(servers: str, until: float) -> list[float]:
    """Send records through a topic until that moment, at least one; return each one's time."""
    samples: list[float] = []
    create_topics(servers, [_TOPIC])
    producer = KafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=0)
    consumer = KafkaConsumer(_TOPIC.name, bootstrap_servers=servers, auto_offset_reset="earliest")
    with contextlib.closing(producer), contextlib.closing(consumer):
        producer.send(_TOPIC.name, b"0").get(10)
        while not consumer.poll(timeout_ms=1000):
            pass
        while not samples or time.monotonic() < until:
            producer.send(_TOPIC.name, str(time.monotonic()).encode())
            producer.flush()
            for records in consumer.poll(timeout_ms=5000).values():
                now = time.monotonic()
                samples += [rounded((now - float(record.value)) * 1000, 4) for record in records]
            time.sleep(0.05)
    return samples


@contextlib.contextmanager
def workload(crew: Crew, rate: float, seconds: float) -> Iterator[None]:
    """Let the workload arrive meanwhile."""
    thread = threading.Thread(target=crew.serve, args=(rate, seconds, SEED))
    thread.start()
    time.sleep(1)
    try:
        yield
    finally:
        thread.join()


def run(
    orders: int, *, rates: list[float], seconds: float, kafka: str, build: Path = BUILD
) -> dict[str, Any]:
    """Measure at each rate; return the result."""
    dataset = provide(orders, build=build)
    samples: dict[str, dict[str, list[float]]] = {}
    with contest(dataset, kafka) as both:
        sample = both.sample()
        with both.place(OURS) as place, Crew(place, sample) as crew:
            if place.stack is None:
                raise RuntimeError("the read model's side is a whole stack")
            servers = place.stack.record.bootstrap_servers
            for rate in rates:
                with workload(crew, rate, seconds):
                    middle = time.monotonic() + seconds * 0.7
                    of_rate = seen_after(place, middle)
                    of_rate["broker"] = through_the_broker(servers, middle + seconds * 0.2)
                samples[f"{rate:g}"] = of_rate
                say(f"{rate:g} requests/s: {len(of_rate['sales'])} orders")
    told = {r: {n: summary(each) for n, each in of.items()} for r, of in samples.items()}
    show(told)
    return {
        "seed": SEED,
        "dataset": dataset.made,
        "settings": {"rates": rates, "seconds": seconds, "looked_each_ms": _LOOK_SECONDS * 1000},
        "summary": told,
        "samples": samples,
    }


def show(told: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print the table, as Markdown."""
    say("\n| At requests/s | Read model | p50, ms | p95 | p99 | max |\n|--:|---|--:|--:|--:|--:|")
    for rate, names in told.items():
        for name, figures in names.items():
            cells = " | ".join(f"{figures[key]:.0f}" for key in ("p50", "p95", "p99", "max"))
            say(f"| {rate} | {name} | {cells} |")


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, ORDERS)
    parser.add_argument(
        "--rates", type=float, nargs="+", help=f"{RATES}, and half of the peak if it was measured"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    if asked.rates is None:
        half = half_of_the_peak(asked.build)
        asked.rates = [*RATES, half] if half else [*RATES]
    run_benchmark("freshness", lambda: run(**vars(asked)), asked.build)


if __name__ == "__main__":
    main()
