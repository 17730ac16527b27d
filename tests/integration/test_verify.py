"""Read models compared with a fresh fold of the log, and repaired."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from operations import verify
from ordering.read_side.query import READ_MODELS
from tests.integration.read_side_world import AUDIT, World


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        ("update order_details_1 set document = '{}' where order_id = %(id)s", "document"),
        ("update customer_orders_1 set status = 'x' where order_id = %(id)s", "columns"),
        ("delete from order_history_rows_1 where order_id = %(id)s and version = 2", "rows"),
        (
            "update customer_summary_1 set last_event_time = 'infinity' where order_id = %(id)s",
            "last_event_time",
        ),
        ("update order_details_1 set version = 99 where order_id = %(id)s", "the log has"),
    ],
)
def test_verify_names_each_order_that_differs_and_repair_brings_it_back(
    world: World, tamper: str, what: str
) -> None:
    name = next(n for n in READ_MODELS if f"{n}_" in tamper.replace("_rows", ""))
    catch_up(world, name)
    order_id = next(i for i, events in world.history.items() if len(events) > 3)
    assert world.operate("verify")["differing"] == 0
    world.read.rows(tamper, {"id": order_id})
    found = world.operate("verify")
    assert found["differing"] == 1
    (model,) = (m for m in found["read_models"] if m["differing"])
    (difference,) = model["differences"]
    assert (model["read_model"], difference["where"]) == (name, order_id)
    assert what in difference["what"]
    repaired = world.operate("repair", read_model=name, order_id=order_id, **AUDIT)
    assert repaired["differences"] == []
    world.check(name, 1)


def catch_up(world: World, *names: str) -> None:
    """Bring the first generations to what the log says."""
    del names
    for name in READ_MODELS:
        world.read.rows(
            "insert into orders_behind (read_model, generation, order_id, reason)"
            " select %(n)s, 1, id::uuid, '' from unnest(%(ids)s) as id",
            {"n": name, "ids": list(world.history)},
        )
        world.filler(name, 1).catch_up(float("inf"))


def test_rows_that_the_log_does_not_have_and_orders_that_are_missing_are_named(
    world: World,
) -> None:
    catch_up(world)
    stranger, missing = "ffffffff-0000-4000-8000-000000000000", next(iter(world.history))
    world.read.rows(
        "update order_details_1 set order_id = %(stranger)s where order_id = %(missing)s",
        {"stranger": stranger, "missing": missing},
    )
    world.read.rows("update watermarks set as_of = now() where projection = 'order_details'")
    found = world.operate("verify", read_model="order_details")["read_models"][0]["differences"]
    assert {(d["where"], d["what"].split()[0]) for d in found} == {
        (stranger, "the"),
        (missing, "version"),
    }
    for order_id in (stranger, missing):
        world.operate("repair", read_model="order_details", order_id=order_id, **AUDIT)
    assert world.operate("verify", read_model="order_details")["differing"] == 0


def test_sums_that_are_wrong_are_named_and_added_up_anew(world: World) -> None:
    catch_up(world)
    world.read.rows("update customer_summary_sums_1 set orders = orders + 1 where currency = 'EUR'")
    found = world.operate("verify", read_model="customer_summary")
    assert found["differing"] >= 1
    keys = [json.loads(d["where"]) for d in found["read_models"][0]["differences"]]
    assert {key["currency"] for key in keys} == {"EUR"}
    repaired = world.operate("repair", read_model="customer_summary", sums=True, **AUDIT)
    assert repaired["differences"] == []
    world.check("customer_summary", 1)


def test_a_sample_is_compared_by_schedule_and_counted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    catch_up(world)
    world.read.rows("update order_details_1 set document = '{}'")
    capsys.readouterr()
    found = world.operate("verify", sample=500)
    assert found["differing"] > 20
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    counted = {
        line["read_model"]: line["OrdersDiffering"] for line in lines if "OrdersDiffering" in line
    }
    assert counted["order_details"] == found["differing"]
    assert counted["customer_orders"] == 0


def test_what_there_was_no_time_for_is_not_called_compared(world: World) -> None:
    catch_up(world)
    handler = verify.handler.using(
        world.operating_log, world.databases.open("read", "ordering_operation")
    )
    no_time = SimpleNamespace(get_remaining_time_in_millis=lambda: 0)
    told = handler({}, no_time)["read_models"]
    assert {each["read_model"]: each["is_complete"] for each in told} == dict.fromkeys(
        READ_MODELS, False
    )
    for each in told:
        going_on = {name: each[name] for name in ("read_model", "generation", "after")}
        (finished,) = handler(going_on, None)["read_models"]
        assert (finished["is_complete"], finished["orders"]) == (True, 120)
