"""Invokes the operations of a running stack by hand, and shows how far a rebuild is.

Every answer of an operation is printed as JSON; verify's exit status says whether anything differs.
"""

import argparse
import getpass
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.local.servers.child import StartError
from infra.local.settings import ROOT
from infra.local.stack_record import StackRecord

_LOOK_SECONDS: Final = 2
_LONGEST_SECONDS: Final = 900
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_DIFFERS: Final = 3


def operate(record: StackRecord, options: argparse.Namespace) -> int:
    """Carry out an operation; return the exit status."""
    request: dict[str, Any] = {}
    for field in options.set:
        name, _, value = field.partition("=")
        if value:
            request[name] = int(value) if value.isdecimal() else value
    if options.request:
        try:
            request |= json.loads(options.request)
        except (ValueError, TypeError) as error:
            raise StartError(f"REQUEST is no JSON object: {error}") from None
    if options.audited:
        request = {"who": getpass.getuser(), "reason": options.reason, **request}
    if options.operation == "rebuild":
        return _rebuild(record, request)
    answer = invoke(record, options.operation, request)
    differing = answer.get("differing", 0)
    _print(answer)
    # Those of verify's read models for which there was not the time.
    unfinished = [each for each in answer.get("read_models", []) if not each["is_complete"]]
    while unfinished:
        last = unfinished.pop()
        names = {name: last[name] for name in ("read_model", "generation", "after")}
        answer = invoke(record, options.operation, request | names)
        _print(answer)
        differing += answer["differing"]
        unfinished += [each for each in answer["read_models"] if not each["is_complete"]]
    return _DIFFERS if differing or answer.get("differences") else 0


def invoke(record: StackRecord, stem: str, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any answer
    """Invoke a function by its file's stem; wait while it is busy.

    Raises:
        StartError: it answers with an error.
    """
    name = "".join(part.title() for part in stem.split("_"))
    asked = urllib.request.Request(  # noqa: S310 - the stack's own address
        f"{record.invoke_url}/2015-03-31/functions/{name}/invocations",
        data=json.dumps(request).encode(),
        method="POST",
    )
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=_LONGEST_SECONDS) as response:  # noqa: S310 - as above
                answer = json.load(response)
                if response.headers.get("X-Amz-Function-Error"):
                    raise StartError(answer["errorMessage"])
                return answer
        except urllib.error.HTTPError as error:
            if error.code == _NOT_FOUND:
                files = (ROOT / "functions" / "operations").glob("[a-z]*.py")
                known = ", ".join(sorted(file.stem for file in files))
                raise StartError(f"OPERATION: there is no {stem!r}; there are {known}") from None
            if error.code != _TOO_MANY:
                raise StartError(f"{name}: {error.code} {error.read().decode()}") from None
            time.sleep(1)


def _rebuild(record: StackRecord, request: dict[str, Any]) -> int:
    name = request.get("read_model")
    if name is None:
        raise StartError("MODEL: name the read model to fill anew")
    request |= {"seconds": _LOOK_SECONDS}
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("orders, {task.fields[rate]:,.0f} events/s,"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        bar = shown.add_task(f"{name}", total=None, rate=0)
        answer = invoke(record, "rebuild", request)
        while generations := [g for g in answer["generations"] if g["read_model"] == name]:
            (last,) = generations
            seconds = last["filling_seconds"] or 1
            shown.update(
                bar,
                description=f"{name}, generation {last['generation']}",
                completed=last["orders_filled"],
                total=max(last["orders_expected"] or 0, last["orders_filled"]),
                rate=last["events_filled"] / seconds,
            )
            if last["is_filled"]:
                _print(last)
                return 0
            # No read model: one that is switched to meanwhile is not begun again.
            answer = invoke(record, "rebuild", {"seconds": _LOOK_SECONDS})
    print(f"{name} is filled, and queries read it")
    return 0


def _print(answer: object) -> None:
    print(json.dumps(answer, indent=2))
