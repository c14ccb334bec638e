"""Which executor runs a base where: ONNX Runtime on a CPU wherever the base has its graph beside it, torch for all else.

Owns the choice and the number of threads. Torch is imported only where it is what runs, so that serving the shipped base does not need it.
"""

from __future__ import annotations

import os

from service.engine.executor import Executor
from service.engine.graph_names import ONE, file_of
from service.engine.onnx_executor import OnnxExecutor
from service.weights.checkpoint import Base, CheckpointInvalid

MOST_LANES = 4
"""More would wait for each other: what is done between two passes is Python."""


def torch_threads(cores: int | None = None) -> int:
    """How many threads torch is quickest with where it does not run in the process's first thread: one fewer than there are cores.

    libgomp counts the first thread among those at work, and with more of them than cores it puts its workers to sleep between operations (docs/performance.md).
    """
    return max(1, (cores or os.cpu_count() or 2) - 1)


def executors_for(base: Base, *, num_slots: int, device: str = "cpu", threads: int | None = None) -> list[Executor]:
    """One for each lane of an engine, with ``num_slots`` slots in all. Raises: CheckpointInvalid when the base can be run by nothing that is installed."""
    if device == "cpu" and (base.path / file_of(ONE)).is_file():
        return _side_by_side(base, num_slots, threads or os.cpu_count() or 1)
    try:
        import torch

        from service.engine.torch_executor import TorchExecutor
    except ImportError as error:
        raise CheckpointInvalid(f"{base.path}: without {file_of(ONE)} on a CPU, and on any other device, torch runs it: pip install -e '.[torch]'") from error
    if device == "cpu":
        torch.set_num_threads(threads or torch_threads())
    try:
        return [TorchExecutor(base, num_slots=num_slots, device=device)]
    except (RuntimeError, AssertionError) as error:  # what torch says of a device that it does not know, or that is not there
        if device == "cpu":
            raise
        raise CheckpointInvalid(f"torch cannot use the device {device!r}: {error}") from error


def _side_by_side(base: Base, num_slots: int, threads: int) -> list[Executor]:
    """As many as there are threads, up to `MOST_LANES`, each with its share of them: two passes of one thread do more than one pass of two, and while one lane judges
    tokens another computes (docs/performance.md)."""
    lanes = min(threads, MOST_LANES, num_slots)
    slots = [num_slots // lanes + (lane < num_slots % lanes) for lane in range(lanes)]
    first = OnnxExecutor(base, num_slots=slots[0], threads=threads // lanes, threads_alone=threads if lanes > 1 else None)
    return [first, *(first.beside(num_slots) for num_slots in slots[1:])]
