"""How an engine behaves as a customer of the LLM: its manners under limits, and what they cost.

No promise rests on this; a page shows it beside them. A *try* is a request for one answer by one
caller; it is *again* when the try before had ended without an answer. Effects and auxiliary calls
are left out.

Source: docs/guarantees.md, "Client behaviour"
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.history import NONE, Evidence, Flags, Ints, Kind, RequestOutcome
from harness.measures.exposure import NEVER
from harness.measures.portion import Portion, portions
from harness.measures.series import load_begin_ns
from harness.results import ClientBehaviour

STORM_TRIES = 10
"""More tries than this of one answer..."""
STORM_WINDOW_NS = 5 * NS_PER_S
"""...that begin within this time are a storm; doubling from 50 ms makes nine."""
EARLY_NS = NS_PER_MS
"""A try again is early only by more than this: Retry-After is told in whole milliseconds."""
FRUITLESS_MIN = 3
"""So many fruitless tries in a row show whether a client backs off."""
BACKOFF_RATIO = 1.5
"""A client backs off when a later wait is this much longer than its first."""
HERD_NS = 50 * NS_PER_MS
"""Tries again so close to each other, after an equal Retry-After, are a herd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misconduct:
    """What broke one rule, a row an occurrence."""

    name: str
    """A key of RULES."""
    agent: Ints
    seq: Ints
    """Sequence number of the request that broke it."""

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.agent)


def client_of(evidence: Evidence, *, requests_per_min: int | None = None) -> ClientBehaviour:
    """Measure a run; ``requests_per_min`` is the quota that was in force, None for none."""
    counts = dict.fromkeys(RULES, 0)
    used = 0
    limited: list[_Limited] = []
    for portion in portions(evidence):
        tries = _tries_of(portion)
        limited.append(_limited_of(tries))
        used += _used(portion)
        for name, rule in RULES.items():
            counts[name] += len(rule(tries))
    requests = evidence.requests
    asked = np.flatnonzero(requests.kind == Kind.STEP)
    limits = int(np.count_nonzero(requests.outcome[asked] == RequestOutcome.LIMITED))
    by_sdk = int(np.count_nonzero(requests.retry[asked] >= 1))
    herd_ratio, herd_chance_ratio = _herd(_joined(limited), _span_ns(evidence))
    return ClientBehaviour(
        requests_count=len(asked),
        limited_count=limits,
        limited_ratio=_ratio(limits, len(asked)),
        retried_count=sum(len(part.begin_ns) for part in limited),
        early_count=counts["early-retry"],
        non_retryable_retried_count=counts["non-retryable-retried"],
        storm_count=counts["retry-storm"],
        no_backoff_count=counts["no-backoff"],
        requests_per_used_step=_ratio(len(asked), used),
        sdk_requests_per_used_step=_ratio(by_sdk, used),
        engine_requests_per_used_step=_ratio(len(asked) - by_sdk, used),
        herd_ratio=herd_ratio,
        herd_chance_ratio=herd_chance_ratio,
        goodput_quota_ratio=_goodput_ratio(evidence, used, requests_per_min),
    )


