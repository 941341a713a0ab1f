"""Repeats against the engine's own history: before, after, and what cannot be ordered."""

from dataclasses import replace

import pytest

from harness.checkers import run_checkers
from harness.commits import AgentCommits, Commit, EngineHistory
from harness.history import Evidence
from harness.measures.commits import STAMP_NS, commits_of
from harness.results import EngineCommits
from mock_llm.receipts import render
from tests.histories.build import S, Told, ask, chain, evidence_of, forged, outcome, used

OFFSET_NS = 1_700_000_000 * S
"""Wall clock less monotonic clock."""


def lines(*more: Told) -> tuple[Told, ...]:
    """Step 1 of two is executed twice: rows 0 and 1 of the requests."""
    return (ask("a1", "1"), ask("a1", "1"), *more, ask("a1", "2"), outcome("a1"))


@pytest.fixture
def repeated() -> Evidence:
    """A step executed twice, a second apart, and used after both."""
    return evidence_of(*lines(), programs=[chain("a1", "1", "2")])


def kept(evidence: Evidence, row: int, at_ns: int, *, until_ns: int = 0, mark: int = 0) -> Commit:
    """The engine keeps the answer of a request, at a moment of the evidence's clock."""
    requests = evidence.requests
    return Commit(
        receipt=render(int(requests.receipt[row]), mark or int(requests.mark[row])),
        since_ns=OFFSET_NS + at_ns,
        until_ns=OFFSET_NS + (until_ns or at_ns),
    )


def told(*commits: Commit, drift_ns: int = 0, agent: str = "a1") -> EngineHistory:
    """What the engine said of one agent."""
    return EngineHistory(
        chosen_count=1,
        wall_ns=OFFSET_NS + 5000 * S,
        monotonic_ns=5000 * S,
        drift_ns=drift_ns,
        agents=(AgentCommits(agent=agent, commits=commits),),
    )


def split(found: EngineCommits) -> tuple[int, int, int, int]:
    """The repeats: after the commit, before it, not ordered, of agents not read."""
    return found.after_count, found.before_count, found.unordered_count, found.unread_count


def test_a_repeat_before_the_commit_is_permitted(repeated: Evidence) -> None:
    """The first result was never kept; the second one is, when it is there."""
    at_ns = int(repeated.requests.end_ns[1]) + 50 * STAMP_NS
    commit = kept(repeated, 1, at_ns, until_ns=at_ns + 20 * STAMP_NS)
    found = commits_of(repeated, told(commit))

    assert split(found) == (0, 1, 0, 0)
    assert (found.read_count, found.commits_count, found.reason) == (1, 1, "")
    assert (found.lag.ms_p50, found.lag_certain.ms_p50) == (50.0, 70.0)


def test_a_repeat_after_the_commit_is_red(repeated: Evidence) -> None:
    """The engine had the first result, by its own date, and ran the step again all the same."""
    at_ns = int(repeated.requests.end_ns[0]) + 2 * STAMP_NS
    first = kept(repeated, 0, at_ns)
    again = kept(repeated, 1, int(repeated.requests.end_ns[1]))

    assert split(commits_of(repeated, told(first))) == (1, 0, 0, 0)
    assert split(commits_of(repeated, told(again, first))) == (1, 0, 0, 0)


@pytest.mark.parametrize(("early_ns", "expected"), [(STAMP_NS + 1, 1), (STAMP_NS, 0), (-1, 0)])
def test_clocks_too_close_order_nothing(repeated: Evidence, early_ns: int, expected: int) -> None:
    """Within the uncertainty of the stamps a repeat is neither before nor after."""
    commit = kept(repeated, 0, int(repeated.requests.begin_ns[1]) - early_ns)

    assert split(commits_of(repeated, told(commit))) == (expected, 0, 1 - expected, 0)


@pytest.mark.parametrize("drift_ns", [3 * STAMP_NS, -3 * STAMP_NS])
def test_a_wall_clock_that_moved_widens_the_doubt(repeated: Evidence, drift_ns: int) -> None:
    """Its drift, either way, is added to the resolution of the stamps, and is told."""
    commit = kept(repeated, 0, int(repeated.requests.begin_ns[1]) - 4 * STAMP_NS)
    found = commits_of(repeated, told(commit, drift_ns=drift_ns))

    assert split(found) == (0, 0, 1, 0)
    assert (found.stamp_ms, found.drift_ms) == (1.0, 3.0)
    assert split(commits_of(repeated, told(commit))) == (1, 0, 0, 0)


def test_a_commit_between_two_dates_orders_only_outside_of_them(repeated: Evidence) -> None:
    """An engine that dates a result before it is kept says until when it was."""
    began_ns = int(repeated.requests.begin_ns[1])
    around = kept(repeated, 0, began_ns - S // 2, until_ns=began_ns + S)
    over = kept(repeated, 0, began_ns - S // 2, until_ns=began_ns - S // 4)

    assert split(commits_of(repeated, told(around))) == (0, 0, 1, 0)
    assert split(commits_of(repeated, told(over))) == (1, 0, 0, 0)


@pytest.mark.parametrize("what", ["nothing", "another step", "forged"])
def test_a_step_without_a_dated_commit_orders_nothing(repeated: Evidence, what: str) -> None:
    """A history that was cut, or that names what nobody answered."""
    at_ns = int(repeated.requests.end_ns[0])
    commits = {
        "nothing": (),
        "another step": (kept(repeated, 2, at_ns),),
        "forged": (replace(kept(repeated, 0, at_ns), receipt=render(forged("a1", "1", 0xBAD), 2)),),
    }[what]

    assert split(commits_of(repeated, told(*commits))) == (0, 0, 1, 0)


def test_repeats_of_agents_that_were_not_read_are_counted_apart(repeated: Evidence) -> None:
    """With the reason, if nobody was read at all; strangers are nobody."""
    at_ns = int(repeated.requests.end_ns[0])
    both = evidence_of(
        *lines(),
        *(ask("a2", "1"), ask("a2", "1"), used("a2", "1"), ask("a2", "2"), outcome("a2")),
        programs=[chain("a1", "1", "2"), chain("a2", "1", "2")],
    )
    refused = EngineHistory(agents=(AgentCommits(agent="a1", problem="answered 501"),))

    assert split(commits_of(both, told(kept(both, 0, at_ns)))) == (1, 0, 0, 1)
    assert commits_of(repeated, refused).reason == "answered 501"
    assert commits_of(repeated, EngineHistory(reason="not implemented")).reason == "not implemented"
    assert commits_of(repeated, EngineHistory(bound="2 left out")).reason == "2 left out"
    assert commits_of(repeated, told(agent="stranger")).reason != ""


def test_a_receipt_without_a_mark_orders_but_has_no_lag(repeated: Evidence) -> None:
    """With stable answers nobody can tell which attempt was kept."""
    at_ns = int(repeated.requests.end_ns[0])
    found = commits_of(repeated, told(kept(repeated, 0, at_ns, mark=-1)))

    assert split(found) == (1, 0, 0, 0)
    assert (found.commits_count, found.lag.count) == (0, 0)


def test_what_the_engine_says_changes_no_verdict(repeated: Evidence) -> None:
    """A commit before the repeat refutes nothing: checkers do not even see it."""
    at_ns = int(repeated.requests.end_ns[0])
    before = run_checkers(repeated)

    assert commits_of(repeated, told(kept(repeated, 0, at_ns))).after_count == 1
    assert run_checkers(repeated) == before
