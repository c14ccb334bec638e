"""Adapters: LoRA weights on disk, bound by digest to one base and one schema.

Owns reading and matching; a name never decides anything that a digest can. Knows nothing of requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from service.confidence import UNCALIBRATED, Calibration
from service.engine.lora import PROJECTIONS, LowRank
from service.errors import AdapterMismatch, AdapterUnknown
from service.request import BASE_ADAPTER_ID
from service.weights.checkpoint import CheckpointInvalid, digest_of, read_json, read_tensors

_Array = NDArray[Any]
_WEIGHT = re.compile(r"layers\.(\d+)\.(?:self_attn|mlp)\.(\w+_proj)\.lora_([AB])\.weight$")
_PLAIN = {"lora_bias": False, "use_dora": False, "use_rslora": False, "bias": "none", "modules_to_save": None, "alpha_pattern": {}, "rank_pattern": {}}
_BASE_CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Starts of LoRA that also change the base's weights: the saved factors mean nothing beside the base as it was."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter; `size_bytes` of its weights, `calibration` of its confidences, `examples` of its reports (for drafts). Built by `read_adapter`."""

    adapter_id: str
    schema_id: str
    schema_digest: str
    adapter_digest: str
    base_digest: str
    rank: int
    lora_alpha: float
    size_bytes: int
    weights: LowRank = field(repr=False, compare=False)
    calibration: Calibration = UNCALIBRATED
    examples: tuple[str, ...] = field(default=(), repr=False)


def read_adapter(path: Path) -> Adapter:
    """Read a peft adapter directory with its metadata.json.

    Raises: CheckpointInvalid naming the file, when something is missing or the adapter is more than plain LoRA.
    """
    config, facts = read_json(path / "adapter_config.json"), read_json(path / "metadata.json")
    for option, plain in _PLAIN.items():
        if config.get(option, plain) not in (plain, None):
            raise CheckpointInvalid(f"{path / 'adapter_config.json'}: {option} = {config[option]!r} is not supported")
    if str(config.get("init_lora_weights")).startswith(_BASE_CHANGING) or config.get("peft_type", "LORA") != "LORA":
        raise CheckpointInvalid(f"{path / 'adapter_config.json'}: not a plain LoRA adapter")
    file = path / "adapter_model.safetensors"
    if not file.is_file():
        raise CheckpointInvalid(f"{file}: missing; pickled weights (*.bin) are never read")
    try:
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
        if rank < 1:
            raise ValueError(f"a rank of at least 1, not {rank}")
        calibration = Calibration.read(facts)
        names = {key: str(facts[key]) for key in ("adapter_id", "schema_id", "schema_digest", "base_digest")}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointInvalid(f"{path}: adapter_config.json or metadata.json lacks {error}") from error
    examples = facts.get("examples", [])
    if not isinstance(examples, list) or not all(isinstance(one, str) for one in examples):
        raise CheckpointInvalid(f"{path / 'metadata.json'}: examples are not a list of texts")
    if names["adapter_id"] == BASE_ADAPTER_ID:
        raise CheckpointInvalid(f"{path / 'metadata.json'}: adapter_id {BASE_ADAPTER_ID!r} is taken: it asks for the base itself")
    weights = LowRank(_factors(dict(read_tensors(file)), file, rank), alpha / rank)
    return Adapter(**names, adapter_digest=digest_of([file]), rank=rank, lora_alpha=alpha, size_bytes=file.stat().st_size, weights=weights, calibration=calibration, examples=tuple(examples))


def _factors(tensors: dict[str, _Array], file: Path, rank: int) -> dict[tuple[int, str], tuple[_Array, _Array]]:
    found: dict[tuple[int, str], dict[str, _Array]] = {}
    for name, tensor in tensors.items():
        match = _WEIGHT.search(name)
        if match is None or match[2] not in PROJECTIONS:
            raise CheckpointInvalid(f"{file}: {name} is no low-rank factor of a projection")
        found.setdefault((int(match[1]), match[2]), {})[match[3]] = tensor
    for (layer, projection), pair in found.items():
        if set(pair) != {"A", "B"} or not (pair["A"].ndim == pair["B"].ndim == 2 and pair["A"].shape[0] == pair["B"].shape[1] == rank):
            raise CheckpointInvalid(f"{file}: layer {layer}, {projection}: not both factors of rank {rank}")
    return {key: (pair["A"], pair["B"]) for key, pair in found.items()}


class AdapterStore:
    """The adapters of one base.

    Raises on construction: AdapterMismatch when an adapter was made for another base.
    """

    def __init__(self, adapters: Iterable[Adapter], base_digest: str) -> None:
        self._base_digest = base_digest
        self._by_id = {adapter.adapter_id: adapter for adapter in adapters}
        for adapter in self._by_id.values():
            self.check(adapter)

    def __iter__(self) -> Iterator[Adapter]:
        return iter(sorted(self._by_id.values(), key=lambda a: a.adapter_id))

    def put(self, adapter: Adapter) -> Adapter | None:
        """Add an adapter, in the place of one of the same name, which is returned. Raises: AdapterMismatch when it was made for another base."""
        self.check(adapter)
        old = self._by_id.get(adapter.adapter_id)
        self._by_id = {**self._by_id, adapter.adapter_id: adapter}  # whoever reads meanwhile has the old ones
        return old

    def remove(self, adapter_id: str) -> Adapter:
        """Raises: AdapterUnknown."""
        gone = self.named(adapter_id)
        self._by_id = {name: adapter for name, adapter in self._by_id.items() if name != adapter_id}
        return gone

    def check(self, adapter: Adapter) -> None:
        """Raises: AdapterMismatch when an adapter was made for another base."""
        if adapter.base_digest != self._base_digest:
            raise AdapterMismatch(adapter.adapter_id, "base", adapter.base_digest, self._base_digest)

    def named(self, adapter_id: str) -> Adapter:
        """Raises: AdapterUnknown."""
        adapter = self._by_id.get(adapter_id)
        if adapter is None:
            raise self.unknown(adapter_id)
        return adapter

    def unknown(self, adapter_id: str) -> AdapterUnknown:
        """The error that names the adapters there are."""
        return AdapterUnknown(adapter_id, tuple(sorted(self._by_id)))

    def resolve(self, adapter_id: str | None, schema_digest: str) -> Adapter | None:
        """The named adapter, or the one made for the schema, or None for the base.

        Raises: AdapterUnknown; AdapterMismatch when it was made for another schema.
        """
        if adapter_id is None:
            return next((a for a in self if a.schema_digest == schema_digest), None)
        adapter = self.named(adapter_id)
        if adapter.schema_digest != schema_digest:
            raise AdapterMismatch(adapter_id, "schema", adapter.schema_digest, schema_digest)
        return adapter


def adapter_directories(root: Path) -> list[Path]:
    """The adapters below a directory: each a directory with an adapter_config.json."""
    return sorted(p.parent for p in root.glob("*/adapter_config.json"))
