"""Own time: what an agent took while no call of its was open; the engine's share of its latency.

From the driver's first POST to the end of the agent's last answer, without the time in which at
least one of its requests was open at the witness. What is left is intake, scheduling, replay and
commits, waits of the program and for a quota, and, for an agent that a kill struck, the recovery.
"""

import numpy as np

from harness.history import NONE, Evidence, Ints


def own_time_ns(evidence: Evidence) -> Ints:
    """Nanoseconds per agent that was started and got an answer; in no useful order."""
    requests, sent = evidence.requests, evidence.starts.sent_ns
    is_whole = (requests.agent != NONE) & (requests.end_seq != NONE)
    rows = np.flatnonzero(is_whole)
    rows = rows[sent[requests.agent[rows]] != NONE]
    if not len(rows):
        return np.zeros(0, np.int64)
    agent = requests.agent[rows].astype(np.int64)
    order = np.lexsort((requests.begin_ns[rows], agent))
    rows, agent = rows[order], agent[order]
    first = np.flatnonzero(np.append(True, agent[1:] != agent[:-1]))
    start = sent[agent[first]]
    # Times since the agent's start, shifted so that one agent's never reach the next one's.
    counts = np.diff(np.append(first, len(rows)))
    begin = np.maximum(requests.begin_ns[rows] - np.repeat(start, counts), 0)
    end = np.maximum(requests.end_ns[rows] - np.repeat(start, counts), begin)
    shift = np.repeat(np.arange(len(first)), counts) * (int(end.max()) + 1)
    reached = np.maximum.accumulate(end + shift) - shift
    before = np.where(np.arange(len(rows)) == np.repeat(first, counts), 0, np.roll(reached, 1))
    covered = np.maximum(end - np.maximum(begin, before), 0)
    last = np.maximum.reduceat(end, first)
    own: Ints = last - np.add.reduceat(covered, first)
    return own
