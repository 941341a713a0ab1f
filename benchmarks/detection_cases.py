"""What each mutant must be caught by, and why other checkers go red on it too: the yardstick of
`benchmarks.detection`, fixed before a run."""

from dataclasses import dataclass, field

CLIENT = "client"
"""Stands for `measures.client` among the promises."""

_REPEATED = "two executions of one step, and no fault explains the second"
_ATTEMPTED = "an effect that is executed twice was attempted twice"
_HASHED = "later receipts hash the answer that is missing, so results and outcome diverge"
_ZOMBIE = "an incarnation acts that had been killed and replaced"
_NOT_IN = "the outcome rests on no answer of the step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mutant: who must catch it, and what it needs to do its harm."""

    mutant: str
    promise: str
    """Key of a promise, or CLIENT."""
    anomaly: str
    """Name that its checker must give it."""
    or_anomaly: str = ""
    """Another name of the same promise that will do."""
    also: dict[str, str] = field(default_factory=dict)
    """Other promise -> why its checker may go red on the same agents."""
    pattern: str = ""
    """A single pattern for the mix; empty takes all three."""
    kills: int = 0
    """Pods to kill, for harm that is done at a kill."""
    needs_quota: bool = False
    is_slow: bool = False
    """Its harm shows once the driver has learnt of a failure, which takes half a minute."""
    needs_process: bool = False
    """Its harm is done by a process that outlives its incarnation: only in a real run."""


CASES: dict[str, Case] = {
    case.mutant: case
    for case in (
        Case(mutant="lost-start", promise="L", anomaly="lost-start"),
        Case(mutant="stuck", promise="L", anomaly="stuck"),
        Case(
            mutant="spinning",
            promise="L",
            anomaly="spinning",
            also={
                "S3": _REPEATED,
                CLIENT: "one answer is asked more than ten times in five seconds, limited or not",
            },
        ),
        Case(mutant="lost-step", promise="S1", anomaly="lost-step", also={"R": _HASHED}),
        Case(mutant="double-commit", promise="S1", anomaly="double-commit", also={"S3": _REPEATED}),
        Case(
            mutant="forked-lineage",
            promise="S1",
            anomaly="forked-lineage",
            also={"S3": _REPEATED},
        ),
        Case(mutant="false-terminal", promise="S1", anomaly="false-terminal"),
        Case(
            mutant="duplicate-start",
            promise="S1",
            anomaly="duplicate-start",
            also={
                "S2": "the run that is late executes what the other has used",
                "S3": "two runs of one agent, and no fault explains the later one",
                "S5": "both runs call the tools",
                "R": _ZOMBIE,
            },
            kills=1,
            needs_process=True,
        ),
        Case(
            mutant="recompute-after-use",
            promise="S2",
            anomaly="recompute-after-use",
            also={"S5": "tools are called again, too"},
            kills=2,
        ),
        Case(
            mutant="zombie-write",
            promise="R",
            anomaly="zombie-effect",
            also={
                "S2": "the late effect was used already, or its agent has ended",
                "S3": "when the replacement had repeated the effect, no fault lies between",
                "S5": _ATTEMPTED,
            },
            pattern="tools",
            kills=2,
            needs_process=True,
        ),
        Case(mutant="repeat-without-fault", promise="S3", anomaly="repeat-without-fault"),
        Case(
            mutant="double-applied",
            promise="S4",
            anomaly="double-applied",
            also={"S3": _REPEATED, "S5": _ATTEMPTED},
            pattern="tools",
        ),
        Case(
            mutant="unstable-key",
            promise="S4",
            anomaly="key-instability",
            also={"S3": _REPEATED, "S5": _ATTEMPTED},
            pattern="tools",
        ),
        Case(mutant="key-shared", promise="S4", anomaly="key-shared", pattern="tools"),
        Case(mutant="skipped-step", promise="R", anomaly="skipped-step", also={"S1": _NOT_IN}),
        Case(mutant="reordered", promise="R", anomaly="out-of-order", also={"S1": _NOT_IN}),
        Case(
            mutant="divergent-replay",
            promise="R",
            anomaly="result-divergence",
            pattern="tools",
        ),
        Case(
            mutant="forged-result",
            promise="R",
            anomaly="unanswered-receipt",
            also={"S1": _NOT_IN},
        ),
        Case(mutant="phantom-step", promise="R", anomaly="phantom-step"),
        Case(mutant="cross-agent-leak", promise="R", anomaly="cross-agent-leak"),
        Case(
            mutant="context-corruption",
            promise="R",
            anomaly="context-corruption",
            pattern="tools",
        ),
        Case(mutant="retry-storm", promise=CLIENT, anomaly="retry-storm", needs_quota=True),
        Case(mutant="ignored-retry-after", promise=CLIENT, anomaly="early-retry", needs_quota=True),
        Case(
            mutant="orphan-child",
            promise="L",
            anomaly="orphan-child",
            pattern="child",
            is_slow=True,
        ),
        Case(mutant="deaf-parent", promise="L", anomaly="stuck", pattern="child"),
        Case(
            mutant="duplicate-child",
            promise="S3",
            anomaly="concurrent-duplicate",
            or_anomaly="repeat-without-fault",
            also={"S2": "the twin that is late executes what the other child's successor has used"},
            pattern="child",
        ),
        Case(mutant="lost-timer", promise="L", anomaly="lost-timer", pattern="timer"),
        Case(mutant="early-timer", promise="R", anomaly="early-timer", pattern="timer"),
        Case(
            mutant="double-timer",
            promise="S3",
            anomaly="repeat-without-fault",
            pattern="timer",
        ),
        Case(mutant="lost-event", promise="L", anomaly="lost-event", pattern="event"),
        Case(
            mutant="early-event",
            promise="R",
            anomaly="out-of-order",
            or_anomaly="skipped-step",
            also={"S1": _NOT_IN},
            pattern="event",
        ),
        Case(
            mutant="double-event",
            promise="S3",
            anomaly="repeat-without-fault",
            pattern="event",
        ),
        Case(
            mutant="wrong-branch",
            promise="R",
            anomaly="phantom-step",
            also={"S1": _NOT_IN},
            pattern="routing",
        ),
        Case(mutant="both-branches", promise="R", anomaly="phantom-step", pattern="routing"),
        Case(
            mutant="lost-task",
            promise="R",
            anomaly="skipped-step",
            also={"S1": _NOT_IN},
            pattern="orchestrator",
        ),
        Case(mutant="extra-round", promise="R", anomaly="phantom-step", pattern="evaluator"),
        Case(
            mutant="early-acceptance",
            promise="R",
            anomaly="skipped-step",
            also={"S1": _NOT_IN},
            pattern="evaluator",
        ),
    )
}
"""Mutant -> its case, in the order of mutants.MUTANTS."""
