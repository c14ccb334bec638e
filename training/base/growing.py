"""A smaller base's weights in a larger one that computes the same: more layers, wider MLPs, the same width.

What a base has learned in hours need not be learned again by a deeper one. The layers that are added write nothing at first (their output matrices are zero), the units
that widen an MLP are not read, so that the larger base begins exactly where the smaller one stopped. Training is free to use them.

Source: Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer" (2016).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import MistralConfig, MistralForCausalLM

_LAYER = re.compile(r"model\.layers\.(\d+)\.")


@torch.no_grad()
def grow(model: MistralForCausalLM, smaller: Mapping[str, Tensor], config: MistralConfig) -> None:
    """Give ``model`` the function of a smaller one: its weights by name, and its configuration. They have the same width, heads and tokenizer.

    Layers keep their order, and the layer whose heads look words up stays that layer (`lookup_layer`): what is added stands below it and at the end.

    Raises: ValueError when the other one is not smaller, or its tensors are not those that its configuration names.
    """
    places = layer_places(config, model.config)
    for number, layer in enumerate(model.model.layers):
        if number not in places:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    ours = dict(model.named_parameters())
    names = {name: _LAYER.sub(lambda found: f"model.layers.{places[int(found[1])]}.", name) for name in smaller}
    added = set(range(len(model.model.layers))) - set(places)
    if missing := {name for name in ours if not ((found := _LAYER.match(name)) and int(found[1]) in added)} - set(names.values()):
        raise ValueError(f"the smaller base has no weights for {', '.join(sorted(missing))}")
    for theirs, name in names.items():
        given, target = smaller[theirs], ours[name]
        if given.dim() != target.dim() or any(have > room for have, room in zip(given.shape, target.shape, strict=True)):
            raise ValueError(f"{theirs} is {tuple(given.shape)}, which does not fit into {tuple(target.shape)}")
        if name.endswith("mlp.down_proj.weight"):
            target.zero_()  # units that the smaller one does not have are not read
        target[tuple(slice(size) for size in given.shape)] = given.to(target.dtype)


def layer_places(smaller: MistralConfig, larger: MistralConfig) -> list[int]:
    """Where each layer of the smaller base stands in the larger one.

    Raises: ValueError when there is no room for them on one side of the lookup layer.
    """
    below, above = int(smaller.lookup_layer), smaller.num_hidden_layers - int(smaller.lookup_layer)
    start = int(larger.lookup_layer)
    if below > start or above > larger.num_hidden_layers - start:
        raise ValueError(f"a base of {smaller.num_hidden_layers} layers does not fit into one of {larger.num_hidden_layers}")
    return [*range(below), *range(start, start + above)]
