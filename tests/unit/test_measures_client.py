"""Client behaviour: each rule is broken by a history that breaks it, and by no other."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from harness.history import Evidence
from harness.measures.client import RULES, client_of, misconduct
from tests.histories.build import S, Told, ask, begin, chain, end, evidence_of, outcome

MS = 1_000_000


def tries(
    gaps_ms: list[int],
    *,
    outcome_of: str = "limited",
    agent: str = "a1",
    retries: bool = False,
) -> list[tuple[Told, int]]:
    """One answer tried again after each gap, and answered at last; with the time before each."""
    lines = []
    for number, gap_ms in enumerate([0, *gaps_ms]):
        is_last = number == len(gaps_ms)
        retry = number if retries else -1
        end_as = "answered" if is_last else outcome_of
        lines.append((begin(agent, "1", retry=retry), gap_ms))
        lines.append((end(agent, "1", outcome=end_as), 0))
    return lines


def told(*parts: list[tuple[Told, int]], told_ms: int = 100) -> Evidence:
    """Evidence whose requests begin and end when the gaps say; builders count a second a line."""
    lines = [line for part in parts for line, _ in part]
    agents = sorted({line.agent for line in lines})
    evidence = evidence_of(
        *lines,
        *(outcome(agent) for agent in agents),
        programs=[chain(agent, "1") for agent in agents],
    )
    begins: list[int] = []
    ends: list[int] = []
    now_ns = 1000 * S
    for _, gap_ms in (one for part in parts for one in part):
        now_ns += gap_ms * MS
        (begins if len(begins) == len(ends) else ends).append(now_ns)
    requests = evidence.requests
    waits = np.where(requests.retry_after_ms >= 0, told_ms, -1)
    return replace(
        evidence,
        requests=replace(
            requests,
            begin_ns=np.array(begins, np.int64),
            end_ns=np.array(ends, np.int64),
            retry_after_ms=waits.astype(np.int64),
        ),
    )


def broken(evidence: Evidence) -> dict[str, int]:
    return {found.name: found.count for found in misconduct(evidence) if found.count}


GREEN: dict[str, Callable[[], Evidence]] = {
    "no limits": lambda: told(tries([])),
    "waits as told": lambda: told(tries([100, 101, 150, 100, 100, 100])),
    "backs off from errors": lambda: told(tries([50, 100, 200, 400], outcome_of="faulted")),
    "ten tries in the window": lambda: told(tries([100] * 9)),
    "many tries in a long time": lambda: told(tries([600] * 15), told_ms=500),
    "another caller is no try again": lambda: evidence_of(
        ask("a1", "1", outcome="limited", caller="agents-0.1"),
        ask("a1", "1", caller="agents-1.1"),
        outcome("a1"),
    ),
}
RED: dict[str, tuple[Callable[[], Evidence], dict[str, int]]] = {
    "early": (lambda: told(tries([98])), {"early-retry": 1}),
    "early twice": (lambda: told(tries([20, 100, 30])), {"early-retry": 2}),
    "storm": (lambda: told(tries([100] * 11)), {"retry-storm": 1}),
    "storm of two": (
        lambda: told(tries([100] * 11), tries([100] * 25, agent="a2")),
        {"retry-storm": 2},
    ),
    "refused for good": (
        lambda: told(tries([500], outcome_of="refused")),
        {"non-retryable-retried": 1},
    ),
    "quota spent": (lambda: told(tries([500]), told_ms=-1), {"non-retryable-retried": 1}),
    "flat waits": (lambda: told(tries([50, 50, 60], outcome_of="faulted")), {"no-backoff": 1}),
    "flat and early": (
        lambda: told(tries([50, 50, 50])),
        {"no-backoff": 1, "early-retry": 3},
    ),
}


@pytest.mark.parametrize("name", GREEN)
def test_good_manners_break_no_rule(name: str) -> None:
    """A client that waits as it is told, or longer each time, is never blamed."""
    assert broken(GREEN[name]()) == {}


@pytest.mark.parametrize("name", RED)
def test_bad_manners_are_found_and_counted(name: str) -> None:
    """Each breach is one row, under its rule, with the request that proves it."""
    history, expected = RED[name]
    evidence = history()

    assert broken(evidence) == expected
    behaviour = client_of(evidence)
    counts = (
        behaviour.early_count,
        behaviour.non_retryable_retried_count,
        behaviour.storm_count,
        behaviour.no_backoff_count,
    )
    assert counts == tuple(expected.get(rule, 0) for rule in RULES)
    for found in misconduct(evidence):
        assert np.isin(found.seq, evidence.requests.begin_seq).all()


def test_requests_per_used_step_tell_sdk_and_engine_apart() -> None:
    """An SDK's retries carry their number; the engine's are new requests."""
    evidence = told(tries([100, 100], retries=True), tries([100], agent="a2"))

    behaviour = client_of(evidence)

    assert behaviour.requests_count == 5
    assert behaviour.limited_count == 3
    assert behaviour.limited_ratio == pytest.approx(0.6)
    assert behaviour.retried_count == 3
    assert behaviour.requests_per_used_step == pytest.approx(2.5)
    assert behaviour.sdk_requests_per_used_step == pytest.approx(1.0)
    assert behaviour.engine_requests_per_used_step == pytest.approx(1.5)


def interleaved(count: int, between_ms: int) -> Evidence:
    """Agents that are all limited, and come back one after the other."""
    agents = [f"a{number}" for number in range(count)]
    lines = [ask(agent, "1", outcome="limited") for agent in agents]
    lines += [ask(agent, "1") for agent in agents]
    evidence = evidence_of(*lines, programs=[chain(agent, "1") for agent in agents])
    first = np.arange(count, dtype=np.int64) * 1000 * MS
    again = first[-1] + 1000 * MS + np.arange(count, dtype=np.int64) * between_ms * MS
    begin_ns = np.concatenate([first, again])
    requests = replace(evidence.requests, begin_ns=begin_ns, end_ns=begin_ns + 1)
    return replace(evidence, requests=requests)


@pytest.mark.parametrize(("between_ms", "expected"), [(5, 1.0), (400, 0.0)])
def test_a_herd_comes_back_together(between_ms: int, expected: float) -> None:
    """Agents that come back within 50 ms of each other are a herd; spread ones are none."""
    behaviour = client_of(interleaved(10, between_ms))

    assert behaviour.herd_ratio == expected
    assert behaviour.herd_chance_ratio < 0.2


def test_goodput_is_measured_by_the_quota() -> None:
    """Used answers a minute by requests a minute; without a quota there is no such figure."""
    evidence = evidence_of(ask("a1", "1"), ask("a1", "2"), outcome("a1"))
    span_s = (evidence.requests.end_ns.max() - evidence.phases["load"]) / S

    assert client_of(evidence).goodput_quota_ratio is None
    ratio = client_of(evidence, requests_per_min=60).goodput_quota_ratio
    assert ratio == pytest.approx(2 / span_s)


def test_nothing_asked_is_all_zeros() -> None:
    """Figures of an empty run are zeros, and no error."""
    behaviour = client_of(evidence_of(programs=[chain("a1", "1")]))

    assert behaviour.requests_count == 0
    assert behaviour.requests_per_used_step == 0.0
    assert behaviour.herd_ratio == 0.0
    assert broken(evidence_of(programs=[chain("a1", "1")])) == {}
