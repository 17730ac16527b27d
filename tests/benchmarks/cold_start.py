"""How long each function takes to be ready: `make bench-cold-start`, beside nothing else.

Every function of the template is started again and again in an environment of the local runner, one
at a time, the functions by turns, and with them one that imports nothing: what it takes is the
interpreter's and the runtime client's. Init Duration is from the process's start to its first
request for an invocation, in milliseconds, without a network or a disk that is slower than here.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.lambdas.environment import Environment, Sandbox
from infra.local.lambdas.variables import function_variables, launcher
from infra.local.logs import Logs
from infra.local.settings import Settings
from infra.local.template import load_template

from .measuring import parser_of, rounded, run_benchmark, say, spread

if TYPE_CHECKING:
    from collections.abc import Collection

    from infra.local.template import Function

NOTHING = "(nothing)"


class Start:
    """Waits until an environment is ready."""

    def __init__(self) -> None:
        self._ready: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def ready(self, environment: Environment) -> None:
        """Note how long it took."""
        self._ready.set_result(environment.init_ms)

    def finished(self, environment: Environment) -> None:
        """Hear what never happens: nothing is invoked."""

    def gone(self, environment: Environment, init_error: bytes | None) -> None:
        """Return why it did not become ready."""
        del environment
        if not self._ready.done():
            self._ready.set_exception(RuntimeError((init_error or b"").decode()))

    async def measure(self, sandbox: Sandbox, logs: Logs) -> float:
        """Start an environment, end it, and give its Init Duration in milliseconds."""
        environment = Environment(sandbox, self, logs)
        await environment.start()
        milliseconds = await self._ready
        environment.end()
        await environment.wait_ended()
        return milliseconds


async def measure(rounds: int, stems: Collection[str], directory: Path) -> dict[str, list[float]]:
    """Start the functions so many times; no name means all."""
    settings = Settings(state_dir=directory)
    template = load_template(settings.template, settings.template_parameters("127.0.0.1:9"))
    functions: dict[str, Function] = {
        f.stem: f for f in template.functions.values() if not stems or f.stem in stems
    }
    (directory / "nothing.py").write_text("def handler(event, context): pass\n")
    functions[NOTHING] = replace(
        next(iter(functions.values())), handler="nothing.handler", code=directory, layers=()
    )
    taken: dict[str, list[float]] = defaultdict(list)
    with Logs(directory / "logs", console=None) as logs:
        # The first round leaves compiled modules and a warm page cache, as a deployment does.
        for number in range(rounds + 1):
            for stem, function in functions.items():
                sandbox = Sandbox(
                    function=function,
                    function_arn=f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}",
                    launcher=launcher(),
                    variables=function_variables(
                        function, "us-east-1", settings.function_environment()
                    ),
                    scratch=directory / "tmp",
                    init_seconds=10,
                )
                milliseconds = await Start().measure(sandbox, logs)
                if number:
                    taken[stem].append(milliseconds)
    return taken


def run(rounds: int, stems: Collection[str] = ()) -> dict[str, Any]:
    """Start the functions so many times; return the result."""
    with tempfile.TemporaryDirectory() as directory:
        taken = asyncio.run(measure(rounds, stems, Path(directory)))
    medians = {stem: statistics.median(times) for stem, times in taken.items()}
    say(f"{'function':26}{'init':>7}{'most':>7}{'imports':>9}")
    for stem, median in sorted(medians.items(), key=lambda item: item[1]):
        imports = median - medians[NOTHING]
        say(f"{stem:26}{median:7.0f}{max(taken[stem]):7.0f}{imports:9.0f}")
    summary = {stem: spread(times) for stem, times in taken.items()}
    samples = {stem: [rounded(each, 4) for each in times] for stem, times in taken.items()}
    return {"seed": None, "rounds": rounds, "summary": summary, "samples": samples}


def main() -> None:
    """Measure and write the result."""
    parser = parser_of(__doc__, None)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--functions", nargs="+", default=(), metavar="stem", help="all of them")
    asked = parser.parse_args()
    run_benchmark("cold_start", lambda: run(asked.rounds, asked.functions), asked.build)


if __name__ == "__main__":
    main()
