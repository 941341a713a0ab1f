"""The simulation: against an event-by-event one, against closed forms, and against itself."""

import math
import random
import re
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import UsageError
from harness.scenario import SHAPES
from harness.simulation.outcome import outcome_of
from harness.simulation.settings import Kill, Settings, Station, capacity_per_s, checked
from harness.simulation.walk import Trace, simulate
from tests.simulation_oracle import Exact, Oracle

PLAIN = Settings(agents=50, pods=2, rate_per_s=20.0, llm_ms=(100.0, 200.0, 900.0))


def drawn(number: int) -> Settings:
    """A small scenario: anything between idle and overloaded, with and without quota and kills."""
    chance = random.Random(number)
    pods = chance.randint(1, 4)

    def station(most_ms: float) -> Station:
        is_there = chance.random() < 0.8
        return Station(
            ms=round(chance.uniform(0.5, most_ms), 3) if is_there else 0.0,
            servers=chance.choice((1, 1, 2, 3)),
            cv=chance.choice((0.0, 0.5, 1.0)),
        )

    shared = station(15)
    has_quota = chance.random() < 0.5
    return Settings(
        agents=chance.randint(1, 30),
        steps=chance.randint(1, 4),
        pods=pods,
        shape=chance.choice(SHAPES),
        rate_per_s=chance.choice((2.0, 10.0, 60.0)),
        llm_ms=chance.choice(((60.0, 100.0, 200.0, 600.0), (120.0,), (80.0, 5000.0))),
        requests_per_min=chance.choice((120, 600, 1200)) if has_quota else None,
        tokens_per_min=chance.choice((None, 6000, 30000)) if has_quota else None,
        burst=chance.choice((1.0, 0.05, 1 / 60)),
        tokens_per_call=97,
        tries_max=chance.choice((5, 1000)),
        worker=station(30),
        sidecar=station(20),
        shared=shared,
        pause_ms=chance.choice((0.0, 900.0)) if shared.ms else 0.0,
        machine=station(40) if chance.random() < 0.4 else Station(),
        wait_ms=chance.choice((0.0, 12.5)),
        kills=tuple(
            Kill(at_s=round(chance.uniform(0, 4), 3), pod=chance.randrange(pods))
            for _ in range(chance.choice((0, 0, 1, 3)))
        ),
        restart_ms=chance.choice((0.0, 400.0, 1500.0)),
        recovery_ms=chance.choice((0.0, 700.0, 2000.0)),
        moves=pods > 1 and chance.random() < 0.5,
    )


def exactly(settings: Settings, seed: int, trace: Trace) -> Exact:
    return Oracle(settings, seed, trace.arrival_ns.tolist()).run()


@pytest.mark.parametrize("block", range(40))
def test_it_agrees_with_an_event_by_event_simulation(block: int) -> None:
    """To the nanosecond, wherever no event is late: ends, calls, refusals, waste, resumes, work."""
    compared = 0
    for number in range(block * 6, block * 6 + 6):
        settings = replace(drawn(number), tick_ms=10.0)
        trace = simulate(settings, number)
        exact = exactly(settings, number, trace)
        if trace.late_count:
            continue
        compared += 1
        assert trace.done_ns.tolist() == exact.done_ns, settings
        assert trace.calls_count == exact.calls_count
        assert trace.refused_count == exact.refused_count
        assert trace.wasted_count == exact.wasted_count
        assert trace.busy_ns == exact.busy_ns
        resumes = {place: sorted(found.tolist()) for place, found in trace.resumes_ns.items()}
        assert resumes == {place: sorted(found) for place, found in exact.resumes_ns.items()}

    assert compared >= 4


def test_a_long_step_costs_no_more_than_is_stated() -> None:
    """Steps as long as the median answer: mean latency within 5 % in 9 of 10 small scenarios."""
    errors = []
    for number in range(40):
        settings = replace(drawn(number), tick_ms=100.0)
        trace = simulate(settings, number)
        exact = np.array(exactly(settings, number, trace).done_ns) - trace.arrival_ns
        errors.append(abs((trace.done_ns - trace.arrival_ns).mean() / exact.mean() - 1))

    assert max(errors) > 0
    assert np.quantile(errors, 0.9) < 0.05


def test_the_same_seed_gives_the_same_trace() -> None:
    """And another seed another one."""
    first, second, other = (simulate(PLAIN, seed) for seed in (1, 1, 2))

    assert first.done_ns.tolist() == second.done_ns.tolist()
    assert first.done_ns.tolist() != other.done_ns.tolist()


@pytest.mark.parametrize("servers", [1, 3])
def test_waits_are_those_of_m_m_c(servers: int) -> None:
    """Poisson arrivals, exponential work: the mean wait is Erlang's."""
    used, ms = 0.7, 10.0
    settings = replace(
        PLAIN,
        agents=120_000,
        steps=1,
        pods=1,
        rate_per_s=used * servers / (2 * ms / 1000),
        llm_ms=(60_000.0,),
        worker=Station(ms=ms, servers=servers, cv=1.0),
        tick_ms=1000.0,
    )

    outcome = outcome_of(settings, simulate(settings, 5), 5)

    # Two phases: those that begin and, a minute later, those that end are two Poisson streams.
    offered = used * servers
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    full = offered**servers / math.factorial(servers) / (1 - used)
    waits = full / (sum(terms) + full) * ms / (servers * (1 - used))
    assert outcome.own_mean_ms == pytest.approx(2 * (ms + waits), rel=0.05)


