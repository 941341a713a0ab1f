"""What a checker may say: valid, unknown or invalid; with what strength; and about what."""

import enum
from dataclasses import dataclass, field


class Verdict(enum.IntEnum):
    """Ordered by dominance: the worst of several is their maximum."""

    VALID = 0
    UNKNOWN = 1
    INVALID = 2

    @property
    def word(self) -> str:
        """The word in reports and JSON."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One entry of the vector; texts are shown to people as they stand."""

    key: str
    """L, S1 ... S5, R or M."""
    text: str
    """The promise in one line."""
    is_safety: bool
    """False for liveness."""


PROMISES: tuple[Promise, ...] = (
    Promise(key="L", text="every accepted agent ends in time", is_safety=False),
    Promise(key="S1", text="exactly-once commit: one result of each step is used", is_safety=True),
    Promise(key="S2", text="a used result is never recomputed", is_safety=True),
    Promise(key="S3", text="a step is repeated only where a fault explains it", is_safety=True),
    Promise(key="S4", text="a tool effect is applied once under its key", is_safety=True),
    Promise(key="S5", text="exactly-once effect: a tool is called once", is_safety=True),
    Promise(key="R", text="resume: nothing skipped, order and context kept", is_safety=True),
    Promise(key="M", text="an acknowledged message is delivered as declared", is_safety=True),
)
PROMISE_KEYS: tuple[str, ...] = tuple(promise.key for promise in PROMISES)
MESSAGES = "M"
"""What brokers promise, not engines; it does not apply to runs without a broker and messages."""
ENGINE_KEYS: tuple[str, ...] = tuple(key for key in PROMISE_KEYS if key != MESSAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One violation, small enough to be read."""

    name: str
    """Of the anomaly list, such as ``double-commit``."""
    promise: str
    """The promise that it refutes."""
    agent: str
    path: str
    """Of the step; empty when the agent as a whole is meant."""
    text: str
    """The telling excerpt in plain words."""
    seqs: tuple[int, ...] = ()
    """Ledger sequence numbers that prove it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """A checker's answer about one promise of one run."""

    promise: str
    verdict: Verdict
    reason: str
    """One sentence; for unknown, what was missing."""
    checked_count: int = 0
    """Things looked at: agents for L and R, steps for S1 to S3, effects for S4 and S5, acknowledged
    messages for M."""
    exposed_count: int = 0
    """Of these, how many a fault interrupted."""
    kills_count: int = 0
    """Faults that struck in the run."""
    violations_count: int = 0
    not_judged_count: int = 0
    """What neither the ledger nor the history can order."""
    is_offered: bool = True
    """False where the promise needs something that the engine does not offer (S4: a key)."""
    is_applicable: bool = True
    """False for M in a run without a broker and messages: neither a pass nor a doubt."""
    anomalies: tuple[Anomaly, ...] = field(default=())
    """The worst first; at most 50 here, the others in a file."""


def bound_ratio(trials: int, confidence: float = 0.95) -> float:
    """Upper bound of the failure rate behind 0 failures in ``trials`` independent trials.

    Source: Clopper and Pearson (1934), the one-sided exact interval for zero events.
    """
    return 1.0 if trials <= 0 else float(1.0 - (1.0 - confidence) ** (1.0 / trials))


def worst(verdicts: list[Verdict]) -> Verdict:
    """Merge verdicts; nothing judged is unknown, never valid."""
    return max(verdicts, default=Verdict.UNKNOWN)
