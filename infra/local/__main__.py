"""`python -m infra.local`: the commands behind the Makefile's targets."""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psutil

from infra.local.command_line import run_command
from infra.local.gateway.issuer import (
    DEFAULT_TTL_SECONDS,
    UnknownScopeError,
    load_or_create_key,
    mint_token,
)
from infra.local.servers.child import StartError
from infra.local.servers.orphans import runs
from infra.local.settings import AUDIENCE, DEFAULT_STATE, Settings
from infra.local.stack_record import StateLock, end_orphans, lock_holder, read_record

_STOP_SECONDS: Final = 15.0
# What a reset keeps: downloads, tools, and the file that is locked meanwhile.
_KEPT: Final = {"cache", "sam", "stack.lock"}


def main() -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args()
    settings = Settings(
        port=options.port,
        aws_port=options.aws_port,
        kafka=options.kafka,
        scope_prefix=options.scope_prefix,
        state_dir=options.state_dir.resolve(),
        database_memory=options.database_memory,
    )
    try:
        status: int = options.run(settings, options)
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return status


def _up(settings: Settings, options: argparse.Namespace) -> int:
    # Imported late: takes 0.3 s, and only this command needs it.
    from infra.local.run_stack import run, start_detached  # noqa: PLC0415

    if options.detach:
        arguments = [f"--port={settings.port}", f"--kafka={settings.kafka}"]
        arguments += [f"--state-dir={settings.state_dir}"]
        arguments += [f"--scope-prefix={settings.scope_prefix}"]
        arguments += [f"--database-memory={settings.database_memory}"]
        arguments += [] if settings.aws_port is None else [f"--aws-port={settings.aws_port}"]
        arguments += ["--colour"] if sys.stdout.isatty() else []
        return start_detached(settings, arguments)
    colour = options.colour or sys.stdout.isatty()
    if options.progress_fd is None:
        return run(settings, progress_out=sys.stdout, console=sys.stdout, colour=colour)
    os.set_inheritable(options.progress_fd, False)  # noqa: FBT003 - takes no keywords
    with os.fdopen(options.progress_fd, "w", encoding="utf-8") as out:
        return run(settings, progress_out=out, console=None, colour=colour)


def _down(settings: Settings, _options: argparse.Namespace) -> int:
    print("stopped" if _stop(settings.state_dir) else "nothing is running")
    return 0


def _reset(settings: Settings, _options: argparse.Namespace) -> int:
    _stop(settings.state_dir)
    lock = StateLock(settings.state_dir)
    lock.acquire()
    end_orphans(settings.state_dir)
    for path in settings.state_dir.iterdir():
        if path.name in _KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    print("all data is forgotten")
    return 0


def _token(settings: Settings, options: argparse.Namespace) -> int:
    record = read_record(settings.state_dir)
    stack = settings if record is None else record
    key = load_or_create_key(settings.state_dir)
    try:
        token = mint_token(
            key,
            stack.issuer,
            AUDIENCE,
            customer=options.customer,
            scopes=None if options.scopes is None else options.scopes.split(),
            scope_prefix=stack.scope_prefix,
            ttl_seconds=options.ttl,
        )
    except UnknownScopeError as error:
        raise StartError(f"SCOPES: {error}") from None
    print(token)
    return 0


def _status(settings: Settings, _options: argparse.Namespace) -> int:
    from infra.local.stack_status import measure, table  # noqa: PLC0415 - only needed here

    record = read_record(settings.state_dir)
    if record is None or lock_holder(settings.state_dir) != record.pid:
        print("nothing is running")
        return 1
    minutes = (time.time() - record.started_at) / 60
    print(f"{record.api_url}  pid {record.pid}, for {minutes:.0f} minutes, {record.kafka}")
    print(table(measure(record)))
    return 0


def _logs(settings: Settings, _options: argparse.Namespace) -> int:
    path = settings.logs_dir / "stack.log"
    if not path.exists():
        print("no detached stack has logged anything; each part's log is in", settings.logs_dir)
        return 1
    follow = ["tail", "-n", "50", "-F", str(path)]
    try:
        status = subprocess.run(follow, check=False).returncode
    except KeyboardInterrupt:
        return 0
    return 0 if status == -signal.SIGPIPE else status


