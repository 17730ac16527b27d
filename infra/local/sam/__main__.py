"""Set `sam local invoke` up beside a running stack, and run functions in it."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.local.command_line import run_command
from infra.local.sam.engine import Engine, NoContainersError
from infra.local.sam.image import ARCHITECTURE, provide_image
from infra.local.sam.samples import (
    create_databases,
    start_forwarder,
    stop_forwarder,
    variables_of,
)
from infra.local.servers.child import StartError
from infra.local.settings import DEFAULT_STATE, ROOT, Settings
from infra.local.stack_record import StackRecord, lock_holder, read_record
from infra.local.template import Template, load_template

_SAM: Final = ROOT / ".local" / "sam" / "bin" / "sam"
_BUILT: Final = ROOT / ".aws-sam" / "build" / "template.yaml"
_ANSWERED: Final = 0
_FAILED: Final = 1
_NO_CONTAINERS: Final = 3
"""The exit status where no container can run."""


def main() -> int:
    """Carry out what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.sam", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=DEFAULT_STATE)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("up", help="set all up").set_defaults(run=_up)
    commands.add_parser("down", help="stop what that has started").set_defaults(run=_down)
    invoke = commands.add_parser("invoke", help="run a function with its sample event")
    invoke.add_argument("function", help="its name in template.yaml, or all")
    invoke.add_argument("--event", type=Path, help="another event than events/<stem>.json")
    invoke.set_defaults(run=_invoke)
    options = parser.parse_args()
    try:
        status: int = options.run(options)
    except StartError as error:
        print(error, file=sys.stderr)
        return _NO_CONTAINERS if isinstance(error, NoContainersError) else _FAILED
    return status


class _Place:
    """Where the parts of it are."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.directory = state_dir / "sam-local"
        self.variables = self.directory / "env.json"
        self.engine = Engine(self.directory)

    def record(self) -> StackRecord:
        record = read_record(self.state_dir)
        if record is None or lock_holder(self.state_dir) != record.pid:
            raise StartError("nothing is running; `make up DETACH=1` starts it")
        return record

    def template(self, record: StackRecord) -> Template:
        settings = Settings(state_dir=self.state_dir, port=record.ports.api)
        parameters = settings.template_parameters(record.bootstrap_servers)
        return load_template(ROOT / "template.yaml", parameters)


def _up(options: argparse.Namespace) -> int:
    place = _Place(options.state_dir)
    record = place.record()
    if not _BUILT.exists():
        raise StartError(f"nothing is built: make sam-build ARCHITECTURE={ARCHITECTURE}")
    print("an engine for containers …")
    place.engine.start()
    print("the image of Python 3.13 …")
    print(f"  {provide_image(place.engine, ROOT / 'requirements.lock')}")
    passwords = json.loads((place.state_dir / "postgres" / "passwords.json").read_text())
    ports = {"write": record.ports.write_database, "read": record.ports.read_database}
    print("databases for samples …")
    create_databases(passwords, ports)
    host = place.engine.host_address()
    place.directory.mkdir(parents=True, exist_ok=True)
    place.variables.touch(mode=0o600)
    place.variables.write_text(variables_of(place.template(record), passwords, ports, host))
    if host[0].isdigit():
        start_forwarder(place.directory, host, ports)
    print("their schema, by Migrate in a container …")
    status, output = _run(place, "Migrate", ROOT / "events" / "migrate.json")
    if status != _ANSWERED:
        print(output, file=sys.stderr)
        return status
    print("ready: make sam-invoke FUNCTION=PlaceOrder")
    return 0


def _down(options: argparse.Namespace) -> int:
    place = _Place(options.state_dir)
    stop_forwarder(place.directory)
    place.engine.stop()
    return 0


def _invoke(options: argparse.Namespace) -> int:
    place = _Place(options.state_dir)
    if not place.variables.exists():
        raise StartError("it is not set up: make sam-local")
    functions = place.template(place.record()).functions
    wanted = sorted(functions) if options.function == "all" else [options.function]
    failed: list[str] = []
    for name in wanted:
        if name not in functions:
            known = ", ".join(sorted(functions))
            raise StartError(f"FUNCTION: there is no {name!r}; there are {known}")
        event = options.event or ROOT / "events" / f"{functions[name].stem}.json"
        status, output = _run(place, name, event)
        if options.function == "all":
            print(f"{name}: {output.strip().splitlines()[-1][:200]}")
        else:
            print(output)
        if status != _ANSWERED:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return _FAILED if failed else 0


def _run(place: _Place, function: str, event: Path) -> tuple[int, str]:
    """Run a function; return whether it answered, and all that was printed.

    SAM's own exit status is 0 also where the function raised, ran out of time or of memory.
    """
    command = [
        *(str(_SAM), "local", "invoke", function, f"--event={event}", "--skip-pull-image"),
        *(f"--env-vars={place.variables}", f"--template={_BUILT}"),
        *("--parameter-overrides", f"Architecture={ARCHITECTURE}"),
    ]
    variables = {
        **place.engine.variables,
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(
        command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False
    )
    output = f"{done.stderr}{done.stdout}"
    lines = done.stdout.strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return _FAILED, output
    is_error = isinstance(answer, dict) and ("errorMessage" in answer or "errorType" in answer)
    has_answered = done.returncode == 0 and lines and not is_error
    return _ANSWERED if has_answered else _FAILED, output


if __name__ == "__main__":
    run_command("infra.local.sam", main)
