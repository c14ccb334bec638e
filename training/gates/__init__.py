"""Which pairs may be learned from (`curate.py`), their files and their data card."""
