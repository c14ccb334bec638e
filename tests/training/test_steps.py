"""What a step of training is made of: updates of many matrices at once, and layers that are compiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import MistralForCausalLM

from tests import tiny
from training.base.muon import Muon, orthogonalized
from training.base.objective import completion_loss
from training.base.pretrain import compiled_layers

SHAPES = ((24, 24), (24, 24), (64, 24), (24, 64), (64, 24))


def test_matrices_of_one_shape_are_orthogonalized_each_by_itself() -> None:
    matrices = torch.randn(5, 48, 24, generator=torch.Generator().manual_seed(1))
    together = orthogonalized(matrices)
    for one, found in zip(matrices, together, strict=True):
        torch.testing.assert_close(found, orthogonalized(one[None])[0])
        values = torch.linalg.svdvals(found)
        assert float(values.min()) > 0.6 and float(values.max()) < 1.3
    torch.testing.assert_close(orthogonalized(matrices.mT), together.mT)


@pytest.mark.parametrize("bf16", [False, True])
def test_an_update_goes_along_the_gradient_whatever_its_size(bf16: bool) -> None:
    torch.manual_seed(2)
    params = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    unused = torch.nn.Parameter(torch.randn(24, 24))
    before = [param.detach().clone() for param in (*params, unused)]
    optimizer = Muon([*params, unused], lr=0.1, bf16=bf16)
    for scale, param in zip((1.0, 1e-4, 1e4, 1.0, 1.0), params, strict=True):
        param.grad = scale * torch.randn(param.shape)
    optimizer.step()
    for param, old in zip(params, before, strict=False):
        step = old - param.detach()
        rows, columns = param.shape
        assert 0.6 < float(torch.linalg.svdvals(step / 0.1 / max(1.0, rows / columns) ** 0.5).max()) < 1.3
        assert torch.nn.functional.cosine_similarity(step.flatten(), param.grad.flatten(), dim=0) > 0.5
    assert torch.equal(unused, before[-1]), "what has no gradient stays as it is"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses what torch has deprecated
@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="compiling takes a C++ compiler")
def test_compiled_layers_learn_what_the_others_do(tmp_path: Path) -> None:
    """The same loss and the same gradients, whatever the shape of the batch."""
    tiny.save_base(tmp_path)
    plain, compiled = (MistralForCausalLM.from_pretrained(tmp_path, dtype=torch.float32) for _ in range(2))
    backbone = compiled_layers(compiled, "cpu")
    for rows, length in ((2, 32), (3, 64)):
        ids = torch.randint(3, tiny.VOCAB_SIZE, (rows, length), generator=torch.Generator().manual_seed(rows))
        batch = {"input_ids": ids, "labels": ids.masked_fill(torch.arange(length) < 9, -100)}
        losses = [completion_loss(model, layers, batch) for model, layers in ((plain, plain.model), (compiled, backbone))]
        torch.testing.assert_close(losses[1], losses[0])
        for loss in losses:
            loss.backward()
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-5)
