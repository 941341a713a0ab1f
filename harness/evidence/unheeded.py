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
    """Outcomes that carry the last receipt of another agent's program."""
    expected, outcomes = evidence.expected, evidence.outcomes
    own = np.zeros(len(evidence.names.agents), np.uint64)
    own[expected.agent[expected.is_last]] = expected.receipt[expected.is_last]
    is_known = (outcomes.agent != NONE) & (outcomes.receipt != 0)
    agent, receipt = outcomes.agent[is_known], outcomes.receipt[is_known]
    strange = int(np.count_nonzero((receipt != own[agent]) & np.isin(receipt, own)))
    if strange:
        yield (
            f"{strange} of {len(outcomes.agent)} outcomes are another agent's; expected "
            "GET /agents/{id} to tell of the agent with that id, and POST /agents to run it"
        )
