"""What people write, drawn: facts first, words second (`synthesize.py`), with gold by construction."""
