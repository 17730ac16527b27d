"""The projection loop and the query loop, each written once."""
