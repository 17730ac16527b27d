"""Shows what the runner and its functions log, and keeps it in files.

Files and console are written by a thread of their own: a terminal that is stopped, or a full pipe,
must not hold up the event loop that serves requests.
"""

import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO
from zlib import crc32

from infra.local.progress import as_shown

_MAX_FILE_BYTES: Final = 10_000_000
_MAX_WAITING_ENTRIES: Final = 20_000
_GATHER_SECONDS: Final = 0.02  # one wake-up and one write for a burst of lines
_COLOURS: Final = (32, 33, 34, 35, 36, 92, 93, 94, 95, 96)
# Of Powertools' and the runtime's JSON lines: what only says again where the line comes from. The
# file keeps it.
_AMBIENT_KEYS: Final = {
    "cold_start",
    "function_arn",
    "function_memory_size",
    "function_name",
    "function_request_id",
    "location",
    "requestId",
    "requestTimeEpoch",
    "service",
    "stage",
    "tenant_id",
    "timestamp",
    "xray_trace_id",
}
_RUNNER: Final = "runner"

_Entry = tuple[float, str, str, bytes]  # time, source, level ("" for a function's own line), line


class CappedFile:
    """A log file that is moved to `<name>.1` when it has grown to `max_bytes`."""

    def __init__(self, path: Path, max_bytes: int = _MAX_FILE_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file = path.open("ab")

    def write(self, data: bytes) -> None:
        """Append `data` and hand it to the operating system."""
        if self._file.tell() + len(data) > self._max_bytes and self._file.tell() > 0:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            full, self._file = self._file, self._path.open("ab")
            full.close()
        self._file.write(data)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Logs:
    """The log of a whole stack.

    Every raw line of a function goes to `<directory>/<stem>.log`, the access log to `access.log`,
    and the runner's own lines to `runner.log`. On `console` they are shown readable; without a
    console that goes to `<directory>/stack.log`. `verbose` shows debug lines.
    """

    def __init__(
        self,
        directory: Path,
        *,
        console: TextIO | None,
        verbose: bool = False,
        colour: bool | None = None,
        max_bytes: int = _MAX_FILE_BYTES,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._console = console
        self._verbose = verbose
        self._colour = console is not None and (console.isatty() if colour is None else colour)
        self._max_bytes = max_bytes
        self._files: dict[str, CappedFile] = {}
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._dropped = 0
        self._told_failure = False
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def debug(self, text: str) -> None:
        """Log a detail, for debugging."""
        if self._verbose:
            self._put(_RUNNER, "DEBUG", _bytes(text))

    def info(self, text: str) -> None:
        """Log what the runner does."""
        self._put(_RUNNER, "INFO", _bytes(text))

    def warning(self, text: str) -> None:
        """Log what may not be what was meant."""
        self._put(_RUNNER, "WARNING", _bytes(text))

    def error(self, text: str) -> None:
        """Log what went wrong."""
        self._put(_RUNNER, "ERROR", _bytes(text))

    def lines(self, stem: str, lines: Sequence[bytes]) -> None:
        """Log lines, without their line ends, that the function `stem` has written."""
        for line in lines:
            self._put(stem, "", line)

    @property
    def wants_debug(self) -> bool:
        """Whether `debug` shows anything, for callers whose text costs something to make."""
        return self._verbose

    def close(self) -> None:
        """Write what is waiting and close the files."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, source: str, level: str, line: bytes) -> None:
        if self._queue.qsize() < _MAX_WAITING_ENTRIES:
            self._queue.put((time.time(), source, level, line))
        else:
            self._dropped += 1

    def _run(self) -> None:
        while True:
            entries = [self._queue.get()]
            if entries[0] is not None:
                time.sleep(_GATHER_SECONDS)
            while not self._queue.empty():
                entries.append(self._queue.get())
            self._write([entry for entry in entries if entry is not None])
            if None in entries:
                for file in self._files.values():
                    with contextlib.suppress(OSError):  # which has been told
                        file.close()
                return

    def _write(self, entries: Sequence[_Entry]) -> None:
        raw: dict[str, list[bytes]] = {}
        shown: list[str] = []
        for entry in entries:
            moment, source, level, line = entry
            if level:
                line = f"{_time(moment, '%Y-%m-%d %H:%M:%S')} {level} ".encode() + line
            raw.setdefault(source, []).append(line)
            text = _text(entry)
            if text is not None:
                shown.append(self._prefix(moment, source) + text)
        if self._dropped:
            shown.append(f"{self._dropped} log lines dropped: they came faster than they are shown")
            self._dropped = 0
        for source, lines in raw.items():
            self._append(source, b"\n".join(lines) + b"\n")
        if not shown:
            return
        text = "\n".join(shown) + "\n"
        if self._console is None:
            self._append("stack", _bytes(text))
            return
        try:
            self._console.write(as_shown(text, self._console))
            self._console.flush()
        except (OSError, ValueError):  # the terminal is gone; the stack outlives it
            self._console = None

    def _append(self, name: str, data: bytes) -> None:
        """Append to a file; a disk that is full loses lines, and takes others when it has room."""
        try:
            self._file(name).write(data)
        except OSError as error:
            if not self._told_failure:
                print(f"{name}.log cannot be written: {error}", file=sys.stderr)
            self._told_failure = True
        else:
            self._told_failure = False

    def _file(self, name: str) -> CappedFile:
        if name not in self._files:
            self._files[name] = CappedFile(self._directory / f"{name}.log", self._max_bytes)
        return self._files[name]

    def _prefix(self, moment: float, source: str) -> str:
        if self._colour:
            colour = _COLOURS[crc32(source.encode()) % len(_COLOURS)]
            source = f"\x1b[{colour}m{source}\x1b[0m"
        return f"{_time(moment, '%H:%M:%S')} {source} "


def _time(moment: float, form: str) -> str:
    return f"{time.strftime(form, time.localtime(moment))}.{int(moment % 1 * 1000):03d}"


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")  # half a surrogate pair is no UTF-8


def _text(entry: _Entry) -> str | None:
    """Return what is shown of an entry: its line as it is where that cannot be made readable."""
    _, _, level, line = entry
    if level:
        return f"{level} {line.decode()}"
    try:
        return readable(line)
    except Exception:  # noqa: BLE001 - whatever a function writes, the other logs continue
        return line.decode(errors="backslashreplace")


def readable(line: bytes) -> str | None:
    """Return a function's log line for people, without metrics (EMF); None if it is only those."""
    text = line.decode(errors="replace").replace("\r", "\n").rstrip()
    if not text.startswith("{"):
        return text
    try:
        record = json.loads(text)
    except ValueError:
        return text
    metrics = record.pop("_aws", {}).get("CloudWatchMetrics", [])
    if metrics and "message" not in record:
        return None
    for metric in metrics:
        for definition in metric["Metrics"]:
            del record[definition["Name"]]
    level = record.pop("level", "INFO")
    message = record.pop("message", None)
    if message is None and record.keys() & {"errorType", "errorMessage"}:
        message = f"{record.pop('errorType', '')}: {record.pop('errorMessage', '')}"
    stack = record.pop("stackTrace", None)
    trace = record.pop("exception", None) or ("".join(stack) if stack else "")
    record.pop("stack_trace", None)
    fields = [f"{key}={_shown(value)}" for key, value in record.items() if _is_telling(key, value)]
    # The access log's lines are fields only.
    shown = " ".join([str(level), *([] if message is None else [_shown(message)]), *fields])
    if trace:
        shown += "".join(f"\n    {part}" for part in str(trace).splitlines())
    return shown


def _is_telling(key: str, value: Any) -> bool:  # noqa: ANN401 - a log line may hold any JSON
    return key not in _AMBIENT_KEYS and value is not None and value != "-"


def _shown(value: Any) -> str:  # noqa: ANN401 - a log line may hold any JSON
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class LineSplitter:
    """Cuts a stream of bytes into lines and gives each batch of them to `emit`."""

    def __init__(self, emit: Callable[[Sequence[bytes]], None]) -> None:
        self._emit = emit
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines:
            self._emit([line for line in lines if line.strip()])

    def end(self) -> None:
        """Give out what is left without a line end."""
        if self._rest.strip():
            self._emit([self._rest])
        self._rest = b""
