"""Costs against a baseline: they follow from the programs, so that one run is enough. Pure."""

from collections.abc import Iterator, Mapping
from statistics import fmean

from harness.measures.figures import FIGURES, FigureSpec
from reports.gate_finding import COST, FAIL, INCONCLUSIVE, NOT_MEASURED, PASS, Finding
from reports.gate_sides import Side

ROUNDING = 1e-5
"""Figures are kept with six digits behind the point."""


def cost_findings(
    baseline: Side, candidate: Side, tolerances: Mapping[str, float]
) -> Iterator[Finding]:
    """A line for each cost."""
    for spec in FIGURES:
        if not spec.is_timing:
            yield _cost(spec, baseline, candidate, tolerances.get(spec.name))


def tolerance_of(spec: FigureSpec, side: Side, override: float | None) -> float:
    """How much worse a figure may be in such a cell."""
    if override is not None:
        return override
    return spec.tolerance_faulted_ratio if side.is_faulted else spec.tolerance_ratio


def unmeasured(spec: FigureSpec, baseline: Side, candidate: Side, kind: str) -> Finding | None:
    """The line of a figure that one side lacks, or both; None when both have it."""
    before, now = baseline.values(spec.name), candidate.values(spec.name)
    if before and now:
        return None
    lacking = candidate if not now else baseline
    reason = lacking.reasons.get(spec.name, "no reason was kept")
    if not before and not now:
        state, text = NOT_MEASURED, reason
    else:
        which = "now" if not now else "in the baseline"
        state, text = INCONCLUSIVE, f"not measured {which}: {reason}"
    return Finding(kind=kind, cell=candidate.key, name=spec.name, state=state, text=text)


def _cost(spec: FigureSpec, baseline: Side, candidate: Side, override: float | None) -> Finding:
    missing = unmeasured(spec, baseline, candidate, COST)
    if missing is not None:
        return missing
    tolerance = tolerance_of(spec, candidate, override)
    join = fmean if tolerance else max
    before, now = join(baseline.values(spec.name)), join(candidate.values(spec.name))
    limit = before * (1 + tolerance) + ROUNDING
    rule = f"at most {tolerance:.1%} more" if tolerance else "exact"
    text = f"{now:,.6g} {spec.unit}, baseline {before:,.6g}, {rule}"
    if now < before * (1 - tolerance) - ROUNDING:
        text += "; less than the baseline: make a new one to keep it so"
    return Finding(
        kind=COST,
        cell=candidate.key,
        name=spec.name,
        state=FAIL if now > limit else PASS,
        text=text,
        baseline=before,
        candidate=now,
        tolerance_ratio=tolerance,
        ratio=now / before if before else None,
        runs_baseline=len(baseline.values(spec.name)),
        runs_candidate=len(candidate.values(spec.name)),
    )
