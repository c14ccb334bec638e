"""Which currencies a text names, and which it does not."""

from __future__ import annotations

import time

import pytest

from schemas.reading.currencies import KNOWN, currencies

MISTAKABLE = {"USD", "EUR", "GBP", "PEN", "MXN", "BRL"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("it cost $418.60", "USD MXN"), ("US$ 12", "USD"), ("u$s 12", "USD"), ("MX$300", "MXN"), ("MXN300", "MXN"), ("300 pesos", "MXN"), ("R$ 99,90", "BRL"), ("99 reais", "BRL"),
        ("S/ 120", "PEN"), ("s/. 120,5", "PEN"), ("doce soles", "PEN"), ("4.2k €", "EUR"), ("12EUR", "EUR"), ("EUR12", "EUR"), ("cuatro euros", "EUR"), ("£0.07", "GBP"), ("nine pounds", "GBP"),
        ("tres LIBRAS", "GBP"), ("dólares", "USD"), ("S/ 120 and 3 dollars", "PEN USD"), ("an open question", ""), ("the console resolved it", ""), ("reality", ""), ("", ""), ("dolarizado", ""),
        ("a pen test in real time, won; try again, Bob: a pound of it", ""), ("120 pen", "PEN"), ("cost (PEN)", "PEN"), ("doscientos reales", "BRL"), ("3k de sol", "PEN"), ("R. Real", ""),
    ],
)  # fmt: skip
def test_a_currency_is_named_by_code_sign_or_word(text: str, codes: str) -> None:
    assert currencies(text) & MISTAKABLE == set(codes.split())


def test_every_code_names_itself_and_texts_add_up() -> None:
    assert all(code in currencies(f"paid {code} 12") for code in KNOWN)
    assert currencies("12 €", "9 yen") == {"EUR", "JPY"}


@pytest.mark.parametrize("piece", ["$", "s/", "real ", "mx", "dollars", "€"])
def test_a_long_text_is_read_in_no_time(piece: str) -> None:
    began = time.process_time()
    currencies((piece * 20_000)[:20_000])
    assert time.process_time() - began < 3  # 0.03 s on an idle core
