"""Both sides of a comparison: the same requests to the same kind of handlers, on other databases.

A process serves one side, as a Lambda environment does. Of the unified model it has the commands'
own handlers, stored by another module, and other SQL for the questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.contracts.functions import files_of
from ordering.command_side import loop
from ordering.command_side import store as our_store
from ordering.read_side.query import PLANS
from ordering.runtime.postgres import Database
from tests.benchmarks.servers import UNIFIED
from tests.benchmarks.unified import store as unified_store
from tests.benchmarks.unified.questions import QUESTIONS, UnifiedQuery

if TYPE_CHECKING:
    from tests.benchmarks.servers import Servers

OURS: Final = "read model"
THEIRS: Final = "unified"
SIDES: Final = (OURS, THEIRS)


class Side:
    """The handlers of one side, each kind on a connection of its own."""

    def __init__(self, name: str, commands: Database, questions: Database) -> None:
        self.name = name
        self._databases = (commands, questions)
        self.handlers: dict[str, Any] = {
            file.stem: file.handler.using(commands) for file in files_of("commands")
        }
        if name == OURS:
            self.handlers |= {f.stem: f.handler.using(questions) for f in files_of("queries")}
        else:
            self.handlers |= {
                stem: UnifiedQuery(asked).using(questions) for stem, asked in QUESTIONS.items()
            }

    def call(self, stem: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a function with API Gateway's event; return its answer."""
        # The loop looks its store up there, each time.
        vars(loop)["store"] = unified_store if self.name == THEIRS else our_store
        try:
            answer: dict[str, Any] = self.handlers[stem](event, None)
        finally:
            vars(loop)["store"] = our_store
        return answer

    def close(self) -> None:
        for database in self._databases:
            database.close()


def open_side(name: str, commands: str, questions: str) -> Side:
    """Connect to a side's databases; see ``conninfos``."""
    on_connect = PLANS if name == OURS else ""
    return Side(
        name,
        Database(commands, "none", "benchmark"),
        Database(questions, "none", "benchmark", on_connect=on_connect),
    )


def conninfos(servers: Servers, name: str) -> tuple[str, str]:
    """Return how a side's commands and its questions connect."""
    places = ("write", "read") if name == OURS else (UNIFIED, UNIFIED)
    roles = ("ordering_command", "ordering_query")
    commands, questions = (
        servers.conninfo(place, role) for place, role in zip(places, roles, strict=True)
    )
    return commands, questions
