"""Relays in threads of their own, and a bus that remembers what it was given."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from ordering.delivery.bus import BusUnavailableError, Delivery
from ordering.delivery.outbox import listen
from ordering.delivery.relay import WATERMARK_SECONDS, Relay
from ordering.runtime.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pytest

    from ordering.delivery.bus import Bus
    from tests.databases import Databases


class RememberingBus:
    """Remembers what was published.

    Fails while ``down``, refuses the events of ``refused_orders``, and raises ``error`` if there is
    one. ``fails_after`` records are acknowledged before it fails.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, int]] = []
        self.watermarks: list[datetime] = []
        self.withheld: list[int] = []
        """What the watermarks say of it."""
        self.batches: list[int] = []
        self.down = False
        self.fails_after: int | None = None
        self.refused_orders: set[str] = set()
        self.refusals: list[tuple[str, int]] = []
        self.error: BaseException | None = None
        self.errors_raised = 0

    def connect(self) -> None:
        if self.down:
            raise BusUnavailableError("down")

    def publish(self, records: Sequence[tuple[str, bytes]]) -> Delivery:
        delivery = Delivery()
        if self.error is not None:
            self.errors_raised += 1
            raise self.error
        if self.down:
            delivery.failure = BusUnavailableError("down")
            return delivery
        # All that was acknowledged before: no order twice in what goes out at once.
        assert len({key for key, _ in records}) == len(records)
        self.batches.append(len(records))
        for number, (key, value) in enumerate(records):
            record: dict[str, Any] = json.loads(value)
            assert record["subject"] == record["partitionkey"] == key
            if self.fails_after is not None and len(self.published) >= self.fails_after:
                self.down = True
                delivery.failure = BusUnavailableError("down")
                break
            if key in self.refused_orders:
                delivery.refused[number] = "too large"
                self.refusals.append((key, int(record["sequence"])))
                continue
            delivery.acknowledged.append(number)
            self.published.append((key, int(record["sequence"])))
        return delivery

    def publish_watermark(self, as_of: datetime, withheld: int) -> None:
        if self.down:
            raise BusUnavailableError("down")
        self.watermarks.append(as_of)
        self.withheld.append(withheld)

    def versions(self, order_id: str) -> list[int]:
        return [version for key, version in self.published if key == order_id]


class _Signal:
    """What Lambda's signal to end does: the relay's next call of anything raises SystemExit."""

    def __init__(self) -> None:
        self.is_due = False

    def arrive(self) -> None:
        if self.is_due:
            self.is_due = False
            raise SystemExit(0)


class _EndingDatabase(Database):
    def __init__(self, conninfo: str, signal: _Signal, *, on_connect: str) -> None:
        super().__init__(conninfo, "none", "test", on_connect=on_connect)
        self._signal = signal

    def rows_meanwhile(self, *asked: Any) -> Any:  # noqa: ANN401 - as its base
        self._signal.arrive()
        return super().rows_meanwhile(*asked)

    def rows_planned_once(self, *asked: Any, **options: Any) -> Any:  # noqa: ANN401 - as its base
        self._signal.arrive()
        return super().rows_planned_once(*asked, **options)

    def wait_for_notification(self, channel: str, seconds: float) -> bool:
        self._signal.arrive()
        return super().wait_for_notification(channel, seconds)


class _EndingBus:
    def __init__(self, bus: Bus, signal: _Signal) -> None:
        self._bus = bus
        self._signal = signal

    def connect(self) -> None:
        self._signal.arrive()
        self._bus.connect()

    def publish(self, records: Sequence[tuple[str, bytes]]) -> Delivery:
        return self._bus.publish(records)

    def publish_watermark(self, as_of: datetime, withheld: int) -> None:
        self._bus.publish_watermark(as_of, withheld)


class Running:
    """A relay in a thread of its own, as one long invocation; ended at the end of its ``with``."""

    def __init__(
        self,
        databases: Databases,
        bus: Bus,
        name: str,
        shard: int = 0,
        *,
        on_connect: str | None = None,
        watermark_seconds: float = WATERMARK_SECONDS,
    ) -> None:
        self._signal = _Signal()
        self._database = _EndingDatabase(
            databases.conninfo("write", "ordering_relay"),
            self._signal,
            on_connect=listen(shard) if on_connect is None else on_connect,
        )
        self._relay = Relay(
            self._database,
            _EndingBus(bus, self._signal),
            shard=shard,
            owner=name,
            watermark_seconds=watermark_seconds,
        )
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with contextlib.suppress(SystemExit):
            self._relay.run(time.monotonic() + 300)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._signal.is_due = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._database.close()


class LogLines:
    """The log lines that count something, as they are written."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._read: list[dict[str, Any]] = []

    def counting(self, metric: str) -> list[dict[str, Any]]:
        self._read += [json.loads(text) for text in self._capsys.readouterr().out.splitlines()]
        return [line for line in self._read if metric in line]
