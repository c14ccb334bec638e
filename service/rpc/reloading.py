"""A directory of adapters that may change while the server runs.

Owns which of the served adapters came from the directory, and what a look through it changes: new and changed ones are loaded, those that are gone are not served
any more. What cannot be loaded is logged, and what was served before goes on being served. Knows no signal: `service/rpc/server.py` does.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from service.weights.adapters import Adapter, adapter_directories, read_adapter

logger = logging.getLogger(__name__)


class AdapterHost(Protocol):
    """What serves adapters, `service.generator.Generator`."""

    def load_adapter(self, path: Path) -> Adapter: ...
    def unload_adapter(self, adapter_id: str) -> None: ...


class AdapterRoot:
    """A directory of directories of adapters, all of which the host serves already.

    Raises on construction: NotADirectoryError, CheckpointInvalid.
    """

    def __init__(self, host: AdapterHost, root: Path) -> None:
        self._host, self._root = host, root
        self._served: dict[Path, Adapter] = {path: read_adapter(path) for path in adapters_below(root)}

    def reload(self) -> None:
        """Look through the directory again. Never raises: whoever asked is a signal."""
        try:
            paths = adapters_below(self._root)
        except OSError as error:
            logger.error("adapters not looked through", extra={"why": str(error)})
            return
        gone = [self._served.pop(path) for path in list(self._served) if path not in paths]
        for adapter_id in dict.fromkeys(adapter.adapter_id for adapter in gone):
            self._unload(adapter_id)
        for path in paths:
            self._look_at(path)

    def _unload(self, adapter_id: str) -> None:
        """Serve an adapter no more; where another directory has one of that name, the look at it loads that one."""
        others = [path for path, adapter in self._served.items() if adapter.adapter_id == adapter_id]
        if others:
            del self._served[others[-1]]
            return
        self._host.unload_adapter(adapter_id)
        logger.info("adapter unloaded", extra={"adapter_id": adapter_id})

    def _look_at(self, path: Path) -> None:
        try:
            now, before = read_adapter(path), self._served.get(path)
            if before == now:
                return
            self._served[path] = self._host.load_adapter(path)
            if before is not None and before.adapter_id != now.adapter_id:
                self._unload(before.adapter_id)
            logger.info("adapter loaded", extra={"adapter_id": now.adapter_id, "adapter_digest": now.adapter_digest})
        except (OSError, ValueError) as error:
            logger.error("adapter not loaded", extra={"path": str(path), "why": str(error)})


def adapters_below(root: Path) -> list[Path]:
    """The adapters of a directory of directories. Raises: NotADirectoryError."""
    if not root.is_dir():
        raise NotADirectoryError(f"{root}: no such directory of adapters")
    return adapter_directories(root)
