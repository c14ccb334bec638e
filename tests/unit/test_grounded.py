"""Grounded grammars: which values the texts of a request let a report have."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from schemas.admission import admit
from schemas.catalog import Catalog
from schemas.validation import SecondJudge
from service.grammars import grounded as module
from service.grammars.grammar import Compiled
from service.grammars.grounded import grounded_grammar
from service.grammars.outline import Outline, may_have_spaces
from service.grammars.sources import Sources
from tests.mask_walk import accepts, grammars, mask_of, takes, texts_of
from tests.samples import closed

TEXT = {"type": "string"}
DATE = {"type": "string", "format": "date"}
ID = {"type": "string", "x-grounding": "extract", "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"}
EMAIL = {"type": "string", "x-grounding": "extract", "format": "email"}


def grammar(schema: dict[str, Any], *texts: str) -> Compiled:
    found = grammars().grounded(admit(schema), texts)
    assert found is not None, "no grounded grammar"
    return found


def folded(text: str) -> str:
    return " ".join(text.split())


# --- spans -----------------------------------------------------------------------------------------------------------------


def test_numbers_that_are_one_as_floats_are_offered_each_as_it_is() -> None:
    found = grammar({"type": "integer"}, "We had 5.00000000000000000001 and 5 runs, 7 of them long.")
    assert takes(found, 5) and takes(found, 7) and not takes(found, 6)


def test_an_id_may_have_a_mark_between_its_words() -> None:
    found = grammar({"type": "string", "x-grounding": "extract", "pattern": "^[A-Z][a-z]+( - [A-Z][a-z]+)?$"}, "Ana - Lopez said it")
    assert takes(found, "Ana - Lopez") and takes(found, "Lopez") and not takes(found, "Lopez - Ana")


def test_a_text_leaf_is_a_span_of_whole_words() -> None:
    found = grammar(TEXT, "Ana Torres owns the triage-agent, version 2.")
    for span in ("Ana", "Ana Torres", "owns the triage", "triage-agent", "2.", ",", "Ana Torres owns the triage-agent, version 2."):
        assert takes(found, span), span
    for other in ("", " ", "An", "na", "Ana ", " Ana", "Ana  Torres", "ana", "Torres Ana", "Ana owns", "version 3", "Bob"):
        assert not takes(found, other), other


AWKWARD = {
    "quotes": ('She said "ship it" twice', 'said "ship it"', 'said "ship'),
    "backslashes": (r"path C:\temp\new is full", r"C:\temp\new", r"C:\temp"),
    "an escape that is none": (r"the pattern \u0041\n fails", r"\u0041\n", r"\u0041"),
    "tabs and newlines": ("owner:\tAna\r\nTorres\n\nstatus", "Ana Torres status", "owner: Ana"),
    "marks of the grammar": ('a "} # b\n# c | d: /x/ %json {"a":1} <s>', '"} # b # c | d: /x/', '%json {"a":1} <s>'),
    "emoji": ("on track 👍🏽 by 👩‍💻 in 🇵🇪🇨🇱", "👍🏽 by 👩‍💻", "🇵🇪"),
    "combining accents": ("cafe\u0301s y n\u0303andu\u0301 al di\u0301a", "n\u0303andu\u0301 al", "cafe\u0301s"),
    "right to left": ("المالك هو آنا توريس اليوم", "آنا توريس", "اليوم"),
    "vowel signs": ("मालिक हिन्दी है", "हिन्दी है", "हिन्दी"),
    "controls": ("a\x01b c\x7fd e", "\x01b c\x7fd", "\x7f"),
    "odd spaces": ("1\u00a0200 runs\u2003done\u2028now", "200 runs done now", "1 200"),
    "special tokens": ("it wrote </s> and <s>", "</s> and <s>", "</s>"),
    "underscores": ("set max_new_tokens to 5", "max_new_tokens to", "max_new_tokens"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "span", "shorter"), AWKWARD.values(), ids=AWKWARD.keys())
def test_a_span_keeps_every_character_but_the_kind_of_white_space(text: str, span: str, shorter: str) -> None:
    found = grammar(TEXT, text)
    values = [json.loads(written) for written in texts_of(found, 25)]
    assert values and all(value in folded(text) and value == folded(value) and value for value in values)
    written = json.dumps(span, ensure_ascii=False).replace("\x7f", "\\u007f")
    assert accepts(found, written) and accepts(found, json.dumps(shorter, ensure_ascii=False).replace("\x7f", "\\u007f"))


@pytest.mark.parametrize(("text", "part"), [
    ("cafe\u0301s", "cafe"), ("cafe\u0301s", "\u0301s"), ("👩‍💻", "👩"), ("👩‍💻", "💻"), ("👍🏽", "👍"), ("🇵🇪🇨🇱", "🇵"), ("🇵🇪🇨🇱", "🇪🇨"), ("हिन्दी", "हिन"), ("max_new", "max"),
    ("الرُّمَّان", "الر"), ("می\u200cخواهم", "می"),
])  # fmt: skip
def test_a_letter_is_never_cut_from_its_accent_nor_an_emoji_from_its_joiner(text: str, part: str) -> None:
    found = grammar(TEXT, f"{text} ok")
    assert takes(found, text) and not takes(found, part)


def test_a_span_does_not_run_from_one_text_into_another() -> None:
    found = grammar(TEXT, "Ana Torres", "owns it", "")
    assert takes(found, "Ana Torres") and takes(found, "owns it") and not takes(found, "Torres owns")


@pytest.mark.parametrize("texts", [("Ana",), ("", "Ana"), ("  ", "\n\tAna \n")])
def test_a_text_of_one_word_gives_that_word(texts: tuple[str, ...]) -> None:
    assert set(texts_of(grammar(TEXT, *texts), 5)) == {'"Ana"'}


@pytest.mark.parametrize("texts", [("",), (" \n",), ("", "\u00a0")])
def test_texts_without_a_word_leave_the_leaf_to_the_schema(texts: tuple[str, ...]) -> None:
    assert takes(grammar(TEXT, *texts), "anything at all")


@pytest.mark.parametrize(("least", "most"), [(0, 1), (1, 1), (0, 2), (2, 2), (3, 3), (0, 5), (4, 6), (7, 9), (5, None), (12, 30)])
def test_lengths_are_counted_in_characters_of_the_value(least: int, most: int | None) -> None:
    text = 'a "b" \\c\\ 😀😀 cafe\u0301 x\x01y internationalization'
    schema = {"type": "string", "minLength": least} | ({} if most is None else {"maxLength": most})
    found, judge = grammar(schema, text), SecondJudge(schema)
    chunks = Sources((text,)).chunks[0]
    spans = {"".join(chunks[i:j]) for i in range(len(chunks)) for j in range(i + 1, len(chunks) + 1)}
    for span in spans:
        assert takes(found, span) == (not judge.violations(span) and span == span.strip()), span
    assert all(json.loads(written) in spans for written in texts_of(found, 10))


@pytest.mark.parametrize("bounds", [{"maxLength": 0}, {"maxLength": 2}, {"minLength": 80}, {"minLength": 401}])
def test_a_length_that_no_span_has_leaves_the_leaf_to_the_schema(bounds: dict[str, int]) -> None:
    found = grammar(TEXT | bounds, "internationalization everywhere")
    free = "x" * bounds.get("minLength", bounds.get("maxLength", 0))
    assert takes(found, free)


def test_a_span_may_be_longer_than_usual_where_the_schema_says_so() -> None:
    text = "word " * 200
    assert not takes(grammar(TEXT, text), folded("word " * 100)) and takes(grammar(TEXT | {"minLength": 450}, text), folded("word " * 91))
    assert takes(grammar(TEXT, text), folded("word " * 80))


# --- ids and addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "Agent invoice-triage-2 is fine", "(invoice-triage-2)", "'invoice-triage-2',", "“invoice-triage-2”", "invoice-triage-2's owner", "id=invoice-triage-2;", "- invoice-triage-2.",
    "agents/invoice-triage-2/status", "`invoice-triage-2`", "**invoice-triage-2**", '{"id":"invoice-triage-2"}', "[invoice-triage-2](http://x)", "invoice-triage-2…",
])  # fmt: skip
def test_an_id_is_found_whatever_stands_around_it(text: str) -> None:
    found = grammar(ID, text)
    assert takes(found, "invoice-triage-2")
    assert not takes(found, "invoice-triage") and not takes(found, "triage-3")


@pytest.mark.parametrize("text", ["Write to <ana.torres+ops@acme.co.uk>.", "mailto:ana.torres+ops@acme.co.uk", "ana.torres+ops@acme.co.uk,bob@b.io", '"ana.torres+ops@acme.co.uk"'])
def test_an_address_is_found_whatever_stands_around_it(text: str) -> None:
    found = grammar(EMAIL, text)
    assert takes(found, "ana.torres+ops@acme.co.uk") and not takes(found, "torres@acme.co") and not takes(found, "eve@evil.com")


def test_a_pattern_with_lengths_and_a_second_pattern_is_kept_in_full() -> None:
    schema = {"allOf": [{**TEXT, "x-grounding": "extract", "pattern": "^[A-Z]", "maxLength": 8}, {"pattern": "[0-9]$"}]}
    found = grammar(schema, "Tickets INC-2231, INC-22310000, inc-7 and REQ-9 were Closed")
    assert sorted(set(texts_of(found, 20))) == ['"INC-2231"', '"REQ-9"']


def test_a_pattern_that_takes_spaces_gives_phrases() -> None:
    found = grammar({**TEXT, "x-grounding": "extract", "pattern": "^[A-Z][a-z]+ [A-Z][a-z]+$"}, "the owner, Ana Torres, met Bob Li.")
    assert sorted(set(texts_of(found, 20))) == ['"Ana Torres"', '"Bob Li"']


def test_a_pattern_that_no_word_fits_gives_pieces_of_words() -> None:
    found = grammar({**TEXT, "x-grounding": "extract", "pattern": "^\\d{4}$"}, "see INC-2231 soon")
    assert texts_of(found, 3) == ['"2231"'] * 3


def test_a_pattern_that_nothing_fits_is_left_to_the_schema() -> None:
    found = grammar({**TEXT, "x-grounding": "extract", "pattern": "^x{3}$"}, "nothing of the kind")
    assert texts_of(found, 2) == ['"xxx"'] * 2


def test_a_pattern_that_would_backtrack_for_ever_does_not() -> None:
    began = time.process_time()
    grammar({**TEXT, "x-grounding": "extract", "pattern": "^((a+)+|(a|a)*b)$"}, "a" * 5000 + "! " + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac")
    assert time.process_time() - began < 10


# --- currencies, dates and numbers -----------------------------------------------------------------------------------------------------


def test_a_currency_is_one_that_the_text_names() -> None:
    codes = {"enum": ["USD", "EUR", "PEN", "XTS"], "x-grounding": "classify"}
    paid = grammar(closed(currency=codes), "it cost S/ 12")
    assert [code for code in codes["enum"] if takes(paid, {"currency": code})] == ["PEN", "XTS"], "one that nobody knows the words of is always there"
    assert [code for code in ("USD", "EUR", "PEN") if takes(grammar(closed(currency={"enum": ["USD", "EUR", "PEN"]}), "it cost 12"), {"currency": code})] == ["USD", "EUR", "PEN"]
    for other in ("XL", {"a": 1}, [1], None, 3):
        assert takes(grammar(closed(size={"enum": [other, "USD"]}), "it cost S/ 12"), {"size": "USD"}), "not an enum of currencies"


def test_a_date_is_one_that_can_be_read() -> None:
    found = grammar(DATE, "Done on 14 March 2026.", "Next: the 20th.")
    assert takes(found, "2026-03-14") and takes(found, "2026-03-20")
    assert not takes(found, "2026-03-31") and takes(grammar(DATE, "Done in March 2026."), "2026-03-31")
    assert not takes(found, "2026-03-15") and not takes(found, "2024-03-14") and not takes(found, "2026-07-14")


def test_a_date_keeps_the_schema_s_own_pattern() -> None:
    found = grammar({**DATE, "x-grounding": "normalize", "pattern": "^2026-0[1-6]"}, "from 14 March 2026 to 20 September 2026")
    assert takes(found, "2026-03-14") and not takes(found, "2026-09-20") and not takes(found, "2025-03-14")


def test_a_date_without_a_year_is_left_to_the_schema() -> None:
    assert takes(grammar(DATE, "Done on 14 March."), "1999-09-09")


@pytest.mark.parametrize(("schema", "taken", "refused"), [
    ({"type": "integer"}, ["0", "12", "400", "12400", "-3"], ["13", "12.4", "4200.5", "1", "-12", "00", "-0"]),
    ({"type": "number"}, ["12.4", "12400", "0.05", "0", "-3", "4200"], ["12.40", "5e-2", ".05", "1.24e4", "13", "12400.0", "-0"]),
    ({"type": "integer", "minimum": 1, "maximum": 400}, ["12", "400"], ["0", "12400", "-3"]),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 400}, ["12", "12.4", "0.05"], ["0", "400", "-3"]),
    ({"type": "integer", "multipleOf": 100}, ["400", "12400", "0"], ["12", "-3"]),
    ({"type": "number", "maximum": 0}, ["-3", "0"], ["12"]),
])  # fmt: skip
def test_a_number_is_one_that_can_be_read_and_that_the_schema_takes(schema: dict[str, Any], taken: list[str], refused: list[str]) -> None:
    found, judge = grammar(schema, "12.400 runs, 0.05 USD each, -3 points, 4.2 s, 12 of 400 rows"), SecondJudge(schema)
    assert all(accepts(found, text) and not judge.check(text).violations for text in taken)
    assert not any(accepts(found, text) for text in refused)


def test_a_tiny_and_a_long_number_are_written_without_exponent() -> None:
    found = grammar({"type": "number"}, "0.00000012 or 123456789012345 or 0.1234567890123456789")
    assert accepts(found, "0.00000012") and accepts(found, "123456789012345") and accepts(found, "0.1234567890123456789")


def test_a_number_out_of_bounds_is_left_to_the_schema() -> None:
    assert accepts(grammar({"type": "integer", "minimum": 5}, "only 3"), "77")


@pytest.mark.parametrize("schema", [{"enum": ["a", "b"]}, {"const": 7}, {"type": "boolean"}, {"type": "null"}, {"type": "string", "x-grounding": "compose"}])
def test_what_is_no_grounded_leaf_is_the_schema_s_own(schema: dict[str, Any]) -> None:
    admitted = admit(schema)
    plain, found = mask_of(admitted.mask_schema), grammar(schema, "a note of 3 May 2026")
    assert all(accepts(found, text) for text in texts_of(plain, 4)) and all(accepts(plain, text) for text in texts_of(found, 4))


def test_a_moment_is_a_day_and_a_time_that_can_be_read() -> None:
    found = grammar({"type": "string", "format": "date-time"}, "Down on 3 October 2026 at 2:30 pm, back at 16:05.", "Reported on 4 October.")
    assert all(takes(found, moment) for moment in ("2026-10-03T14:30:00Z", "2026-10-03T16:05:00Z", "2026-10-04T14:30:00Z"))
    assert not any(takes(found, other) for other in ("2026-10-03T02:30:00Z", "2026-10-03T14:30:00+02:00", "2026-10-05T14:30:00Z", "2026-10-03T00:00:00Z", "2026-10-03"))


def test_a_time_is_one_that_can_be_read() -> None:
    found = grammar({"type": "string", "format": "time"}, "Starts at 9 am CET.")
    assert takes(found, "09:00:00+01:00") and not takes(found, "09:00:00Z") and not takes(found, "21:00:00+01:00")


def test_a_moment_that_no_text_tells_is_null() -> None:
    schema = closed(at={"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]})
    assert set(texts_of(grammar(schema, "on 3 October 2026"), 3)) == {'{"at":null}'}
    assert takes(grammar({"type": "string", "format": "date-time"}, "on 3 October 2026"), "1999-01-01T00:00:00Z"), "where it must be there, it is left to the schema"


def test_a_boolean_to_be_normalized_is_one_that_the_texts_say() -> None:
    read = {"type": "boolean", "x-grounding": "normalize"}
    assert takes(grammar(read, "No incident. Signed: yes"), True)
    assert takes(grammar(read, "Signed: yes"), True) and not takes(grammar(read, "Signed: yes"), False)
    assert takes(grammar(read, "It was never signed"), False) and not takes(grammar(read, "It was never signed"), True)
    assert set(texts_of(grammar(closed(signed={"anyOf": [read, {"type": "null"}]}), "Ana has it"), 3)) == {'{"signed":null}'}
    assert takes(grammar(closed(signed={"type": "boolean"}, by={"type": "string"}), "Signed: yes"), {"signed": False, "by": "Signed"}), "any other is judged, not read"


@pytest.mark.parametrize(("pattern", "text", "taken", "refused"), [
    ("^[a-z]+(-[a-z0-9]+)+$", "agent invoice-triage-2", "invoice-triage-2", "agent-invoice"),
    ("^[A-Z]{3}-[0-9]+$", "see inc-2231", "INC-2231", "INC-2232"),
    ("^[A-Z]{3}-[0-9]+$", "see INC-7, then inc-2231", "INC-7", "INC-2231"),
    ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "Started 2026-01-01, ended 3 May 2026.", "2026-05-03", "2026-05-04"),
])  # fmt: skip
def test_an_id_to_be_normalized_may_be_written_otherwise(pattern: str, text: str, taken: str, refused: str) -> None:
    found = grammar({"type": "string", "pattern": pattern}, text)
    assert takes(found, taken) and not takes(found, refused)


@pytest.mark.parametrize("pattern", ["\\S", "^[A-Z][A-Za-z ]+$", "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "^[A-Z]{3}$"])
def test_a_form_that_any_word_has_is_left_to_the_schema(pattern: str) -> None:
    plain, found = mask_of({"type": "string", "pattern": pattern}), grammar({"type": "string", "pattern": pattern}, "Ana Garcia owns the desk, cost $300")
    assert all(accepts(found, text) for text in texts_of(plain, 6))


@pytest.mark.parametrize(("name", "text", "taken", "refused"), [
    ("uri", "Owner: see https://ex.com/AB?x=1, mailto:a@b.io.", ["https://ex.com/AB?x=1", "mailto:a@b.io"], ["Owner:", "HTTPS://EX.COM/AB?X=1", "https://other.com"]),
    ("uuid", "job 6F9619FF-8B86-D011-B42D-00CF4FC964FF ran", ["6F9619FF-8B86-D011-B42D-00CF4FC964FF"], ["00000000-0000-0000-0000-000000000000"]),
    ("ipv4", "from 10.0.0.7, not 300.1.1.1", ["10.0.0.7"], ["10.0.0.8", "0.1.1.1"]),
    ("duration", "down for 1 h 20 min", ["PT1H20M"], ["PT1H21M", "P1D"]),
])  # fmt: skip
def test_what_has_a_format_is_one_that_stands_there(name: str, text: str, taken: list[str], refused: list[str]) -> None:
    found = grammar({"type": "string", "format": name}, text)
    assert all(takes(found, value) for value in taken) and not any(takes(found, value) for value in refused)


def test_an_address_to_be_normalized_may_be_in_capitals() -> None:
    found = grammar({"type": "string", "format": "email", "pattern": "^[a-z@.]+$"}, "Write to ANA@Acme.io")
    assert takes(found, "ana@acme.io") and not takes(found, "bob@acme.io")


# --- alternatives, null, objects, arrays -------------------------------------------------------------------------------------


def test_null_is_all_that_is_left_where_the_texts_offer_nothing() -> None:
    schema = closed(due={"anyOf": [DATE, {"type": "null"}]}, mail={"anyOf": [EMAIL, {"type": "null"}]}, count={"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]})
    assert set(texts_of(grammar(schema, "nothing to see"), 5)) == {'{"due":null,"mail":null,"count":null}'}


INVOICE = closed(number={"type": "string", "x-grounding": "extract", "pattern": "^[A-Z]-[0-9]+$"}, paid={"type": "boolean"})


@pytest.mark.parametrize("wrapped", [INVOICE, closed(inner=INVOICE), {"type": "array", "items": INVOICE, "minItems": 1}])
def test_an_object_is_null_where_the_texts_offer_nothing_for_what_it_cannot_do_without(wrapped: dict[str, Any]) -> None:
    schema = {"anyOf": [wrapped, {"type": "null"}]}
    invoice: Any = {"number": "F-204", "paid": True}
    told = {"inner": invoice} if "inner" in wrapped.get("properties", {}) else [invoice] if "items" in wrapped else invoice
    assert takes(grammar(schema, "Invoice F-204, paid."), told) and takes(grammar(schema, "Invoice F-204, paid."), None)
    without = grammar(schema, "No invoice has come.")
    assert takes(without, None) and not takes(without, told)


def test_a_list_is_empty_where_the_texts_offer_nothing_for_its_items() -> None:
    schema = {"type": "array", "items": INVOICE}
    assert takes(grammar(schema, "F-204"), [{"number": "F-204", "paid": False}])
    without = grammar(schema, "Nothing.")
    assert takes(without, []) and not takes(without, [{"number": "F-204", "paid": False}])


def test_an_object_that_must_be_there_is_left_to_the_schema_where_the_texts_offer_nothing() -> None:
    assert takes(grammar(closed(invoice=INVOICE), "Nothing."), {"invoice": {"number": "F-204", "paid": False}})


def test_a_schema_that_refers_to_itself_is_never_taken_for_untold() -> None:
    tree = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^[A-Z]+$", "x-grounding": "extract"}, "next": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]}},
            "required": ["name", "next"], "additionalProperties": False}  # fmt: skip
    found = grammar({"$ref": "#/$defs/tree", "$defs": {"tree": tree}}, "A and B")
    assert takes(found, {"name": "A", "next": {"name": "B", "next": None}})
    assert takes(grammar({"$ref": "#/$defs/tree", "$defs": {"tree": tree}}, "nothing here"), {"name": "X", "next": None})


def writes(name: str, schema: dict[str, Any], text: str) -> bool:
    """Whether the grammar of a note knows a property's name."""
    return f'"{name}"' in grounded_grammar(Outline(admit(schema).mask_schema), Sources((text,))).replace("\\", "")


