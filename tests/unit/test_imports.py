"""Who may import whom (schemas ← service ← what measures); read from the source, nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = "service.pb"
GRPC = ("grpc", "grpc_health", "grpc_reflection", "grpc_status", "grpc_tools", "google")
AT_THE_EDGE = ("service.rpc", "service.client")
USES_SERVICE = {"training.measure.evaluate", "training.measure.bench", "training.measure.calibration", "training.measure.peers.comparison", "training.measure.masks", "training.measure.passes", "training.measure.load", "training.measure.scaling", "training.bundle", "training.specialist.form"}
LAZY = {"training.cli", "training.cli_measure", "training.options"}
"""Modules whose top level must stay light."""
HEAVY = ("torch", "transformers", "peft", "trl", "datasets", "mimesis", "scipy", "service", "tokenizers")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(p): p
    for package in ("schemas", "service", "training")
    for p in sorted((ROOT / package).rglob("*.py"))
    if "pb" not in p.parts
}


def imported(name: str, tree: ast.AST) -> Iterator[str]:
    """Every module that a tree imports, relative names resolved, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(name: str) -> set[str]:
    return set(imported(name, ast.parse(MODULES[name].read_text("utf-8"))))


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def breaches(name: str, *forbidden: str) -> list[str]:
    return sorted(module for module in imports(name) if within(module, *forbidden))


def of(package: str) -> list[str]:
    return [name for name in MODULES if within(name, package)]


def test_the_walk_sees_the_packages() -> None:
    assert {"schemas.canonical", "service.rpc.servicer", "service.engine.engine", "training.notes.synthesize"} <= MODULES.keys()
    assert "schemas.grounding" in imports("training.gates.curate")


@pytest.mark.parametrize("name", of("schemas"))
def test_schemas_import_neither_service_nor_training(name: str) -> None:
    assert not breaches(name, "service", "training")


@pytest.mark.parametrize("name", [*of("schemas"), *of("service")])
def test_nothing_that_serves_imports_training(name: str) -> None:
    assert not breaches(name, "training", "tests")


@pytest.mark.parametrize("name", [n for n in of("training") if n not in USES_SERVICE])
def test_only_what_measures_imports_the_service(name: str) -> None:
    assert not breaches(name, "service", "tests")


@pytest.mark.parametrize("name", [n for n in MODULES if not within(n, *AT_THE_EDGE)])
def test_grpc_stays_at_the_edge(name: str) -> None:
    assert not breaches(name, *GRPC)


@pytest.mark.parametrize("name", [n for n in MODULES if not within(n, *AT_THE_EDGE)])
def test_generated_messages_stay_at_the_edge(name: str) -> None:
    assert not breaches(name, GENERATED)


@pytest.mark.parametrize("name", of("service.engine"))
def test_the_engine_knows_no_json_and_no_schema(name: str) -> None:
    assert not breaches(name, "schemas", "json", "jsonschema", "jsonschema_rs")


@pytest.mark.parametrize("name", of("service.engine"))
def test_the_engine_knows_nothing_of_the_rest_of_the_service(name: str) -> None:
    rest = [module for module in breaches(name, "service") if not within(module, "service.engine")]
    assert all(within(module, "service.weights.checkpoint") for module in rest), "of the rest, only what was read from disk"


@pytest.mark.parametrize("name", sorted(LAZY))
def test_the_command_line_imports_heavy_things_only_when_needed(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text("utf-8"))
    top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.If)], [])
    assert not [module for module in imported(name, top) if within(module, *HEAVY)]
