"""Generates `service/pb` from `proto/`, and checks that what is committed is what the proto gives.

Owns: which files are generated and how their imports read (`service.pb.escribano.v1`, not `escribano.v1`).
Does not know: what is in the proto.
Run: `python -m service.rpc.generate_stubs` to write; with `--check` to list stale files and exit 1 if there are any.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
PB = ROOT / "service" / "pb"

_ABSOLUTE_IMPORT = re.compile(r"^from escribano\.", re.MULTILINE)


class ProtocFailed(RuntimeError):
    """protoc refused the proto files; its own words are on stderr."""


def main(argv: list[str] | None = None) -> int:
    """Writes the stubs, or with --check compares them; returns the exit code."""
    parser = argparse.ArgumentParser(description="generate the gRPC stubs from proto/")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed stub is stale")
    stubs = generate()
    if not parser.parse_args(argv).check:
        write(stubs)
        return 0
    stale = sorted(find_stale(stubs))
    for path in stale:
        print(f"stale: {path.relative_to(ROOT)} (run python -m service.rpc.generate_stubs)", file=sys.stderr)
    return 1 if stale else 0


def generate() -> dict[Path, str]:
    """What each generated file should hold, by its path in the repository.

    Raises:
        ProtocFailed: the proto files do not compile.
    """
    with tempfile.TemporaryDirectory() as directory:
        _run_protoc(Path(directory))
        stubs = dict(_read_stubs(Path(directory)))
    packages = {parent for path in stubs for parent in path.parents if parent.is_relative_to(PB)}
    return stubs | {package / "__init__.py": '"""Generated from proto/; do not edit."""\n' for package in packages}


def find_stale(stubs: dict[Path, str]) -> Iterator[Path]:
    """The files that are missing, differ, or are no longer generated."""
    for path, text in stubs.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield path
    for path in (*PB.rglob("*.py"), *PB.rglob("*.pyi")):
        if path not in stubs:
            yield path


def write(stubs: dict[Path, str]) -> None:
    """Makes `service/pb` hold exactly these files."""
    for path in list(find_stale(stubs)):
        path.unlink(missing_ok=True)
    for path, text in stubs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _run_protoc(output: Path) -> None:
    from grpc_tools import protoc  # a development dependency: the stubs are committed

    protos = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    outputs = [f"--{kind}_out={output}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"--proto_path={PROTO}", *outputs, *protos]) != 0:
        raise ProtocFailed(f"protoc refused one of {', '.join(protos)}")


def _read_stubs(output: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(output.rglob("*.py*")):
        text = _ABSOLUTE_IMPORT.sub("from service.pb.escribano.", path.read_text(encoding="utf-8"))
        yield PB / path.relative_to(output), text


if __name__ == "__main__":
    sys.exit(main())
