"""The registry of checkers, and the one walk that runs them all."""

from harness.checkers.applied_once import AppliedOnce
from harness.checkers.attempted_once import AttemptedOnce
from harness.checkers.committed_once import CommittedOnce
from harness.checkers.delivered import Delivered
from harness.checkers.ends import Ends
from harness.checkers.found import Scan
from harness.checkers.judgement import PromiseChecker, anomalies_of, conclude
from harness.checkers.repeats_excused import RepeatsExcused
from harness.checkers.resumed import Resumed
from harness.checkers.used_once import UsedOnce
from harness.history import Evidence
from harness.measures.portion import portions
from harness.verdict import Anomaly, CheckResult, Verdict

CHECKERS: dict[str, PromiseChecker] = {
    "L": Ends(),
    "S1": CommittedOnce(),
    "S2": UsedOnce(),
    "S3": RepeatsExcused(),
    "S4": AppliedOnce(),
    "S5": AttemptedOnce(),
    "R": Resumed(),
    "M": Delivered(),
}
"""Promise -> its checker, in the order of the vector."""


def run_checkers(evidence: Evidence) -> tuple[CheckResult, ...]:
    """Judge all promises in one walk; a checker that fails gives unknown with its error."""
    results, _ = _judge(evidence, is_full=False)
    return results


def all_anomalies(evidence: Evidence) -> list[Anomaly]:
    """Every anomaly of every promise as text, for the side file; results hold the worst 50 each."""
    _, anomalies = _judge(evidence, is_full=True)
    return anomalies


def _judge(evidence: Evidence, *, is_full: bool) -> tuple[tuple[CheckResult, ...], list[Anomaly]]:
    scans = {key: Scan() for key in CHECKERS}
    broken: dict[str, Exception] = {}
    for portion in portions(evidence):
        for key, checker in CHECKERS.items():
            if key not in broken:
                try:
                    scans[key] += checker.scan(portion)
                except Exception as error:  # noqa: BLE001 - a broken checker judges nothing.
                    broken[key] = error
    results, anomalies = [], []
    for key, checker in CHECKERS.items():
        try:
            if key in broken:
                raise broken[key]
            scan = checker.settle((scans[key] + checker.scan_whole(evidence)).joined())
            results.append(conclude(checker, evidence, scan))
            if is_full:
                anomalies += anomalies_of(key, evidence, scan)
        except Exception as error:  # noqa: BLE001 - a broken checker judges nothing.
            results.append(
                CheckResult(
                    promise=key,
                    verdict=Verdict.UNKNOWN,
                    reason=f"the checker failed: {type(error).__name__}: {error}",
                )
            )
    return tuple(results), anomalies
