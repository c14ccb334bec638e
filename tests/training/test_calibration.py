"""What a confidence is worth: the figures, the fit, and that it ends up where the server finds it."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from service.confidence import UNCALIBRATED, Calibration
from service.weights.adapters import read_adapter
from service.weights.checkpoint import EMBEDDED_ADAPTERS
from training.measure import calibration
from training.measure.calibration import applied, fit
from training.measure.trust import CannotFit, calibration_error, trust


def drawn(told: Calibration, count: int = 6000) -> list[tuple[float, bool]]:
    """Masses, each right as often as ``told`` says."""
    draw = random.Random(1)
    found = [draw.betavariate(2, 0.6) for _ in range(count)]
    return [(mass, draw.random() < told(mass)) for mass in found]


def test_what_is_as_often_right_as_it_says_has_no_error() -> None:
    assert calibration_error([(0.75, right) for right in (True, True, True, False)] * 20, num_groups=4) == pytest.approx(0.0)
    assert calibration_error([(0.9, False)] * 10) == pytest.approx(0.9)
    assert calibration_error([(0.2, False), (0.8, True)], num_groups=2) == pytest.approx(0.2)


def test_the_surest_are_counted_apart() -> None:
    found = trust([(i / 100, i >= 10) for i in range(100)])
    assert (found.num_leaves, found.right, found.right_when_sure, found.right_when_unsure) == (100, pytest.approx(0.9), 1.0, 0.0)
    assert trust([(0.5, True)]).right_when_unsure == 1.0, "of no leaves none is wrong"


@pytest.mark.parametrize("true", [Calibration(2.5, 0.4), Calibration(0.6, -1.0), UNCALIBRATED])
def test_the_fit_finds_what_made_the_leaves_right(true: Calibration) -> None:
    judged = drawn(true)
    found = fit(judged, UNCALIBRATED)
    assert found.temperature == pytest.approx(true.temperature, rel=0.15) and found.bias == pytest.approx(true.bias, abs=0.15)
    assert calibration_error(applied(judged, UNCALIBRATED, found)) < 0.025


def test_a_fit_can_be_made_from_what_another_fit_told() -> None:
    judged, before = drawn(Calibration(2.0, -0.3)), Calibration(0.7, 1.1)
    told = [(before(mass), right) for mass, right in judged]
    again = fit(told, before)
    assert again.temperature == pytest.approx(fit(judged, UNCALIBRATED).temperature, rel=0.02)
    assert applied(told, before, UNCALIBRATED)[0][0] == pytest.approx(judged[0][0], abs=1e-6)


def test_leaves_that_are_all_right_tell_nothing() -> None:
    with pytest.raises(CannotFit, match="3 of 3 leaves are right"):
        fit([(0.9, True)] * 3, UNCALIBRATED)


@pytest.mark.parametrize("helps", [True, False])
def test_the_shipped_adapter_is_calibrated_anew_and_keeps_what_else_it_knows(helps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real weights write the reports: a few notes are enough to see where a fit goes, and that one which is worse than none goes nowhere."""
    folder = tmp_path / "agent_status"
    shutil.copytree(EMBEDDED_ADAPTERS / "agent_status", folder)
    known = json.loads((folder / "metadata.json").read_text())
    fitted = Calibration(1.01, 0.0) if helps else Calibration(1.0, -20.0)  # as good as none; sure of nothing
    monkeypatch.setattr(calibration, "fit", lambda *_: fitted)
    monkeypatch.setattr(calibration, "trust", lambda leaves: replace(trust(leaves), calibration_error=round(trust(leaves).calibration_error, 1)))  # six notes settle nothing finer
    if helps:
        assert calibration.main(adapter=folder, count=6) == fitted == read_adapter(folder).calibration
    else:
        with pytest.raises(CannotFit, match="worse than none"):
            calibration.main(adapter=folder, count=6)
        assert read_adapter(folder).calibration == UNCALIBRATED
    facts = json.loads((folder / "metadata.json").read_text())
    assert ("confidence" in facts) is helps and (not helps or facts["confidence"]["fitted_on"]["reports"] == 6)
    assert {k: v for k, v in facts.items() if k != "confidence"} == {k: v for k, v in known.items() if k != "confidence"}
