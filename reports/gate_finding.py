"""One line of a gate, and the words for it. Pure."""

from dataclasses import dataclass

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
NOT_COMPARABLE, NOT_MEASURED = "not comparable", "not measured"
SKIPPED, NOTE, KNOWN = "skipped", "note", "known"
STATES = (FAIL, NOT_COMPARABLE, INCONCLUSIVE, KNOWN, PASS, NOT_MEASURED, SKIPPED, NOTE)
"""In the order in which they are shown; `KNOWN` and the last three decide nothing."""
RUN, CORRECTNESS, COST, TIMING = "run", "correctness", "cost", "timing"
THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was gated, or could not be."""

    kind: str
    """run | correctness | cost | timing | threshold"""
    cell: str
    name: str
    """A promise, a figure, a threshold."""
    state: str
    """A word of `STATES`."""
    text: str
    """What was expected, what was found."""
    baseline: float | None = None
    candidate: float | None = None
    tolerance_ratio: float | None = None
    """How much worse it may be."""
    ratio: float | None = None
    """Candidate over baseline."""
    ratio_low: float | None = None
    """Limits at 90 %, of timings."""
    ratio_high: float | None = None
    p_worse: float | None = None
    """Of a timing, after Holm's correction: small when it is surely beyond its tolerance."""
    runs_baseline: int = 0
    runs_candidate: int = 0
