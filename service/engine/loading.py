"""Which executor runs a base where: ONNX Runtime on a CPU wherever the base has its graph beside it, torch for all else.

Owns the choice and the number of threads. Torch is imported only where it is what runs, so that serving the shipped base does not need it.
"""

from __future__ import annotations

import os

from service.engine.executor import Executor
from service.engine.graph_names import ONE, file_of
from service.engine.onnx_executor import OnnxExecutor
from service.weights.checkpoint import Base, CheckpointInvalid


def torch_threads(cores: int | None = None) -> int:
    """How many threads torch is quickest with where it does not run in the process's first thread: one fewer than there are cores.

    libgomp counts the first thread among those at work, and with more of them than cores it puts its workers to sleep between operations (docs/performance.md).
    """
    return max(1, (cores or os.cpu_count() or 2) - 1)


def executor_for(base: Base, *, num_slots: int, device: str = "cpu", threads: int | None = None) -> Executor:
    """Raises: CheckpointInvalid when the base can be run by nothing that is installed."""
    if device == "cpu" and (base.path / file_of(ONE)).is_file():
        return OnnxExecutor(base, num_slots=num_slots, threads=threads)
    try:
        import torch

        from service.engine.torch_executor import TorchExecutor
    except ImportError as error:
        raise CheckpointInvalid(f"{base.path}: without {file_of(ONE)} on a CPU, and on any other device, torch runs it: pip install -e '.[torch]'") from error
    if device == "cpu":
        torch.set_num_threads(threads or torch_threads())
    try:
        return TorchExecutor(base, num_slots=num_slots, device=device)
    except (RuntimeError, AssertionError) as error:  # what torch says of a device that it does not know, or that is not there
        if device == "cpu":
            raise
        raise CheckpointInvalid(f"torch cannot use the device {device!r}: {error}") from error
