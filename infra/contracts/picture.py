"""docs/architecture.svg: the parts and what goes between them, of docs/architecture.yaml."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from infra.contracts.functions import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SOURCE: Final = "docs/architecture.yaml"
_PICTURE: Final = "docs/architecture.svg"
_COLUMN, _ROW, _MARGIN = 236, 96, 20
_WIDTH, _HEIGHT = 190, 56
_ROUNDED: Final = {"outside": 28, "service": 6, "function": 6, "store": 16}

# The colours of a page, dark where the reader's pages are.
_STYLE: Final = """
svg { --page: #ffffff; --text: #1f2328; --line: #59636e; --function: #ddf4ff; --store: #fff8c5;
  --service: #f6f8fa; --outside: #f6f8fa; }
@media (prefers-color-scheme: dark) { svg { --page: #0d1117; --text: #f0f6fc; --line: #9198a1;
  --function: #0c2d6b; --store: #4b2900; --service: #212830; --outside: #212830; } }
.page { fill: var(--page); }
text { font: 13px system-ui, sans-serif; fill: var(--text); text-anchor: middle; }
text.name { font-weight: 600; }
text.label { font-size: 11px; stroke: var(--page); stroke-width: 4px; paint-order: stroke; }
rect.box { stroke: var(--line); }
rect.function { fill: var(--function); } rect.store { fill: var(--store); }
rect.service { fill: var(--service); } rect.outside { fill: var(--outside); }
path.arrow { stroke: var(--line); stroke-width: 1.5px; fill: none; marker-end: url(#end); }
#end path { fill: var(--line); }
"""


class _Box(NamedTuple):
    x: float
    y: float
    kind: str
    text: list[str]


def documents() -> Mapping[str, str]:
    """Return the picture."""
    source: dict[str, Any] = yaml.safe_load((ROOT / _SOURCE).read_text())
    boxes = {
        name: _Box(
            _MARGIN + _WIDTH / 2 + box["at"][0] * _COLUMN,
            _MARGIN + _HEIGHT / 2 + box["at"][1] * _ROW,
            box["kind"],
            box["text"],
        )
        for name, box in source["boxes"].items()
    }
    return {_PICTURE: "\n".join(_lines(boxes, source["arrows"])) + "\n"}


def _lines(boxes: Mapping[str, _Box], arrows: list[list[str]]) -> Iterator[str]:
    width = max(box.x for box in boxes.values()) + _WIDTH / 2 + _MARGIN
    height = max(box.y for box in boxes.values()) + _HEIGHT / 2 + _MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"'
        f' width="{width:g}" height="{height:g}" role="img" aria-labelledby="title">'
    )
    yield '<title id="title">From commands by events to queries</title>'
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8"'
        ' markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    yield f'<rect class="page" width="{width:g}" height="{height:g}" rx="8"/>'
    for source, target, *label in arrows:
        yield from _arrow(boxes[source], boxes[target], label)
    for box in boxes.values():
        yield (
            f'<rect class="box {box.kind}" x="{box.x - _WIDTH / 2:g}" y="{box.y - _HEIGHT / 2:g}"'
            f' width="{_WIDTH}" height="{_HEIGHT}" rx="{_ROUNDED[box.kind]}"/>'
        )
        first = box.y + 5 - 9 * (len(box.text) - 1)
        for number, text in enumerate(box.text):
            name = "" if number else ' class="name"'
            yield f'<text x="{box.x:g}" y="{first + 18 * number:g}"{name}>{escape(text)}</text>'
    yield "</svg>"


def _arrow(source: _Box, target: _Box, label: list[str]) -> Iterator[str]:
    """Draw straight along a row or column, else from the side to the top or bottom of a box."""
    right = 1 if target.x > source.x else -1
    down = 1 if target.y > source.y else -1
    if source.y == target.y:
        begin = (source.x + right * _WIDTH / 2, source.y)
        end = (target.x - right * _WIDTH / 2, target.y)
    elif source.x == target.x:
        begin = (source.x, source.y + down * _HEIGHT / 2)
        end = (target.x, target.y - down * _HEIGHT / 2)
    elif right > 0:
        begin = (source.x, source.y + down * _HEIGHT / 2)
        end = (target.x - _WIDTH / 2, target.y)
    else:
        begin = (source.x - _WIDTH / 2, source.y)
        end = (target.x, target.y - down * _HEIGHT / 2)
    corner = ""
    middle = ((begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2)
    if source.x != target.x and source.y != target.y:
        turn = (begin[0], end[1]) if right > 0 else (end[0], begin[1])
        corner = f"L{turn[0]:g} {turn[1]:g}"
        middle = (turn[0], (begin[1] + end[1]) / 2)
    path = f"M{begin[0]:g} {begin[1]:g}{corner}L{end[0]:g} {end[1]:g}"
    yield f'<path class="arrow" d="{path}"/>'
    # Beside a column there is room; in a row the text stands above the gap between two boxes.
    above = source.y == target.y
    x, y = (middle[0], middle[1] - _HEIGHT / 2 - 6) if above else middle
    for text in label:
        yield f'<text class="label" x="{x:g}" y="{y + 4:g}">{escape(text)}</text>'
