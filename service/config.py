"""The service's settings, from the environment; the command line overrides them.

Owns: every knob of the server, its default and its range. Environment: ESCRIBANO_ and the name in capitals, such as
ESCRIBANO_PORT=50052 or ESCRIBANO_ADAPTERS='["/models/agent_status"]'.
Does not know: what the knobs turn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Frozen; `*_s` in seconds, `*_bytes` in bytes.

    Raises:
        pydantic.ValidationError: a value is of another type or out of range.
    """

    model_config = SettingsConfigDict(env_prefix="ESCRIBANO_", frozen=True)

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=50051, ge=0, le=65535, description="port to listen on; 0 lets the system choose")
    base: str | None = Field(default=None, description="path or hub id of the base model; unset: the shipped one")
    adapters: tuple[Path, ...] = Field(
        default=(), description="directories of further adapters; the shipped ones are loaded with the shipped base"
    )
    adapter_root: Path | None = Field(
        default=None, description="directory of directories of adapters; looked through at the start and again at SIGHUP"
    )
    device: str = Field(default="cpu", description='where the model runs, "cpu" or (with the extra escribano[torch]) "cuda"')
    threads: int | None = Field(default=None, ge=1, description="threads for the model; unset: one for each core, one fewer where torch runs the base")
    max_batch_size: int = Field(default=32, ge=1, le=1024, description="most requests decoded together")
    max_queue: int = Field(default=256, ge=1, description="requests that may wait; more are refused with QUEUE_FULL")
    max_message_bytes: int = Field(default=1 << 20, ge=1 << 16, description="largest message received or sent")
    grace_s: float = Field(default=20.0, ge=0, description="time for calls in flight at shutdown")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="least level to log")
    log_json: bool = Field(default=False, description="log one JSON object a line")
