"""Fixtures that cost more than a moment: made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny random base."""
    from tests import tiny

    path = tmp_path_factory.mktemp("tiny") / "base"
    tiny.save_base(path)
    return path


@pytest.fixture(scope="session")
def tiny_adapter(tiny_base: Path) -> Path:
    """The directory of a tiny random adapter for agent_status on `tiny_base`."""
    from tests import tiny

    path = tiny_base.parent / "tiny_status"
    tiny.save_adapter(tiny_base, path)
    return path
