"""What a run says of its state store: a part of results.json; see harness.results.

What it cost per step by the store's own counters, and what became of the state, beside what was
declared before the run.
"""

from dataclasses import dataclass

KEPT, LOST, RED, UNDECIDED = "kept", "lost", "red", "undecided"
OUTCOMES = (KEPT, LOST, RED)
"""What may be declared: every agent ends from where it stopped; agents are lost or begin anew; the
store itself refuses work, whoever is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigure:
    """One counter of the store's own over the load, by what the agents did."""

    name: str
    """A name of `harness.measures.state_store.SHOWN`."""
    total: float | None
    per_step: float | None
    """By the answers that the load took; None where the total is."""
    source: str
    """Where the store says so; empty for what it does not say."""
    reason: str = ""
    """Why there is no total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCheck:
    """What a store did when its own word was tried through the state API of real sidecars."""

    name: str
    """A name of `harness.stores.state_api.CHECKS`."""
    verdict: str
    """valid | unknown | invalid"""
    text: str
    """What was asked and answered."""
    is_promised: bool = True
    """False where scenarios/expectations.yaml says that the store does not promise it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStore:
    """Of one run on a state store."""

    figures: tuple[StoreFigure, ...]
    expected: str
    """A word of `OUTCOMES`, declared in scenarios/expectations.yaml; empty for nothing."""
    source: str
    """Who says so."""
    quote: str
    seen: str
    """A word of `OUTCOMES`, or undecided."""
    text: str
    """What was seen, with its counts."""
    checks: tuple[StoreCheck, ...] = ()
    """Of runs that try the store's own word."""

    @property
    def is_as_expected(self) -> bool | None:
        """None where nothing was declared or decided."""
        if not self.expected or self.seen == UNDECIDED:
            return None
        return self.expected == self.seen
