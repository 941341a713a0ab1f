"""Anomalies in plain words: the smallest excerpt of the ledger that shows each.

Times are seconds after the begin of the load.
"""

import numpy as np

from harness.checkers.found import Found
from harness.clock import NS_PER_S
from harness.history import NONE, Evidence, FaultWindow, Ints, MessageEvent, RequestOutcome
from harness.measures.series import load_begin_ns
from harness.verdict import MESSAGES, Anomaly

MEANINGS = {
    "stuck": "accepted, and not ended in time after the last heal",
    "lost-start": "accepted, and nothing of it was ever seen",
    "spinning": "one step is executed over and over, and it does not end",
    "lost-timer": "never asked, though the wait in front of it was over",
    "lost-event": "never asked, though the event in front of it was sent",
    "orphan-child": "its steps go on after the agent has ended as failed",
    "early-timer": "asked before the wait in front of it was over",
    "zombie-effect": "executed by an incarnation that had been killed and replaced",
    "lost-step": "the agent completed, and its outcome rests on no result of this step",
    "double-commit": "the outcome rests on two results of this step",
    "forked-lineage": "two last answers rest on different results",
    "false-terminal": "completed without the work being done",
    "duplicate-start": "started again from the top while the first start was still alive",
    "recompute-after-use": "executed again after its result had been used",
    "recompute-after-outcome": "executed again after the outcome had been read",
    "repeat-without-fault": "executed again, and no fault explains it",
    "concurrent-duplicate": "two executions at the same time, and no fault explains it",
    "double-applied": "the effect was applied twice",
    "key-instability": "the idempotency key changed between two executions of one call",
    "key-shared": "two different calls came with the same idempotency key",
    "attempted-twice": "the tool was called twice",
    "skipped-step": "never executed, but a step that builds on it was",
    "out-of-order": "asked before a step that it builds on had an answer",
    "context-corruption": "the conversation is no continuation of the turn before",
    "cross-agent-leak": "the request carried what belongs to another agent",
    "unanswered-receipt": "the request carried a receipt of its own agent that nobody gave",
    "result-divergence": "the result is not the one that the program leads to",
    "wrong-outcome": "the outcome is not the one that the program leads to",
    "phantom-step": "executed, and in no program",
    "lost-message": "acknowledged, delivered to nobody, and in no broker any more",
    "stranded-message": "acknowledged, delivered to nobody, and left behind in a broker",
    "lost-message-start": "its start message was delivered, and it never began",
    "duplicate-message-start": "its start message started it twice, and both starts lived",
    "duplicate-delivery": "delivered more than once, which the broker does not declare",
    "reordered-message": "the next message of its key was delivered before it",
    "phantom-delivery": "delivered before anybody had published it",
    "cross-topic": "delivered from a topic that it was not published to",
    "dropped-poison": "no handler took it, and it is in no dead letters and in no broker any more",
    "unaccounted-dead-letter": "a dead letter, though no poison and not tried often enough",
}
"""Anomaly -> what it means, as a clause."""

ROLES = {
    "first": "asked by {caller} at {begin}, {end}",
    "before": "asked by {caller} at {begin}, {end}",
    "again": "asked again by {caller} at {begin}, {end}",
    "use": "first used at {begin} by step {path}",
    "successor": "step {path} was asked by {caller} at {begin}",
    "result": "answered at {end_time}",
    "turn": "the turn before was asked at {begin}",
    "tip": "{end} to {caller}, asked at {begin}",
    "outcome": "outcome read at {begin}",
}
"""Role of a sequence number -> how a request in it is told."""

TOLD = {
    MessageEvent.PUBLISHING: "published to {topic} of {broker} by {caller}",
    MessageEvent.ACKNOWLEDGED: "acknowledged by {broker} to {caller}",
    MessageEvent.REFUSED: "refused by {broker}, as {caller} says",
    MessageEvent.DELIVERED: "delivered from {topic} to {caller}",
    MessageEvent.DEAD_LETTER: "a dead letter of {topic}",
    MessageEvent.RESIDUE: "found in {topic} of {broker}",
}
"""What happened to a message -> how it is told."""


