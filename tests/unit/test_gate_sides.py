"""Baselines: what may become one, and what of a file is believed."""

from dataclasses import replace

import msgspec
import pytest

from harness.errors import UsageError
from harness.results import Assumption
from reports.gate_sides import (
    Baseline,
    baseline_of,
    decode_baseline,
    encode_baseline,
    known_of,
    with_engine,
)
from tests.gate_fixtures import Change, baseline, judged, repeats

MADE = "2026-11-25T05:00:00Z"


def test_a_baseline_is_read_back_as_it_was_written() -> None:
    """Figures by repeat, the scenario, the machine and the reason."""
    made = baseline(3)

    assert decode_baseline(encode_baseline(made), source="f") == made
    assert made.cells[0].figures["llm_steps_per_agent"] == (5.0, 5.0, 5.0)
    assert made.reason == "good enough"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda run: replace(run, state="failed", state_reason="no port"), "failed: no port"),
        (
            lambda run: replace(
                run,
                promises=tuple(replace(row, is_surprise=row.key == "S1") for row in run.promises),
            ),
            "broke what its engine promises (S1)",
        ),
        (
            lambda run: replace(
                run, assumptions=(Assumption(name="x", is_met=False, text="2 of 6 fired"),)
            ),
            "is doubtful: 2 of 6 fired",
        ),
        (lambda run: replace(run, figures=()), "run `onceproof check` on it"),
    ],
)
def test_what_must_not_become_the_norm_is_refused(change: Change, told: str) -> None:
    """With the run and the reason."""
    with pytest.raises(UsageError) as raised:
        baseline_of(repeats(2, change=change), reason="x", made_utc=MADE)

    assert str(raised.value).count(told) == 2


def test_a_baseline_needs_a_reason_and_a_run() -> None:
    """Both are said at once."""
    with pytest.raises(UsageError, match="--reason is empty"):
        baseline_of(repeats(), reason=" ", made_utc=MADE)
    with pytest.raises(UsageError, match="no judged run"):
        baseline_of([], reason="x", made_utc=MADE)


def test_runs_of_two_seeds_make_no_baseline() -> None:
    """Their mean would mean nothing."""
    with pytest.raises(UsageError, match="not of one plan"):
        baseline_of([judged(), judged(repeat=1, seed=7)], reason="x", made_utc=MADE)


@pytest.mark.parametrize("text", ["L=x", "e:v/L9=x", "e:v/L", "e:v/L= ", "e/L=x"])
def test_a_known_finding_names_engine_promise_and_place(text: str) -> None:
    """A waiver without a reason is none."""
    assert known_of(["e:v/L=docs/0001.md"]) == {"e:v/L": "docs/0001.md"}
    with pytest.raises(UsageError, match="expected ENGINE:VARIANT/PROMISE=WHERE"):
        known_of([text])


def test_where_a_known_finding_struck_another_repeat_stands_for_the_cell() -> None:
    """And where it struck in all, there is no baseline."""
    harmed = judged(repeat=1, refuted={"L": 3})
    known = {"dapr_workflow:default/L": "docs/0001.md"}
    made = baseline_of([judged(), harmed], reason="x", made_utc=MADE, known=known)

    assert made.cells[0].figures["llm_steps_per_agent"] == (5.0,)
    for runs, waived in (([harmed], known), ([judged(), harmed], {})):
        with pytest.raises(UsageError, match="broke what its engine promises"):
            baseline_of(runs, reason="x", made_utc=MADE, known=waived)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"schema": 1, "cells": 4}'])
def test_a_file_that_is_no_baseline_is_refused_with_how_to_make_one(data: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError, match="onceproof baseline"):
        decode_baseline(data, source="smoke.json")


def test_another_schema_is_no_error_but_not_comparable() -> None:
    """A sentence in the place of a baseline."""
    data = msgspec.json.encode(msgspec.to_builtins(baseline()) | {"schema": 9})
    found = decode_baseline(data, source="f")

    assert not isinstance(found, Baseline)
    assert "schema is 9" in found


def test_a_cell_keeps_its_place_on_another_engine() -> None:
    """Scenario, store and broker stay."""
    key = "pod_kill.reference:slow.redis.none"

    assert with_engine(key, "reference:slow", "control:guarded") == (
        "pod_kill.control:guarded.redis.none"
    )