def test_a_schema_whose_definitions_lead_to_each_other_in_very_many_ways_is_grounded_in_time() -> None:
    """Forty steps, each by two ways: a million million ways to the one text at their end."""
    defs: dict[str, Any] = {f"d{i}": closed(a={"$ref": f"#/$defs/d{i + 1}"}, b={"$ref": f"#/$defs/d{i + 1}"}) for i in range(40)}
    schema = closed(x={"$ref": "#/$defs/d0"}, name=TEXT) | {"required": ["name"]}
    for last, told in ((EMAIL, False), (TEXT, True)):
        assert writes("a", schema | {"$defs": defs | {"d40": last}}, "Ana owns it.") is told, "what the note offers nothing for may not be written"


def test_definitions_that_need_each_other_are_untold_only_where_a_text_is() -> None:
    schema = closed(x={"$ref": "#/$defs/even"}) | {"required": []}
    again = {"anyOf": [{"$ref": "#/$defs/even"}, {"type": "null"}]}
    for leaf, told in ((TEXT, True), (EMAIL, False)):
        defs = {"even": closed(odd={"$ref": "#/$defs/odd"}), "odd": closed(leaf=leaf, even=again)}
        assert writes("odd", schema | {"$defs": defs}, "Ana") is told


def test_null_and_a_reading_are_both_open() -> None:
    found = grammar({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "12 runs")
    assert takes(found, 12) and takes(found, None) and not takes(found, 7)


def test_alternatives_are_grounded_each_by_itself() -> None:
    found = grammar({"anyOf": [{"enum": ["none yet"]}, TEXT, {"type": "integer"}, closed(day=DATE)]}, "on 3 May 2026")
    for value in ("none yet", "on 3", 3, 2026, {"day": "2026-05-03"}, "2026", "3 May 2026"):
        assert takes(found, value), value
    for value in ("none", "none yet 3", 4, {"day": "2026-05-04"}, "yet"):
        assert not takes(found, value), value


def test_an_object_that_may_be_written_in_two_orders_keeps_each() -> None:
    found = grammar({"type": "array", "prefixItems": [TEXT]} | {"items": TEXT}, "x")
    assert takes(found, ["x"])
    found = grammar(closed(one=closed(a=TEXT, b=TEXT), two=closed(b=TEXT, a=TEXT)), "x")
    assert texts_of(found, 2) == ['{"one":{"a":"x","b":"x"},"two":{"b":"x","a":"x"}}'] * 2


@pytest.mark.parametrize("required", [[], ["a"], ["b"], ["c"], ["a", "c"], ["a", "b", "c"]])
def test_what_is_not_required_may_be_left_out(required: list[str]) -> None:
    schema = closed(required, a=TEXT, b={"type": "integer"}, c={"type": "boolean"})
    found, judge = grammar(schema, "x 5"), SecondJudge(schema)
    values = {"a": "x", "b": 5, "c": True}
    for chosen in ([n for i, n in enumerate(values) if pick >> i & 1] for pick in range(8)):
        value = {name: values[name] for name in chosen}
        assert takes(found, value) == (not judge.violations(value)), value
    assert not takes(found, {"a": "y", "b": 5, "c": True}) and not takes(found, {"b": 5, "a": "x"}) and not takes(found, values | {"d": 1})


def test_a_leaf_that_the_texts_offer_nothing_for_is_left_out_where_it_may_be() -> None:
    assert set(texts_of(grammar(closed(["done"], due=DATE, done={"const": True}, mail=EMAIL), "nothing"), 4)) == {'{"done":true}'}


@pytest.mark.parametrize("name", ["enum", "const", "x-grounding", "anyOf", 'a"b', "a#b\n", "</s>", "cañón", "items", "$ref"])
def test_a_property_may_have_any_name(name: str) -> None:
    found = grammar(closed([name]) | {"properties": {name: TEXT}}, "x")
    assert takes(found, {name: "x"}) and not takes(found, {name: "y"})


@pytest.mark.parametrize("least", [0, 1, 2, 3])
@pytest.mark.parametrize("most", [0, 1, 2, 3, None])
def test_an_array_has_as_many_items_as_the_schema_says(least: int, most: int | None) -> None:
    if most is not None and least > most:
        return
    found = grammar({"type": "array", "items": TEXT, "minItems": least} | ({} if most is None else {"maxItems": most}), "x y")
    for count in range(5):
        assert takes(found, ["x", "x y"][:1] * count) == (least <= count and (most is None or count <= most)), count
    if most != 0:
        assert not takes(found, ["z"] * max(1, least))


def test_what_is_referred_to_is_grounded_too() -> None:
    person = closed(name=TEXT, born=closed(year={"type": "integer"}))
    schema = closed(owner={"$ref": "#/$defs/person"}, approver={"$ref": "#/$defs/person"}) | {"$defs": {"person": person}}
    assert "$ref" in json.dumps(admit(schema).mask_schema), "the mask shares it"
    found = grammar(schema, "Ana is of 1985")
    ana, bob, zoe = ({"name": name, "born": {"year": year}} for name, year in (("Ana", 1985), ("Bob", 1985), ("Ana", 1990)))
    assert takes(found, {"owner": ana, "approver": ana})
    assert not takes(found, {"owner": ana, "approver": bob}) and not takes(found, {"owner": zoe, "approver": ana})


def test_a_schema_that_refers_to_itself_is_grounded_all_the_way() -> None:
    schema = closed(title=TEXT, parts={"type": "array", "items": {"$ref": "#"}, "maxItems": 2})
    found = grammar(schema, "plan do")
    assert takes(found, {"title": "plan", "parts": [{"title": "do", "parts": [{"title": "do", "parts": []}]}]})
    assert not takes(found, {"title": "plan", "parts": [{"title": "do", "parts": [{"title": "act", "parts": []}]}]})


@pytest.mark.parametrize("schema", [
    {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"type": "array", "prefixItems": [TEXT], "items": TEXT, "minItems": 1},
])  # fmt: skip
def test_an_open_object_and_a_tuple_are_left_to_the_schema(schema: dict[str, Any]) -> None:
    value: Any = ["free"] if schema["type"] == "array" else {"a": "free"}
    assert takes(grammar(schema, "x"), value)


def test_an_open_object_within_leaves_the_rest_grounded() -> None:
    found = grammar(closed(name=TEXT, tags={"type": "object", "additionalProperties": {"type": "string"}}), "Ana")
    assert takes(found, {"name": "Ana", "tags": {"k": "free"}}) and not takes(found, {"name": "Bob", "tags": {}})


def test_a_text_that_must_be_long_may_be() -> None:
    note = "The agent answered again and again. " * 30
    found = grammar(closed(summary={"type": "string", "minLength": 450}), note)
    assert takes(found, {"summary": note[: 13 * 36].strip()}) and not takes(found, {"summary": "The agent"})


# --- both masks ------------------------------------------------------------------------------------------------------------

WHOLE = 'Agent invoice-triage-2 (owner: "Ana Torres" <ana@acme.io>)\r\nis at risk: 1.204 tasks, 3 failed, $12.50, p95 4,2 s in March 2026; \\o/ 😀 INC-7 on the 9th.'
SCHEMAS = [
    Catalog.load().get("agent_status").schema,
    closed(["a"], a=TEXT, b={"anyOf": [EMAIL, {"type": "null"}]}, c={"type": "array", "items": {"type": "number", "exclusiveMinimum": 2}, "maxItems": 1}, d=DATE),
    closed(a=TEXT | {"minLength": 2, "maxLength": 9}, b=ID, c={"type": "integer", "multipleOf": 2}, d={"oneOf": [{"type": "number"}, TEXT]}),
    {"type": "array", "items": {"anyOf": [TEXT, DATE, {"type": "number"}, {"type": "null"}]}, "minItems": 1, "maxItems": 3},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
@pytest.mark.parametrize("texts", [(WHOLE,), ("nothing",), (WHOLE, 'a "b" \\ \x01 \x7f\t/')])
def test_what_the_grounded_grammar_writes_the_schema_s_mask_takes(schema: dict[str, Any], texts: tuple[str, ...]) -> None:
    plain, judge = mask_of(admit(schema).mask_schema), SecondJudge(schema)
    written = texts_of(grammar(schema, *texts), 12)
    assert written
    for text in written:
        assert accepts(plain, text), text
        assert not judge.check(text).violations, text


@pytest.mark.parametrize("text", ["word " * 4000, "a" * 20_000, "1 " * 10_000, "x-1 " * 5000, "3 May 2026, " * 1600, '"\\' * 10_000, "😀" * 20_000, "é́" * 10_000])
def test_the_longest_texts_are_compiled_and_followed(text: str) -> None:
    began = time.process_time()
    found = grammar(Catalog.load().get("agent_status").schema, text[:20_000], text[:20_000])
    texts_of(found, 1, max_tokens=60)
    assert time.process_time() - began < 5


def test_a_grammar_too_large_to_make_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_GRAMMAR_CHARS", "MAX_TRIED"):
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, 10)
            assert grammars().grounded(admit(closed(a=TEXT, b={"type": "number"})), ("1 2 3 4 5 6 7 8 9 10 11 12",)) is None


INT, NAME = {"type": "integer"}, {"type": "string"}
UNIONS = [
    ([closed(a=INT), closed([], b=INT)], {"b": 3}),
    ([closed(a=INT), closed(ok={"type": "boolean"})], {"ok": True}),
    ([closed(a=INT), closed(["b"], b=NAME, c=NAME)], {"b": "Ana"}),
    ([closed(kind={"const": "run"}, n=INT), closed(kind={"const": "idle"})], {"kind": "idle"}),
    ([closed(a=INT, b=INT), closed(["a"], a=INT, c={"const": 1})], {"a": 5, "c": 1}),
    ([closed(a=INT), {"type": "object", "properties": {"z": {"const": 1}}, "required": ["z"]}], {"z": 1}),
]


@pytest.mark.parametrize(("branches", "value"), UNIONS, ids=range(len(UNIONS)))
def test_no_branch_of_a_union_hides_another(branches: list[dict[str, Any]], value: Any) -> None:
    for order in (branches, branches[::-1]):
        for schema, text in ((closed(x={"anyOf": order}), {"x": value}), (closed(x={"type": "array", "items": {"anyOf": order}}), {"x": [value, value]})):
            assert accepts(grammar(schema, "Ana has 5 runs, 3 failed"), json.dumps(text, separators=(",", ":")))


@pytest.mark.parametrize("pattern", ["^[a-z][a-z0-9]*(-[a-z0-9]+)*$", r"^[A-Z]{2}\.[\w.]+$", "^INC-[0-9]+$", "^(?:ab)?c@d$", r"^\d{3}$"])
def test_patterns_that_plainly_take_no_space(pattern: str) -> None:
    assert not may_have_spaces({"pattern": pattern})


@pytest.mark.parametrize("pattern", ["^.+$", r"^a\sb$", "^[^a]+$", "a", "^a|b$", "^a b$", "^[ -z]+$", r"^\D+$", "^a", "a$", r"^\W$", "^\u00a0$"])
def test_patterns_that_may_take_a_space(pattern: str) -> None:
    assert may_have_spaces({"pattern": pattern})


def test_the_lark_of_a_request_holds_each_text_once() -> None:
    lark = grounded_grammar(Outline(Catalog.load().get("agent_status").mask_schema), Sources(("zyzzyva one", "second text")))
    assert lark.count("substring_chunks") == 2
