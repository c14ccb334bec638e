"""A directory of adapters that may change while the server runs.

Owns which of the served adapters came from the directory, and what a look through it changes: new and changed ones are loaded, those that are gone are not served
any more, or in their place what is served under that name without the directory. What cannot be loaded is logged, and what was served before goes on being served. Knows no signal: `service/rpc/server.py` does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from service.engine.lora import LowRank
from service.weights.adapters import Adapter, adapter_directories, read_adapter

logger = logging.getLogger(__name__)


class AdapterHost(Protocol):
    """What serves adapters, `service.generator.Generator`."""

    def load_adapter(self, path: Path) -> Adapter: ...
    def unload_adapter(self, adapter_id: str) -> None: ...


class AdapterRoot:
    """A directory of directories of adapters, all of which the host serves already, in the place of those of the same names in ``others``, directories too.

    Raises on construction: NotADirectoryError, CheckpointInvalid.
    """

    def __init__(self, host: AdapterHost, root: Path, others: Sequence[Path] = ()) -> None:
        self._host, self._root = host, root
        self._served = {path: _facts(read_adapter(path)) for path in adapters_below(root)}
        self._others = {read_adapter(path).adapter_id: path for path in others}

    def reload(self) -> None:
        """Look through the directory again. Never raises: whoever asked is a signal."""
        try:
            paths = adapters_below(self._root)
        except OSError as error:
            logger.error("adapters not looked through", extra={"why": str(error)})
            return
        before = {adapter.adapter_id for adapter in self._served.values()}
        for adapter_id in {self._served.pop(path).adapter_id for path in list(self._served) if path not in paths}:
            if same := [path for path, adapter in self._served.items() if adapter.adapter_id == adapter_id]:
                del self._served[same[-1]]  # so that the look at it loads that one
        for path in paths:
            self._look_at(path)
        for adapter_id in before - {adapter.adapter_id for adapter in self._served.values()}:
            self._unload(adapter_id)

    def _unload(self, adapter_id: str) -> None:
        """Serve an adapter no more, or the one of that name in whose place it was."""
        try:
            if adapter_id in self._others:
                self._host.load_adapter(self._others[adapter_id])
            else:
                self._host.unload_adapter(adapter_id)
            logger.info("adapter unloaded", extra={"adapter_id": adapter_id})
        except Exception as error:  # as below
            logger.error("adapter not unloaded", extra={"adapter_id": adapter_id, "why": str(error)})

    def _look_at(self, path: Path) -> None:
        try:
            now = _facts(read_adapter(path))
            if self._served.get(path) == now:
                return
            self._served[path] = _facts(self._host.load_adapter(path))
            logger.info("adapter loaded", extra={"adapter_id": now.adapter_id, "adapter_digest": now.adapter_digest})
        except Exception as error:  # whatever loading may raise: the next hangup is looked at again
            logger.error("adapter not loaded", extra={"path": str(path), "why": str(error)})


def _facts(adapter: Adapter) -> Adapter:
    """All of an adapter but its weights, which the host has."""
    return replace(adapter, weights=LowRank({}, 1.0))


def adapters_below(root: Path) -> list[Path]:
    """The adapters of a directory of directories. Raises: NotADirectoryError."""
    if not root.is_dir():
        raise NotADirectoryError(f"{root}: no such directory of adapters")
    return adapter_directories(root)
