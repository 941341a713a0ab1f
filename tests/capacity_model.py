"""A mock engine with a knee and a quota that are known: agents wait for one of so many slots.

Arrivals are Poisson, an agent holds a slot for its service time; a quota is a bucket that lets
calls through at its rate. What comes out is evidence and samples, as a run leaves them.
"""

from dataclasses import dataclass

import numpy as np

from harness.capacity.level import Reading, read_level
from harness.clock import NS_PER_S
from harness.facts import RunFacts, Sample
from harness.history import (
    NONE,
    AgentStatus,
    Context,
    Evidence,
    Expected,
    Kind,
    Names,
    Outcomes,
    RequestOutcome,
    Requests,
    Starts,
)
from harness.results import ProcessRow
from harness.scenario import LlmSpec, LoadSpec, Scenario

BEGIN_S = 100.0
TOKENS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An engine."""

    slots: int = 10
    service_s: float = 1.0
    calls: int = 5
    requests_per_min: int | None = None
    worker_s: float = 0.01
    """CPU of an agent."""
    driver_cores: float = 0.05
    others_cores: float = 0.0
    late_ms: float = 2.0
    cores: int = 2

    @property
    def capacity_per_s(self) -> float:
        """Where it saturates without a quota."""
        return self.slots / self.service_s

    @property
    def quota_per_s(self) -> float:
        """Where it saturates by the quota."""
        assert self.requests_per_min is not None
        return self.requests_per_min / 60 / self.calls


def reading_of(model: Model, rate: float, seconds: float = 20.0, seed: int = 1) -> Reading:
    """Run the model at a rate, and read it as a level."""
    evidence = evidence_of(model, rate, seconds, seed)
    load = LoadSpec(rate_per_s=rate, agents=len(evidence.names.agents), warm_up_agents=0)
    llm = LlmSpec(requests_per_min=model.requests_per_min)
    scenario = Scenario(name=f"ladder_{rate:g}_{seed}", summary="", load=load, llm=llm)
    return read_level(evidence, facts_of(model, evidence, rate), scenario, run=scenario.name)


def evidence_of(model: Model, rate: float, seconds: float, seed: int) -> Evidence:
    """First come, first served, by ``slots`` servers, then through the quota's bucket."""
    chance = np.random.default_rng(seed)
    count = max(8, round(rate * seconds))
    arrived = np.sort(chance.random(count)) * count / rate
    free = np.zeros(model.slots)
    ended = np.zeros(count)
    for number, at in enumerate(arrived):
        slot = int(np.argmin(free))
        free[slot] = ended[number] = max(at, free[slot]) + model.service_s
    if model.requests_per_min is not None:
        gap, last = 1 / model.quota_per_s, 0.0
        for number in np.argsort(ended):
            ended[number] = last = max(float(ended[number]), last + gap)
    return _evidence(model, arrived + BEGIN_S, ended + BEGIN_S)


def facts_of(model: Model, evidence: Evidence, rate: float) -> RunFacts:
    """Samples once a second, and CPU by the agents that ended."""
    starts = evidence.starts
    last = int(starts.ended_ns.max())
    samples = []
    for t_ns in range(int(BEGIN_S * NS_PER_S), last, NS_PER_S):
        ended = int(np.count_nonzero(starts.ended_ns <= t_ns))
        since = t_ns / NS_PER_S - BEGIN_S
        ours = {"worker": ended * model.worker_s, "driver": since * model.driver_cores}
        samples.append(
            Sample(
                t_ns=t_ns,
                started=int(np.count_nonzero(starts.sent_ns <= t_ns)),
                ended=ended,
                cpu_s=ours,
                machine_s=sum(ours.values()) + since * model.others_cores,
            )
        )
    rows = tuple(
        ProcessRow(name=name, count=count, is_engine=name == "worker", cpu_s=1.0, rss_mb_max=100.0)
        for name, count in (("worker", 3), ("driver", 1))
    )
    return RunFacts(
        started_utc="",
        ending="finished",
        rate_per_s=rate,
        lateness_ms_p99=model.late_ms,
        processes=rows,
        samples=tuple(samples),
        cores=model.cores,
    )


