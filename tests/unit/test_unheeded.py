"""A worker that does not heed markers or ids is named for that, and no other is."""

from harness.evidence.unheeded import unheeded
from harness.history import Evidence
from tests.histories.build import Told, ask, chain, evidence_of, outcome


def two_agents(*told: Told) -> Evidence:
    return evidence_of(*told, programs=(chain("a1", "1"), chain("a2", "1")))


UNMARKED = ask("", "", kind="aux", context=[], receipt=0)
"""A call that names nobody, and its answer without a receipt."""


def test_calls_without_a_marker_are_told() -> None:
    """Agents ended, and nothing of them was seen at the LLM but calls that name nobody."""
    (told,) = unheeded(two_agents(UNMARKED, outcome("a1", receipt=0, mark=-1)))

    assert told.startswith(
        "1 LLM calls came without a marker, and of 2 accepted agents 2 made none"
    )
    assert "expected each prompt copied unread" in told


def test_a_frameworks_own_calls_are_not() -> None:
    """They have no marker either; its agents' steps have."""
    evidence = two_agents(ask("a1", "1"), UNMARKED, outcome("a1"))

    assert unheeded(evidence) == ()


def test_an_outcome_of_another_agent_is_told() -> None:
    """Both are answered with the first one's end."""
    first = two_agents(ask("a1", "1"), outcome("a1"))
    receipt = int(first.outcomes.receipt[0])
    (told,) = unheeded(two_agents(ask("a1", "1"), outcome("a1"), outcome("a2", receipt=receipt)))

    assert told.startswith("1 of 2 outcomes are another agent's; expected GET /agents/{id}")
    assert unheeded(first) == ()


def test_an_answer_of_another_agent_is_told_whatever_it_rests_on() -> None:
    """Of a worker that skips steps as well: no program's oracle knows such a receipt."""
    skipped = ask("a1", "1", receipt=77)
    (told,) = unheeded(two_agents(skipped, outcome("a1", receipt=77), outcome("a2", receipt=77)))

    assert told.startswith("1 of 2 outcomes are another agent's")
