"""Adapters come and go while reports are written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.command.opening import OpenFailed, open_generator, reloader
from service.config import Settings
from service.errors import AdapterUnknown
from service.generator import Generator
from service.request import DecodingOptions, GenerationRequest, Mode
from tests import tiny


@pytest.fixture
def root(tiny_base: Path, tmp_path: Path) -> Path:
    tiny.save_adapter(tiny_base, tmp_path / "root" / "first", seed=1)
    return tmp_path / "root"


@pytest.fixture
def opened(tiny_base: Path, root: Path) -> Iterator[tuple[Generator, Callable[[], None]]]:
    settings = Settings(base=str(tiny_base), adapter_root=root)
    generator = open_generator(settings)
    reload = reloader(generator, settings)
    assert reload is not None
    yield generator, reload
    generator.close()


def ids(generator: Generator) -> list[str]:
    return [adapter.adapter_id for adapter in generator.adapters]


def text_with(generator: Generator, adapter_id: str) -> str:
    options = DecodingOptions(mode=Mode.FREE, max_new_tokens=20)
    return generator.generate_blocking(GenerationRequest("All is well.", schema_id="agent_status", adapter_id=adapter_id, options=options)).report_json


def test_new_changed_and_missing_adapters(opened: tuple[Generator, Callable[[], None]], root: Path, tiny_base: Path) -> None:
    generator, reload = opened
    before = text_with(generator, "first")
    tiny.save_adapter(tiny_base, root / "second", seed=2)
    reload()
    assert ids(generator) == ["first", "second"] and text_with(generator, "first") == before
    shutil.rmtree(root / "first")
    tiny.save_adapter(tiny_base, root / "first", seed=3)
    reload()
    assert ids(generator) == ["first", "second"] and text_with(generator, "first") != before
    shutil.rmtree(root / "first")
    reload()
    assert ids(generator) == ["second"]
    with pytest.raises(AdapterUnknown) as caught:
        text_with(generator, "first")
    assert "second" in str(caught.value)


def test_what_is_changed_beside_the_weights_is_served_too(opened: tuple[Generator, Callable[[], None]], root: Path) -> None:
    generator, reload = opened
    (before,) = generator.adapters
    file = root / "first" / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"examples": ["{}"]}))
    reload()
    (after,) = generator.adapters
    assert after.adapter_digest == before.adapter_digest and after.examples == ("{}",) != before.examples
    text_with(generator, "first")


def test_what_cannot_be_loaded_leaves_what_is_served(
    opened: tuple[Generator, Callable[[], None]], root: Path, tiny_base: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    generator, reload = opened
    before = text_with(generator, "first")
    (root / "first" / "metadata.json").write_text("{")
    tiny.save_adapter(tiny_base, root / "of_another_base", seed=2, base_digest="sha256:0")
    reload()
    assert ids(generator) == ["first"] and text_with(generator, "first") == before
    told = [(record.getMessage(), Path(str(record.__dict__["path"])).name) for record in caplog.records]
    assert told == [("adapter not loaded", "first"), ("adapter not loaded", "of_another_base")]
    shutil.rmtree(root)
    reload()
    assert ids(generator) == ["first"] and caplog.records[-1].getMessage() == "adapters not looked through"


def test_an_adapter_under_a_new_name_is_the_same_weights(opened: tuple[Generator, Callable[[], None]], root: Path) -> None:
    generator, reload = opened
    before = text_with(generator, "first")
    metadata = root / "first" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"first"', '"renamed"'))
    reload()
    assert ids(generator) == ["renamed"] and text_with(generator, "renamed") == before


def test_two_directories_with_adapters_of_one_name(opened: tuple[Generator, Callable[[], None]], root: Path, tiny_base: Path) -> None:
    generator, reload = opened
    before = text_with(generator, "first")
    tiny.save_adapter(tiny_base, root / "second", seed=2, adapter_id="first")
    reload()
    assert ids(generator) == ["first"] and text_with(generator, "first") != before
    shutil.rmtree(root / "second")
    reload()
    assert ids(generator) == ["first"] and text_with(generator, "first") == before
    shutil.copytree(root / "first", root / "third")
    reload()
    shutil.rmtree(root / "first")
    shutil.rmtree(root / "third")
    reload()
    assert ids(generator) == []


def test_a_name_that_moves_between_directories_is_served_as_it_is_now(opened: tuple[Generator, Callable[[], None]], root: Path, tiny_base: Path) -> None:
    generator, reload = opened
    tiny.save_adapter(tiny_base, root / "second", seed=2, adapter_id="first")
    reload()
    shutil.rmtree(root / "second")
    metadata = root / "first" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"first"', '"renamed"'))
    reload()
    assert ids(generator) == ["renamed"]


def test_what_an_adapter_took_the_place_of_is_served_again(root: Path, tiny_base: Path, tmp_path: Path) -> None:
    tiny.save_adapter(tiny_base, tmp_path / "given", seed=5, adapter_id="first")
    settings = Settings(base=str(tiny_base), adapters=(tmp_path / "given",), adapter_root=root)
    generator, alone = open_generator(settings), open_generator(Settings(base=str(tiny_base), adapters=(tmp_path / "given",)))
    reload = reloader(generator, settings)
    assert reload is not None and text_with(generator, "first") != text_with(alone, "first")
    shutil.rmtree(root / "first")
    reload()
    assert ids(generator) == ["first"] and text_with(generator, "first") == text_with(alone, "first")
    for one in (generator, alone):
        one.close()


def test_without_a_directory_there_is_nothing_to_reload(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(OpenFailed, match="no such directory of adapters"):
        open_generator(Settings(base=str(tiny_base), adapter_root=tmp_path / "nowhere"))
    generator = open_generator(Settings(base=str(tiny_base)))
    assert reloader(generator, Settings(base=str(tiny_base))) is None
    generator.close()
