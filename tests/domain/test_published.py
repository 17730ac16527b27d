"""Records as readers of the topic get them: the quick way to read one agrees with the other."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from ordering.delivery.published import BadRecordError, PublishedEvent, read, read_slowly
from ordering.domain.events import EVENT_TYPES
from tests.domain.test_events import VERSIONS, sample
from tests.domain.vocabulary import NOW
from tests.shared import write_record

if TYPE_CHECKING:
    from ordering.delivery.published import Watermark

WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    " ",
    "x",
    "12.30",
    "1e5",
    "NaN",
    [],
    {},
    [1],
]
ORDER = "0198c5a0-0000-7000-8000-000000000001"


def record_of(name: str, version: int) -> bytes:
    data = json.dumps(sample(name, version))
    return write_record(name, version, data, order_id=ORDER, version=3, at=NOW)


def outcome(reading: Any, value: bytes) -> PublishedEvent | Watermark | str:  # noqa: ANN401 - a function
    try:
        result: PublishedEvent | Watermark = reading(value)
    except BadRecordError as error:
        return str(error)
    return result


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_a_record_is_read_alike_both_ways(name: str, version: int) -> None:
    value = record_of(name, version)
    event = read(value)
    assert event == read_slowly(value)
    assert isinstance(event, PublishedEvent)
    assert type(event.fact) is EVENT_TYPES[name]
    assert (event.order_id, event.version, event.time) == (ORDER, 3, NOW)


def test_what_is_wrong_with_a_record_is_found_and_named_alike_both_ways() -> None:
    chance = random.Random(1)  # noqa: S311 - the same records each time
    accepted = 0
    for _ in range(4000):
        record = json.loads(record_of(*chance.choice(VERSIONS)))
        for _ in range(chance.randint(1, 2)):
            spoil(record, chance)
        value = json.dumps(record).encode()
        found = outcome(read, value)
        assert found == outcome(read_slowly, value), value
        accepted += not isinstance(found, str)
    assert 100 < accepted < 3000


def spoil(record: dict[str, Any], chance: random.Random) -> None:
    """Change, remove or add something, somewhere in the record."""
    at: Any = record
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and chance.randrange(4):
            at = at[key]
            continue
        match chance.randrange(3):
            case 0:
                at[key] = chance.choice(WRONG)
            case 1:
                del at[key]
            case _ if isinstance(at, dict):
                at["added"] = chance.choice(WRONG)
        return


@pytest.mark.parametrize("value", [b"", b"{", b"null", b"[]", b"\xff", b'{"type": 1}'])
def test_what_is_no_record_is_refused(value: bytes) -> None:
    with pytest.raises(BadRecordError):
        read(value)


def test_a_type_in_another_place_than_the_records_is_not_taken_for_it() -> None:
    record = json.loads(record_of("OrderHeld", 1))
    record = {"data": {**record.pop("data"), "x": "ordering.order.OrderReleased.v1"}, **record}
    event = read(json.dumps(record).encode())
    assert isinstance(event, PublishedEvent)
    assert type(event.fact).__name__ == "OrderHeld"
