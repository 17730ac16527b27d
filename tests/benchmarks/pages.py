"""A report as Markdown and as one HTML page: headings, paragraphs, tables and plots."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Table(NamedTuple):
    """Cells are texts; all columns but the first are numbers, as a rule."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Plot(NamedTuple):
    """A drawing: its file's stem, what it shows, and its SVG."""

    name: str
    caption: str
    svg: str


class Section(NamedTuple):
    """A heading and what follows it."""

    title: str
    parts: Sequence[str | Table | Plot]


def spread_of(value: Mapping[str, float] | None, digits: int = 2) -> str:
    """Write a median with the least and the most; nothing if there is none."""
    if value is None:
        return ""
    median, least, most = (f"{value[key]:,.{digits}f}" for key in ("median", "least", "most"))
    return f"{median} ({least} to {most})"


_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #8884; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; background: #fff; padding: 0.5rem; border-radius: 4px; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: #333; font-size: 0.85rem; }
.wide { overflow-x: auto; }
"""
_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


def as_markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the report; plots are files beside it."""
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        for part in section.parts:
            match part:
                case Table(head, rows):
                    lines.append(f"| {' | '.join(head)} |")
                    lines.append(f"|---|{'--:|' * (len(head) - 1)}")
                    lines += [f"| {' | '.join(row)} |" for row in rows]
                case Plot(name, caption, _):
                    lines.append(f"![{caption}]({name}.svg)")
                case text:
                    lines.append(text)
            lines.append("")
    return "\n".join(lines)


def as_html(title: str, sections: Sequence[Section]) -> str:
    """Return the report as one page that needs no other file."""
    body = [f"<h1>{html.escape(title)}</h1>"]
    for section in sections:
        body.append(f"<h2>{html.escape(section.title)}</h2>")
        body += [_part_as_html(part) for part in section.parts]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _part_as_html(part: str | Table | Plot) -> str:
    match part:
        case Table(head, rows):
            cells = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
            lines = "\n".join(
                "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            return (
                f'<div class="wide"><table>\n<thead><tr>{cells}</tr></thead>\n'
                f"<tbody>\n{lines}\n</tbody>\n</table></div>"
            )
        case Plot(_, caption, svg):
            return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"
        case text if text.startswith("- "):
            items = "".join(f"<li>{_inline(i.removeprefix('- '))}</li>" for i in text.split("\n"))
            return f"<ul>{items}</ul>"
        case text:
            return f"<p>{_inline(text)}</p>"


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return _LINK.sub(r'<a href="\2">\1</a>', _CODE.sub(r"<code>\1</code>", escaped))
