"""Looking for words in texts, and lists that are found by them. Pure.

Texts and the words that are looked for are written in one form, ``searchable``: in it PostgreSQL's
trigram index finds every word that has three letters or digits in a row, in any script and with
any locale of the database.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator

from ordering.domain.sent import SentText200

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ordering.runtime.postgres import Row

    from .paging import Keyset, PagedQuestion

MOST_WORDS: Final = 8
GLANCED_AT: Final = 200
"""So many rows of a list are looked at before an index of words."""
MOST_HITS: Final = 1000
"""So many rows that were found by an index are sorted; of more, the list is walked in its order."""
MOST_WALKED: Final = 5000
"""So many rows of a list are looked at for one page."""
_FOUND_BY_INDEX: Final = re.compile("[a-z0-9]{3}")
_OTHERS: Final = re.compile(r"[^\x00-\x7f]")
_LIKE_SYNTAX: Final = re.compile(r"[\\%_]")


def searchable(text: str) -> str:
    """Write a text as it is looked for: without case, accents and the differences of NFKD.

    Characters beyond ASCII become a control character, which no text has, and six hexadecimal
    digits: what the trigram index takes for letters depends on the locale of the database.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    without_marks = "".join(c for c in plain if not unicodedata.combining(c))
    return _OTHERS.sub(lambda match: f"\x01{ord(match[0]):06x}", without_marks)


def words_of(text: str) -> list[str]:
    """Return the words to look for."""
    return searchable(text).split()


def like(word: str) -> str:
    """Return the LIKE pattern of texts that have the word."""
    return f"%{_LIKE_SYNTAX.sub(lambda match: chr(92) + match[0], word)}%"


def must_be_findable(text: str, words: Sequence[str]) -> str:
    """Return the text that was asked for, whose words an index finds.

    Raises:
        ValueError: it finds none of them, or there are too many.
    """
    if not any(map(_FOUND_BY_INDEX.search, words)):
        raise ValueError("must have a word with three letters or digits in a row")
    if len(words) > MOST_WORDS:
        raise ValueError(f"must have at most {MOST_WORDS} words, not {len(words)}")
    return text


SearchText = Annotated[
    SentText200, AfterValidator(lambda text: must_be_findable(text, words_of(text)))
]
"""Words to look for; each has to be somewhere in what is found."""


def word_parameters(words: Sequence[str]) -> dict[str, object]:
    """Return the parameters of ``has_words``."""
    return {f"word{number}": like(word) for number, word in enumerate(words)}


def has_words(column: str, words: int) -> str:
    """Return the SQL condition that a column has each of so many words; none: always."""
    return all_of(f"{column} like %(word{number})s" for number in range(words))


def all_of(conditions: Iterable[str]) -> str:
    """Return the SQL of all conditions together; none: always."""
    return " and ".join(conditions) or "true"


_LOOKED_AT: Final = """
  select is_found, is_end, item, {{key}} from (
    select coalesce({filters}, false) as is_found, step = {most_walked} as is_end,
      {item} as item, {{key}}
    from (
      select *, row_number() over (order by {order}) as step from (
        select * from {view} where {only_then}{walked} and {{after}}
        order by {order} limit {most_walked}
      ) as next
    ) as walked
  ) as looked_at where is_found or is_end
  {{page}}
"""
_ONLY_THEN: Final = "(select count(*) from hits) > {most_hits} and "
_SEARCH: Final = """
with glance as materialized (
  select true as is_found, false as is_end, {item} as item, {{key}} from (
    select * from {view} where {walked} and {{after}}
    order by {order} limit {glanced_at}
  ) as next where {filters}
  {{page}}
), hits as materialized (
  select * from {view}
  where (select count(*) from glance) < %(page_rows)s and {hits}
  limit {most_hits} + 1
)
select found.* from ((
  select * from glance where (select count(*) from glance) = %(page_rows)s
) union all (
  select true, false, {item} as item, {{key}} from hits
  where (select count(*) from hits) <= {most_hits} and {filters} and {{after}}
    and (select count(*) from glance) < %(page_rows)s
  {{page}}
) union all (
  {looked_at}
)) as found
{{page}}
"""


class SearchedList:
    """A list in the order of a key, of rows that no index of that order finds.

    Its SQL has what is asked for alone: PostgreSQL would plan the rest each time. Where an index
    finds what is looked for (``hits``), what nearly every row has fills a page at a glance at
    ``GLANCED_AT`` of them, in the list's order. Else up to ``MOST_HITS`` rows that the index finds
    are sorted and filtered. Of more, and where there is no such index, the list is walked, as far
    as ``walked`` confines it, looking at ``MOST_WALKED`` rows at most. A page may then have fewer
    items than its limit, or none, and still a cursor to go on with: nothing is left out, and no
    page costs more than that.
    """

    def __init__(self, view: str, keyset: Keyset, *, item: str) -> None:
        self.keyset = keyset
        self._view = view
        self._item = item

    def sql(self, *, walked: str, filters: str, hits: str = "") -> str:
        """Return the statement of a page; the conditions are SQL, and ``hits`` may be none."""
        parts = {
            "view": self._view,
            "item": self._item,
            "hits": hits,
            "walked": walked,
            "filters": filters,
            "order": self.keyset.order,
            "glanced_at": GLANCED_AT,
            "most_hits": MOST_HITS,
            "most_walked": MOST_WALKED,
        }
        if not hits:
            return self.keyset.sql(_LOOKED_AT.format(**parts, only_then=""))
        looked_at = _LOOKED_AT.format(**parts, only_then=_ONLY_THEN.format(**parts))
        return self.keyset.sql(_SEARCH.format(**parts, looked_at=looked_at))

    def body(self, question: PagedQuestion, rows: Sequence[Row]) -> str:
        """Return the page as JSON."""
        found = [row[2:] for row in rows if row[0]]
        goes_on_after: Any = next((row[3:] for row in rows if row[1]), None)
        return self.keyset.body(question, found, goes_on_after)
