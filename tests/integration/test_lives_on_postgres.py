"""Random lives of orders through the real handlers: what is stored, logged and answered agree."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from ordering.domain.evolution import evolve
from ordering.domain.order import Order
from ordering.domain.recorded import parse
from tests.domain.laws import check
from tests.domain.life import COMMANDS, Ask, Step, live, random_order, random_steps
from tests.integration.requests import VARIABLES, body_of, request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.databases import Databases

STEPS_OF_A_LIFE = 40
LIVES = 100


class StoredLife:
    """One order in the write database."""

    def __init__(self, databases: Databases) -> None:
        self.commands = databases.open("write", "ordering_command")
        self.owner = databases.owner("write")
        self.order: Order | None = None
        self.order_id = ""
        self.log: list[str] = []
        self.remembered: list[tuple[Ask, str, dict[str, Any]]] = []

    def run(self, first: Ask, steps: Sequence[Step]) -> None:
        self.send(first)
        for step in steps:
            assert self.order is not None
            if step.choice.which == step.choice.much:
                self.ask_again(step.leads_on)
            self.send(step.next_request(self.order))

    def ask_again(self, which: int) -> None:
        """The first answer is given again, whatever has happened to the order since."""
        if self.remembered:
            asked, key, first = self.remembered[which % len(self.remembered)]
            again = self.call(asked, key)
            assert again["headers"]["idempotency-replayed"] == "true"
            assert (again["statusCode"], again["body"]) == (first["statusCode"], first["body"])

    def call(self, asked: Ask, key: str) -> dict[str, Any]:
        fields = {"order_id": self.order_id, **asked.fields}
        path = {name: str(fields.pop(name)) for name in VARIABLES[asked.stem]}
        fields.pop("order_id", None)
        event = request(fields, path=path, idempotency_key=key)
        response: dict[str, Any] = COMMANDS[asked.stem].handler.using(self.commands)(event, None)
        return response

    def send(self, asked: Ask) -> None:
        key = str(uuid.uuid4())
        response = self.call(asked, key)
        answer = body_of(response)
        if response["statusCode"] >= 400:
            assert response["statusCode"] in {404, 409, 422}, answer
        else:
            self.order_id = answer["order_id"]
            self.log += answer["events"]
            self.remembered.append((asked, key, response))
            assert answer["version"] == len(self.log)
            assert response["headers"]["etag"] == f'"{len(self.log)}"'
        self.look(answer.get("status") if response["statusCode"] < 400 else None)

    def look(self, answered: str | None) -> None:
        """Compare the stored state with the fold of the log, and both with what was answered."""
        where = {"id": self.order_id}
        ((version, status, state),) = self.owner.rows(
            "select version, status, state::text from orders where order_id = %(id)s", where
        )
        logged = self.owner.rows(
            "select version, type, schema_version, data from order_events"
            " where order_id = %(id)s order by version",
            where,
        )
        assert [row[0] for row in logged] == list(range(1, version + 1))
        assert [row[1] for row in logged] == self.log
        order: Order | None = None
        for _, event_type, schema_version, data in logged:
            recorded = parse(event_type, schema_version, data)
            order = evolve(order, recorded.fact)
            assert recorded.after.status == order.status
        assert order is not None
        assert Order.model_validate_json(state) == order
        assert status == order.status
        if answered is not None:
            assert answered == status
        queued = self.owner.rows(
            "select version from outbox where order_id = %(id)s order by seq", where
        )
        assert [row[0] for row in queued] == list(range(1, version + 1))
        check(order)
        self.order = order


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_stored_is_the_fold_of_what_is_logged(
    databases: Databases, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    chance = random.Random(number)  # noqa: S311 - the same lives each time
    for _ in range(LIVES // 2):
        first = random_order(chance, most_lines=3)
        steps = random_steps(chance, STEPS_OF_A_LIFE)
        with databases.borrowed():
            live(first, steps, lambda first, steps: StoredLife(databases).run(first, steps))
    with capsys.disabled():
        print(f"\n{LIVES // 2 * STEPS_OF_A_LIFE} commands to the handlers")  # noqa: T201 - the count
