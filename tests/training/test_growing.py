"""A larger base begins where a smaller one stopped."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import MistralForCausalLM

from tests import tiny
from training.base.growing import grow, layer_places

SMALL = {"num_hidden_layers": 3, "lookup_layer": 2, "intermediate_size": 48}


def model(seed: int, **changes: Any) -> MistralForCausalLM:
    torch.manual_seed(seed)
    return MistralForCausalLM(tiny.config(num_key_value_heads=4, **changes)).eval()


@pytest.mark.parametrize("larger", [{"num_hidden_layers": 5, "lookup_layer": 3, "intermediate_size": 48}, {"num_hidden_layers": 6, "lookup_layer": 4, "intermediate_size": 80}, SMALL])
def test_a_grown_model_computes_what_the_smaller_one_does(larger: dict[str, int]) -> None:
    small, grown = model(0, **SMALL), model(1, **larger)
    grow(grown, {name: tensor for name, tensor in small.state_dict().items() if name != "lm_head.weight"}, small.config)
    ids = torch.randint(0, tiny.VOCAB_SIZE, (2, 20), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        theirs, ours = (each(ids, output_hidden_states=True) for each in (small, grown))
    torch.testing.assert_close(ours.logits, theirs.logits)
    torch.testing.assert_close(ours.hidden_states[larger["lookup_layer"]], theirs.hidden_states[SMALL["lookup_layer"]], msg="the lookup heads see what they saw")


def test_what_was_added_can_learn() -> None:
    """Zero weights in a row would stay zero: only the last matrix of a layer that was added is."""
    small, grown = model(0, **SMALL), model(1, num_hidden_layers=5, lookup_layer=3, intermediate_size=64)
    grow(grown, {name: tensor for name, tensor in small.state_dict().items() if name != "lm_head.weight"}, small.config)
    ids = torch.randint(0, tiny.VOCAB_SIZE, (2, 20), generator=torch.Generator().manual_seed(3))
    grown(ids, labels=ids).loss.backward()
    added = {2, 4}
    assert set(range(5)) - set(layer_places(small.config, grown.config)) == added
    for number in added:
        layer: Any = grown.model.layers[number]
        assert bool(layer.self_attn.o_proj.weight.grad.any()) and bool(layer.mlp.down_proj.weight.grad.any())
    assert bool(grown.model.layers[0].mlp.down_proj.weight.grad[:, 48:].any()), "the units that widen an MLP"


@pytest.mark.parametrize(
    ("larger", "message"),
    [
        ({"num_hidden_layers": 3, "lookup_layer": 1}, "does not fit into one of 3"),
        ({"num_hidden_layers": 4, "lookup_layer": 2, "intermediate_size": 32}, "does not fit into"),
        ({"num_hidden_layers": 4, "lookup_layer": 2, "hidden_size": 16}, "does not fit into"),
    ],
)
def test_a_model_does_not_shrink(larger: dict[str, int], message: str) -> None:
    small = model(0, **SMALL)
    with pytest.raises(ValueError, match=message):
        grow(model(1, **larger), {name: tensor for name, tensor in small.state_dict().items() if name != "lm_head.weight"}, small.config)


def test_weights_that_are_missing_are_named() -> None:
    small = model(0, **SMALL)
    found = {name: tensor for name, tensor in small.state_dict().items() if name not in ("lm_head.weight", "model.norm.weight")}
    with pytest.raises(ValueError, match=r"no weights for model\.norm\.weight"):
        grow(model(1, num_hidden_layers=4, lookup_layer=2), found, small.config)
