"""Every mutant by its name: `reference:<name>` or `reference:<name>@<one agent in how many>`.

They stand apart from the correct engine, each one decision of `policy` made wrong, so that each
checker can be shown to fail.
"""

from harness.engines.reference.mutants.choices import (
    BothBranches,
    EarlyAcceptance,
    ExtraRound,
    LostTask,
    WrongBranch,
)
from harness.engines.reference.mutants.clients import IgnoredRetryAfter, RetryStorm
from harness.engines.reference.mutants.commits import (
    DoubleCommit,
    DuplicateStart,
    FalseTerminal,
    ForkedLineage,
    LostStep,
)
from harness.engines.reference.mutants.effects import DoubleApplied, KeyShared, UnstableKey
from harness.engines.reference.mutants.mutant import Mutant
from harness.engines.reference.mutants.repeats import (
    LostStart,
    RecomputeAfterUse,
    RepeatWithoutFault,
    Spinning,
    Stuck,
    ZombieWrite,
)
from harness.engines.reference.mutants.resumes import (
    ContextCorruption,
    CrossAgentLeak,
    DivergentReplay,
    ForgedResult,
    PhantomStep,
    Reordered,
    SkippedStep,
)
from harness.engines.reference.mutants.waits import (
    DeafParent,
    DoubleEvent,
    DoubleTimer,
    DuplicateChild,
    EarlyEvent,
    EarlyTimer,
    LostEvent,
    LostTimer,
    OrphanChild,
)

MUTANTS: dict[str, type[Mutant]] = {
    "lost-start": LostStart,
    "stuck": Stuck,
    "spinning": Spinning,
    "lost-step": LostStep,
    "double-commit": DoubleCommit,
    "forked-lineage": ForkedLineage,
    "false-terminal": FalseTerminal,
    "duplicate-start": DuplicateStart,
    "recompute-after-use": RecomputeAfterUse,
    "zombie-write": ZombieWrite,
    "repeat-without-fault": RepeatWithoutFault,
    "double-applied": DoubleApplied,
    "unstable-key": UnstableKey,
    "key-shared": KeyShared,
    "skipped-step": SkippedStep,
    "reordered": Reordered,
    "divergent-replay": DivergentReplay,
    "forged-result": ForgedResult,
    "phantom-step": PhantomStep,
    "cross-agent-leak": CrossAgentLeak,
    "context-corruption": ContextCorruption,
    "retry-storm": RetryStorm,
    "ignored-retry-after": IgnoredRetryAfter,
    "orphan-child": OrphanChild,
    "deaf-parent": DeafParent,
    "duplicate-child": DuplicateChild,
    "lost-timer": LostTimer,
    "early-timer": EarlyTimer,
    "double-timer": DoubleTimer,
    "lost-event": LostEvent,
    "early-event": EarlyEvent,
    "double-event": DoubleEvent,
    "wrong-branch": WrongBranch,
    "both-branches": BothBranches,
    "lost-task": LostTask,
    "extra-round": ExtraRound,
    "early-acceptance": EarlyAcceptance,
}
"""In the order of the promises that they break; those of waits at the end."""
