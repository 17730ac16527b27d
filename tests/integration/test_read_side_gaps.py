"""When as_of stands still: skipped records, another topic, wrong clocks, a restored write side."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ordering.read_side.freshness import rfc3339
from ordering.read_side.query import READ_MODELS
from queries import get_read_models
from tests.domain.vocabulary import (
    an_order_was_placed,
    it_was_cancelled,
    it_was_confirmed,
    it_was_held,
)
from tests.integration.projections import (
    ago,
    already_read,
    apply,
    batch,
    new_order,
    record_of,
    watermark,
)
from tests.integration.requests import body_of, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ordering.domain.events import OrderEvent
    from ordering.runtime.postgres import Database
    from tests.databases import Databases

HOUR = 3600


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[dict[str, Any]]]:
    """Return the log lines since the last call that count this metric."""

    def of(metric: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line for line in found if metric in line]

    return of


def as_of(queries: Database) -> str | None:
    """Return what both read models say, which must be the same, as the header has it."""
    answer = get_read_models.handler.using(queries)(request(), None)
    items = body_of(answer)["items"]
    found: str | None
    (found,) = {item["as_of"] for item in items}
    assert answer["headers"].get("read-model-as-of") == found
    ages = [item["age_seconds"] for item in items]
    assert all((age is None) == (found is None) for age in ages)
    assert all(age is None or age >= 0 for age in ages)
    return found


def gaps(database: Database) -> set[tuple[int, int, str]]:
    return set(
        database.rows(
            "select partition, gap_at, gap_reason from watermarks where gap_at is not null"
        )
    )


def put_as_of(databases: Databases, at: datetime) -> None:
    """Set what the projections have applied, as with a clock that was ahead."""
    databases.owner("read").rows(
        "update watermarks set as_of = %(at)s, newest_watermark = %(at)s", {"at": at}
    )


# ── another topic of this name, or a log that was cut ────────────────────────────────────────────


def test_a_newer_watermark_where_all_was_read_comes_from_another_topic(
    projector: Database, queries: Database, lines: Callable[[str], list[dict[str, Any]]]
) -> None:
    known = ago(60)
    apply(projector, batch({0: [watermark(ago(70)), watermark(known)]}, 0))
    already = projector.rows("select next_offset from watermarks limit 1")
    assert already == [(2,)]
    order_id = new_order()
    anew = batch({0: [record_of(order_id, 1, an_order_was_placed()), watermark(ago(5))]})
    assert apply(projector, anew) == []
    assert as_of(queries) == rfc3339(known)
    assert gaps(projector) == {(0, 0, "topic replaced or cut")}
    for line in lines("PartitionsWithGap"):
        assert (line["level"], line["partition"], line["offset"]) == ("ERROR", 0, 0)
        assert line["reason"] == "topic replaced or cut"
    # Grown past the old position it looks like the old one, and is not believed any more.
    apply(projector, batch({0: [watermark(ago(3)), watermark(ago(1))]}, 2))
    assert as_of(queries) == rfc3339(known)
    assert gaps(projector) == {(0, 0, "topic replaced or cut")}
    assert len(lines("PartitionsWithGap")) == len(READ_MODELS), "one of each projection"


def test_an_event_where_all_was_read_comes_from_another_topic(
    projector: Database, queries: Database
) -> None:
    """A relay that catches up publishes many events before its first watermark."""
    known = ago(60)
    first, second = new_order(), new_order()
    apply(projector, batch({0: [watermark(known), record_of(first, 1, an_order_was_placed())]}))
    anew: list[bytes | None] = [
        record_of(first, 1, an_order_was_placed()),
        record_of(second, 1, an_order_was_placed()),
        watermark(ago(1)),
    ]
    assert apply(projector, batch({0: anew})) == []
    assert gaps(projector) == {(0, 1, "topic replaced or cut")}
    assert as_of(queries) == rfc3339(known)


def test_a_batch_that_begins_in_what_was_read_and_ends_behind_it_shows_it_too(
    projector: Database, queries: Database
) -> None:
    known = ago(60)
    apply(projector, batch({0: [watermark(known)] * 3}))
    anew: list[bytes | None] = [watermark(ago(seconds)) for seconds in (9, 8, 7, 6, 5)]
    apply(projector, batch({0: anew}))
    assert as_of(queries) == rfc3339(known)
    assert gaps(projector) == {(0, 0, "topic replaced or cut")}


def test_a_log_that_lost_its_end_is_noticed_in_its_partition_only(
    projector: Database, queries: Database
) -> None:
    known = ago(60)
    apply(projector, batch({0: [watermark(known, 2)] * 3, 1: [watermark(known, 2)] * 2}))
    apply(projector, batch({0: [watermark(ago(1), 2)], 1: [watermark(ago(1), 2)]}, 2))
    assert gaps(projector) == {(0, 2, "topic replaced or cut")}
    assert as_of(queries) == rfc3339(known)


def test_what_is_delivered_again_is_no_other_topic(projector: Database, queries: Database) -> None:
    times = [ago(seconds) for seconds in (9, 8, 7, 6)]
    values: list[bytes | None] = [watermark(at) for at in times]
    everything = batch({0: values})
    apply(projector, everything)
    # Whole, in parts, by an invocation that was believed dead, and after the group was rewound.
    apply(projector, everything)
    for first in range(4):
        for end in range(first + 1, 5):
            apply(projector, batch({0: values[first:end]}, first))
    assert gaps(projector) == set()
    assert as_of(queries) == rfc3339(times[-1])
    newest = ago(1)
    apply(projector, batch({0: [*values, watermark(newest)]}))
    assert (gaps(projector), as_of(queries)) == (set(), rfc3339(newest))


def test_watermarks_of_several_relays_may_be_out_of_order(
    projector: Database, queries: Database
) -> None:
    newest = ago(5)
    values: list[bytes | None] = [watermark(at) for at in (ago(9), newest, ago(7))]
    apply(projector, batch({0: values}))
    apply(projector, batch({0: values[1:]}, 1))
    apply(projector, batch({0: [watermark(ago(6))]}, 3))
    assert (gaps(projector), as_of(queries)) == (set(), rfc3339(newest))


def test_a_watermark_that_a_wrong_clock_made_proves_nothing(
    projector: Database, queries: Database
) -> None:
    known = ago(60)
    apply(projector, batch({0: [watermark(known)] * 3}))
    apply(projector, batch({0: [watermark(ago(-HOUR))]}))
    assert (gaps(projector), as_of(queries)) == (set(), rfc3339(known))


def test_what_was_ahead_at_first_is_no_other_topic_when_it_is_delivered_again(
    projector: Database, databases: Databases
) -> None:
    # The write side's clock is ahead by more than what is tolerated, for a while or for good.
    ahead = ago(-0.9)
    apply(projector, batch({0: [watermark(ago(60)), watermark(ahead)]}))
    databases.owner("read").rows("select pg_sleep(0.6)")
    apply(projector, batch({0: [watermark(ahead)]}, 1))
    assert gaps(projector) == set()


def test_the_first_gap_is_the_one_that_is_told(projector: Database) -> None:
    apply(projector, batch({0: [watermark(ago(60))]}))
    apply(projector, batch({0: [watermark(ago(50))]}, 5))
    assert gaps(projector) == {(0, 1, "records skipped")}
    apply(projector, batch({0: [watermark(ago(1))]}))
    assert gaps(projector) == {(0, 1, "records skipped")}


# ── clocks ───────────────────────────────────────────────────────────────────────────────────────


def test_an_as_of_in_the_future_is_no_known_age(
    projector: Database, queries: Database, databases: Databases
) -> None:
    apply(projector, batch({0: [watermark(ago(9), 2)], 1: [watermark(ago(9), 2)]}))
    put_as_of(databases, ago(-HOUR))
    assert as_of(queries) is None
    databases.owner("read").rows("update watermarks set as_of = now() where partition = 0")
    assert as_of(queries) is None, "one partition is enough"


def test_clocks_of_two_hosts_may_differ_a_little(
    projector: Database, queries: Database, databases: Databases
) -> None:
    apply(projector, batch({0: [watermark(ago(9))]}))
    put_as_of(databases, ago(-0.4))
    answer = get_read_models.handler.using(queries)(request(cache_control="max-age=1"), None)
    assert answer["statusCode"] == 200
    assert {item["age_seconds"] for item in body_of(answer)["items"]} == {0}


def test_an_as_of_that_is_not_known_satisfies_no_max_age(
    projector: Database, queries: Database, databases: Databases
) -> None:
    apply(projector, batch({0: [watermark(ago(9))]}))
    put_as_of(databases, ago(-HOUR))
    answer = get_read_models.handler.using(queries)(request(cache_control="max-age=99999"), None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (503, "read-model-behind")
    assert "has no known age" in body_of(answer)["detail"]


def test_when_the_clock_is_right_again_the_next_watermark_counts(
    projector: Database, queries: Database, databases: Databases
) -> None:
    older, good = ago(9), ago(1)
    apply(projector, batch({0: [watermark(older)]}))
    put_as_of(databases, ago(-HOUR))
    apply(projector, batch({0: [watermark(good)]}, 1))
    assert as_of(queries) == rfc3339(good)
    apply(projector, batch({0: [watermark(older)]}))
    assert (as_of(queries), gaps(projector)) == (rfc3339(good), set())


def test_an_older_watermark_does_not_replace_one_in_the_future(
    projector: Database, queries: Database, databases: Databases
) -> None:
    older = ago(9)
    apply(projector, batch({0: [watermark(older)]}))
    put_as_of(databases, ago(-HOUR))
    apply(projector, batch({0: [watermark(older)]}))
    assert as_of(queries) is None


def test_a_watermark_in_the_future_does_not_replace_one_of_the_present(
    projector: Database, queries: Database, lines: Callable[[str], list[dict[str, Any]]]
) -> None:
    known, good = ago(9), ago(1)
    apply(projector, batch({0: [watermark(known)]}))
    ahead = ago(-HOUR)
    apply(projector, batch({0: [watermark(ahead)]}, 1))
    assert as_of(queries) == rfc3339(known)
    found = lines("WatermarksAhead")
    assert [(line["partition"], line["level"]) for line in found] == [(0, "WARNING")] * len(
        READ_MODELS
    )
    apply(projector, batch({0: [watermark(ago(-HOUR - 2)), watermark(good)]}, 2))
    assert as_of(queries) == rfc3339(good)


def test_what_is_ahead_from_the_beginning_has_no_age(
    projector: Database, queries: Database
) -> None:
    apply(projector, batch({0: [watermark(ago(-HOUR))]}))
    assert as_of(queries) is None
    good = ago(1)
    apply(projector, batch({0: [watermark(good)]}, 1))
    assert as_of(queries) == rfc3339(good)


def test_behind_a_gap_an_as_of_in_the_future_never_becomes_the_present(
    projector: Database, databases: Databases
) -> None:
    apply(projector, batch({0: [watermark(ago(9))]}))
    put_as_of(databases, ago(-HOUR))
    apply(projector, batch({0: [watermark(ago(1))]}, 5))
    assert projector.rows("select distinct as_of from watermarks") == [(None,)]


def test_a_partition_without_an_age_leaves_the_read_model_without_one(
    projector: Database, queries: Database
) -> None:
    apply(projector, batch({0: [watermark(ago(1), 2)]}))
    # Partition 1 is read from its middle on.
    apply(projector, batch({1: [watermark(ago(1), 2)]}, 100))
    assert as_of(queries) is None


# ── a write side that was restored to an earlier time ────────────────────────────────────────────


def test_a_version_that_is_used_again_is_noticed(
    projector: Database, queries: Database, lines: Callable[[str], list[dict[str, Any]]]
) -> None:
    order_id, other = new_order(), new_order()
    known, times = ago(50), [ago(seconds) for seconds in (70, 60, 20)]
    apply(
        projector,
        batch(
            {
                0: [
                    record_of(order_id, 1, an_order_was_placed(), times[0]),
                    record_of(order_id, 2, it_was_confirmed(), times[1]),
                    watermark(known, 2),
                ],
                1: [watermark(known, 2)],
            }
        ),
    )
    cancelled = record_of(order_id, 2, it_was_cancelled(), times[2])
    placed = record_of(other, 1, an_order_was_placed(), times[2])
    again = batch({0: [cancelled, placed, watermark(ago(10), 2)], 1: []}, 3)
    del again["records"]["ordering.orders-1"]
    assert apply(projector, again) == []
    apply(projector, batch({1: [watermark(ago(1), 2)]}, 1))
    assert gaps(projector) == {(0, 3, "version reused")}
    assert as_of(queries) == rfc3339(known)
    found = lines("VersionsReused")
    assert len(found) == len(READ_MODELS), "one of each projection"
    for line in found:
        assert (line["level"], line["order_id"], line["version"]) == ("ERROR", order_id, 2)
        assert (line["time"], line["applied_time"]) == (times[2].isoformat(), times[1].isoformat())
        assert line["message"] == (
            "event reuses a version that is applied: the write side was restored"
        )
    # What else is in the partition is applied, and as_of stands still for good.
    assert projector.rows("select count(*) from order_details") == [(2,)]
    apply(projector, batch({0: [watermark(ago(1), 2)]}, 6))
    assert as_of(queries) == rfc3339(known)


def test_a_microsecond_tells_two_events_apart(projector: Database) -> None:
    order_id, at = new_order(), ago(60)
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed(), at)]}))
    again = record_of(order_id, 1, an_order_was_placed(), at)
    apply(projector, batch({0: [again]}, 1))
    assert gaps(projector) == set()
    another = record_of(order_id, 1, an_order_was_placed(), at + timedelta(microseconds=1))
    apply(projector, batch({0: [another]}, 2))
    assert gaps(projector) == {(0, 2, "version reused")}


def test_a_clock_that_was_set_back_makes_no_repeat_suspicious(projector: Database) -> None:
    order_id = new_order()
    events: list[OrderEvent] = [an_order_was_placed(), it_was_confirmed(), it_was_held()]
    times = [ago(60), ago(HOUR), ago(HOUR - 5)]
    values: list[bytes | None] = [
        record_of(order_id, version, event, at)
        for version, (event, at) in enumerate(zip(events, times, strict=True), start=1)
    ]
    # All in one batch, one by one, and again.
    apply(projector, batch({0: [values[0]]}))
    apply(projector, batch({0: values[1:]}, 1))
    for first in range(3):
        apply(projector, batch({0: values[first:]}, first))
    apply(projector, batch({0: [*values, *values]}))
    assert gaps(projector) == set()
    assert projector.rows("select last_event_time from order_details") == [(times[0],)]


def test_of_rows_from_before_nothing_is_compared_until_their_next_event(
    projector: Database, databases: Databases
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed(), ago(60))]}))
    for table in READ_MODELS:
        databases.owner("read").rows(f"update {table} set last_event_time = null")  # noqa: S608 - two names of ours
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed(), ago(50))]}, 1))
    assert gaps(projector) == set()
    apply(projector, batch({0: [record_of(order_id, 2, it_was_confirmed(), ago(40))]}, 2))
    apply(projector, batch({0: [record_of(order_id, 2, it_was_cancelled(), ago(30))]}, 3))
    assert gaps(projector) == {(0, 3, "version reused")}


def test_it_is_noticed_in_the_first_batch_of_a_partition_too(
    projector: Database, queries: Database, databases: Databases
) -> None:
    order_id = new_order()
    apply(projector, batch({0: [record_of(order_id, 1, an_order_was_placed(), ago(60))]}))
    databases.owner("read").rows("truncate watermarks")
    values: list[bytes | None] = [
        record_of(order_id, 1, an_order_was_placed(), ago(50)),
        watermark(ago(1)),
    ]
    apply(projector, batch({0: values}))
    assert (gaps(projector), as_of(queries)) == ({(0, 0, "version reused")}, None)


def test_a_partition_that_stops_behind_it_has_the_gap_all_the_same(projector: Database) -> None:
    order_id = new_order()
    already_read(projector, 0, 10)
    placed = record_of(order_id, 1, an_order_was_placed(), ago(60))
    another = record_of(order_id, 1, an_order_was_placed(), ago(50))
    behind_a_gap = record_of(order_id, 3, it_was_confirmed())
    stopped = apply(projector, batch({0: [placed, another, behind_a_gap]}, 10))
    assert stopped == [("ordering.orders-0", 12)]
    assert gaps(projector) == {(0, 11, "version reused")}
