"""Repeats against the engine's own history: which began after it had kept the step's result.

A second figure beside S2 and S3: they go by the first use that the witness saw, this by the date
that the engine itself gives. It rests on the engine's word and on two clocks, so it decides no
verdict. A repeat before the commit is what at-least-once execution permits; one after it is not.

Source: docs/guarantees.md, "The engine's own history"
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.clock import NS_PER_MS
from harness.commits import Commit, EngineHistory
from harness.history import NONE, Evidence, Flags, Ints, Kind, Receipts
from harness.measures.carried import sources_of
from harness.measures.exposure import NEVER
from harness.measures.latency import distribution
from harness.measures.portion import Portion, portions
from harness.measures.repeats import repeated_of
from harness.results import EngineCommits
from mock_llm import receipts

STAMP_NS = NS_PER_MS
"""Allowed for the engine's dates and the ledger's moments: engines keep milliseconds or better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """The commits of all agents whose history was read, as columns; times are monotonic."""

    agent: Ints
    value: Receipts
    mark: Ints
    since_ns: Ints
    until_ns: Ints
    is_known: Flags
    """By agent of the run: its history was read."""


def dated_of(evidence: Evidence, history: EngineHistory) -> Dated:
    """The history on the evidence's names and clock; agents that are in no program are left out."""
    number_of = {name: number for number, name in enumerate(evidence.names.agents)}
    is_known = np.zeros(len(number_of), np.bool_)
    offset_ns = history.wall_ns - history.monotonic_ns
    rows = []
    for one in history.agents:
        if one.agent not in number_of or one.problem:
            continue
        is_known[number_of[one.agent]] = True
        rows += [
            (
                number_of[one.agent],
                *shown,
                commit.since_ns - offset_ns,
                _until_ns(commit) - offset_ns,
            )
            for commit in one.commits
            for shown in receipts.find(commit.receipt)
        ]
    agent, value, mark, since_ns, until_ns = zip(*rows, strict=True) if rows else ((),) * 5
    return Dated(
        agent=np.array(agent, np.int64),
        value=np.array(value, np.uint64),
        mark=np.array(mark, np.int64),
        since_ns=np.array(since_ns, np.int64),
        until_ns=np.array(until_ns, np.int64),
        is_known=is_known,
    )


def _until_ns(commit: Commit) -> int:
    return max(commit.since_ns, commit.until_ns)


def commits_of(evidence: Evidence, history: EngineHistory) -> EngineCommits:
    """Order every repeat of the run against the first commit of its step, as far as that goes."""
    dated = dated_of(evidence, history)
    uncertainty_ns = STAMP_NS + abs(history.drift_ns)
    counts: Counter[str] = Counter()
    lags, certain = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for portion in portions(evidence) if dated.is_known.any() else ():
        found = _found(portion, dated)
        lags.append(_lag_ns(portion, found, found.since_ns))
        certain.append(_lag_ns(portion, found, found.until_ns))
        counts.update(_ordered(portion, found, dated.is_known, uncertainty_ns))
    lag_ns = np.concatenate(lags)
    return EngineCommits(
        reason=_reason(history, dated),
        bound=history.bound,
        chosen_count=history.chosen_count,
        read_count=int(np.count_nonzero(dated.is_known)),
        commits_count=len(lag_ns),
        before_count=counts["before"],
        after_count=counts["after"],
        unordered_count=counts["unordered"],
        unread_count=counts["unread"],
        stamp_ms=STAMP_NS / NS_PER_MS,
        drift_ms=round(abs(history.drift_ns) / NS_PER_MS, 3),
        lag=distribution("commit lag", lag_ns),
        lag_certain=distribution("commit lag, certain", np.concatenate(certain)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One row a commit of a portion's agents whose attempt the ledger has."""

    row: Ints
    """The request that the receipt names."""
    cell: Ints
    since_ns: Ints
    until_ns: Ints
    is_marked: Flags
    """The receipt names the attempt; without a mark, its step alone."""


def _found(portion: Portion, dated: Dated) -> _Found:
    """A receipt that nobody gave is R's matter, and is left out here."""
    is_ours = (dated.agent >= portion.agent_from) & (dated.agent < portion.agent_to)
    row = sources_of(
        portion.requests,
        agent=dated.agent[is_ours],
        value=dated.value[is_ours],
        mark=dated.mark[is_ours],
        order=portion.order,
        first_place=portion.first_place,
    )
    place = np.flatnonzero(is_ours)[row != NONE]
    row = row[row != NONE]
    is_step = portion.requests.kind[row] != Kind.EVENT
    place, row = place[is_step], row[is_step]
    return _Found(
        row=row,
        cell=portion.cells.of_request[row],
        since_ns=dated.since_ns[place],
        until_ns=dated.until_ns[place],
        is_marked=dated.mark[place] != NONE,
    )


def _lag_ns(portion: Portion, found: _Found, kept_ns: Ints) -> Ints:
    """From each answer to its first commit, of attempts that are known."""
    has_ended = found.is_marked & (portion.requests.end_ns[found.row] != NONE)
    row, kept_ns = found.row[has_ended], kept_ns[has_ended]
    order = np.lexsort((kept_ns, row))
    once, first = np.unique(row[order], return_index=True)
    lag: Ints = kept_ns[order][first] - portion.requests.end_ns[once]
    return lag


def _ordered(
    portion: Portion, found: _Found, is_known: Flags, uncertainty_ns: int
) -> dict[str, int]:
    """Count the repeats by where they began; a step without a dated commit orders nothing."""
    since_ns = np.full(portion.cells.count, NEVER, np.int64)
    until_ns = np.full(portion.cells.count, NEVER, np.int64)
    np.minimum.at(since_ns, found.cell, found.since_ns)
    np.minimum.at(until_ns, found.cell, found.until_ns)
    repeated = repeated_of(portion)
    began_ns = portion.requests.begin_ns[repeated.row]
    is_read = is_known[portion.requests.agent[repeated.row]]
    is_dated = is_read & (since_ns[repeated.cell] != NEVER)
    is_before = is_dated & (began_ns + uncertainty_ns < since_ns[repeated.cell])
    is_after = is_dated & (began_ns - uncertainty_ns > until_ns[repeated.cell])
    return {
        "before": int(np.count_nonzero(is_before)),
        "after": int(np.count_nonzero(is_after)),
        "unordered": int(np.count_nonzero(is_read & ~is_before & ~is_after)),
        "unread": int(np.count_nonzero(~is_read)),
    }


def _reason(history: EngineHistory, dated: Dated) -> str:
    """Why nothing can be said; empty when at least one history was read."""
    if history.reason or dated.is_known.any():
        return history.reason
    problems = [one.problem for one in history.agents if one.problem]
    return problems[0] if problems else history.bound or "no history of an agent of the plan"
