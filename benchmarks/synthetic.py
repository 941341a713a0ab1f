"""Synthetic evidence of a correct engine under kills, at any size: what the judge is timed on.

A model, not a run: agents walk chains and tool loops on three pods; pods are killed at an even
pace; what was in flight on a victim is executed once more by the next incarnation. All draws come
from one seed, and everything is made column by column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.clock import NS_PER_S
from harness.history import (
    NONE,
    AgentStatus,
    Context,
    ContextKind,
    ContextRole,
    Evidence,
    Expected,
    FaultWindow,
    Ints,
    Kind,
    Names,
    Outcomes,
    RequestOutcome,
    Requests,
    Starts,
)

RECORDS_PER_AGENT = 21
PODS = 3
RATE_PER_S = 1000
HEAL_NS = 2 * NS_PER_S
CHAIN_STEPS = 9
TOOL_TURNS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One answer or tool call of a template."""

    path: str
    turn: int
    before: tuple[int, ...]
    """Rows that it builds on."""
    carries: tuple[tuple[int, int, int], ...]
    """(role, kind, row) of each receipt in its request."""
    is_tool: bool = False


def chain() -> list[Row]:
    """Each step carries the answer before."""
    user, receipt = ContextRole.USER, ContextKind.RECEIPT
    return [
        Row(
            str(number + 1),
            0,
            (number - 1,) if number else (),
            ((user, receipt, number - 1),) if number else (),
        )
        for number in range(CHAIN_STEPS)
    ]


def tool_loop() -> list[Row]:
    """A question, turns that each call a tool, a conclusion."""
    user, receipt = int(ContextRole.USER), int(ContextKind.RECEIPT)
    tool, call, assistant = int(ContextRole.TOOL), int(ContextKind.CALL), int(ContextRole.ASSISTANT)
    rows = [Row("1", 0, (), ())]
    spoken: tuple[tuple[int, int, int], ...] = ((user, receipt, 0),)
    before: tuple[int, ...] = (0,)
    for turn in range(TOOL_TURNS):
        rows.append(Row("2", turn, before, spoken))
        asked = len(rows) - 1
        rows.append(Row(f"2.t{turn}.c0", 0, (asked,), ((tool, receipt, asked),), is_tool=True))
        spoken += ((assistant, call, asked), (tool, call, asked), (tool, receipt, asked + 1))
        before = (asked, asked + 1)
    rows.append(Row("2", TOOL_TURNS, before, spoken))
    rows.append(Row("3", 0, (len(rows) - 1,), ((user, receipt, len(rows) - 1),)))
    return rows


@dataclass(frozen=True, slots=True)
class Walked:
    """One row of a template, walked by all agents of a pattern; times in nanoseconds."""

    row: Row
    place: int
    agent: Ints
    begin: Ints
    end: Ints
    outcome: NDArray[np.uint8]
    source: list[Ints]
    """For each receipt carried, the request that gave it, numbered over the whole evidence."""
    number: Ints
    """Of these requests."""


