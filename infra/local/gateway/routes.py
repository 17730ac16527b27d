"""Which function a request to the HTTP API goes to, as API Gateway decides it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from infra.local.template.model import DEFAULT_ROUTE, Function, HttpRoute

_STATIC: Final = 0
_VARIABLE: Final = 1
_GREEDY: Final = 2


@dataclass(frozen=True)
class Match:
    """A route, its function and the decoded values of its path variables."""

    function: str
    route: HttpRoute
    path_parameters: Mapping[str, str]


@dataclass(frozen=True)
class _Candidate:
    function: str
    route: HttpRoute
    segments: tuple[tuple[int, str], ...]

    @property
    def rank(self) -> tuple[tuple[int, ...], bool]:
        """Sort the most telling first: static before variable before greedy, then by method."""
        return tuple(kind for kind, _ in self.segments), self.route.method == "ANY"

    def match(self, parts: list[str]) -> dict[str, str] | None:
        """Return the path variables, or None where the path is another one."""
        values: dict[str, str] = {}
        for index, (kind, name) in enumerate(self.segments):
            if kind == _GREEDY:
                rest = "/".join(parts[index:])
                if not rest:
                    return None
                values[name] = unquote(rest)
                return values
            if index >= len(parts):
                return None
            if kind == _VARIABLE:
                if not parts[index]:
                    return None
                values[name] = unquote(parts[index])
            elif unquote(parts[index]) != name:
                return None
        return values if len(parts) == len(self.segments) else None


class Routes:
    """The routes of all functions, most telling first, `$default` last."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        candidates: list[_Candidate] = []
        self._default: Match | None = None
        for name, function in functions.items():
            for route in function.routes:
                if route.path == DEFAULT_ROUTE:
                    self._default = Match(name, route, {})
                else:
                    candidates.append(_Candidate(name, route, _segments(route.path)))
        candidates.sort(key=lambda candidate: candidate.rank)
        methods = {candidate.route.method for candidate in candidates} - {"ANY"}
        self._any = [c for c in candidates if c.route.method == "ANY"]
        self._by_method = {
            method: [c for c in candidates if c.route.method in {method, "ANY"}]
            for method in methods
        }

    def find(self, method: str, path: str) -> Match | None:
        """Return the route for a request; `path` is as it came, percent-encoded."""
        parts = path.removeprefix("/").split("/")
        for candidate in self._by_method.get(method, self._any):
            values = candidate.match(parts)
            if values is not None:
                return Match(candidate.function, candidate.route, values)
        return self._default


def _segments(path: str) -> tuple[tuple[int, str], ...]:
    segments = []
    for part in path.removeprefix("/").split("/"):
        if part.startswith("{") and part.endswith("+}"):
            segments.append((_GREEDY, part[1:-2]))
        elif part.startswith("{") and part.endswith("}"):
            segments.append((_VARIABLE, part[1:-1]))
        else:
            segments.append((_STATIC, part))
    return tuple(segments)