def _trace(settings: Settings, options: argparse.Namespace) -> int:
    from infra.local.trace import show_trace  # noqa: PLC0415 - only needed here

    return show_trace(settings.logs_dir, options.id)


def _operate(settings: Settings, options: argparse.Namespace) -> int:
    from infra.local.operate import operate  # noqa: PLC0415 - only needed here

    record = read_record(settings.state_dir)
    if record is None or lock_holder(settings.state_dir) != record.pid:
        raise StartError("nothing is running; `make up` starts it")
    return operate(record, options)


def _stop(state_dir: Path) -> bool:
    """Stop the runner, if there is one, and wait until it is gone; a stubborn one is killed."""
    pid = lock_holder(state_dir)
    if pid is None:
        return False
    deadline = time.monotonic() + _STOP_SECONDS
    try:
        runner = psutil.Process(pid)
        runner.terminate()
    except psutil.NoSuchProcess:
        return True
    while runs(runner):  # it gives the lock back a moment before it is gone
        if time.monotonic() > deadline:
            print(f"pid {pid} does not stop and is killed", file=sys.stderr)
            with contextlib.suppress(psutil.NoSuchProcess):
                runner.kill()
            deadline += _STOP_SECONDS
        time.sleep(0.01)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    environment = os.environ
    common.add_argument("--port", type=int, default=environment.get("PORT") or 3000)
    common.add_argument("--aws-port", type=int, default=environment.get("AWS_PORT") or None)
    common.add_argument(
        "--kafka",
        default=environment.get("KAFKA") or "auto",
        help="auto, apache, embedded, or host:port[,host:port] of brokers that run already",
    )
    common.add_argument(
        "--scope-prefix",
        default=environment.get("SCOPE_PREFIX") or "",
        help="what comes before the names of the scopes, such as ordering/ (ScopePrefix)",
    )
    common.add_argument(
        "--database-memory",
        default=Settings.database_memory,
        help="of each: shared_buffers",
    )
    common.add_argument("--state-dir", type=Path, default=DEFAULT_STATE)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", parents=[common], help="run the whole system")
    up.add_argument("--detach", action="store_true", help="return when it is ready")
    up.add_argument("--colour", action="store_true", help=argparse.SUPPRESS)
    up.add_argument("--progress-fd", type=int, help=argparse.SUPPRESS)
    up.set_defaults(run=_up)
    token = commands.add_parser("token", parents=[common], help="print an access token")
    token.add_argument(
        "--customer", help="the customer_id claim; without scopes a customer's token"
    )
    token.add_argument("--scopes", help="exactly these, with spaces between them; see README.md")
    token.add_argument("--ttl", type=int, default=DEFAULT_TTL_SECONDS, help="seconds")
    token.set_defaults(run=_token)
    operation = commands.add_parser("operate", parents=[common], help="carry out an operation")
    operation.add_argument("operation", help="a file of functions/operations, without .py")
    operation.add_argument("--request", default="", help="its request, in JSON")
    operation.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="a field; empty: none"
    )
    operation.add_argument("--audited", action="store_true", help="say who asks, and why")
    operation.add_argument("--reason", default="by hand")
    operation.set_defaults(run=_operate)
    trace = commands.add_parser("trace", parents=[common], help="what became of a request")
    trace.add_argument("id", help="a correlation id, a trace id, a traceparent or an order id")
    trace.set_defaults(run=_trace)
    for name, run, text in (
        ("down", _down, "stop it"),
        ("reset", _reset, "stop it and forget its data"),
        ("status", _status, "what runs, its memory and processor time"),
        ("logs", _logs, "follow the log of a detached stack"),
    ):
        commands.add_parser(name, parents=[common], help=text).set_defaults(run=run)
    return parser


if __name__ == "__main__":
    run_command("infra.local", main)
