"""docs/rules.md: statuses, commands and events, and which command is accepted when.

The table is found by trying: orders are led through random lives, and in each state that they come
to every command is asked, in a few ways, at once and when the time for returns is over. What is
accepted in every order of a status that was found, in some, or in none, is what the table says.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from infra.contracts.declarations import declared, module_of_test
from infra.contracts.functions import HttpFile, MissingDeclarationError, files_of
from ordering.domain.errors import Refusal
from ordering.domain.events import EVENT_TYPES
from ordering.domain.evolution import record
from ordering.domain.parts import RETURN_DAYS
from ordering.domain.stages import STAGES
from ordering.domain.status import DEFINITIONS
from tests.domain.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from ordering.domain.events import OrderEvent
    from ordering.domain.order import Order

    Facts: TypeAlias = Sequence[OrderEvent]

_LIVES: Final = 300
_STEPS: Final = 18
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LATER: Final = (timedelta(), timedelta(days=RETURN_DAYS + 1))
"""At once, or when whatever is delivered by now cannot be sent back any more."""


def documents() -> Mapping[str, str]:
    """Return docs/rules.md."""
    commands = files_of("commands")
    return {"docs/rules.md": "\n".join(_lines(commands)) + "\n"}


def _lines(commands: Sequence[HttpFile]) -> Iterator[str]:
    yield "# The rules of an order"
    yield ""
    yield "Generated from the code by `make contracts`."
    yield ""
    yield "## Statuses"
    yield ""
    yield "An order has the first status of this list whose definition holds."
    yield ""
    yield "| Status | Definition |"
    yield "|---|---|"
    yield from (f"| {each.status} | {each.meaning} |" for each in DEFINITIONS)
    yield ""
    yield "## Stages of the work queue"
    yield ""
    yield "An order is in every stage of this list whose definition holds, or in none."
    yield ""
    yield "| Stage | Definition |"
    yield "|---|---|"
    yield from (f"| {each.stage} | {each.meaning} |" for each in STAGES)
    yield ""
    yield "## Which command is accepted in which status"
    yield ""
    yield "● in every order of that status that was tried, ○ in some: there it depends on"
    yield "quantities, amounts, time and what came before."
    yield ""
    yield f"Found by trying: in {_LIVES} random lives every command is sent to each order that"
    yield "one comes to, for the parts that there are, in quantities and amounts that may fit,"
    yield f"never for what is so already: at once or {_LATER[1].days} days later. It is accepted if"
    yield "one of the requests is."
    yield ""
    yield from _table(commands)
    yield ""
    yield "## Why a command is refused"
    yield ""
    yield "409 where nothing else is said; `not-found` codes are 404."
    yield ""
    for command in commands:
        yield f"### {command.stem}"
        yield ""
        yield f"`{command.route}`: {command.meaning}"
        yield ""
        if command.refusals:
            yield "| Code | Detail |"
            yield "|---|---|"
            yield from (f"| {refusal.code} | {refusal.detail} |" for refusal in command.refusals)
            yield ""
    yield "## Events"
    yield ""
    yield "| Event | Schema version | Meaning |"
    yield "|---|---|---|"
    for name, event in EVENT_TYPES.items():
        yield f"| {name} | {event.schema_version} | {' '.join((event.__doc__ or '').split())} |"


def _table(commands: Sequence[HttpFile]) -> Iterator[str]:
    trials = _try(commands)
    # From the beginning of an order's life to its ends.
    statuses = [each.status for each in reversed(DEFINITIONS)]
    yield "| | " + " | ".join(statuses) + " |"
    yield "|---|" + ":-:|" * len(statuses)
    for command in commands:
        if command.handler.opens_an_order:
            continue
        marks = []
        for status in statuses:
            count = trials.accepted[command.stem, status]
            marks.append("●" if count == len(trials.orders[status]) else "○" if count else " ")
        yield f"| {command.stem} | " + " | ".join(marks) + " |"


class _Trials:
    """Which command was accepted in how many orders of each status, and how many those were."""

    def __init__(self, commands: Sequence[HttpFile]) -> None:
        self._commands = [each for each in commands if not each.handler.opens_an_order]
        self._known: set[str] = set()
        self._chosen: Counter[tuple[str, str]] = Counter()
        self.orders: dict[str, list[Order]] = defaultdict(list)
        self.accepted: Counter[tuple[str, str]] = Counter()

    def send_all(self, order: Order, at: datetime) -> Mapping[str, Sequence[Facts]]:
        """Send every command to the order; return what each that is accepted may do, by stem."""
        choices: dict[str, list[Facts]] = defaultdict(list)
        for command in self._commands:
            for body in _requests(command, order):
                if facts := _ask(command, order, body, at):
                    choices[command.stem].append(facts)
        if (state := order.model_dump_json()) not in self._known:
            self._known.add(state)
            self.orders[order.status].append(order)
            self.accepted.update((stem, order.status) for stem in choices)
        return choices

    def lead(self, order: Order, chance: random.Random, *, rarely: bool) -> None:
        """Lead an order through a random life; ``rarely``: by what was done least before."""
        for step in range(_STEPS):
            at = _BEGIN + timedelta(days=step) + chance.choice(_LATER)
            choices = self.send_all(order, at)
            if not choices:
                return
            # Mostly what leads such an order on; else whatever is accepted.
            moves = [stem for stem in choices if _weight(stem, order)]
            if not moves or not chance.randrange(4):
                moves = list(choices)
            stem = chance.choice(moves)
            if rarely:
                stem = min(moves, key=lambda move: self._chosen[move, order.status])
            self._chosen[stem, order.status] += 1
            order = record(order, chance.choice(choices[stem]))[1]


def _try(commands: Sequence[HttpFile]) -> _Trials:
    chance = random.Random(1)  # noqa: S311 - the same lives each time
    trials = _Trials(commands)
    for order in _rare_orders(commands):
        trials.send_all(order, _BEGIN)
    (place,) = (command for command in commands if command.handler.opens_an_order)
    placed = [_ask(place, None, body, _BEGIN) for body in _requests(place, None)]
    for life in range(_LIVES):
        order = record(None, placed[life // 2 % len(placed)])[1]
        if life % 2:  # go on from an order of a status that was rarely tried
            order = chance.choice(min(trials.orders.values(), key=len))
        trials.lead(order, chance, rarely=bool(life & 2))
    missing = [each.status for each in DEFINITIONS if each.status not in trials.orders]
    if missing:
        raise AssertionError(f"no order came to {missing}: make the lives longer, or more of them")
    return trials


def _rare_orders(commands: Sequence[HttpFile]) -> Iterator[Order]:
    """Yield orders that random lives rarely come to, as a command's test makes them."""
    by_stem = {command.stem: command for command in commands}
    for command in commands:
        for requests in getattr(module_of_test(command.stem), "RARE_LIVES", ()):
            order: Order | None = None
            for stem, body in requests:
                facts = _ask(by_stem[stem], order, body, _BEGIN)
                if not facts:
                    raise MissingDeclarationError(
                        f"tests/domain/test_{command.stem}.py: in RARE_LIVES {stem} is refused"
                    )
                order = record(order, facts)[1]
                yield order


def _ask(command: HttpFile, order: Order | None, body: Mapping[str, Any], at: datetime) -> Facts:
    """Return the events of the command: none if it is invalid, refused or changes nothing."""
    try:
        asked = command.handler.command.model_validate(body)
    except ValidationError:
        return ()
    answer: Facts | Refusal = command.module.decide(order, asked, at)
    return () if isinstance(answer, Refusal) else answer


def _requests(command: HttpFile, order: Order | None) -> Iterator[Mapping[str, Any]]:
    """Yield the different requests that the command's test chooses for the order."""
    choose = declared(command.stem, "choose_request")
    parts = () if order is None else (order.lines, order.payments, order.shipments, order.returns)
    known: list[Mapping[str, Any]] = []
    for which in range(max([3, *map(len, parts)])):
        for much in _MUCH:
            request = choose(order, Choice(which, much))
            if request not in known:
                known.append(request)
                yield request


def _weight(stem: str, order: Order) -> int:
    weight: int = declared(stem, "weight")(order)
    return weight


_MUCH: Final = (0, 4, 7)
"""How much is asked for: all, half, or little; see ``Choice``."""
