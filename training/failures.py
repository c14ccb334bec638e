"""What may be wrong with what a command of the factory was given; each is told in one line."""

from __future__ import annotations


class PairsUnfit(ValueError):
    """Pairs that no adapter can be trained on."""


class BaseUnfit(ValueError):
    """A base that a run cannot go on from."""


class AdapterUnfit(ValueError):
    """An adapter that a run cannot go on from."""
