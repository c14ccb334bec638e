"""Weights on disk: a base (`checkpoint.py`) and its adapters (`adapters.py`)."""
