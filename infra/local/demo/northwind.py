"""The Northwind orders: as requests to the API, and what PostgreSQL says they amount to."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import psycopg2.extras

from infra.local.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

DATA: Final = ROOT / "tests" / "data" / "northwind"
CURRENCY: Final = "USD"
_CONNECT_SECONDS: Final = 5
_TABLES: Final = ("orders", "order_details", "products", "customers")
COUNTRIES: Final = {
    "Argentina": "AR",
    "Austria": "AT",
    "Belgium": "BE",
    "Brazil": "BR",
    "Canada": "CA",
    "Denmark": "DK",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Ireland": "IE",
    "Italy": "IT",
    "Mexico": "MX",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "UK": "GB",
    "USA": "US",
    "Venezuela": "VE",
}
"""ISO 3166-1 alpha-2 of Northwind's names."""


@dataclass(frozen=True)
class NorthwindOrder:
    """One order: its number, the body of POST /orders, and whether it was shipped."""

    number: int
    body: Mapping[str, Any]
    shipped: bool

    @property
    def reference(self) -> str:
        """What the order is called in this system."""
        return reference_of(self.number)


@dataclass(frozen=True)
class Line:
    """What a line says and amounts to."""

    sku: str
    quantity: int
    unit_price: Decimal
    total: Decimal


@dataclass(frozen=True)
class Expected:
    """What one order amounts to: its lines by SKU, their sum, freight and the total."""

    customer_id: str
    lines: Mapping[str, Line]
    subtotal: Decimal
    freight: Decimal
    total: Decimal


@dataclass(frozen=True)
class Customer:
    """How many orders a customer has, and their worth."""

    customer_id: str
    name: str
    orders: int
    total: Decimal


def reference_of(number: int) -> str:
    """Return the reference under which a Northwind order is placed."""
    return f"northwind-{number}"


def load_orders() -> list[NorthwindOrder]:
    """Read the orders from the CSV files, in Northwind's order."""
    names = {row["product_id"]: row["product_name"] for row in _rows("products")}
    lines: dict[str, list[dict[str, Any]]] = {}
    for row in _rows("order_details"):
        line = {
            "sku": row["product_id"],
            "name": names[row["product_id"]],
            "quantity": int(row["quantity"]),
            "unit_price": _money(row["unit_price"]),
            "discount": exact(row["discount"]),
        }
        lines.setdefault(row["order_id"], []).append(line)
    return [_order(row, lines[row["order_id"]]) for row in _rows("orders")]


def _order(row: Mapping[str, str], lines: Sequence[Mapping[str, Any]]) -> NorthwindOrder:
    number = int(row["order_id"])
    address = {
        "name": row["ship_name"],
        "street": row["ship_address"],
        "city": row["ship_city"],
        "region": row["ship_region"],
        "postal_code": row["ship_postal_code"],
        "country": COUNTRIES[row["ship_country"]],
    }
    body = {
        "customer_id": row["customer_id"],
        "currency": CURRENCY,
        "lines": lines,
        "shipping_address": {name: value for name, value in address.items() if value},
        "shipping_fee": _money(row["freight"]),
        "reference": reference_of(number),
        "placed_at": f"{row['order_date']}T00:00:00Z",
    }
    return NorthwindOrder(number, body, shipped=bool(row["shipped_date"]))


def exact(real: str) -> str:
    """Return the decimal that a `real` of six digits stands for, as PostgreSQL's numeric does."""
    return format(Decimal(f"{float(real):.6g}"), "f")


def _money(real: str) -> dict[str, str]:
    return {"amount": exact(real), "currency": CURRENCY}


