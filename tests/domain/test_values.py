"""Values, ids, tokens and envelopes: what they take and what they refuse."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordering.delivery import envelope, published
from ordering.domain.evolution import record
from ordering.domain.recorded import parse
from ordering.read_side.cursor import read_cursor, write_cursor
from ordering.read_side.freshness import ConsistencyRequest, Freshness
from ordering.runtime import consistency
from ordering.runtime.http import Problem
from ordering.runtime.ids import order_id_of, uuid7
from tests.domain.vocabulary import NOW, an_order_was_placed

ORDER = "01900000-0000-7000-8000-000000000001"


def test_order_ids_are_uuid_version_7_and_sort_by_time() -> None:
    ids = [uuid7() for _ in range(3)]
    assert {i.version for i in ids} == {7}
    assert {i.variant for i in ids} == {uuid.RFC_4122}
    now_ms = datetime.now(UTC).timestamp() * 1000
    assert abs((ids[0].int >> 80) - now_ms) < 5_000


@pytest.mark.parametrize("text", ["", "1", ORDER.replace("-", ""), "{" + ORDER + "}", ORDER + "0"])
def test_what_is_no_order_id_names_no_order(text: str) -> None:
    assert order_id_of(text) is None


def test_tokens_of_several_answers_are_joined_by_commas() -> None:
    header = ", ".join(consistency.token(ORDER, version) for version in (2, 7, 3))
    assert consistency.parse_tokens(header) == {ORDER: 7}


@pytest.mark.parametrize("header", ["x", f"{ORDER}.0", f"{ORDER}.", f"{ORDER}.1,", f"{ORDER}:1"])
def test_a_token_that_no_command_answered_is_refused(header: str) -> None:
    with pytest.raises(consistency.BadTokenError):
        consistency.parse_tokens(header)
    with pytest.raises(Problem) as caught:
        ConsistencyRequest.of({"consistency-token": header}, 20)
    assert caught.value.code == "bad-consistency-token"


@given(
    st.lists(st.text(max_size=20), min_size=1, max_size=3), st.dictionaries(st.text(), st.text())
)
def test_a_cursor_gives_back_its_key_for_its_parameters_only(
    key: list[str], parameters: dict[str, str]
) -> None:
    cursor = write_cursor(key, parameters)
    assert read_cursor(cursor, parameters, len(key)) == key
    with pytest.raises(Problem):
        read_cursor(cursor, {**parameters, "another": "1"}, len(key))


@given(st.text(max_size=60))
def test_a_cursor_that_was_not_made_here_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        read_cursor(cursor, {}, 2)
    assert caught.value.code == "bad-cursor"


def test_a_cursor_of_nothing_but_brackets_is_refused() -> None:
    with pytest.raises(Problem):
        read_cursor(base64.urlsafe_b64encode(b"[" * 7000).decode(), {}, 2)


def test_an_event_comes_out_of_its_envelope_as_it_went_in() -> None:
    placed = an_order_was_placed(reference='Ünïcode ✓ "quoted"')
    (recorded,), _ = record(None, [placed])
    value = envelope.write_event(
        order_id=ORDER,
        version=1,
        event_type="OrderPlaced",
        schema_version=2,
        data=recorded.data(),
        metadata={"actor": "operator", "correlation_id": "c", "traceparent": "t"},
        recorded_at=NOW,
    )
    read = published.read(value)
    assert isinstance(read, published.PublishedEvent)
    assert (read.fact, read.after) == (placed, recorded.after)
    assert (read.order_id, read.version, read.time, read.actor) == (ORDER, 1, NOW, "operator")


def test_a_field_that_a_newer_writer_added_is_not_this_readers_business() -> None:
    (recorded,), _ = record(None, [an_order_was_placed()])
    data = json.loads(recorded.data())
    data["shipping_address"]["floor"] = "3"
    data["after"]["mood"] = "good"
    data["weather"] = "fine"
    assert parse("OrderPlaced", 2, data) == recorded


def test_a_watermark_comes_out_of_its_envelope_as_it_went_in() -> None:
    assert published.read(envelope.write_watermark(NOW, 4)) == published.Watermark(NOW, 4)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"type": "ordering.order.OrderPlaced.v1"}',
        b'{"type": "ordering.order.OrderEaten.v1", "subject": "' + ORDER.encode() + b'",'
        b' "sequence": "1", "time": "2026-11-22T12:00:00Z", "data": {}}',
        b'{"type": "ordering.order.OrderConfirmed.v9", "subject": "' + ORDER.encode() + b'",'
        b' "sequence": "1", "time": "2026-11-22T12:00:00Z", "data": {}}',
    ],
)
def test_a_record_that_is_none_of_ours_is_a_bad_record(value: bytes) -> None:
    with pytest.raises(published.BadRecordError):
        published.read(value)


@pytest.mark.parametrize(
    ("headers", "wait", "max_age"),
    [
        ({}, None, None),
        ({"prefer": "wait=5"}, 5, None),
        ({"prefer": "respond-async, wait=99"}, 20, None),
        ({"prefer": "wait=soon"}, None, None),
        ({"cache-control": "no-transform, max-age=3"}, None, 3),
    ],
)
def test_wishes_are_read_from_the_headers(
    headers: dict[str, str], wait: int | None, max_age: int | None
) -> None:
    requested = ConsistencyRequest.of(headers, 20)
    assert (requested.wait, requested.max_age) == (wait, max_age)


def fresh(applied: dict[str, int], *, age_seconds: float | None) -> Freshness:
    as_of = None if age_seconds is None else datetime.fromtimestamp(100 - age_seconds, UTC)
    return Freshness("m", as_of, datetime.fromtimestamp(100, UTC), [applied])


def test_an_older_version_is_stale_and_an_order_not_seen_yet_is_no_404() -> None:
    requested = ConsistencyRequest.of({"consistency-token": f"{ORDER}.2"}, 20)
    assert fresh({ORDER: 2}, age_seconds=1).headers(requested)["read-model-stale"] == "?0"
    stale = fresh({ORDER: 1}, age_seconds=1)
    assert stale.headers(requested)["read-model-stale"] == "?1"
    assert stale.problem(requested) is None
    unseen = fresh({}, age_seconds=1).problem(requested)
    assert unseen is not None
    assert (unseen.status, unseen.code) == (503, "read-model-behind")


def test_an_answer_older_than_max_age_is_refused() -> None:
    requested = ConsistencyRequest.of({"cache-control": "max-age=5"}, 20)
    assert fresh({}, age_seconds=5).problem(requested) is None
    assert fresh({}, age_seconds=5.5).problem(requested) is not None
    assert fresh({}, age_seconds=None).problem(requested) is not None
