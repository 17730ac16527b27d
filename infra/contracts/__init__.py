"""The written contracts under docs/, generated from the code that keeps them."""