def _rows(table: str) -> list[dict[str, str]]:
    with (DATA / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class NorthwindDatabase:
    """A session of a real PostgreSQL with Northwind's data in temporary tables.

    It uses the read database, so that its tables can be compared with them in SQL.
    """

    def __init__(self, host: str, port: int, pgpass: str) -> None:
        self._connection: Connection = psycopg2.connect(
            host=host,
            port=port,
            dbname="ordering",
            user="ordering_owner",
            passfile=os.fspath(pgpass),
            connect_timeout=_CONNECT_SECONDS,
        )
        with self._connection.cursor() as cursor:
            cursor.execute((DATA / "expected.sql").read_text(encoding="utf-8"))
            for table in _TABLES:
                copy = f"copy pg_temp.{table} from stdin with (format csv, header true)"
                with (DATA / f"{table}.csv").open(encoding="utf-8") as file:
                    cursor.copy_expert(copy, file)
        # From here on each query is by itself: the server ends transactions that are left open.
        self._connection.commit()
        self._connection.autocommit = True

    def close(self) -> None:
        """End the session; the temporary tables go with it."""
        self._connection.close()

    def expected_orders(self) -> dict[int, Expected]:
        """Return what each order amounts to, by its number."""
        lines: dict[int, dict[str, Line]] = {}
        for number, product, quantity, price, total in self.query(
            "select order_id, product_id::text, quantity, unit_price, extended_price"
            " from expected_lines"
        ):
            lines.setdefault(number, {})[product] = Line(product, quantity, price, total)
        rows = self.query(
            "select order_id, customer_id, subtotal, freight, total from expected_orders"
        )
        return {
            number: Expected(customer, lines[number], subtotal, freight, total)
            for number, customer, subtotal, freight, total in rows
        }

    def expected_customers(self) -> list[Customer]:
        """Return the customers that have orders, those with the most first."""
        return [Customer(*row) for row in self.query("select * from expected_customers")]

    def table_differences(self, order_ids: Mapping[str, int]) -> list[str]:
        """Compare the tables of the read database with Northwind, for these ids of its orders.

        Names each order of which a table has other lines or totals than Northwind, or no row.
        """
        pairs = [(order_id, number) for order_id, number in order_ids.items()]
        with self._connection.cursor() as cursor:
            cursor.execute(
                "drop table if exists pg_temp.placed;"
                "create temporary table placed (id uuid, order_id smallint)"
            )
            psycopg2.extras.execute_values(cursor, "insert into placed values %s", pairs)
            cursor.execute(TABLE_DIFFERENCES)
            rows = cursor.fetchall()
        return [f"{reference_of(number)}: table {table} differs" for number, table in rows]

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement that has no parameters."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()


TABLE_DIFFERENCES: Final = """
with line as (
  select p.order_id, l ->> 'sku' as sku, (l ->> 'ordered')::int as quantity,
    (l -> 'unit_price' ->> 'amount')::numeric as unit_price,
    (l -> 'total' ->> 'amount')::numeric as total
  from placed p join public.order_details d on d.order_id = p.id,
    json_array_elements(d.document -> 'lines') as l
),
stored as (
  select p.order_id, d.customer_id,
    (d.document -> 'totals' -> 'lines' ->> 'amount')::numeric as subtotal,
    (d.document -> 'totals' -> 'shipping' ->> 'amount')::numeric as freight,
    (d.document -> 'totals' -> 'total' ->> 'amount')::numeric as total
  from placed p join public.order_details d on d.order_id = p.id
),
listed as (
  select p.order_id, c.customer_id, (c.document -> 'total' ->> 'amount')::numeric as total,
    (c.document ->> 'line_count')::int as lines
  from placed p join public.customer_orders c on c.order_id = p.id
)
select coalesce(l.order_id, e.order_id), 'order_details'
from line l full join expected_lines e
  on (l.order_id, l.sku) = (e.order_id, e.product_id::text)
where (l.quantity, l.unit_price, l.total)
  is distinct from (e.quantity::int, e.unit_price, e.extended_price)
union
select e.order_id, 'order_details' from expected_orders e left join stored s using (order_id)
where (s.customer_id, s.subtotal, s.freight, s.total)
  is distinct from (e.customer_id::text, e.subtotal, e.freight, e.total)
union
select e.order_id, 'customer_orders' from expected_orders e left join listed c using (order_id)
where (c.customer_id, c.total, c.lines)
  is distinct from (e.customer_id::text, e.total, e.lines::int)
order by 1, 2
"""
