"""Northwind's 830 orders through the whole system, compared with Northwind's own SQL."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from infra.local.demo.run import Target, run_demo
from tests.running_stack import ROOT, leave_to_apache
from tests.shared import eventually

if TYPE_CHECKING:
    from infra.local.demo.steps import Report
    from tests.running_stack import RunningStack

pytestmark = pytest.mark.system

PLACED = """
select count(*) from order_events
where type = 'OrderPlaced' and data ->> 'reference' like 'northwind-%'
"""
FORGET = """
with forgotten as (delete from command_results returning 1) select count(*) from forgotten
"""


def the_demo(stack: RunningStack) -> Report:
    return asyncio.run(run_demo(Target.of(stack.state)))


def test_an_interrupted_demo_goes_on_and_all_is_what_northwind_computes(
    stack: RunningStack,
) -> None:
    leave_to_apache(stack)
    # Who runs the tests in the background may ignore the signal, which a child would then do too.
    start = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        " runpy.run_module('infra.local.demo.run', run_name='__main__')"
    )
    demo = subprocess.Popen(
        [sys.executable, "-c", start, f"--state-dir={stack.state}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: stack.count(PLACED) >= 50)
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=30)
    assert (demo.returncode, errors) == (
        130,
        "interrupted; started again, it goes on where it was\n",
    )
    assert stack.count(PLACED) < 830

    report = the_demo(stack)

    assert report.differences == []
    assert report.verdict == "830 of 830 orders, 2155 of 2155 lines and all totals equal"
    assert stack.count(PLACED) == 830
    most = report.customers[0]
    assert (most.customer_id, most.orders) == ("SAVEA", 31)
    assert report.listed["SAVEA"] == (31, most.total)
    # What the operators' queries say of it; Northwind's own sums are there to compare with.
    answers = report.answers
    assert len(answers.months) == 23
    assert sum(month.orders for month in answers.months.values()) == 809
    assert answers.products[0] == ("38", 623, Decimal("141396.74"))
    assert [customer for customer, *_ in answers.customers][:2] == ["QUICK", "ERNSH"]
    assert len(answers.waiting) == 809 <= report.stages["to_pay"]


def test_the_demo_again_changes_nothing_though_its_keys_are_forgotten(stack: RunningStack) -> None:
    leave_to_apache(stack)
    the_demo(stack)
    events = stack.count("select count(*) from order_events")
    assert stack.count(FORGET) >= 1639

    report = the_demo(stack)

    assert report.differences == []
    assert (report.found, report.commands) == (830, 0)
    assert stack.count("select count(*) from order_events") == events


def test_a_reader_of_the_demo_that_has_seen_enough_gets_no_traceback(stack: RunningStack) -> None:
    leave_to_apache(stack)
    the_demo(stack)
    command = f"{sys.executable} -m infra.local.demo.run --state-dir={stack.state} | true"
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_the_demo_says_what_to_do_when_nothing_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.local.demo.run", "--state-dir=/nonexistent"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make up" in done.stderr
