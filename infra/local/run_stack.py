"""Runs a stack until it is stopped: in the foreground, or detached from its terminal."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from typing import Final, TextIO

import uvloop

from infra.local.event_source.records import SourceError
from infra.local.gateway.issuer import load_or_create_key, mint_token
from infra.local.logs import Logs
from infra.local.progress import FAILED, Progress
from infra.local.servers.child import StartError
from infra.local.settings import AUDIENCE, ROOT, Settings
from infra.local.stack import Stack
from infra.local.template import TemplateError

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED: Final = 130
_READY: Final = "ready"  # the line by which the process that shows the start knows its end


def run(settings: Settings, *, progress_out: TextIO, console: TextIO | None, colour: bool) -> int:
    """Run a stack until a signal stops it, and return the exit status.

    `progress_out` gets the progress of its start; logs go to `console`, or without one to a file.
    """
    progress = Progress(progress_out, colour=colour)
    try:
        logs = Logs(settings.logs_dir, console=console, colour=colour if console else None)
    except OSError as error:
        progress.failed(f"no log can be written: {error}")
        return 1
    try:
        with logs:
            return uvloop.run(_run(settings, logs, progress, detached=console is None))
    except StartError as error:
        progress.failed(str(error))
        return 1


async def _run(settings: Settings, logs: Logs, progress: Progress, *, detached: bool) -> int:
    stack = Stack(settings, logs=logs, progress=progress)
    running = asyncio.current_task()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if stopping:
            stack.kill()
            os._exit(_INTERRUPTED)  # the second time is meant: nothing is waited for
        stopping = True
        if running is not None:
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    status = 0
    where = f"  every part's log is in {settings.logs_dir}"
    try:
        await stack.start()
        progress.say(_summary(stack))
        if detached:
            progress.end()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        progress.say("stopping …")
    except (StartError, TemplateError, SourceError) as error:
        progress.failed(f"{error}\n{where}")
        status = 1
    except Exception as error:
        progress.failed(f"{type(error).__name__}: {error}\n{where}")
        raise  # unexpected: keep its traceback
    finally:
        stopping = True
        await stack.close()
    return status


def start_detached(settings: Settings, arguments: list[str]) -> int:
    """Start a runner of its own, show how it starts, and return when it is ready or has failed."""
    path = settings.logs_dir / "stack.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("ab")
    except OSError as error:
        raise StartError(f"no log can be written: {error}") from error
    read_end, write_end = os.pipe()
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.local", "up", *arguments, f"--progress-fd={write_end}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
        )
    os.close(write_end)
    ready = told_why = False
    shown = Progress(sys.stdout, colour=False)
    try:
        with os.fdopen(read_end, encoding="utf-8") as lines:
            for line in lines:
                shown.say(line.rstrip("\n"))
                ready = ready or line.strip() == _READY
                told_why = told_why or FAILED in line
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        return process.wait() or _INTERRUPTED
    if ready:
        return 0
    status = process.wait()
    if not told_why:
        how = signal.strsignal(-status) if status < 0 else f"exit status {status}"
        print(f"the stack ended before it was ready ({how}); its log is {path}", file=sys.stderr)
    return status or 1


def _summary(stack: Stack) -> str:
    settings, ports = stack.settings, stack.ports
    key = load_or_create_key(settings.state_dir)
    token = mint_token(
        key, settings.issuer, AUDIENCE, customer=None, scope_prefix=settings.scope_prefix
    )
    psql = f"PGPASSFILE={shlex.quote(str(settings.pgpass))} psql -h 127.0.0.1"
    order = (
        '{"customer_id": "ALFKI", "currency": "EUR", "lines": [{"sku": "chai", "quantity": 2, '
        '"unit_price": {"amount": "18.00", "currency": "EUR"}}], "shipping_address": '
        '{"name": "Maria Anders", "street": "Obere Str. 57", "city": "Berlin", '
        '"postal_code": "12209", "country": "DE"}}'
    )
    return f"""
{_READY}

  order desk   {settings.api_url}/
  HTTP API     {settings.api_url}
  contract     {settings.api_url}/docs
  Lambda       http://127.0.0.1:{ports.invoke}  (aws --endpoint-url; boto3)
  Kafka        {stack.kafka.description if stack.kafka else ""}
  databases    {psql} -p {ports.write_database} -U ordering_owner ordering   # write
               {psql} -p {ports.read_database} -U ordering_owner ordering   # read
  logs         {settings.logs_dir}

  TOKEN={token}

  curl -isw '\\n' {settings.api_url}/orders -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -d '{order}'
  curl -isw '\\n' {settings.api_url}/customers/ALFKI/orders -H "Authorization: Bearer $TOKEN"
"""
