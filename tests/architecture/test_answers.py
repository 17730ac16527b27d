"""What queries answer fits the schemas that clients were given for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from commands import authorize_payment, capture_payment, confirm_order, place_order
from infra.local.gateway.problems import CODES
from ordering.delivery.published import PublishedEvent
from ordering.domain.errors import Refusal
from ordering.domain.evolution import record
from ordering.domain.limits import MAX_LINES
from ordering.runtime.problem_types import PROBLEM_TYPES, Source
from tests.documents import FOLDS, check_document, parts_sent
from tests.domain.largest_order import AT_A_LIMIT
from tests.domain.life import COMMANDS, declarations
from tests.domain.vocabulary import NOW, RETURN_RECEIVED
from tests.shared import an_order

if TYPE_CHECKING:
    from ordering.domain.order import Order

OF_THE_GATEWAY = [each for each in PROBLEM_TYPES if Source.GATEWAY in each.sources]


def the_largest(currency: str, amount: str) -> dict[str, Any]:
    """Return an order of as many lines, units and digits as a client may send."""
    money = {"amount": amount, "currency": currency}
    line = {"sku": "s", "quantity": 1_000_000, "unit_price": money, "tax_rate": "1"}
    return an_order(currency=currency, lines=[line] * MAX_LINES, shipping_fee=money)


@pytest.mark.parametrize("read_model", FOLDS)
@pytest.mark.parametrize(
    ("currency", "amount"),
    [("EUR", "999999999999.99"), ("CLF", "999999999999.9999"), ("JPY", "999999999999")],
)
def test_the_largest_order_fits(currency: str, amount: str, read_model: str) -> None:
    order: Order | None = None
    document: dict[str, Any] | None = None
    version = 0
    paid = {"payment_id": "p", "method": "card", "amount": {"amount": amount, "currency": currency}}
    for command, body in (
        (place_order, the_largest(currency, amount)),
        (confirm_order, {}),
        (authorize_payment, paid),
        (capture_payment, {"payment_id": "p"}),
    ):
        asked = command.handler.command.model_validate(body)
        events, order = record(order, command.decide(order, asked, NOW))
        for event in events:
            version += 1
            published = PublishedEvent(
                "00000000-0000-7000-8000-000000000001",
                *(version, NOW, "operator", "c", "t", event.fact, event.after),
            )
            document = FOLDS[read_model](document, published)
    assert order is not None
    assert len(str(int(order.totals.total))) > 12
    check_document(read_model, document)


@pytest.mark.parametrize("read_model", FOLDS)
def test_a_field_that_the_schema_does_not_have_is_noticed(read_model: str) -> None:
    events, _ = record(None, RETURN_RECEIVED)
    document = last_sent = None
    for version, event in enumerate(events, start=1):
        about = ("00000000-0000-7000-8000-000000000001", version, NOW, "operator", "c", "t")
        document = FOLDS[read_model](document, PublishedEvent(*about, event.fact, event.after))
        check_document(read_model, document)
        if parts_sent(read_model, document):
            last_sent = document
    parts_sent(read_model, last_sent)[0]["surprise"] = 1
    with pytest.raises(AssertionError, match="surprise"):
        check_document(read_model, last_sent)


def test_each_problem_of_the_gateway_is_met_by_a_test() -> None:
    tests = (Path(__file__).parents[1] / "integration" / "local_runner").glob("test_http_api*.py")
    asserted = "\n".join(test.read_text() for test in tests)
    unmet = [
        each.code for each in OF_THE_GATEWAY if f'({each.status}, "{each.code}", ' not in asserted
    ]
    assert not unmet, f"assert in tests/integration/local_runner what answers with {unmet}"


def test_the_local_gateway_answers_with_the_registered_codes() -> None:
    assert {each.status: each.code for each in OF_THE_GATEWAY} == CODES


@pytest.mark.parametrize("stem", COMMANDS)
def test_each_refusal_of_a_command_is_met_by_its_test(stem: str) -> None:
    test = declarations(stem)
    text = Path(str(test.__file__)).read_text()
    refusals = {
        name: refusal.code
        for name, refusal in vars(COMMANDS[stem]).items()
        if isinstance(refusal, Refusal) and refusal.code not in AT_A_LIMIT
    }
    unmet = [name for name, code in refusals.items() if name not in text and code not in text]
    assert not unmet, f"tests/domain/test_{stem}.py: assert what is refused with {unmet}"
