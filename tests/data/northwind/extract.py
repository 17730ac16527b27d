"""Takes the CSV files of this directory out of northwind.sql, or compares them with it.

python tests/data/northwind/extract.py northwind.sql           writes them
python tests/data/northwind/extract.py northwind.sql --check   says whether they are the same
"""

import argparse
import csv
import io
import re
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TABLES: Final = {
    "orders": [
        "order_id",
        "customer_id",
        "order_date",
        "shipped_date",
        "freight",
        "ship_name",
        "ship_address",
        "ship_city",
        "ship_region",
        "ship_postal_code",
        "ship_country",
    ],
    "order_details": ["order_id", "product_id", "unit_price", "quantity", "discount"],
    "products": ["product_id", "product_name"],
    "customers": ["customer_id", "company_name"],
}
_COLUMNS: Final = re.compile(r"^CREATE TABLE (\w+) \((.*?)^\);", re.MULTILINE | re.DOTALL)
_ROWS: Final = re.compile(r"^INSERT INTO (\w+) VALUES \((.*)\);$", re.MULTILINE)
_VALUE: Final = re.compile(r"'((?:[^']|'')*)'|([^,\s]+)")


def extract(dump: str) -> dict[str, str]:
    """Return the text of each CSV file: the dump's own values; NULL is an empty field."""
    columns = {
        table: re.findall(r"^    (\w+) ", body, re.MULTILINE)
        for table, body in _COLUMNS.findall(dump)
    }
    files = {table: io.StringIO() for table in TABLES}
    writers = {table: csv.writer(file, lineterminator="\n") for table, file in files.items()}
    for table, wanted in TABLES.items():
        writers[table].writerow(wanted)
    for table, row in _ROWS.findall(dump):
        if table in TABLES:
            values = dict(zip(columns[table], _values(row), strict=True))
            writers[table].writerow([values[column] for column in TABLES[table]])
    return {table: file.getvalue() for table, file in files.items()}


def _values(row: str) -> list[str]:
    values = []
    for quoted, bare in _VALUE.findall(row):
        values.append("" if bare == "NULL" else bare or quoted.replace("''", "'"))
    return values


def main() -> None:
    """Run the command line; it exits with status 1 when the files differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dump", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    files = extract(options.dump.read_text(encoding="utf-8"))
    different = []
    for table, text in files.items():
        path = HERE / f"{table}.csv"
        if not options.check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            different.append(path.name)
    if different:
        parser.exit(1, f"not what {options.dump} has: {', '.join(different)}\n")


if __name__ == "__main__":
    main()
