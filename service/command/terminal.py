"""How the command line shows things: tables, reports, progress and failures.

Owns: what goes to stdout (reports and tables, for pipes) and what to stderr (everything said to a person).
Does not know: where it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from schemas.grounding import leaves
from service.errors import Failure
from service.evidence import QUESTION, Evidence, Span, Status
from service.ports import AdapterInfo, SchemaInfo
from service.request import GenerationRequest
from service.result import FinishReason, GenerationResult

EVEN = 0.5
SHORT_DIGEST_CHARS = len("sha256:") + 12


def show_report(result: GenerationResult) -> None:
    """The report on stdout, indented on a terminal and as it is in a pipe; its attestation on stderr."""
    console = Console()
    if console.is_terminal and result.valid:
        console.print_json(result.report_json, ensure_ascii=False)
    else:
        print(result.report_json)
    Console(stderr=True).print(attestation(result), highlight=False)
    if result.finish_reason is FinishReason.BUDGET_CLOSED:
        Console(stderr=True).print("  ended early, to stay within max_new_tokens; what it leaves out may stand in the note all the same", style="yellow")
    for doubt in doubts(result):
        Console(stderr=True).print(f"  {escape(doubt)}", style="yellow", highlight=False, soft_wrap=True)
    for violation in result.violations:
        Console(stderr=True).print(f"  {escape(str(violation))}", style="yellow", highlight=False)


def attestation(result: GenerationResult) -> str:
    """One line, in rich markup, that says how the report came to be."""
    verdict = "[green]valid[/]" if result.valid else "[red]not valid[/]"
    how = "without help" if result.native_valid else f"{result.num_interventions} interventions"
    tokens = f"{result.num_completion_tokens} tokens ({result.num_forced_tokens} forced)"
    work = f"{result.num_prompt_tokens} prompt tokens ({result.prompt_tokens_saved} saved)"
    passes = f"{result.num_forward_passes} forward passes"
    writer = result.adapter_id or "base"
    parts = (verdict, how, result.finish_reason.name, escape(writer), work, tokens, passes, f"{result.total_s:.2f} s")
    return " · ".join(parts)


def doubts(result: GenerationResult) -> list[str]:
    """What a reader should look at before believing a report: values that no text states, and those that are more likely wrong than right."""
    unsupported = [found.pointer for found in result.evidence if found.status is Status.UNSUPPORTED]
    unsure = [f"{found.pointer} ({found.confidence:.0%})" for found in result.evidence if found.confidence is not None and found.confidence < EVEN and found.pointer not in unsupported]
    said = []
    if unsupported:
        said.append(f"stands nowhere in the text: {', '.join(unsupported)}; the schema demands a value (--require-grounded refuses such a report)")
    if unsure:
        said.append(f"more likely wrong than right: {', '.join(unsure)}; --explain shows where each value was taken from")
    return said


_COLOURS = {
    Status.COPIED: "green", Status.NORMALIZED: "cyan", Status.CLASSIFIED: "blue", Status.COMPOSED: "magenta", Status.UNSTATED: "dim", Status.UNSUPPORTED: "bold red",
}  # fmt: skip


def show_evidence(request: GenerationRequest, result: GenerationResult) -> None:
    """The texts with what the report took from them in colour, and each leaf beside its place; on stderr."""
    console = Console(stderr=True, highlight=False)
    texts = {QUESTION: request.question, **{item.id: item.text for item in request.context}}
    for source, text in texts.items():
        console.print(Panel(_coloured(text, source, result.evidence), title=escape(source or "question"), title_align="left"))
    table = _table("leaf", "value", "sure", "how", "where")
    values = dict(leaves(json.loads(result.report_json))) if result.evidence else {}
    for found in result.evidence:
        value = json.dumps(values[found.pointer], ensure_ascii=False)
        table.add_row(escape(found.pointer), escape(value), _sure(found.confidence), f"[{_COLOURS[found.status]}]{found.status.name}[/]", escape(_place(found.span, texts)))
    console.print(table)


def _sure(confidence: float | None) -> str:
    """A share in rich markup, in the colour of a warning where more than one in five such values is wrong."""
    if confidence is None:
        return ""
    return f"{confidence:.0%}" if confidence >= 0.8 else f"[yellow]{confidence:.0%}[/]"


def _coloured(text: str, source: str, evidence: Iterable[Evidence]) -> Text:
    """Built from slices, because rich leaves out carriage returns and the spans count them."""
    styles = {span: f"{_COLOURS[e.status]} underline" for e in evidence if (span := e.span) is not None and span.source == source}
    borders = sorted({0, len(text), *(at for span in styles for at in (span.start, span.end))})
    shown = Text()
    for start, end in pairwise(borders):
        covering = [style for span, style in styles.items() if span.start <= start and end <= span.end]
        shown.append(text[start:end], covering[-1] if covering else None)
    return shown


def _place(span: Span | None, texts: dict[str, str]) -> str:
    if span is None:
        return ""
    words = " ".join(texts[span.source][span.start : span.end].split())
    return f"{span.source or 'question'} {span.start}-{span.end}: {words}"


def show_schemas(schemas: tuple[SchemaInfo, ...]) -> None:
    """The catalog as a table."""
    table = _table("schema_id", "title", "digest", "checked after decoding")
    for schema in schemas:
        digest = schema.schema_digest[:SHORT_DIGEST_CHARS]
        table.add_row(escape(schema.schema_id), escape(schema.title), digest, escape("\n".join(schema.checked)))
    Console().print(table)


def show_adapters(adapters: tuple[AdapterInfo, ...]) -> None:
    """The adapters as a table."""
    table = _table("adapter_id", "schema_id", "digest", "rank", "alpha", "size")
    for adapter in adapters:
        digest = adapter.adapter_digest[:SHORT_DIGEST_CHARS]
        size = f"{adapter.size_bytes / 1e6:.2f} MB"
        names = (escape(adapter.adapter_id), escape(adapter.schema_id))
        table.add_row(*names, digest, str(adapter.rank), f"{adapter.lora_alpha:g}", size)
    Console().print(table)


def show_failure(failure: Failure) -> None:
    """A failure and its fields on stderr."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    reason = "" if failure.reason == failure.code else f" ({failure.reason})"
    console.print(f"[red]{failure.code}[/]{reason}: {escape(failure.message)}")
    for violation in failure.field_violations:
        if violation.description in failure.message and violation.field in failure.message:
            continue  # it is what the message says
        console.print(f"  [bold]{escape(violation.field)}[/] {escape(violation.description)}")
    for broken in failure.report_violations:
        console.print(f"  {escape(str(broken))}")


def show_summary(answered: Mapping[str, int], target: str) -> None:
    """How many lines of a file came to what, on stderr."""
    total, ok = sum(answered.values()), answered.get("OK", 0)
    failed = ", ".join(f"{code} {count:,}" for code, count in sorted(answered.items()) if code != "OK")
    rest = f"; {total - ok:,} without one ({failed}): their \"code\" and \"message\" are in {target}" if failed else ""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"{total:,} lines, {ok:,} with a valid report{escape(rest)}")


@contextmanager
def progress(total: int | None) -> Iterator[Callable[[bool], None]]:
    """A function to call after each line with whether it is OK; draws a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("reports"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        num_failed = 0

        def advance(ok: bool) -> None:
            nonlocal num_failed
            num_failed += not ok
            bar.update(task, advance=1, description=f"[red]{num_failed} without a valid report" if num_failed else "")

        yield advance


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