def test_waits_are_those_of_m_d_1() -> None:
    """Constant work: half of the exponential's wait, by Pollaczek and Khinchine."""
    # Answers so far apart that those who come back are a Poisson stream, too.
    settings = replace(
        PLAIN,
        agents=120_000,
        steps=1,
        pods=1,
        rate_per_s=35.0,
        llm_ms=(1000.0, 120_000.0),
        worker=Station(ms=10.0, cv=0.0),
        tick_ms=1000.0,
    )

    outcome = outcome_of(settings, simulate(settings, 3), 3)

    assert outcome.own_mean_ms == pytest.approx(2 * (10 + 0.7 * 10 / (2 * 0.3)), rel=0.05)


def test_calls_are_as_many_as_the_quota_admits() -> None:
    """All at once on a small quota: its burst, then its rate."""
    settings = replace(
        PLAIN, agents=400, steps=2, shape="at_once", requests_per_min=600, burst=1 / 60
    )

    outcome = outcome_of(settings, simulate(settings, 1), 1)

    assert outcome.completed_count == 400
    assert outcome.refused_ratio > 0.3
    assert outcome.calls_per_s <= 10.5
    assert capacity_per_s(settings) == (5.0, "requests per minute")


def test_it_counts_itself_by_littles_law() -> None:
    """Agents in the system, counted step by step, are rate times mean time."""
    settings = replace(PLAIN, agents=3000, worker=Station(ms=4.0), kills=(Kill(at_s=20, pod=1),))

    outcome = outcome_of(settings, simulate(settings, 1), 1)

    assert outcome.little_ratio == pytest.approx(1, rel=0.02)


def test_a_resource_works_as_long_as_the_utilisation_law_says() -> None:
    """Work of a phase times phases, by the time."""
    settings = replace(PLAIN, agents=3000, rate_per_s=20.0, worker=Station(ms=10.0, cv=0.0))

    outcome = outcome_of(settings, simulate(settings, 1), 1)

    (used,) = outcome.resources
    assert used.used_ratio == pytest.approx(3000 * 6 * 0.010 / (2 * outcome.span_s), rel=1e-9)


def test_a_kill_wastes_calls_and_its_victims_resume_after_the_recovery() -> None:
    """Nothing is lost, nothing is done twice but what was in flight."""
    settings = replace(
        PLAIN,
        agents=400,
        worker=Station(ms=1.0),
        kills=(Kill(at_s=8.0, pod=0),),
        restart_ms=500.0,
        recovery_ms=3000.0,
    )

    outcome = outcome_of(settings, simulate(settings, 1), 1)

    assert outcome.completed_count == 400
    assert outcome.wasted_count > 0
    assert outcome.calls_count == 400 * 5 + outcome.wasted_count
    assert outcome.resume_ms.p50 >= 3000 + 100
    assert outcome.resume_ms.count >= outcome.wasted_count


def test_callers_that_give_up_are_counted() -> None:
    """Agents that the quota starves end, and are no success."""
    settings = replace(
        PLAIN, agents=300, shape="at_once", requests_per_min=60, burst=1 / 60, tries_max=2
    )

    outcome = outcome_of(settings, simulate(settings, 1), 1)

    assert outcome.failed_count > 200
    assert outcome.completed_count + outcome.failed_count == 300


def test_a_run_that_is_too_long_is_cut_and_says_so() -> None:
    """Agents that have not ended are unfinished, not gone."""
    settings = replace(PLAIN, agents=300, shape="at_once", requests_per_min=60, run_s=5.0)

    outcome = outcome_of(settings, simulate(settings, 1), 1)

    assert outcome.unfinished_count > 0
    assert outcome.completed_count + outcome.unfinished_count == 300


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pods": 0}, "pods is 0"),
        ({"agents": 0}, "agents is 0"),
        ({"rate_per_s": 0.0}, "rate_per_s is 0.0"),
        ({"llm_ms": ()}, "llm_ms"),
        ({"llm_ms": (5.0, 1.0)}, "llm_ms"),
        ({"worker": Station(ms=1.0, servers=0)}, "worker.servers is 0"),
        ({"worker": Station(ms=float("nan"))}, "worker.ms is nan"),
        ({"tokens_per_min": 50, "tokens_per_call": 51}, "no call would ever be admitted"),
        ({"kills": (Kill(at_s=1.0, pod=2),)}, "pods are 0 to 1"),
        ({"pause_ms": 1.0, "kills": (Kill(at_s=1.0, pod=1),)}, "nothing shared to pause"),
        ({"moves": True, "pods": 1, "kills": (Kill(at_s=1.0, pod=0),)}, "no other pod"),
        ({"shape": "square"}, "known: constant"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change: dict[str, object], words: str) -> None:
    """One message, before anything is computed."""
    with pytest.raises(UsageError, match=re.escape(words)):
        checked(replace(PLAIN, **change), source="here")  # type: ignore[arg-type]
