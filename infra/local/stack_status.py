"""What a running stack's processes use, measured from outside."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import psutil

from infra.local.stack_record import StackRecord

_SAMPLE_SECONDS: Final = 2.0
_RUNNER: Final = "runner"


@dataclass
class Usage:
    """Processes of one part. Memory in MB (shared pages counted in parts), CPU in % of a core."""

    name: str
    processes: int = 0
    memory: float = 0.0
    cpu: float = 0.0


def measure(record: StackRecord, seconds: float = _SAMPLE_SECONDS) -> list[Usage]:
    """Watch all processes of a stack for some seconds, and return the usage of each part."""
    before = {process: _cpu_seconds(process) for _, process in _processes(record)}
    begun = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    usages: dict[str, Usage] = {}
    for name, process in _processes(record):
        usage = usages.setdefault(name, Usage(name))
        usage.processes += 1
        usage.memory += _memory(process)
        if process in before:
            usage.cpu += 100 * (_cpu_seconds(process) - before[process]) / elapsed
    return list(usages.values())


def table(usages: list[Usage]) -> str:
    """Lay the usages out, with their sums."""
    total = Usage(
        "total",
        sum(usage.processes for usage in usages),
        sum(usage.memory for usage in usages),
        sum(usage.cpu for usage in usages),
    )
    rows = [
        f"{usage.name:<32}{usage.processes:>10}{usage.memory:>9.0f} MB{usage.cpu:>8.1f} %"
        for usage in [*usages, total]
    ]
    return "\n".join([f"{'':<32}{'processes':>10}{'memory':>12}{'CPU':>10}", *rows])


def _processes(record: StackRecord) -> Iterator[tuple[str, psutil.Process]]:
    """Return every process of the stack with the part that it belongs to."""
    names = {child.pid: name for name, child in record.children.items()}
    try:
        runner = psutil.Process(record.pid)
        children = runner.children()
    except psutil.NoSuchProcess:
        return
    yield _RUNNER, runner
    for child in children:
        try:
            name = names.get(child.pid) or f"function {_function_name(child)}"
            yield name, child
            for descendant in child.children(recursive=True):
                yield name, descendant
        except psutil.Error:  # it has just ended
            continue


def _function_name(process: psutil.Process) -> str:
    return str(process.environ().get("AWS_LAMBDA_FUNCTION_NAME", process.name()))


def _cpu_seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _memory(process: psutil.Process) -> float:
    try:
        full = process.memory_full_info()
        # Linux shares a page's size out among those who map it; elsewhere there is only the whole.
        return float(getattr(full, "pss", full.rss)) / 2**20
    except psutil.AccessDenied:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0
