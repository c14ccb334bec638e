"""A teacher's paraphrase is kept only if it still says the same; whatever else it does is counted and nothing breaks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from schemas.admission import admit
from training.gates.pairs_file import read_pairs
from training.notes.synthesize import Pair
from training.specialist.factory import Places, SpecialistPlan, _make_pairs
from training.specialist.notes import Specialty
from training.specialist.teacher import KEY_VARIABLE, Teacher, TeacherUnreachable, objections, taught

SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["code", "driver", "weight", "due"],
    "properties": {
        "code": {"title": "Parcel code", "type": "string", "pattern": "^P-[0-9]{4}$"},
        "driver": {"title": "Driver", "type": "string", "minLength": 1},
        "weight": {"title": "Weight (kg)", "type": "integer", "minimum": 300},
        "due": {"title": "Due day", "type": "string", "format": "date"},
    },
}  # fmt: skip
NOTE = "The parcel P-1234 went with Ana Ruiz. It weighs 1,450 kg and is due on 3 October 2026."
REPORT = '{"code":"P-1234","driver":"Ana Ruiz","weight":1450,"due":"2026-10-03"}'
PAIR = Pair("one", None, "en", "letter", NOTE, REPORT, schema=SCHEMA)


class Stub(BaseHTTPRequestHandler):
    """Answers as the ``says`` of its server tells: a function from the prompt to (status, body)."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers.get("Authorization"), asked))  # type: ignore[attr-defined]
        status, body = self.server.says(asked["messages"][0]["content"])  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    made.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that has gone away
    made.asked, made.says = [], lambda prompt: completion(prompt.rpartition("\n\n")[2])  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def completion(words: Any) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"role": "assistant", "content": words}}]}).encode()


def url(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/v1"


def test_what_says_the_same_is_kept_under_the_same_report(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "s3cret")
    server.says = lambda _: completion("Ana Ruiz took P-1234. Due 2026-10-03, one thousand four hundred and fifty kilos.")  # type: ignore[attr-defined]
    lessons = taught(Teacher(url(server), "big"), [PAIR])
    (found,) = lessons.pairs
    assert found.id == "one-taught" and found.report == REPORT and "Ana Ruiz took" in found.question and not lessons.dropped
    path, key, asked = server.asked[0]  # type: ignore[attr-defined]
    assert path == "/v1/chat/completions" and key == "Bearer s3cret" and asked["model"] == "big"
    assert NOTE in asked["messages"][0]["content"] and '"P-1234", "Ana Ruiz"' in asked["messages"][0]["content"]
    assert "s3cret" not in repr(Teacher(url(server)))


@pytest.mark.parametrize("figure", ["1450", "1,450", "1.450", "1.450,00"])
def test_a_figure_may_be_written_otherwise(figure: str) -> None:
    assert list(objections(PAIR, f"Ana Ruiz took P-1234. Due 2026-10-03, {figure} kg. Nothing else to tell.")) == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Ana Ruiz took a parcel. Due 2026-10-03, 1450 kg. Nothing else to tell, really.", "dropped"),
        ("A. Ruiz took P-1234. Due 2026-10-03, 1450 kg. Nothing else to tell, really.", "dropped"),
        ("Ana Ruiz took P-1234. Due 2026-10-04, 1450 kg. Nothing else to tell, really.", "dropped"),
        ("Ana Ruiz took P-1234. Due 2026-10-03, 1540 kg. Nothing else to tell, really.", "dropped"),
        ("Ana Ruiz took P-1234. Due 2026-10-03, 1450 kg, and it cost 3,200 euros.", "invented"),
        ("Ana Ruiz (ana@x.example) took P-1234. Due 2026-10-03, 1450 kg in all.", "invented"),
        ("P-1234 Ana Ruiz", "length"),
        ("x" * 900, "length"),
    ],
)
def test_what_drops_or_invents_a_fact_is_dropped_and_counted(said: str, why: str, server: ThreadingHTTPServer) -> None:
    server.says = lambda _: completion(said)  # type: ignore[attr-defined]
    lessons = taught(Teacher(url(server)), [PAIR])
    assert lessons.pairs == [] and lessons.dropped == {why: 1} and lessons.first_of_each[why].startswith("one: ")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b"<html>"), "garbage"), ((200, b'{"choices": []}'), "garbage"), (completion(""), "garbage"), (completion(None), "garbage"),
        ((500, b"no"), "no answer"), ((401, b"{}"), "no answer"),
    ],
)  # fmt: skip
def test_a_teacher_that_answers_nonsense_costs_a_paraphrase_and_no_more(answer: tuple[int, bytes], why: str, server: ThreadingHTTPServer) -> None:
    answers = iter([answer, completion(NOTE)])
    server.says = lambda _: next(answers)  # type: ignore[attr-defined]
    lessons = taught(Teacher(url(server), in_flight=1), [PAIR, PAIR])
    assert lessons.dropped == {why: 1} and len(lessons.pairs) == 1


def test_a_teacher_that_takes_too_long_is_not_waited_for(server: ThreadingHTTPServer) -> None:
    over = threading.Event()
    server.says = lambda _: (over.wait(20), completion(NOTE))[1]  # type: ignore[attr-defined]
    try:
        lessons = taught(Teacher(url(server), timeout_s=0.2), [PAIR])
    finally:
        over.set()
    assert lessons.dropped == {"timeout": 1}


def test_where_nobody_answers_the_run_says_so_at_once() -> None:
    with pytest.raises(TeacherUnreachable, match=r"http://127\.0\.0\.1:9/v1: the first 5 requests reached nobody"):
        taught(Teacher("http://127.0.0.1:9/v1", timeout_s=5), [PAIR] * 40)


def test_a_note_in_the_context_is_said_again_where_it_stood(server: ThreadingHTTPServer) -> None:
    made = Specialty.read("delivery", admit(SCHEMA))
    inside = next(p for p in made.pairs("train", 1) if p.context)
    (found,) = taught(Teacher(url(server)), [inside]).pairs
    assert found.question == inside.question and found.context[0].id == inside.context[0].id and found.marks == ()


def test_drawn_notes_object_to_nothing_in_themselves() -> None:
    """The checks are no stricter than the notes that they are for; a number or date that our own reader misses is rare."""
    unread = 0
    for name in ("audit_finding", "usage_cost"):
        from schemas.catalog import Catalog

        made = Specialty.read(name, Catalog.load().get(name))
        for i in range(25):
            one = made.pair("train", f"teacher:{i}")
            found = list(objections(one, one.note))
            assert all(why == "dropped" and "cannot be read" in detail for why, detail in found), found
            unread += bool(found)
    assert unread <= 5, "of 50"


def test_the_data_card_says_what_the_teacher_gave(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    turns = iter(range(1000))
    server.says = lambda prompt: completion("too short") if next(turns) % 3 == 0 else completion("Hello there, it is me once more. " * 3 + prompt.rpartition("\n\n")[2])  # type: ignore[attr-defined]
    at, said = Places(tmp_path, "delivery"), []
    _make_pairs(at, Specialty.read("delivery", admit(SCHEMA)), SpecialistPlan(pairs=12), None, (), Teacher(url(server), in_flight=1), said.append)
    told = json.loads(at.card.with_suffix(".json").read_text("utf-8"))["teacher"]
    assert told["dropped"]["length"] == 4 and 12 + told["paraphrases"] >= len(list(read_pairs(at.pairs))) > 12
    assert said and said[0].startswith("teacher: ")
    assert "## Teacher" in at.card.read_text("utf-8") and "length 4" in at.card.read_text("utf-8")
