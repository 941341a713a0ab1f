"""Puts the gate's figures and the scenario's thresholds into a judged result.

Called by `judge`. A broken threshold is a regression (3), one that could not be looked at is
unknown (2); neither outweighs a refuted promise or a broken run.
"""

from dataclasses import replace

from harness.archive import Archived
from harness.expectations import FILE, load_stores
from harness.measures.figures import Counted, figures_of
from harness.measures.state_store import StoreSaid, state_store_of
from harness.results import RunResult
from harness.state_store import StateStore
from harness.thresholds import rows_of


def figured(result: RunResult, archived: Archived) -> RunResult:
    """The result with figures, thresholds, and the exit code that follows from them."""
    facts = archived.facts
    counted = Counted() if facts is None else Counted(processes=facts.processes)
    if facts is not None and facts.store is not None:
        counted = replace(counted, store=facts.store, store_reason=facts.store_reason)
    agent = next(entry for entry in result.latencies if entry.name == "agent")
    figures = figures_of(
        archived.evidence,
        repeats=result.repeats,
        failed=result.agents_failed,
        agent=agent,
        resume=result.resume,
        counted=counted,
    )
    result = replace(result, figures=figures, state_store=_state_store(result, archived))
    rows = rows_of(archived.plan.scenario.thresholds, result)
    return replace(
        result,
        thresholds=rows,
        exit_code=exit_code_with({row.state for row in rows}, result.exit_code),
    )


def _state_store(result: RunResult, archived: Archived) -> StateStore | None:
    """What the run says of its store; None where the engine keeps its state itself."""
    facts = archived.facts
    if facts is None or result.store in ("", "none"):
        return None
    said = StoreSaid(
        ending=facts.ending,
        figures=facts.store or {},
        reason=facts.store_reason,
        sources=facts.store_sources,
        trouble=facts.store_trouble,
        troubles_count=facts.store_troubles_count,
        checks=facts.store_checks,
    )
    declared = load_stores(FILE).get(result.store)
    unpromised = declared.unpromised if declared is not None else {}
    checks = [replace(one, is_promised=one.name not in unpromised) for one in said.checks]
    said = replace(said, checks=tuple(checks))
    if declared is None or declared.pods != result.pods:
        return state_store_of(result, said)
    return state_store_of(
        result,
        said,
        expected=declared.killed if result.faults_planned else declared.calm,
        source=declared.source,
        quote=declared.quote,
    )


def exit_code_with(states: set[str], code: int) -> int:
    """The exit code of a run with these states of thresholds."""
    if "broken" in states and code in (0, 2):
        return 3
    return 2 if "unknown" in states and code == 0 else code
