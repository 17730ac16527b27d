"""What the user sees while a stack starts: a line for each part, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

FAILED: Final = "✗"  # by which its line is known
_GREEN: Final = "\x1b[32m"
_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[33m"
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"


class Progress:
    """Writes to `out`, which may be a pipe to the process that shows it."""

    def __init__(self, out: TextIO, *, colour: bool) -> None:
        self._out = out
        self._colour = colour

    @contextmanager
    def part(self, name: str, detail: str = "") -> Iterator[None]:
        """Report a part as ready when the block has ended without an error."""
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        mark, timing = self._in(_GREEN, "✓"), self._in(_DIM, f"{seconds:5.2f} s")
        self.say(f"{mark} {timing}  {name}{self._in(_DIM, f'  {detail}') if detail else ''}")

    def failed(self, text: str) -> None:
        """Report why there is nothing."""
        self.say(f"{self._in(_RED, FAILED)} {text}")

    def warn(self, text: str) -> None:
        """Warn about what was probably not meant."""
        self.say(f"{self._in(_YELLOW, '!')} {text}")

    def say(self, text: str) -> None:
        """Write a line."""
        try:
            self._out.write(as_shown(text, self._out) + "\n")
            self._out.flush()
        except (BrokenPipeError, ValueError):  # the reader has gone; the stack keeps running
            pass

    def end(self) -> None:
        """Close the pipe: all progress was written."""
        self._out.close()

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colour else text


def as_shown(text: str, out: TextIO) -> str:
    """Return `text` as `out` can take it: what its encoding does not have is written as escapes."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="backslashreplace").decode(encoding)
