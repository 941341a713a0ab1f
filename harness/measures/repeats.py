"""Repeats: what was executed more than once, whether a fault explains it, and what it cost.

A repeat is an execution of a cell that was executed before. A fault explains it when its window
overlaps the span from the begin of the execution before to the begin of the repeat. Whether the
result had been used by then is S2's question, not this one.

Source: docs/guarantees.md, "Repeats"
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from harness.history import NONE, Evidence, Flags, Ints, Kind, RequestOutcome, Requests
from harness.measures.exposure import first_on_caller, overlapping
from harness.measures.portion import Portion, portions
from harness.results import Repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """One row a repeat of a portion; cell by cell, in ledger order within."""

    row: Ints
    """The request that repeats."""
    before: Ints
    """The execution just before it."""
    cell: Ints
    fault: Ints
    """Place in the portion's faults: of those that explain it, one that struck the caller of the
    execution before, if there is one; NONE without."""
    is_on_victim: Flags
    """The fault struck the caller of the execution before."""
    is_withheld: Flags
    """The witness withheld the answer before on purpose: explained without a window."""

    @property
    def is_explained(self) -> Flags:
        """Rows that a fault explains."""
        result: Flags = (self.fault != NONE) | self.is_withheld
        return result


def repeated_of(portion: Portion) -> Repeated:
    """Find the repeats of a portion."""
    requests, rows = portion.requests, portion.by_cell
    cell = portion.cells.of_request[rows]
    again = np.flatnonzero(cell[1:] == cell[:-1]) + 1
    row, before = rows[again], rows[again - 1]
    since, until = requests.begin_seq[before], requests.begin_seq[row]
    caller = requests.caller[before].astype(np.int64)
    on_victim = first_on_caller(portion.faults, caller, since, until)
    anywhere = overlapping(portion.faults, since, until)
    return Repeated(
        row=row,
        before=before,
        cell=cell[again],
        fault=np.where(on_victim != NONE, on_victim, anywhere),
        is_on_victim=on_victim != NONE,
        is_withheld=requests.outcome[before] == RequestOutcome.DROPPED,
    )


def repeats(evidence: Evidence) -> int:
    """How many executions repeat an earlier one, of answers and tool calls."""
    return sum(len(repeated_of(portion).row) for portion in portions(evidence))


def repeats_by_fault(evidence: Evidence) -> dict[str, int]:
    """Fault -> repeats that it explains; each repeat counts once."""
    counts: Counter[str] = Counter({fault.name: 0 for fault in evidence.faults})
    for portion in portions(evidence):
        fault = repeated_of(portion).fault
        for place, count in enumerate(np.bincount(fault[fault != NONE])):
            counts[portion.faults.faults[place].name] += int(count)
    return dict(counts)


def repeats_of(evidence: Evidence) -> Repeats:
    """Price the repeats of a run."""
    return price(evidence, portions(evidence))


def price(evidence: Evidence, walk: Iterable[Portion]) -> Repeats:
    """Price the repeats of a walk over all portions of ``evidence``."""
    counts: Counter[str] = Counter()
    for portion in walk:
        counts.update(_count(portion))
    requests = evidence.requests
    is_auxiliary = requests.kind == Kind.AUXILIARY
    is_answered = requests.completion_tokens > 0  # An auxiliary answer carries no receipt.
    is_step = requests.kind == Kind.STEP
    used = counts["used_steps"]
    return Repeats(
        llm_count=counts["llm"],
        tool_count=counts["tool"],
        tool_applied_extra_count=counts["applied_extra"],
        wasted_tokens=counts["wasted_tokens"],
        useful_tokens=counts["useful_tokens"],
        auxiliary_count=int(np.count_nonzero(is_auxiliary)),
        auxiliary_tokens=_tokens(requests, np.flatnonzero(is_auxiliary & is_answered)),
        requests_per_used_step=int(np.count_nonzero(is_step)) / used if used else 0.0,
        limited_count=int(np.count_nonzero(requests.outcome == RequestOutcome.LIMITED)),
        requests_count=requests.count,
        non_victim_count=counts["non_victim"],
    )


def steps_used(evidence: Evidence) -> int:
    """Planned answers and tool calls whose result was used."""
    return sum(
        int(np.count_nonzero(_is_used(portion)[: portion.cells.planned]))
        for portion in portions(evidence)
    )


def _count(portion: Portion) -> dict[str, int]:
    requests, cells = portion.requests, portion.cells
    repeated = repeated_of(portion)
    is_tool = cells.is_tool[repeated.cell]
    applied = portion.executed[requests.is_applied[portion.executed]]
    applied_per_cell = np.bincount(cells.of_request[applied], minlength=cells.count)
    is_answer = requests.kind[portion.executed] == Kind.STEP
    answers = portion.executed[is_answer]
    is_wasted = _is_wasted(portion, answers, repeated)
    return {
        "llm": int(np.count_nonzero(~is_tool)),
        "tool": int(np.count_nonzero(is_tool)),
        "applied_extra": int(np.maximum(applied_per_cell - 1, 0).sum()),
        "wasted_tokens": _tokens(requests, answers[is_wasted]),
        "useful_tokens": _tokens(requests, answers[~is_wasted]),
        "used_steps": int(np.count_nonzero(_is_used(portion) & ~cells.is_tool)),
        "non_victim": int(np.count_nonzero((repeated.fault != NONE) & ~repeated.is_on_victim)),
    }


def _is_wasted(portion: Portion, answers: Ints, repeated: Repeated) -> Flags:
    """Answers that the outcome does not rest on; without an outcome, all repeats."""
    is_repeat = np.zeros(portion.requests.count, np.bool_)
    is_repeat[repeated.row] = True
    agent = portion.requests.agent[answers] - portion.agent_from
    has_outcome = portion.ends.row[agent] != NONE
    result: Flags = np.where(has_outcome, ~portion.lineage[answers], is_repeat[answers])
    return result


def _is_used(portion: Portion) -> Flags:
    result: Flags = portion.uses.seq != np.iinfo(np.int64).max
    # An outcome mark uses the last step even if that never ran: S1 says so, the price does not.
    return result & (portion.executions > 0)


def _tokens(requests: Requests, rows: Ints) -> int:
    prompt = requests.prompt_tokens[rows].sum(dtype=np.int64)
    return int(prompt + requests.completion_tokens[rows].sum(dtype=np.int64))
