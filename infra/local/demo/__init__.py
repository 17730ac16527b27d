"""The Northwind database's orders through the whole system."""
