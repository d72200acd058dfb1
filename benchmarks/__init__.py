"""Budgets, each beside its measured ratio: `make bench`."""
