"""The command line: `escribano serve | generate | schemas | adapters`.

Owns: options, help and exit codes. 0: every report asked for is valid; 1: one is not, or a call failed; 2: wrong usage.
Does not know: how reports are written (`service/command/opening.py` finds who does) or shown (`service/command/terminal.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from service import logs
from service.client import DEFAULT_TIMEOUT_S
from service.command import opening, terminal
from service.command.bulk import Defaults, failure_from
from service.command.jsonl import STDIO, FileUnusable, answer_file
from service.command.opening import Backend, OpenFailed
from service.config import Settings
from service.request import LIMITS, DecodingOptions, GenerationRequest, Grounding, Mode
from service.rpc.server import EngineDied, PortUnavailable
from service.rpc.server import serve as serve_until_signal

app = typer.Typer(
    name="escribano",
    help="Turn notes into JSON reports that are valid under a schema and true to the text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Server = Annotated[str | None, typer.Option(help="HOST:PORT of a running server; without it, this process does it.")]
Base = Annotated[str | None, typer.Option(help="Base model: a local path or hub id of a Mistral-family model.")]
AdapterDirs = Annotated[list[Path] | None, typer.Option("--adapter-dir", help="Directory of a further adapter.")]
Device = Annotated[str | None, typer.Option(help='"cpu" or "cuda".')]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds a report may take.")]


@app.callback()
def _warnings_to_stderr() -> None:
    logs.configure("WARNING", as_json=False)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; unset: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 lets the system choose; unset: 50051.")] = None,
    base: Base = None,
    adapter_dir: AdapterDirs = None,
    adapter_root: Annotated[Path | None, typer.Option(help="Directory of directories of adapters; looked through again at SIGHUP: new and changed ones are loaded, others unloaded.", file_okay=False)] = None,
    device: Device = None,
    threads: Annotated[int | None, typer.Option(help="Threads for the model.")] = None,
    log_json: Annotated[bool | None, typer.Option("--log-json", help="Log one JSON object a line.")] = None,
) -> None:
    """Serve reports over gRPC until SIGTERM or Ctrl-C.

    Every option can also be set in the environment: ESCRIBANO_PORT=50052 and so on, --adapter-dir as ESCRIBANO_ADAPTERS='["./my-adapter"]'.

    [bold]Examples[/]

      escribano serve
      escribano serve --port 0 --log-json
      escribano serve --base ./my-mistral --adapter-dir ./my-adapter
      escribano serve --adapter-root ./adapters      # and after a change in it: kill -HUP PID
    """
    given = {"host": host, "port": port, "base": base, "adapters": adapter_dir, "adapter_root": adapter_root, "device": device, "threads": threads}
    settings = _settings(log_json=log_json, **given)
    logs.configure(settings.log_level, as_json=settings.log_json)
    with _failures_shown():
        generator = opening.open_generator(settings)
        serve_until_signal(generator, settings, lambda port: _ready(settings.host, port), opening.reloader(generator, settings))


@app.command()
def generate(
    question: Annotated[str | None, typer.Option(help="One text to report on.")] = None,
    schema: Annotated[str | None, typer.Option(help="Id of a schema of the catalog.")] = None,
    schema_file: Annotated[Path | None, typer.Option(help="A JSON Schema of your own.", dir_okay=False)] = None,
    source: Annotated[Path | None, typer.Option("--input", "-i", help="JSON lines to read; - is stdin.")] = None,
    target: Annotated[Path, typer.Option("--output", "-o", help="JSON lines to write; - is stdout.")] = STDIO,
    server: Server = None,
    adapter: Annotated[
        str | None, typer.Option(help='Adapter id; "base" for none. Unset: the one for the schema.')
    ] = None,
    mode: Annotated[Mode, typer.Option(help="free has no mask: for measuring.")] = Mode.BACKSTOP,
    grounding: Annotated[Grounding, typer.Option(help="strict: values only from the text.")] = Grounding.STRICT,
    require_grounded: Annotated[bool, typer.Option("--require-grounded", help="Fail instead of writing a value that stands nowhere in the text.")] = False,
    max_new_tokens: Annotated[int | None, typer.Option(help=f"Most tokens to write, 1 to {LIMITS.max_new_tokens}; a report that would not fit is ended early.")] = None,
    temperature: Annotated[float, typer.Option(help="0 (greedy) to 2.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="With --question: show the text with the evidence in colour, and each value beside its place.")] = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    in_flight: Annotated[int, typer.Option(min=1, max=1024, help="Lines worked on at once.")] = 16,
    base: Base = None,
    adapter_dir: AdapterDirs = None,
    device: Device = None,
) -> None:
    """Write one report (--question) or one for every line of a file (--input).

    Input lines are {"id", "question", "context"?: [{"id", "text"}]}. Output lines are in the same order,
    {"id", "code", "report", "valid", "native_valid", "num_interventions", "finish_reason", ...}; a line that failed has
    its code, reason and message. No line is lost. Exit code 0: every report is valid; 1: not every one.

    [bold]Examples[/]

      escribano generate --schema agent_status --question "invoice-triage, week of 5 to 11 October 2026. Owner: Ana Ruiz. It is on track and 80% done."
      escribano generate --schema agent_status --explain --question "$(cat note.txt)"
      escribano generate --schema agent_status --input questions.jsonl --output reports.jsonl
      cat questions.jsonl | escribano generate --schema agent_status --input - --server 127.0.0.1:50051 > reports.jsonl
      escribano generate --schema-file ticket.json --question "..." --adapter base
    """
    if (question is None) == (source is None):
        raise typer.BadParameter("give exactly one of --question and --input")
    if explain and question is None:
        raise typer.BadParameter("--explain shows one report; give --question")
    _refuse_with_server(server, {"--base": base, "--adapter-dir": adapter_dir, "--device": device})
    options = DecodingOptions(mode, max_new_tokens, temperature, seed, grounding, require_grounded)
    defaults = Defaults(schema, _read_schema(schema_file), adapter, options)
    backend = Backend(_settings(base=base, adapters=adapter_dir, device=device), server, timeout)
    with _failures_shown(server):
        if source is not None:
            ok = asyncio.run(answer_file(source, target, backend, defaults, num_in_flight=in_flight))
        else:
            ok = asyncio.run(_generate_one(question or "", defaults, backend, explain))
    raise typer.Exit(0 if ok else 1)


@app.command()
def schemas(
    schema_id: Annotated[str | None, typer.Argument(help="Print this schema's text.")] = None,
    server: Server = None,
) -> None:
    """List the schemas of the catalog, or print one.

    [bold]Examples[/]

      escribano schemas
      escribano schemas agent_status > agent_status.json
    """
    backend = Backend(_settings(), server, DEFAULT_TIMEOUT_S)
    with _failures_shown(server):
        if schema_id is None:
            terminal.show_schemas(backend.schemas())
        else:
            typer.echo(backend.schema_json(schema_id))


@app.command()
def adapters(server: Server = None, base: Base = None, adapter_dir: AdapterDirs = None) -> None:
    """List the adapters that are loaded.

    [bold]Example[/]

      escribano adapters --server 127.0.0.1:50051
    """
    _refuse_with_server(server, {"--base": base, "--adapter-dir": adapter_dir})
    backend = Backend(_settings(base=base, adapters=adapter_dir), server, DEFAULT_TIMEOUT_S)
    with _failures_shown(server):
        terminal.show_adapters(backend.adapters())


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:  # an environment variable that is no JSON where a list is wanted
        raise typer.BadParameter(f"{error}: a list is given as JSON, such as [\"path\"]") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise typer.BadParameter(problems) from None


def _refuse_with_server(server: str | None, given: dict[str, object]) -> None:
    """What a running server was started with cannot be changed by a call."""
    if server is not None and (mine := [name for name, value in given.items() if value]):
        raise typer.BadParameter(f"{', '.join(mine)}: a server has its own, from `escribano serve`; leave it out, or leave --server out")


def _ready(host: str, port: int) -> None:
    print(f"listening on {host}:{port}", flush=True)


def _read_schema(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--schema-file {path}: {_why(error)}") from None


def _why(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "is not UTF-8"


_HINTS = {
    "UNAVAILABLE": "  no server answers at {server}; --server is HOST:PORT, `escribano serve` starts one, and without --server this process writes the report itself",
    "DEADLINE_EXCEEDED": "  --timeout gives it more seconds",
}
"""What to do about a failure, by its reason."""


@contextmanager
def _failures_shown(server: str | None = None) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except (EngineDied, OpenFailed, PortUnavailable, FileUnusable) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except Exception as error:
        failure = failure_from(error)
        terminal.show_failure(failure)
        if server is not None and (hint := _HINTS.get(failure.reason)):
            typer.echo(hint.format(server=server), err=True)
        raise typer.Exit(1) from None


async def _generate_one(question: str, defaults: Defaults, backend: Backend, explain: bool) -> bool:
    request = GenerationRequest(
        question,
        schema_id=defaults.schema_id,
        schema_json=defaults.schema_json,
        adapter_id=defaults.adapter_id,
        options=defaults.options,
    )
    async with backend.sender() as send:
        result = await send(request)
    terminal.show_report(result)
    if explain:
        terminal.show_evidence(request, result)
    return result.valid


if __name__ == "__main__":
    app()
