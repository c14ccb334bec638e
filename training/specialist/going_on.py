"""An adapter that goes on learning, on the base it was made for or on one that this base has grown into.

Owns how another run's adapter is taken up: what must agree, and where its layers stand in a deeper base.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from transformers import MistralConfig

from training.base.growing import layer_places
from training.base.pretrain import LOOKUP_DEPTH
from training.failures import AdapterUnfit

_LAYER = re.compile(r"\.layers\.(\d+)\.")


def init_config(init: Path, rank: int, alpha: int, targets: Collection[str]) -> Any:
    """The configuration of an adapter to go on from. Raises: AdapterUnfit where there is none, or of another shape than is planned."""
    try:
        found: Any = LoraConfig.from_pretrained(str(init))
    except ValueError as error:
        raise AdapterUnfit(f"{init} holds no adapter: {error}") from error
    if (found.r, found.lora_alpha, set(found.target_modules)) != (rank, alpha, set(targets)):
        raise AdapterUnfit(f"{init} has rank {found.r}, alpha {found.lora_alpha} and adapts {', '.join(sorted(found.target_modules))}, which is not what is planned: rank {rank}, alpha {alpha}, {', '.join(sorted(targets))}")
    return found


def going_on(model: Any, init: Path, config: Any) -> Any:
    """The base with an adapter that goes on learning; ``config`` is that of `init_config`. Layers that the base has been given since begin with an adapter that does nothing.

    Raises: AdapterUnfit when it was made for a base of another width, or of more layers.
    """
    config.inference_mode, config.base_model_name_or_path = False, model.name_or_path  # peft looks there for what it saves; a digest is no place
    adapted = get_peft_model(model, config)
    wanted = adapted.state_dict()
    factors = _placed(load_file(init / "adapter_model.safetensors"), model.config, init)
    for name, factor in factors.items():
        own = wanted.get(name.replace(".weight", ".default.weight"))
        if own is None or own.shape != factor.shape:
            raise AdapterUnfit(f"{init} does not fit this base: {name} is {tuple(factor.shape)}, {'there is none' if own is None else f'wanted is {tuple(own.shape)}'}")
    set_peft_model_state_dict(adapted, factors)
    return adapted


def _placed(factors: Mapping[str, Tensor], config: MistralConfig, init: Path) -> dict[str, Tensor]:
    """An adapter's factors under the names of the layers where those of its base stand now."""
    layers = 1 + max((int(found[1]) for name in factors if (found := _LAYER.search(name))), default=-1)
    if layers == config.num_hidden_layers or getattr(config, "lookup_layer", None) is None:
        return dict(factors)
    smaller = MistralConfig(num_hidden_layers=layers, lookup_layer=round(layers * LOOKUP_DEPTH))  # type: ignore[call-arg]  # lookup_layer is ours
    try:
        places = layer_places(smaller, config)
    except ValueError as error:
        raise AdapterUnfit(f"{init} does not fit this base: {error}") from error
    return {_LAYER.sub(lambda found: f".layers.{places[int(found[1])]}.", name): factor for name, factor in factors.items()}
