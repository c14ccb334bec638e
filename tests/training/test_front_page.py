"""The README says what the files say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from service.command.demo import ENGLISH
from training.measure import front_page

ROOT = Path(__file__).parents[2]


def test_the_readme_has_the_figures_of_the_committed_files() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert front_page.filled(text, ROOT) == text, "run `escribano-train readme`"


def test_other_files_make_another_readme(tmp_path: Path) -> None:
    for name in ("README.md", "bench", "service/embedded/base/metadata.json", "service/embedded/adapters/agent_status/metadata.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile)(ROOT / name, tmp_path / name)
    assert not front_page.main(tmp_path)
    file = tmp_path / "bench/unseen_values_1000.json"
    (found,) = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps([found | {"f1": 0.1234}]), "utf-8")
    assert front_page.main(tmp_path) and not front_page.main(tmp_path)
    assert "| 0.123 |" in (tmp_path / "README.md").read_text("utf-8")


def test_a_readme_without_a_table_s_place_is_refused() -> None:
    with pytest.raises(KeyError, match="no table 'status'"):
        front_page.filled("# nothing", ROOT)


def test_the_note_of_the_first_example_is_the_demo_s() -> None:
    assert (ROOT / "docs/note.txt").read_text("utf-8") == ENGLISH
