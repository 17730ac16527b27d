"""A data set on disk: made once per number of orders, copied for each benchmark that uses it.

It is known by what it was made of: the number of orders, the seed, the generator's version, and the
code and SQL that it went through. Another version's is never used, nor one that is not whole.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psutil

from infra.local.settings import ROOT
from operations.migrate import migrate
from ordering.read_side.query import READ_MODELS
from ordering.runtime.postgres import Database
from tests.benchmarks import unified
from tests.benchmarks.measuring import RESULTS, TooLittleError, say
from tests.benchmarks.servers import UNIFIED, Servers, running_servers
from tests.large_read_side import FRESH

from . import loading
from .lives import ORDERS_OF_SCALE_1, Lives, generate_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD: Final = RESULTS
SEED: Final = 1
_BYTES_PER_ORDER: Final = 75_000
"""Of disk, for a data set, its copy, and what a benchmark adds; measured, rounded up."""
_LEAST_MEMORY: Final = 3 * 1024**3
_SOURCES: Final = (
    "layers/common/ordering/domain/*.py",
    "layers/common/ordering/read_side/documents.py",
    "layers/common/ordering/read_side/fold*.py",
    "layers/common/ordering/read_side/searching.py",
    "layers/common/ordering/read_side/shape*.py",
    "functions/projectors/*.py",
    "infra/migrations/*/*.sql",
    "tests/benchmarks/data/li*.py",
    "tests/benchmarks/data/loading.py",
    "tests/benchmarks/unified/rows.py",
    "tests/benchmarks/unified/schema.sql",
)
"""What decides which rows there are."""


class Dataset(NamedTuple):
    """A data set that is whole."""

    directory: Path
    made: dict[str, Any]
    """What it was made of, and how much it has."""


def provide(orders: int, *, build: Path = BUILD) -> Dataset:
    """Return the data set of about so many orders; make it if it is not there.

    Raises:
        TooLittleError: the disk or the memory is too small.
    """
    made_of = {
        "orders": orders,
        "seed": SEED,
        "tpchgen": version("tpchgen-cli"),
        "sources": _hash_of_sources(),
    }
    directory = build / "data" / f"{orders}"
    marker = directory / "dataset.json"
    if marker.exists():
        made: dict[str, Any] = json.loads(marker.read_text())
        if made["made_of"] == made_of:
            return Dataset(directory, made)
    require_room(orders, build)
    say(f"making a data set of {orders:,} orders in {directory}")
    shutil.rmtree(directory, ignore_errors=True)
    made = {"made_of": made_of, **_make(directory, orders)}
    draft = marker.with_suffix(".new")
    draft.write_text(json.dumps(made, indent=2))
    draft.rename(marker)
    return Dataset(directory, made)


def require_room(orders: int, directory: Path) -> None:
    """Say before any work begins that the machine is too small.

    Raises:
        TooLittleError: it is.
    """
    directory.mkdir(parents=True, exist_ok=True)
    needed, free = orders * _BYTES_PER_ORDER + 1024**3, shutil.disk_usage(directory).free
    if free < needed:
        raise TooLittleError(
            f"{orders:,} orders need {needed / 1e9:.0f} GB in {directory}, where"
            f" {free / 1e9:.0f} GB are free; free some, or ask for fewer orders (ORDERS=)"
        )
    if (memory := psutil.virtual_memory().available) < _LEAST_MEMORY:
        raise TooLittleError(
            f"benchmarks need {_LEAST_MEMORY / 1e9:.0f} GB of memory, and {memory / 1e9:.1f} GB are"
            " available"
        )


@contextlib.contextmanager
def copied(dataset: Dataset) -> Iterator[Servers]:
    """Run servers on a copy of the data set, which is deleted at the end."""
    parent = dataset.directory.parent.parent
    with scratch(parent / "running") as directory:
        copy_tree(dataset.directory / "postgres", directory)
        with running_servers(directory) as servers:
            yield servers


def copy_tree(source: Path, target: Path) -> None:
    """Copy a file or directory into a directory, with its owners and modes."""
    copy = shutil.which("cp") or "cp"
    subprocess.run([copy, "-a", "--reflink=auto", source, target], check=True)


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Return an empty directory, deleted at the end also where a signal ends the benchmark."""
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.iterdir():  # of a benchmark that was killed
        if not psutil.pid_exists(int(old.name.partition("-")[0])):
            shutil.rmtree(old, ignore_errors=True)
    directory = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make(directory: Path, orders: int) -> dict[str, Any]:
    workers = os.cpu_count() or 1
    began = time.monotonic()
    directory.mkdir(parents=True)
    tables = directory / "tpch"
    tables.mkdir()
    generate_tables(orders / ORDERS_OF_SCALE_1, tables)
    seconds = {"generating": time.monotonic() - began}
    context = multiprocessing.get_context("spawn")
    with (
        running_servers(directory) as servers,
        ProcessPoolExecutor(workers, context, initializer=_ignore_interrupt) as pool,
    ):
        write, read = servers.conninfo("write"), servers.conninfo("read")
        theirs = servers.superuser(UNIFIED)
        for side in ("write", "read"):
            database = Database(servers.conninfo(side), "none", "benchmark")
            migrate(database, ROOT / "infra" / "migrations" / side)
            database.close()
        loading.run_statements(read, [loading.UNFILLED])
        schema = unified.SCHEMA.read_text()
        loading.run_statements(theirs, [schema, loading.GRANTS])
        indexes = loading.drop_indexes(theirs)
        began = time.monotonic()
        shares = [
            pool.submit(_load, tables, share, workers, write, theirs) for share in range(workers)
        ]
        counts = [share.result() for share in shares]
        seconds["loading"] = time.monotonic() - began
        began = time.monotonic()
        filled = [
            pool.submit(loading.fill_read_model, name, write=write, read=read)
            for name in READ_MODELS
        ]
        loading.run_statements(theirs, [*loading.REFERENCES, *indexes])
        for each in filled:
            each.result()
        seconds["filling"] = time.monotonic() - began
        loading.run_statements(read, [FRESH])
        for conninfo in (servers.superuser("write"), servers.superuser("read"), theirs):
            loading.run_statements(conninfo, loading.CLEAN)
    shutil.rmtree(tables)
    return {
        "orders": sum(each.orders for each in counts),
        "events": sum(each.events for each in counts),
        "seconds": seconds,
    }


def _ignore_interrupt() -> None:
    """Let the parent alone end: a worker without its server ends by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _load(tables: Path, share: int, shares: int, write: str, theirs: str) -> loading.Counts:
    lives = Lives(tables, SEED).of_share(share, shares)
    return loading.load_lives(lives, write=write, unified=theirs)


def _hash_of_sources() -> str:
    hashed = hashlib.sha256()
    for source in _SOURCES:
        for path in sorted(ROOT.glob(source)):
            hashed.update(f"{path.relative_to(ROOT)}\n".encode())
            hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def main() -> None:
    """Make a data set, and say what it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=150_000)
    try:
        dataset = provide(parser.parse_args().orders)
    except TooLittleError as error:
        raise SystemExit(str(error)) from None
    say(json.dumps(dataset.made))


if __name__ == "__main__":
    main()