def _evidence(model: Model, arrived: np.ndarray, ended: np.ndarray) -> Evidence:
    count, calls = len(arrived), model.calls
    sent_ns, ended_ns = ((at * NS_PER_S).astype(np.int64) for at in (arrived, ended))
    agent = np.repeat(np.arange(count), calls).astype(np.int32)
    path = np.tile(np.arange(calls), count).astype(np.int32)
    rows = len(agent)
    part = (path / calls)[:, None] * np.ones(1)
    took = (ended_ns - sent_ns)[agent]
    begin_ns = sent_ns[agent] + (took * part[:, 0]).astype(np.int64)
    none, zeros = np.full(rows, NONE, np.int64), np.zeros(rows, np.int64)
    receipt = np.arange(1, rows + 1).astype(np.uint64)
    flags = np.zeros(rows, np.bool_)
    order = np.argsort(np.argsort(begin_ns, kind="stable"), kind="stable").astype(np.int64)
    by_time = np.argsort(order)
    requests = Requests(
        begin_seq=2 * np.arange(rows),
        end_seq=2 * np.arange(rows) + 1,
        begin_ns=begin_ns[by_time],
        end_ns=begin_ns[by_time] + 1,
        agent=agent[by_time],
        path=path[by_time],
        turn=zeros.astype(np.int32),
        caller=zeros.astype(np.int32),
        kind=np.full(rows, Kind.STEP, np.uint8),
        outcome=np.full(rows, RequestOutcome.ANSWERED, np.uint8),
        status=np.full(rows, 200, np.int32),
        receipt=receipt[by_time],
        mark=none,
        retry=none.astype(np.int32),
        prompt_tokens=np.full(rows, TOKENS, np.int32),
        completion_tokens=np.full(rows, TOKENS, np.int32),
        retry_after_ms=none,
        key=none.astype(np.int32),
        is_applied=flags,
        is_last=flags,
        is_final=~flags,
        context_start=np.zeros(rows + 1, np.int64),
    )
    expected = Expected(
        agent=agent,
        path=path,
        turn=zeros.astype(np.int32),
        is_tool=flags,
        is_last=path == calls - 1,
        receipt=receipt,
        delay_ns=zeros,
        predecessor_start=np.zeros(rows + 1, np.int64),
        predecessor=np.zeros(0, np.int64),
    )
    return Evidence(
        seed=1,
        names=Names(
            agents=tuple(f"a{number:06}" for number in range(count)),
            paths=tuple(str(number) for number in range(calls)),
            callers=("agents-1.1",),
            keys=(),
        ),
        requests=requests,
        context=Context(
            role=np.zeros(0, np.uint8),
            kind=np.zeros(0, np.uint8),
            value=np.zeros(0, np.uint64),
            mark=np.zeros(0, np.int64),
        ),
        outcomes=Outcomes(
            seq=np.zeros(0, np.int64),
            t_ns=np.zeros(0, np.int64),
            agent=np.zeros(0, np.int32),
            status=np.zeros(0, np.uint8),
            receipt=np.zeros(0, np.uint64),
            mark=np.zeros(0, np.int64),
        ),
        starts=Starts(
            intended_ns=sent_ns,
            sent_ns=sent_ns,
            accepted_ns=sent_ns,
            ended_ns=ended_ns,
            status=np.full(count, AgentStatus.COMPLETED, np.uint8),
            posts=np.ones(count, np.int32),
            resubmits=np.zeros(count, np.int32),
            is_info=np.zeros(count, np.bool_),
        ),
        expected=expected,
        faults=(),
        faults_planned=0,
        phases={"load": int(BEGIN_S * NS_PER_S)},
        last_heal_seq=NONE,
        problems=(),
        liveness_ns=10**18,
        exposures_min=0,
    )
