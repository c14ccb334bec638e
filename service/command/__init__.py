"""The command line, `escribano` (`cli.py`), and what it shows."""
