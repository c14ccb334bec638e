"""`make demo`: a server in its own process, two notes sent to it over gRPC, two reports shown.

Owns: the two notes (one English, one Spanish) and how a report is shown to a newcomer.
Does not know: anything a client outside this repository would not: it starts `escribano serve` and calls its port.
Run: `python -m service.command.demo`; exit code 0 if both reports are valid.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from service.client import ReportClient, ReportError
from service.command import terminal
from service.result import GenerationResult

SCHEMA_ID = "agent_status"
STOP_TIMEOUT_S = 30.0

ENGLISH = """\
Weekly note on refund-desk, the agent that settles small refunds, covering 2 to 8 November 2026. Owner: Hannah \
Whitlock (hannah.whitlock@northpier.example). We are on track and 70 percent of the rollout is done. A clerk confirms \
every payment before it leaves. The agent closed 3,180 tasks and failed 42; it cost $418.60 and the p95 latency was \
2.4s. One incident: duplicate refund letters on November 5th, medium severity, caused by a stale address cache; it is \
fixed. Data privacy check passed, fairness was not assessed. A risk we see is seasonal overload of the queue, \
likelihood high, impact medium; the mitigation is a second worker pool. Next: Tom Adeyemi to renew the payment \
certificate by 20 November 2026. Marta Lindqvist still has to approve the budget.
"""

SPANISH = """\
Informe de octubre de 2026 sobre lector-contratos, que extrae cláusulas de los contratos de alquiler. Responsable: \
Iván Echeverri, ivan.echeverri@casaverde.example. El agente está bloqueado: no puede avanzar sin la firma del área \
legal. Va por el 45 por ciento. Trabaja de forma autónoma y una persona lo vigila desde el panel. Completó 1.250 \
tareas y falló en 17; gastó 230,50 euros. El 12 de octubre de 2026 hubo una caída del servicio de lectura, gravedad \
alta, por un disco lleno; sigue sin resolver. El control de seguridad salió bien y el de transparencia no. Como \
riesgo, fuga de datos personales, probabilidad baja e impacto alto; se mitiga con cifrado en reposo. Pendiente: Lucía \
Arriaga debe ampliar el disco antes del 15 de noviembre de 2026. Se escaló a la dirección de operaciones.
"""

NOTES = {"English": ENGLISH, "Spanish": SPANISH}


class ServerFailed(RuntimeError):
    """The server ended before it was listening; its own words are on stderr."""


def main() -> int:
    """Runs the demo; returns the exit code."""
    console = Console()
    try:
        with running_server() as target, ReportClient(target) as client:
            console.print(f"server at [bold]{target}[/]\n", highlight=False)
            return 0 if all([show(console, client, *note) for note in NOTES.items()]) else 1
    except ServerFailed as error:
        console.print(f"[red]{error}[/]")
        return 1


@contextmanager
def running_server() -> Iterator[str]:
    """The "host:port" of `escribano serve` in a process of its own, which is drained when the block ends.

    Raises:
        ServerFailed: it ended before it was listening.
    """
    command = [sys.executable, "-m", "service.command.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _target_of(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_TIMEOUT_S)


def _target_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("listening on "):
            return line.removeprefix("listening on ").strip()
    raise ServerFailed(f"the server ended with exit code {process.wait(STOP_TIMEOUT_S)} before it was listening")


def show(console: Console, client: ReportClient, language: str, note: str) -> bool:
    """Sends one note and shows what came back; True if it is a valid report."""
    console.print(Panel(escape(note.strip()), title=f"{language} note", title_align="left", width=console.width))
    started_s = time.perf_counter()
    try:
        result = client.generate(note, schema_id=SCHEMA_ID)
    except ReportError as error:
        terminal.show_failure(error.failure)
        return False
    _show_result(console, result, time.perf_counter() - started_s)
    return result.valid


def _show_result(console: Console, result: GenerationResult, round_trip_s: float) -> None:
    if result.valid:
        console.print_json(result.report_json, ensure_ascii=False)
    else:
        console.print(escape(result.report_json), highlight=False)
    console.print(terminal.attestation(result) + f" ({round_trip_s:.2f} s round trip)\n", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