def misconduct(evidence: Evidence) -> tuple[Misconduct, ...]:
    """Every breach of a rule, by name, so that it can be traced to an agent and a request."""
    rows: dict[str, list[tuple[Ints, Ints]]] = {name: [] for name in RULES}
    for portion in portions(evidence):
        tries = _tries_of(portion)
        for name, rule in RULES.items():
            at = rule(tries)
            rows[name].append((tries.agent[at], tries.seq[at]))
    return tuple(
        Misconduct(
            name=name,
            agent=np.concatenate([agent for agent, _ in parts] or [np.zeros(0, np.int64)]),
            seq=np.concatenate([seq for _, seq in parts] or [np.zeros(0, np.int64)]),
        )
        for name, parts in rows.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tries:
    """The LLM requests for steps, answer by answer and caller by caller, in ledger order within."""

    group: Ints
    """Number of the (answer, caller) that a try is for."""
    agent: Ints
    seq: Ints
    begin_ns: Ints
    end_ns: Ints
    outcome: Ints
    wait_ns: Ints
    """What Retry-After asked for; NONE without."""
    is_again: Flags
    """Follows a try that had ended without an answer."""

    @property
    def gap_ns(self) -> Ints:
        """Wait before each try that is again; of the others without meaning."""
        gap = np.zeros(len(self.group), np.int64)
        gap[1:] = self.begin_ns[1:] - self.end_ns[:-1]
        return gap


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limited:
    """Tries again after a 429 with a time, in no special order."""

    agent: Ints
    begin_ns: Ints
    wait_s: Ints
    """Retry-After in whole seconds, rounded up, as most clients read it."""


def _tries_of(portion: Portion) -> _Tries:
    requests, cells = portion.requests, portion.cells
    rows = np.flatnonzero((requests.kind == Kind.STEP) & (cells.of_request != NONE))
    callers = int(requests.caller.max()) + 1 if requests.count else 1
    group = cells.of_request[rows] * callers + requests.caller[rows]
    order = np.argsort(group, kind="stable")
    rows, group = rows[order], group[order]
    outcome = requests.outcome[rows].astype(np.int64)
    told_ms = requests.retry_after_ms[rows]
    fruitless = np.isin(
        outcome, (RequestOutcome.LIMITED, RequestOutcome.FAULTED, RequestOutcome.REFUSED)
    )
    is_again = np.zeros(len(rows), np.bool_)
    is_again[1:] = (
        (group[1:] == group[:-1])
        & fruitless[:-1]
        & (requests.begin_seq[rows[1:]] > requests.end_seq[rows[:-1]])
    )
    return _Tries(
        group=group,
        agent=requests.agent[rows].astype(np.int64),
        seq=requests.begin_seq[rows],
        begin_ns=requests.begin_ns[rows],
        end_ns=requests.end_ns[rows],
        outcome=outcome,
        wait_ns=np.where(told_ms == NONE, NONE, told_ms * NS_PER_MS),
        is_again=is_again,
    )


def _early(tries: _Tries) -> Ints:
    """Tries again that began before Retry-After allowed it."""
    at = _after_told(tries)
    early: Ints = at[tries.gap_ns[at] < tries.wait_ns[at - 1] - EARLY_NS]
    return early


def _non_retryable(tries: _Tries) -> Ints:
    """Tries again after an answer that no waiting helps against."""
    at = np.flatnonzero(tries.is_again)
    before = tries.outcome[at - 1]
    is_spent = (before == RequestOutcome.LIMITED) & (tries.wait_ns[at - 1] == NONE)
    refused: Ints = at[is_spent | (before == RequestOutcome.REFUSED)]
    return refused


def _storms(tries: _Tries) -> Ints:
    """The try that makes a storm of its answer's tries, once an answer and caller."""
    last = np.arange(STORM_TRIES, len(tries.group))
    first = last - STORM_TRIES
    is_storm = (tries.group[last] == tries.group[first]) & (
        tries.begin_ns[last] - tries.begin_ns[first] <= STORM_WINDOW_NS
    )
    last = last[is_storm]
    _, once = np.unique(tries.group[last], return_index=True)
    storm: Ints = last[once]
    return storm


def _without_backoff(tries: _Tries) -> Ints:
    """The third try again in a row, where the client neither waits longer nor as it was told."""
    gap = tries.gap_ns
    before = np.append(np.int64(NONE), tries.wait_ns)[: len(gap)]
    is_obeyed = tries.is_again & (before != NONE) & (gap >= before - EARLY_NS)
    places = np.arange(len(gap))
    start = np.maximum.accumulate(np.where(tries.is_again, 0, places)) if len(gap) else places
    third = np.flatnonzero(tries.is_again & (places - start == FRUITLESS_MIN))
    is_flat = gap[third] < BACKOFF_RATIO * gap[third - FRUITLESS_MIN + 1]
    obeyed = np.append(0, np.cumsum(is_obeyed))
    is_rude = obeyed[third + 1] - obeyed[third - FRUITLESS_MIN + 1] == 0
    found: Ints = third[is_flat & is_rude]
    return found


RULES: dict[str, Callable[[_Tries], Ints]] = {
    "early-retry": _early,
    "non-retryable-retried": _non_retryable,
    "retry-storm": _storms,
    "no-backoff": _without_backoff,
}
"""Rule -> what finds the tries that break it."""


def _after_told(tries: _Tries) -> Ints:
    """Places of tries again whose try before was told a Retry-After."""
    at = np.flatnonzero(tries.is_again)
    told: Ints = at[tries.wait_ns[at - 1] != NONE]
    return told


def _limited_of(tries: _Tries) -> _Limited:
    at = _after_told(tries)
    return _Limited(
        agent=tries.agent[at],
        begin_ns=tries.begin_ns[at],
        wait_s=-(-tries.wait_ns[at - 1] // NS_PER_S),
    )


def _joined(parts: list[_Limited]) -> _Limited:
    empty = np.zeros(0, np.int64)
    return _Limited(
        agent=np.concatenate([part.agent for part in parts] or [empty]),
        begin_ns=np.concatenate([part.begin_ns for part in parts] or [empty]),
        wait_s=np.concatenate([part.wait_s for part in parts] or [empty]),
    )


def _herd(limited: _Limited, span_ns: int) -> tuple[float, float]:
    """The herd's share, and what it would be if the same tries were spread over ``span_ns``."""
    total = len(limited.begin_ns)
    if not total or span_ns <= 0:
        return 0.0, 0.0
    order = np.lexsort((limited.begin_ns, limited.wait_s))
    agent, begin_ns, wait_s = limited.agent[order], limited.begin_ns[order], limited.wait_s[order]
    is_close = (
        (wait_s[1:] == wait_s[:-1])
        & (agent[1:] != agent[:-1])
        & (begin_ns[1:] - begin_ns[:-1] <= HERD_NS)
    )
    in_herd = np.zeros(total, np.bool_)
    in_herd[1:] |= is_close
    in_herd[:-1] |= is_close
    _, sizes = np.unique(wait_s, return_counts=True)
    alone = np.exp(-2.0 * HERD_NS * (sizes - 1) / span_ns)
    chance = float(((1.0 - alone) * sizes).sum() / total)
    return float(in_herd.mean()), chance


def _used(portion: Portion) -> int:
    """Answers that were given and used."""
    is_used = (portion.uses.seq != NEVER) & (portion.executions > 0) & ~portion.cells.is_tool
    return int(np.count_nonzero(is_used))


def _span_ns(evidence: Evidence) -> int:
    """First to last begin of a request."""
    begin_ns = evidence.requests.begin_ns
    return int(begin_ns[-1] - begin_ns[0]) if len(begin_ns) else 0


def _goodput_ratio(evidence: Evidence, used: int, requests_per_min: int | None) -> float | None:
    if not requests_per_min:
        return None
    span_ns = int(evidence.requests.end_ns.max(initial=0)) - load_begin_ns(evidence)
    return used * 60 * NS_PER_S / span_ns / requests_per_min if span_ns > 0 else 0.0


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
