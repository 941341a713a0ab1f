"""What a stranger's worker does not heed, markers and agents' ids, in words for the page. Pure.

The promises fall, or stay unknown, by it; this says why, since an anomaly only says what.
"""

from collections.abc import Iterator

import numpy as np

from harness.history import NONE, AgentStatus, Evidence, Kind, RequestOutcome


def unheeded(evidence: Evidence) -> tuple[str, ...]:
    """Sentences; none for a worker that heeds both."""
    return (*_unmarked(evidence), *_of_others(evidence))


def _unmarked(evidence: Evidence) -> Iterator[str]:
    """Calls without a marker, and agents that ended, or all agents, without one with it.

    A framework's own calls have none either, beside those of its agents' steps.
    """
    requests, starts = evidence.requests, evidence.starts
    is_nobodys = (requests.kind == Kind.AUXILIARY) & (requests.agent == NONE)
    count = int(np.count_nonzero(is_nobodys & (requests.outcome == RequestOutcome.ANSWERED)))
    is_accepted = starts.accepted_ns != NONE
    is_seen = np.zeros(len(is_accepted), np.bool_)
    is_seen[requests.agent[(requests.kind == Kind.STEP) & (requests.agent != NONE)]] = True
    is_quiet = is_accepted & ~is_seen
    did_end = is_quiet & (starts.status == AgentStatus.COMPLETED)
    if count and (did_end.any() or (is_quiet.any() and not is_seen.any())):
        yield (
            f"{count} LLM calls came without a marker, and of {np.count_nonzero(is_accepted)} "
            f"accepted agents {np.count_nonzero(is_quiet)} made none with one; expected each "
            "prompt copied unread, its line [[op1 ...]] a line of its own: see "
            "docs/bring-your-own.md"
        )


def _of_others(evidence: Evidence) -> Iterator[str]:
    """Outcomes that carry what the LLM answered another agent, and never theirs."""
    requests, outcomes = evidence.requests, evidence.outcomes
    is_read = (requests.agent != NONE) & requests.is_executed
    is_read &= np.isin(requests.receipt, outcomes.receipt)
    answered = set(zip(requests.agent[is_read], requests.receipt[is_read], strict=True))
    known = {receipt for _, receipt in answered}
    told = [one for one in zip(outcomes.agent, outcomes.receipt, strict=True) if one[0] != NONE]
    strange = sum(one[1] in known and one not in answered for one in told)
    if strange:
        yield (
            f"{strange} of {len(outcomes.agent)} outcomes are another agent's; expected "
            "GET /agents/{id} to tell of the agent with that id, and POST /agents to run it"
        )
