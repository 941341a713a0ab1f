"""Fault marks become windows, and a strike needs proof of its own."""

import json

from harness.evidence.windows import windows_of
from harness.history import NONE
from mock_llm.ledger import Note


def marks(*told: tuple[str, dict[str, object]], fault: str = "kill_pod-1") -> list[Note]:
    return [
        Note(seq=place + 1, t_ns=place * 10, kind=kind, subject=fault, detail=json.dumps(detail))
        for place, (kind, detail) in enumerate(told)
    ]


def test_a_window_runs_from_about_to_fire_to_health() -> None:
    """Later marks say more; the window has what all of them say."""
    (window,), problems = windows_of(
        marks(
            ("arming", {"kind": "kill_pod"}),
            ("firing", {"kind": "kill_pod", "victims": ["agents-1.1"]}),
            ("fired", {"proof": "reaped -9"}),
            ("healed", {"proof": "reaped -9; ready", "parts_ns": {"ready": 3}}),
        )
    )

    assert problems == []
    assert (window.firing_seq, window.fired_seq, window.healed_seq) == (2, 3, 4)
    assert window.victims == ("agents-1.1",)
    assert window.proof == "reaped -9; ready"
    assert window.parts_ns == {"ready": 3}
    assert window.has_struck


def test_a_heal_does_not_prove_a_strike() -> None:
    """A fault that hit nothing stays unproven, whatever the heal says."""
    (window,), _ = windows_of(
        marks(("firing", {}), ("fired", {"proof": ""}), ("healed", {"proof": "; healthy"}))
    )

    assert not window.has_struck


def test_a_fault_that_was_only_armed_has_no_window() -> None:
    """It never fired."""
    assert windows_of(marks(("arming", {"kind": "kill_pod"}))) == ((), [])


def test_an_open_window_has_no_end() -> None:
    """Health was never seen again."""
    (window,), _ = windows_of(marks(("firing", {}), ("fired", {"proof": "reaped"})))

    assert (window.healed_seq, window.healed_ns) == (NONE, NONE)


def test_marks_that_make_no_sense_are_problems() -> None:
    """Unreadable, doubled and orphaned marks are said."""
    notes = [
        Note(seq=1, t_ns=1, kind="firing", subject="f", detail="{"),
        Note(seq=2, t_ns=2, kind="firing", subject="f", detail="{}"),
        Note(seq=3, t_ns=3, kind="fired", subject="g", detail="{}"),
    ]

    _, problems = windows_of(notes)

    assert len(problems) == 3
