"""Prediction beside measurement: runs that the model was not fitted on, and how much they differ
from each other.

Runs of one scenario and engine, whatever their seed, are repeats of each other; what they differ by
is the A/A spread, which no prediction can be better than.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.clock import NS_PER_S
from harness.history import NONE
from harness.simulation.fit import Fitted, Run, as_run
from harness.simulation.outcome import Outcome, outcome_of
from harness.simulation.settings import checked
from harness.simulation.walk import simulate

SPREADS_MAX = 1.5
"""Error of a prediction, by the A/A spread, up to which it is as good as another run."""
SEEDS = (1, 2, 3, 4, 5)
"""The prediction is the mean over these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure of one scenario."""

    scenario: str
    """What tells it from the others: name, pods, load, kills."""
    figure: str
    unit: str
    runs_count: int
    measured: float
    """Mean over the runs."""
    spread: float
    """Largest less smallest of the runs: the A/A spread."""
    predicted: float
    state: str
    """within | outside | unknown: unknown with a single run, which has no spread."""

    @property
    def error(self) -> float:
        """Prediction less measurement."""
        return self.predicted - self.measured


def validate(fitted: Fitted, runs: Sequence[Run]) -> tuple[Compared, ...]:
    """Predict each scenario among the runs, and compare.

    Raises:
        UsageError: a run cannot be simulated.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = f"{run.plan.scenario!r} {replace(run.plan.cell, repeat=0)!r}"
        groups.setdefault(key, []).append(run)
    return tuple(row for group in groups.values() for row in _compared(fitted, group))


def _compared(fitted: Fitted, group: list[Run]) -> list[Compared]:
    scenario, predictions = group[0].plan.scenario, []
    has_quota = bool(scenario.llm.requests_per_min or scenario.llm.tokens_per_min)
    # What nothing can change is no prediction.
    idle = set() if has_quota else {"requests refused"}
    if not has_quota and not scenario.faults:
        idle.add("calls per agent")
    for run in group:
        settings = checked(as_run(fitted.settings, run), source=run.name)
        for seed in SEEDS:
            outcome = outcome_of(settings, simulate(settings, seed), seed)
            predictions.append(_predicted(outcome))
    measured = [_measured(run) for run in group]
    rows = []
    for name, unit in FIGURES:
        values = [found[name] for found in measured if name in found]
        guesses = [found[name] for found in predictions if name in found]
        if not values or not guesses or name in idle:
            continue
        mean, spread = float(np.mean(values)), float(np.ptp(values))
        guess = float(np.mean(guesses))
        state = "within" if abs(guess - mean) <= SPREADS_MAX * spread else "outside"
        rows.append(
            Compared(
                scenario=_title(group[0]),
                figure=name,
                unit=unit,
                runs_count=len(values),
                measured=mean,
                spread=spread,
                predicted=guess,
                state=state if len(values) > 1 else "unknown",
            )
        )
    return rows


FIGURES = (
    ("agents per second", "1/s"),
    ("agent p50", "ms"),
    ("agent p95", "ms"),
    ("calls per agent", "calls"),
    ("requests refused", "ratio"),
    ("victim resume p50", "ms"),
)


def _measured(run: Run) -> dict[str, float]:
    starts, result = run.evidence.starts, run.result
    intended, ended = starts.intended_ns[starts.intended_ns != NONE], starts.ended_ns
    agent = next(one for one in result.latencies if one.name == "agent")
    calls = next(one for one in result.figures if one.name == "llm_calls_per_agent").value
    found = {
        "requests refused": _share(result.repeats.limited_count, result.repeats.requests_count)
    }
    if agent.count:
        span_s = int(ended.max() - intended.min()) / NS_PER_S
        found |= {
            "agents per second": result.agents_completed / span_s,
            "agent p50": agent.ms_p50,
            "agent p95": agent.ms_p95,
        }
    if calls is not None:
        found["calls per agent"] = calls
    if result.resume.count:
        found["victim resume p50"] = result.resume.ms_p50
    return found


def _predicted(outcome: Outcome) -> dict[str, float]:
    found = {
        "agents per second": outcome.agents_per_s,
        "agent p50": outcome.agent_ms.p50,
        "agent p95": outcome.agent_ms.p95,
        "calls per agent": outcome.calls_count / outcome.settings.agents,
        "requests refused": outcome.refused_ratio,
    }
    if outcome.resume_ms.count:
        found["victim resume p50"] = outcome.resume_ms.p50
    return found


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _title(run: Run) -> str:
    scenario = run.plan.scenario
    load = scenario.load
    rate = (
        "at once" if load.shape == "at_once" else f"{run.facts.rate_per_s:g}/s" if run.facts else ""
    )
    kills = sum(fault.count for fault in scenario.faults)
    return (
        f"{scenario.name}: {load.agents} agents {rate}, {scenario.pods} "
        f"pod{'s' if scenario.pods > 1 else ''}, {kills} kill{'' if kills == 1 else 's'}"
    )