def synthesize(records: int, *, seed: int = 1, kills: int = 60) -> Evidence:
    """Make evidence of about ``records`` ledger records."""
    agents = max(2, records // RECORDS_PER_AGENT)
    rng = seeds.array_stream(seed, "synthetic", records)
    span_ns = int(agents / RATE_PER_S * NS_PER_S) + 10 * NS_PER_S
    kills_ns = [
        np.sort(rng.integers(NS_PER_S, span_ns, max(1, kills // PODS))) for _ in range(PODS)
    ]
    slot = rng.integers(0, PODS, agents)
    start = np.sort(rng.integers(0, int(agents / RATE_PER_S * NS_PER_S) + 1, agents))
    ended = np.zeros(agents, np.int64)
    templates = (chain(), tool_loop())
    pattern = rng.integers(0, 2, agents)
    walked: list[Walked] = []
    count = 0
    last = np.zeros(agents, np.int64)
    for which, template in enumerate(templates):
        who = np.flatnonzero(pattern == which)
        more, count = _walk(
            template=template,
            who=who,
            start=start,
            slot=slot,
            kills_ns=kills_ns,
            rng=rng,
            count=count,
        )
        walked += more
        for one in more:
            np.maximum.at(ended, one.agent, one.end)
            if one.place == len(template) - 1:
                last[one.agent] = one.number
    return _evidence(
        walked=walked,
        templates=templates,
        pattern=pattern,
        slot=slot,
        start=start,
        ended=ended,
        last=last,
        kills_ns=kills_ns,
        rng=rng,
        seed=seed,
    )


def _walk(
    *,
    template: list[Row],
    who: Ints,
    start: Ints,
    slot: Ints,
    kills_ns: list[Ints],
    rng: np.random.Generator,
    count: int,
) -> tuple[list[Walked], int]:
    """Walk one template; a row whose answer a kill cut off is walked again after the heal."""
    now = start[who].copy()
    given: list[Ints] = []
    walked: list[Walked] = []
    for place, row in enumerate(template):
        took = (rng.lognormal(0.0, 0.3, len(who)) * (2e7 if row.is_tool else 3e8)).astype(np.int64)
        begin, end = now, now + took
        cut = np.full(len(who), NONE, np.int64)
        for pod in range(PODS):
            mine = np.flatnonzero(slot[who] == pod)
            at = np.searchsorted(kills_ns[pod], begin[mine])
            kill = np.append(kills_ns[pod], np.iinfo(np.int64).max)[at]
            cut[mine] = np.where(kill < end[mine], kill, NONE)
        is_cut = cut != NONE
        outcome = np.where(is_cut, RequestOutcome.CLIENT_GONE, RequestOutcome.ANSWERED)
        number = count + np.arange(len(who))
        count += len(who)
        sources = [given[source] for _, _, source in row.carries]
        end = np.where(is_cut, cut + 1000, end)
        walked.append(
            Walked(row, place, who, begin, end, outcome.astype(np.uint8), sources, number)
        )
        again = np.flatnonzero(is_cut)
        begin_again = cut[again] + HEAL_NS + rng.integers(0, NS_PER_S, len(again))
        end_again = begin_again + took[again]
        number_again = count + np.arange(len(again))
        count += len(again)
        walked.append(
            Walked(
                row,
                place,
                who[again],
                begin_again,
                end_again,
                np.full(len(again), RequestOutcome.ANSWERED, np.uint8),
                [source[again] for source in sources],
                number_again,
            )
        )
        latest = number.copy()
        latest[again] = number_again
        given.append(latest)
        now = end.copy()
        now[again] = end_again
        now += 1_000_000
    return walked, count


def _evidence(
    *,
    walked: list[Walked],
    templates: tuple[list[Row], ...],
    pattern: Ints,
    slot: Ints,
    start: Ints,
    ended: Ints,
    last: Ints,
    kills_ns: list[Ints],
    rng: np.random.Generator,
    seed: int,
) -> Evidence:
    """Join what was walked: give everything its place in the ledger's order."""
    agents = len(start)
    paths = sorted({row.path for template in templates for row in template})
    path_of = {path: number for number, path in enumerate(paths)}
    expected = _expected(templates=templates, pattern=pattern, path_of=path_of, rng=rng)
    first_row = np.searchsorted(expected.agent, np.arange(agents))
    begin = np.concatenate([one.begin for one in walked])
    end = np.concatenate([one.end for one in walked])
    marks_ns = np.sort(np.concatenate([kill + shift for kill in kills_ns for shift in _SHIFTS]))
    outcome_ns = ended + 5_000_000
    times = np.concatenate([begin, end, outcome_ns, marks_ns])
    seq = np.empty(len(times), np.int64)
    seq[np.argsort(times, kind="stable")] = np.arange(1, len(times) + 1)
    del times
    rows = len(begin)
    begin_seq, end_seq = seq[:rows], seq[rows : 2 * rows]
    outcome_seq = seq[2 * rows : 2 * rows + agents]
    seq_at = dict(zip(marks_ns.tolist(), seq[2 * rows + agents :].tolist(), strict=True))
    del seq
    agent = np.concatenate([one.agent for one in walked]).astype(np.int32)
    cell = first_row[agent] + np.concatenate([np.full(len(o.agent), o.place) for o in walked])
    receipt = expected.receipt[cell]
    caller, callers = _callers(slot=slot[agent], begin=begin, kills_ns=kills_ns)
    order = np.argsort(begin_seq)
    requests, context = _requests(
        walked=walked,
        order=order,
        begin=begin,
        end=end,
        begin_seq=begin_seq,
        end_seq=end_seq,
        agent=agent,
        caller=caller,
        cell=cell,
        receipt=receipt,
        expected=expected,
    )
    by_seq = np.argsort(outcome_seq)
    outcomes = Outcomes(
        seq=outcome_seq[by_seq],
        t_ns=outcome_ns[by_seq],
        agent=by_seq.astype(np.int32),
        status=np.full(agents, AgentStatus.COMPLETED, np.uint8),
        receipt=receipt[last][by_seq],
        mark=begin_seq[last][by_seq],
    )
    faults = _faults(kills_ns, seq_at)
    return Evidence(
        seed=seed,
        names=Names(
            agents=tuple(f"a{number:06d}" for number in range(agents)),
            paths=tuple(paths),
            callers=callers,
            keys=tuple(f"k{number}" for number in range(int(requests.key.max()) + 1)),
        ),
        requests=requests,
        context=context,
        outcomes=outcomes,
        starts=_starts(start, outcome_ns),
        expected=expected,
        faults=faults,
        faults_planned=len(faults),
        phases={"load": 0, "end": int(outcome_ns.max()) + 100 * NS_PER_S},
        last_heal_seq=max(fault.healed_seq for fault in faults),
        problems=(),
        liveness_ns=60 * NS_PER_S,
        exposures_min=30,
    )


_SHIFTS = (-2, 0, HEAL_NS)
"""A kill's three marks: about to fire, fired, healed."""


def _requests(
    *,
    walked: list[Walked],
    order: Ints,
    begin: Ints,
    end: Ints,
    begin_seq: Ints,
    end_seq: Ints,
    agent: NDArray[np.int32],
    caller: NDArray[np.int32],
    cell: Ints,
    receipt: NDArray[np.uint64],
    expected: Expected,
) -> tuple[Requests, Context]:
    counts = np.concatenate(
        [np.full(len(one.agent), len(one.row.carries) + (not one.row.is_tool)) for one in walked]
    )
    offsets = np.zeros(len(order) + 1, np.int64)
    np.cumsum(counts[order], out=offsets[1:])
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.arange(len(order))
    context = _context(
        walked=walked, offsets=offsets, row_of=row_of, begin_seq=begin_seq, receipt=receipt
    )
    is_tool = expected.is_tool[cell]
    key = np.where(is_tool, np.cumsum(expected.is_tool)[cell] - 1, NONE)
    outcome = np.concatenate([one.outcome for one in walked])
    by_cell = np.lexsort((begin_seq, cell))
    is_first = np.zeros(len(order), np.bool_)
    is_first[by_cell[np.append(True, np.diff(cell[by_cell]) > 0)]] = True
    rows = len(order)
    return Requests(
        begin_seq=begin_seq[order],
        end_seq=end_seq[order],
        begin_ns=begin[order],
        end_ns=end[order],
        agent=agent[order],
        path=expected.path[cell][order],
        turn=expected.turn[cell][order],
        caller=caller[order],
        kind=np.where(is_tool, Kind.EFFECT, Kind.STEP).astype(np.uint8)[order],
        outcome=outcome[order],
        status=np.where(outcome == RequestOutcome.ANSWERED, 200, 0).astype(np.int32)[order],
        receipt=receipt[order],
        mark=begin_seq[order],
        retry=np.full(rows, NONE, np.int32),
        prompt_tokens=np.full(rows, 50, np.int32),
        completion_tokens=np.full(rows, 20, np.int32),
        retry_after_ms=np.full(rows, NONE, np.int64),
        key=key.astype(np.int32)[order],
        is_applied=(is_tool & is_first)[order],
        is_last=expected.is_last[cell][order],
        is_final=~is_tool[order],
        context_start=offsets,
    ), context


def _context(
    *,
    walked: list[Walked],
    offsets: Ints,
    row_of: Ints,
    begin_seq: Ints,
    receipt: NDArray[np.uint64],
) -> Context:
    total = int(offsets[-1])
    role, kind = np.empty(total, np.uint8), np.empty(total, np.uint8)
    value, mark = np.zeros(total, np.uint64), np.full(total, NONE, np.int64)
    for one in walked:
        place = offsets[row_of[one.number]]
        if not one.row.is_tool:
            role[place], kind[place] = ContextRole.USER, ContextKind.MARKER
            place = place + 1
        for (its_role, its_kind, _), source in zip(one.row.carries, one.source, strict=True):
            role[place], kind[place] = its_role, its_kind
            value[place], mark[place] = receipt[source], begin_seq[source]
            place = place + 1
    return Context(role=role, kind=kind, value=value, mark=mark)


def _expected(
    *,
    templates: tuple[list[Row], ...],
    pattern: Ints,
    path_of: dict[str, int],
    rng: np.random.Generator,
) -> Expected:
    lengths = np.array([len(template) for template in templates])[pattern]
    start = np.zeros(len(pattern) + 1, np.int64)
    np.cumsum(lengths, out=start[1:])
    total = int(start[-1])
    agent = np.repeat(np.arange(len(pattern), dtype=np.int32), lengths)
    path, turn = np.empty(total, np.int32), np.empty(total, np.int32)
    is_tool, is_last = np.empty(total, np.bool_), np.zeros(total, np.bool_)
    counts = np.empty(total, np.int64)
    for which, template in enumerate(templates):
        first = start[:-1][pattern == which]
        for place, row in enumerate(template):
            at = first + place
            path[at], turn[at], is_tool[at] = path_of[row.path], row.turn, row.is_tool
            counts[at] = len(row.before)
            is_last[at] = place == len(template) - 1
    offsets = np.zeros(total + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    predecessor = np.empty(int(offsets[-1]), np.int64)
    for which, template in enumerate(templates):
        first = start[:-1][pattern == which]
        for place, row in enumerate(template):
            for number, before in enumerate(row.before):
                predecessor[offsets[first + place] + number] = first + before
    return Expected(
        agent=agent,
        path=path,
        turn=turn,
        is_tool=is_tool,
        is_last=is_last,
        receipt=rng.integers(1, 2**63, total, dtype=np.uint64),
        delay_ns=np.zeros(total, np.int64),
        predecessor_start=offsets,
        predecessor=predecessor,
    )


def _callers(
    *, slot: Ints, begin: Ints, kills_ns: list[Ints]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    caller = np.empty(len(slot), np.int32)
    names: list[str] = []
    for pod, kills in enumerate(kills_ns):
        mine = np.flatnonzero(slot == pod)
        caller[mine] = len(names) + np.searchsorted(kills, begin[mine])
        names += [f"agents-{pod + 1}.{number + 1}" for number in range(len(kills) + 1)]
    return caller, tuple(names)


def _faults(kills_ns: list[Ints], seq_at: dict[int, int]) -> tuple[FaultWindow, ...]:
    faults = []
    for pod, kills in enumerate(kills_ns):
        for number, kill_ns in enumerate(kills.tolist()):
            firing_ns, fired_ns, healed_ns = (kill_ns + shift for shift in _SHIFTS)
            faults.append(
                FaultWindow(
                    name=f"kill_pod-{pod}-{number}",
                    kind="kill_pod",
                    victims=(f"agents-{pod + 1}.{number + 1}",),
                    is_shared=False,
                    firing_seq=seq_at[firing_ns],
                    fired_seq=seq_at[fired_ns],
                    healed_seq=seq_at[healed_ns],
                    firing_ns=firing_ns,
                    fired_ns=fired_ns,
                    healed_ns=healed_ns,
                    proof="modelled",
                    parts_ns={},
                )
            )
    return tuple(sorted(faults, key=lambda fault: fault.firing_seq))


def _starts(start: Ints, ended: Ints) -> Starts:
    agents = len(start)
    return Starts(
        intended_ns=start,
        sent_ns=start.copy(),
        accepted_ns=start.copy(),
        ended_ns=ended,
        status=np.full(agents, AgentStatus.COMPLETED, np.uint8),
        posts=np.ones(agents, np.int32),
        resubmits=np.zeros(agents, np.int32),
        is_info=np.zeros(agents, np.bool_),
    )
