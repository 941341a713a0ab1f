"""The rules that make a verdict of what a checker found; the same for every promise.

Any violation is invalid, since a refutation needs no minimum: except that, where evidence is
missing, what rests on the absence of a record refutes nothing. Otherwise the verdict is unknown as
soon as one thing is lacking, and valid only when nothing is.

Source: docs/guarantees.md, "Verdicts"
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.checkers.found import Found, Scan
from harness.checkers.telling import Teller
from harness.history import NONE, Evidence
from harness.measures.portion import Portion, portions
from harness.verdict import Anomaly, CheckResult, Verdict

ANOMALIES_MAX = 50
"""Anomalies in a result; the others are in the side file."""

RESTS_ON_ABSENCE = frozenset(
    {
        "lost-start",
        "spinning",
        "lost-timer",
        "lost-event",
        "stuck",
        "lost-step",
        "false-terminal",
        "skipped-step",
        "out-of-order",
        "phantom-step",
        "unanswered-receipt",
        "repeat-without-fault",
        "concurrent-duplicate",
        "forked-lineage",
        "duplicate-start",
        "early-timer",
        "lost-message",
        "stranded-message",
        "lost-message-start",
        "duplicate-message-start",
        "duplicate-delivery",
        "reordered-message",
        "phantom-delivery",
        "cross-topic",
        "dropped-poison",
        "unaccounted-dead-letter",
    }
)
"""Anomalies that a lost record alone could feign: a step nobody saw, a fault nobody marked."""


class PromiseChecker:
    """A checker that scans portions; a subclass is one promise. It holds no state."""

    promise: str
    counted: str
    """What ``checked_count`` counts, in the plural."""

    def scan(self, portion: Portion) -> Scan:
        """Look at one portion."""
        raise NotImplementedError

    def scan_whole(self, _evidence: Evidence) -> Scan:
        """Look at what no portion shows; most checkers have nothing to do here."""
        return Scan()

    def lacks(self, _evidence: Evidence, scan: Scan) -> str:
        """Why this promise cannot be judged here, beyond the common reasons; empty when it can."""
        return "" if scan.checked else f"no {self.counted} to judge"

    def settle(self, scan: Scan) -> Scan:
        """What holds once all is seen; most checkers leave it as it is."""
        return scan

    def is_offered(self, _scan: Scan) -> bool:
        """Whether the engine offers what the promise needs."""
        return True

    def is_applicable(self, _evidence: Evidence) -> bool:
        """Whether the run has anything that the promise is about."""
        return True

    def check(self, evidence: Evidence) -> CheckResult:
        """Judge; what cannot be judged is unknown, never valid."""
        return conclude(self, evidence, scan_of(self, evidence))


def scan_of(checker: PromiseChecker, evidence: Evidence) -> Scan:
    """Walk the whole evidence with one checker."""
    scan = checker.scan_whole(evidence)
    for portion in portions(evidence):
        scan += checker.scan(portion)
    return checker.settle(scan.joined())


def conclude(checker: PromiseChecker, evidence: Evidence, scan: Scan) -> CheckResult:
    """Make the verdict, and texts for the worst anomalies."""
    if not checker.is_applicable(evidence):
        return CheckResult(
            promise=checker.promise,
            verdict=Verdict.UNKNOWN,
            reason=f"no {checker.counted} in this run",
            is_applicable=False,
        )
    ruling = _rule(checker, evidence, scan)
    return CheckResult(
        promise=checker.promise,
        verdict=ruling.verdict,
        reason=ruling.reason,
        checked_count=scan.checked,
        exposed_count=scan.exposed,
        kills_count=sum(fault.has_struck for fault in evidence.faults),
        violations_count=sum(found.count for found in scan.found),
        not_judged_count=scan.not_judged,
        is_offered=checker.is_offered(scan),
        anomalies=tuple(anomalies_of(checker.promise, evidence, scan, most=ANOMALIES_MAX)),
    )


def anomalies_of(
    promise: str, evidence: Evidence, scan: Scan, *, most: int | None = None
) -> list[Anomaly]:
    """The anomalies as texts, worst first: by name in the checker's order, then in ledger order."""
    teller = Teller(evidence)
    told: list[Anomaly] = []
    for found in scan.found:
        room = found.count if most is None else most - len(told)
        told += [teller.tell(promise, found, row) for row in _in_order(found)[: max(room, 0)]]
    return told


@dataclass(frozen=True, slots=True)
class _Ruling:
    verdict: Verdict
    reason: str


def _rule(checker: PromiseChecker, evidence: Evidence, scan: Scan) -> _Ruling:
    seen = ", ".join(f"{found.count} {found.name}" for found in scan.found)
    firm = [
        found for found in scan.found if not evidence.problems or found.name not in RESTS_ON_ABSENCE
    ]
    if firm:
        total = sum(found.count for found in firm)
        names = ", ".join(f"{found.count} {found.name}" for found in firm)
        return _Ruling(Verdict.INVALID, f"{_times(total, 'violation')}: {names}")
    missing = _missing(checker, evidence, scan)
    if missing:
        doubt = f"; seen, but not to be trusted: {seen}" if seen else ""
        return _Ruling(Verdict.UNKNOWN, missing + doubt)
    return _Ruling(Verdict.VALID, f"0 violations in {scan.checked} {checker.counted}")


def _missing(checker: PromiseChecker, evidence: Evidence, scan: Scan) -> str:
    """The first thing that keeps a promise from being judged; empty when nothing does."""
    if evidence.problems:
        more = len(evidence.problems) - 1
        return f"evidence is damaged: {evidence.problems[0]}" + (f" and {more} more" * (more > 0))
    if not (evidence.starts.accepted_ns != NONE).any():
        return "no agent was accepted"
    own = checker.lacks(evidence, scan)
    if own:
        return own
    struck = sum(fault.has_struck for fault in evidence.faults)
    if evidence.faults_planned > struck:
        return f"{struck} of {evidence.faults_planned} planned faults struck"
    if evidence.faults_planned and scan.interrupted < evidence.exposures_min:
        return (
            f"{_times(scan.interrupted, 'interrupted exposure')}, "
            f"at least {evidence.exposures_min} needed"
        )
    return ""


def _in_order(found: Found) -> Sequence[int]:
    """Rows in the order of their first proof."""
    if not found.seqs.shape[1]:
        return list(range(found.count))
    order: list[int] = found.seqs.max(axis=1).argsort(kind="stable").tolist()
    return order


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
