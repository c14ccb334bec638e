"""The report schemas on offer, read once from a directory of JSON files and admitted.

Owns the mapping schema_id -> AdmittedSchema; a file's stem is its schema_id. Knows no request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from schemas.admission import AdmittedSchema, admit_text

DEFAULT_DIRECTORY = Path(__file__).with_name("catalog")


class SchemaUnknown(LookupError):
    """No schema of that id; `known` are the ids there are."""

    def __init__(self, schema_id: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no schema {schema_id!r}; known: {', '.join(known) or 'none'}")
        self.schema_id = schema_id
        self.known = known


@dataclass(frozen=True, slots=True)
class Catalog:
    """A fixed set of admitted schemas by id."""

    entries: Mapping[str, AdmittedSchema]

    def __post_init__(self) -> None:
        for schema_id, admitted in self.entries.items():
            if schema_id != admitted.schema_id:
                raise ValueError(f"{schema_id!r} holds the schema {admitted.schema_id!r}")
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))

    @classmethod
    def load(cls, directory: Path | str = DEFAULT_DIRECTORY) -> Catalog:
        """The catalog of every *.json in a directory, sorted by id.

        Raises:
            SchemaRefused: a file's schema is refused.
            OSError: the directory or a file cannot be read.
        """
        files = sorted(path for path in Path(directory).iterdir() if path.suffix == ".json")
        return cls({file.stem: admit_text(file.read_text("utf-8"), schema_id=file.stem) for file in files})

    def get(self, schema_id: str) -> AdmittedSchema:
        """The admitted schema of that id.

        Raises:
            SchemaUnknown: there is none.
        """
        if schema_id not in self.entries:
            raise SchemaUnknown(schema_id, self.ids())
        return self.entries[schema_id]

    def ids(self) -> tuple[str, ...]:
        """Every schema_id, sorted."""
        return tuple(sorted(self.entries))
