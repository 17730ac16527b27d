"""Bodies that are no JSON, or not the JSON that was asked for: each has its clear answer."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from commands import (
    add_note,
    cancel_line,
    capture_payment,
    confirm_order,
    deliver_shipment,
    place_order,
    receive_return,
)
from tests.integration.requests import body_of, request
from tests.shared import an_order

if TYPE_CHECKING:
    from ordering.command_side import CommandFunction
    from ordering.runtime.postgres import Database
    from tests.databases import Databases

MAX_BODY_BYTES = 262_144


@pytest.fixture
def order_id(database: Database) -> str:
    response = place_order.handler.using(database)(request(an_order()), None)
    return str(body_of(response)["order_id"])


def send(
    database: Database,
    function: CommandFunction[Any],
    order_id: str,
    body: object,
    **path: str,
) -> tuple[int, dict[str, Any]]:
    is_binary = isinstance(body, bytes)
    sent = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    event = request(sent, path={"order_id": order_id, **path}) | {"isBase64Encoded": is_binary}
    response = function.using(database)(event, None)
    return response["statusCode"], body_of(response)


def note(database: Database, order_id: str, body: object) -> tuple[int, dict[str, Any]]:
    return send(database, add_note.handler, order_id, body)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("{", "cannot be read from line 1, column 2 on"),
        ('{"text": "a"} x', "cannot be read from line 1, column 15 on"),
        ('{\n"text": "a",\n}', "cannot be read from line 3, column 1 on"),
        ("{'text': 'a'}", "cannot be read from line 1, column 2 on"),
        ('{"text": "a", "text": "b"}', "the name 'text' is there twice"),
        ('{"text": {"a": 1, "a": 2}}', "the name 'a' is there twice"),
        (
            json.dumps({str(number): 1 for number in range(20_000)})[:-1] + ', "7": 1}',
            "the name '7' is there twice",
        ),
        ('{"text": NaN}', "NaN is not a JSON number"),
        ('{"text": -Infinity}', "-Infinity is not a JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"text": ' + "[" * 60_000 + "]" * 60_000 + "}", "nested too deeply"),
        ('{"text": ' + "9" * 100_000 + "}", "a number in it has too many digits"),
        ("\ufeff{}", "cannot be read from line 1, column 1 on"),
        (b'{"text": "\xff"}', "not UTF-8 from byte 11 on"),
        ('{"text": "a"}'.encode("utf-16"), "not UTF-8 from byte 1 on"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_json_is_a_malformed_request(
    database: Database, order_id: str, body: object, detail: str
) -> None:
    status, problem = note(database, order_id, body)
    assert (status, problem["code"]) == (400, "malformed-request")
    assert detail in problem["detail"]


@pytest.mark.parametrize("body", ["[]", '"text"', "7", "null", "true"])
def test_a_body_is_an_object(database: Database, order_id: str, body: str) -> None:
    status, problem = note(database, order_id, body)
    assert (status, problem["code"]) == (422, "invalid-request")
    assert problem["errors"] == [{"pointer": "", "detail": "must be a JSON object"}]


CONTROL = (
    "must be visible text: neither blank nor with control characters, but for line breaks"
    " and tabs, or characters that change the direction of writing"
)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('"\\ud800"', "must be Unicode text, without half of a surrogate pair"),
        ('"a\\u0000b"', CONTROL),
        ("7", "must be text"),
        ("null", "must be text"),
        ('""', "must not be empty"),
        (json.dumps("n" * 2001), "must have at most 2000 characters"),
    ],
)
def test_text_that_cannot_be_kept_is_named(
    database: Database, order_id: str, text: str, detail: str
) -> None:
    status, problem = note(database, order_id, f'{{"text": {text}}}')
    assert (status, problem["code"]) == (422, "invalid-request")
    assert problem["errors"] == [{"pointer": "/text", "detail": detail}]


@pytest.mark.parametrize(
    "text",
    [
        "e\u0301",
        "\u05e9\u05dc\u05d5\u05dd\u200f abc",
        "👩‍👩‍👧 🇩🇪",
        "\u00a0\u2028\r\n\ufffd",
        "n" * 2000,
    ],
    ids=["combining", "right-to-left", "emoji", "odd spaces", "long"],
)
def test_text_is_kept_as_it_was_sent(
    databases: Databases, database: Database, order_id: str, text: str
) -> None:
    assert note(database, order_id, {"text": text})[0] == 200
    ((kept,),) = databases.owner("write").rows(
        "select data ->> 'text' from order_events where order_id = %(id)s and version = 2",
        {"id": order_id},
    )
    assert kept == text


def test_a_body_has_at_most_256_kib(database: Database, order_id: str) -> None:
    text = '{"text": "a"}'
    status, _ = note(database, order_id, text + " " * (MAX_BODY_BYTES - len(text)))
    assert status == 200
    status, problem = note(database, order_id, text + " " * (MAX_BODY_BYTES - len(text) + 1))
    assert (status, problem["code"]) == (413, "request-too-large")


def test_bytes_count_and_not_characters(database: Database, order_id: str) -> None:
    status, problem = note(database, order_id, json.dumps({"x": "é" * 140_000}, ensure_ascii=False))
    assert (status, problem["code"]) == (413, "request-too-large")


def test_an_empty_body_is_one_without_fields(database: Database, order_id: str) -> None:
    status, problem = note(database, order_id, None)
    assert (status, problem["errors"]) == (422, [{"pointer": "/text", "detail": "is required"}])
    assert send(database, confirm_order.handler, order_id, None)[0] == 200


def test_a_field_where_none_is_known_is_refused(database: Database, order_id: str) -> None:
    status, problem = send(database, confirm_order.handler, order_id, {"by": "me"})
    detail = "is not a field of this request; remove it"
    assert (status, problem["errors"]) == (422, [{"pointer": "/by", "detail": detail}])


def test_what_the_path_says_is_no_field_and_is_told_with_the_others(
    database: Database, order_id: str
) -> None:
    body: dict[str, object] = {"line_id": 1, "quantity": 0, "surprise": 1}
    status, problem = send(database, cancel_line.handler, order_id, body, line_id="1")
    assert status == 422
    assert {error["pointer"] for error in problem["errors"]} == {
        "/line_id",
        "/quantity",
        "/reason",
        "/surprise",
    }
    body = {"line_id": 1, "quantity": 1, "reason": "r"}
    status, problem = send(database, cancel_line.handler, order_id, body, line_id="1")
    detail = "is in the path; remove it from the body"
    assert (status, problem["errors"]) == (422, [{"pointer": "/line_id", "detail": detail}])


@pytest.mark.parametrize("known", ["unknown", "", "a b", "../x", "x" * 65, "ü", "\x00"])
@pytest.mark.parametrize(
    ("function", "part"),
    [
        (capture_payment.handler, "payment"),
        (deliver_shipment.handler, "shipment"),
        (receive_return.handler, "return"),
    ],
)
def test_a_part_that_is_not_there_is_not_found(
    database: Database, order_id: str, function: CommandFunction[Any], part: str, known: str
) -> None:
    status, problem = send(database, function, order_id, {}, **{f"{part}_id": known})
    assert (status, problem["code"]) == (404, f"{part}-not-found")


@pytest.mark.parametrize("line_id", ["2", "0", "-1", "1.0", "one", "", "²", "9" * 5000, " 1"])
def test_a_line_that_is_not_there_is_not_found(
    database: Database, order_id: str, line_id: str
) -> None:
    body = {"quantity": 1, "reason": "r"}
    status, problem = send(database, cancel_line.handler, order_id, body, line_id=line_id)
    assert (status, problem["code"]) == (404, "line-not-found")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", ""])
def test_another_type_of_content_is_refused(
    database: Database, order_id: str, media_type: str
) -> None:
    event = request({"text": "a"}, path={"order_id": order_id}, content_type=media_type)
    response = add_note.handler.using(database)(event, None)
    assert (response["statusCode"], body_of(response)["code"]) == (415, "unsupported-media-type")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "GZIP", "gzip, gzip"])
def test_a_compressed_body_is_not_taken_and_the_answer_says_so(
    database: Database, order_id: str, coding: str
) -> None:
    body = base64.b64encode(gzip.compress(b'{"text": "a"}')).decode()
    event = request(body, path={"order_id": order_id}, content_encoding=coding)
    answer = add_note.handler.using(database)(event | {"isBase64Encoded": True}, None)
    assert (answer["statusCode"], body_of(answer)["code"]) == (415, "unsupported-media-type")
    assert "Send the body uncompressed" in body_of(answer)["detail"]
    assert answer["headers"]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("quantity", "status"),
    [("3.0", 201), ("3e0", 201), ("30e-1", 201), ("3.5", 422), ("1e999", 422), ("-0.0", 422)],
)
def test_a_whole_number_may_have_a_fraction_of_nothing(
    database: Database, quantity: str, status: int
) -> None:
    body = json.dumps(an_order()).replace('"quantity": 3', f'"quantity": {quantity}')
    assert quantity in body
    answer = place_order.handler.using(database)(request(body), None)
    assert answer["statusCode"] == status, answer
