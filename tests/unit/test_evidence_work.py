"""Until when an engine worked through its load: from rows of the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.evidence.work import working_until_ns
from harness.history import NONE, Evidence
from tests.histories.build import ask, evidence_of, outcome
from tests.naive_judge import work_after
from tests.naive_records import read

AGENTS = 60
FEW = 25
"""Of the agents, those whose second step comes at once."""


def crowded(pace: int) -> Evidence:
    """Many agents do their first step, and some their second; ``pace`` requests a second."""
    first = [ask(f"a{number}", "1") for number in range(AGENTS)]
    again = [ask(f"a{number}", "1") for number in range(AGENTS)]
    second = [ask(f"a{number}", "2") for number in range(FEW)]
    found = evidence_of(*first, *again, *second, outcome("a0"), liveness_ns=1)
    requests, starts = found.requests, found.starts
    return replace(
        found,
        requests=replace(requests, begin_ns=requests.begin_ns // (2 * pace)),
        starts=replace(starts, accepted_ns=starts.accepted_ns // (2 * pace)),
    )


@pytest.mark.parametrize(("pace", "is_work"), [(10, True), (1, False)])
def test_new_steps_in_number_are_work_and_repeats_are_not(pace: int, is_work: bool) -> None:
    """Ten a second: the last second step. One a second: not twenty in ten seconds."""
    evidence = crowded(pace)
    last_ns = int(evidence.requests.begin_ns.max())

    found = working_until_ns(evidence.requests, evidence.starts, (), NONE)

    assert found == (last_ns if is_work else NONE)


def test_repeats_in_number_are_no_work() -> None:
    """An engine that spins has no more time than one that stands still."""
    evidence = crowded(10)
    rows = evidence.requests.begin_ns < evidence.requests.begin_ns[2 * AGENTS]
    since_ns = int(evidence.requests.begin_ns[AGENTS])
    columns = {
        name: getattr(evidence.requests, name)[rows]
        for name in ("begin_ns", "agent", "path", "turn", "kind", "receipt")
    }

    found = working_until_ns(replace(evidence.requests, **columns), evidence.starts, (), since_ns)

    assert found == NONE


def test_the_naive_judge_sees_the_same_work() -> None:
    """Row by row, with dictionaries."""
    evidence = crowded(10)
    since_ns = int(evidence.starts.accepted_ns.max())

    found = working_until_ns(evidence.requests, evidence.starts, (), NONE)

    assert found == max(work_after(read(evidence), since_ns))