class Teller:
    """Tells anomalies of one run."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._begin_ns = load_begin_ns(evidence)

    def tell(self, promise: str, found: Found, row: int) -> Anomaly:
        """Put one row of ``found`` into words."""
        names = self._evidence.names
        agent, path = int(found.agent[row]), int(found.path[row])
        seqs = tuple(int(seq) for seq in found.seqs[row] if seq != NONE)
        who = f"agent {names.agents[agent]}" if agent != NONE else self._stranger(seqs)
        what = "message" if promise == MESSAGES else "step"
        where = f", {what} {names.paths[path]}" if path != NONE else ""
        told = self._excerpt(found, row)
        return Anomaly(
            name=found.name,
            promise=promise,
            agent=names.agents[agent] if agent != NONE else "",
            path=names.paths[path] if path != NONE else "",
            text=f"{who}{where}: {MEANINGS[found.name]}{': ' if told else ''}{'; '.join(told)}",
            seqs=seqs,
        )

    def _excerpt(self, found: Found, row: int) -> list[str]:
        """What the proving records say, and the faults on their callers, in order of time."""
        events: list[tuple[int, str]] = []
        callers: set[str] = set()
        for role, number in zip(found.roles, found.seqs[row], strict=True):
            place = _place(self._evidence.requests.begin_seq, int(number))
            if place != NONE:
                events.append(self._request(role, place))
                caller = int(self._evidence.requests.caller[place])
                callers.add(self._evidence.names.callers[caller])
            elif number != NONE:
                events += self._outcome(int(number)) or self._message(int(number))
        if events and len(callers) > 0:
            events += self._faults(callers, max(ns for ns, _ in events))
        return [text for _, text in sorted(events)]

    def _request(self, role: str, place: int) -> tuple[int, str]:
        requests, names = self._evidence.requests, self._evidence.names
        begin_ns, end_ns = int(requests.begin_ns[place]), int(requests.end_ns[place])
        text = ROLES[role].format(
            caller=names.callers[int(requests.caller[place])],
            path=names.paths[int(requests.path[place])] or "(auxiliary)",
            begin=self._time(begin_ns),
            end=self._end(place),
            end_time=self._time(end_ns),
        )
        return begin_ns, text

    def _end(self, place: int) -> str:
        requests = self._evidence.requests
        outcome = RequestOutcome(int(requests.outcome[place]))
        receipt, mark = int(requests.receipt[place]), int(requests.mark[place])
        given = f" as {_short(receipt, mark)}" if receipt else ""
        words = {
            RequestOutcome.OPEN: "never ended",
            RequestOutcome.ANSWERED: "answered",
            RequestOutcome.LIMITED: "limited",
            RequestOutcome.FAULTED: "failed on purpose",
            RequestOutcome.CLIENT_GONE: "executed for a client that had gone" if receipt
            else "left by its client",
            RequestOutcome.DROPPED: "executed, its answer withheld",
            RequestOutcome.REFUSED: "refused",
        }[outcome]  # fmt: skip
        at = f" at {self._time(int(requests.end_ns[place]))}" if outcome else ""
        return f"{words}{at}{given}"

    def _outcome(self, seq: int) -> list[tuple[int, str]]:
        outcomes = self._evidence.outcomes
        place = _place(outcomes.seq, seq)
        if place == NONE:
            return []
        receipt, mark = int(outcomes.receipt[place]), int(outcomes.mark[place])
        what = f"as {_short(receipt, mark)}" if receipt else "without a receipt"
        at_ns = int(outcomes.t_ns[place])
        return [(at_ns, f"outcome read at {self._time(at_ns)} {what}")]

    def _message(self, seq: int) -> list[tuple[int, str]]:
        messages, names = self._evidence.messages, self._evidence.names
        place = _place(messages.seq, seq)
        if place == NONE:
            return []
        broker = int(messages.broker[place])
        text = TOLD[MessageEvent(int(messages.what[place]))].format(
            caller=names.callers[int(messages.caller[place])],
            topic=names.topics[int(messages.topic[place])],
            broker=names.brokers[broker] if broker != NONE else "a broker",
        )
        at_ns = int(messages.t_ns[place])
        return [(at_ns, f"{text} at {self._time(at_ns)}")]

    def _stranger(self, seqs: tuple[int, ...]) -> str:
        """Whom an anomaly is about that names no agent of the plan."""
        messages = self._evidence.messages
        place = _place(messages.seq, seqs[0]) if seqs else NONE
        if place == NONE:
            return "an agent of no program"
        return f"message {self._evidence.names.messages[int(messages.message[place])]}"

    def _faults(self, callers: set[str], until_ns: int) -> list[tuple[int, str]]:
        told = []
        for fault in self._evidence.faults:
            struck = sorted(callers.intersection(fault.victims))
            if struck and fault.firing_ns <= until_ns:
                told.append((fault.firing_ns, f"{struck[0]} {self._strike(fault)} ({fault.name})"))
        return told

    def _strike(self, fault: FaultWindow) -> str:
        """When a fault struck, as closely as its marks tell."""
        if fault.fired_ns == NONE:
            return f"was about to be struck at {self._time(fault.firing_ns)}"
        begin = f"{(fault.firing_ns - self._begin_ns) / NS_PER_S:.3f}"
        return f"was struck between {begin} and {self._time(fault.fired_ns)}"

    def _time(self, t_ns: int) -> str:
        return f"{(t_ns - self._begin_ns) / NS_PER_S:.3f} s"


def _short(receipt: int, mark: int) -> str:
    """A receipt's last digits and its attempt mark, enough to tell twins apart."""
    return f"{receipt & 0xFFFFFFFF:08x}" + (f".{mark:x}" if mark != NONE else "")


def _place(ordered: Ints, wanted: int) -> int:
    place = int(np.searchsorted(ordered, wanted))
    return place if place < len(ordered) and int(ordered[place]) == wanted else NONE
