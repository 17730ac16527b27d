"""What all benchmarks share: percentiles, the environment, and results that are written whole."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from infra.local.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

RESULTS: Final = ROOT / "build" / "bench"
_PACKAGES: Final = ("psycopg2-binary", "pydantic", "kafka-python", "awslambdaric", "tpchgen-cli")


def say(text: str) -> None:
    """Write a line for people: the standard output has the handlers' log lines."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class TooLittleError(Exception):
    """The machine lacks disk or memory for what was asked; the message says how much."""


def parser_of(program: str, orders: int | None) -> argparse.ArgumentParser:
    """Return the options that benchmarks share; ``orders`` is how many there are by default."""
    parser = argparse.ArgumentParser(description=program)
    if orders is not None:
        parser.add_argument("--orders", type=int, default=orders, help="of the data set, about")
    parser.add_argument("--kafka", default="apache", help="which broker, as for `make up`")
    parser.add_argument("--build", type=Path, default=RESULTS, help="of data sets and results")
    return parser


def run_benchmark(
    name: str, run: Callable[[], Mapping[str, Any]], directory: Path = RESULTS
) -> None:
    """Run a benchmark as a program, and write its result if it comes to its end.

    One that is interrupted or ended stops what it has started, and writes nothing.
    """
    signal.signal(signal.SIGTERM, _end)
    try:
        result = run()
    except TooLittleError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted; nothing was written") from None
    say(f"written to {write_result(name, result, directory=directory)}")


def _end(*_: object) -> None:
    # Once: what follows must not be ended halfway.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit("ended; nothing was written")


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that is not below this share of all (0 to 1), nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(samples: Sequence[float]) -> dict[str, float]:
    """Return mean, p50, p95, p99 and max, in the samples' unit."""
    return {
        "mean": statistics.fmean(samples),
        "p50": percentile(samples, 0.50),
        "p95": percentile(samples, 0.95),
        "p99": percentile(samples, 0.99),
        "max": max(samples),
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    """Return the median of several repetitions, with the least and the most of them."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "least": ordered[0], "most": ordered[-1]}


def environment() -> dict[str, Any]:
    """Return what a figure depends on: the machine, the versions, and the commit."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    commit = subprocess.run(
        [shutil.which("git") or "git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "commit": commit.stdout.strip() or "unknown",
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_result(name: str, result: Mapping[str, Any], *, directory: Path = RESULTS) -> Path:
    """Write a benchmark's result whole or not at all; return where.

    ``result`` has the ``summary`` that reports show, the raw ``samples``, and what they depend on.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    text = json.dumps({"name": name, "environment": environment(), **result})
    draft = path.with_suffix(".new")
    draft.write_text(text + "\n")
    draft.replace(path)
    return path


def read_result(name: str, *, directory: Path = RESULTS) -> dict[str, Any] | None:
    """Return a benchmark's last result; None: there is none."""
    path = directory / f"{name}.json"
    if not path.exists():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def rounded(value: float, digits: int = 3) -> float:
    """Return the value with so many significant digits: raw samples need no more."""
    return float(f"{value:.{digits}g}")
