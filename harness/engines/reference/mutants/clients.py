"""Mutants that break no promise, but are bad customers of the LLM: `measures.client` sees them."""

from harness.engines.llm import Limited, polite_wait_s
from harness.engines.reference.mutants.mutant import Mutant
from harness.errors import EngineError

STORM_TRIES = 30
STORM_S = 0.02
IMPATIENT_S = 0.02


class RetryStorm(Mutant):
    """Tries again every 20 ms while it is limited, thirty times, then as it should.

    Caught by ClientBehaviour as a storm. Needs a quota.
    """

    def wait_s(self, agent: str, error: EngineError, tries: int) -> float | None:
        """Hardly wait."""
        if not _is_limit(error) or not self.is_chosen(agent) or tries > STORM_TRIES:
            return super().wait_s(agent, error, tries)
        if tries > STORM_TRIES // 2:
            self.planting.note(agent)
        return STORM_S


class IgnoredRetryAfter(Mutant):
    """Waits by its own doubling clock, whatever Retry-After asks for.

    Caught by ClientBehaviour as early retries. Needs a quota.
    """

    def wait_s(self, agent: str, error: EngineError, tries: int) -> float | None:
        """20 ms, doubled at each try, at most 2 s."""
        if not isinstance(error, Limited) or not _is_limit(error) or not self.is_chosen(agent):
            return polite_wait_s(error, tries)
        seconds = min(IMPATIENT_S * 2.0 ** min(tries - 1, 10), 2.0)
        if seconds < error.retry_after_s / 2:
            self.planting.note(agent)
        return seconds


def _is_limit(error: EngineError) -> bool:
    """A limit that waiting helps against."""
    return isinstance(error, Limited) and error.is_retryable
