"""The LLM's quota: the continuous token buckets of the mock LLM, a batch of calls at a time.

The same whole numbers as `mock_llm.limiter`, without its sentences and headers; a test compares
every decision.
"""

import numpy as np

from harness.history import Flags, Ints
from harness.simulation.settings import Settings

_MINUTE_NS = 60_000_000_000
_MS = 1_000_000


class Quota:
    """One account's requests and tokens per minute; a refused call is charged as a request."""

    def __init__(self, settings: Settings) -> None:
        limits = (settings.requests_per_min or 0, settings.tokens_per_min or 0)
        units = (1, settings.tokens_per_call)
        self._limits = limits
        self._full = [max(1, int(limit * settings.burst)) * _MINUTE_NS for limit in limits]
        self._cost = [
            unit * _MINUTE_NS if limit else 0 for unit, limit in zip(units, limits, strict=True)
        ]
        self._levels = list(self._full)
        self._at_ns = 0
        self.is_unlimited = not any(limits)

    def admit(self, at_ns: Ints) -> tuple[Flags, Ints]:
        """Decide calls in order of time: who is admitted, and the wait in ms told to the others."""
        requests, tokens = self._levels
        requests_full, tokens_full = self._full
        requests_cost, tokens_cost = self._cost
        requests_limit, tokens_limit = self._limits
        requests_need = min(requests_cost, requests_full)
        tokens_need = min(tokens_cost, tokens_full)
        last = self._at_ns
        waits = []
        for at in at_ns.tolist():
            if at > last:
                more, much = (at - last) * requests_limit, (at - last) * tokens_limit
                is_full = requests + more > requests_full
                requests = requests_full if is_full else requests + more
                tokens = tokens_full if tokens + much > tokens_full else tokens + much
                last = at
            if requests >= requests_need and tokens >= tokens_need:
                requests -= requests_cost
                tokens -= tokens_cost
                waits.append(0)
                continue
            wait = max(
                _wait_ns(requests, requests_need, requests_limit),
                _wait_ns(tokens, tokens_need, tokens_limit),
            )
            requests = max(min(0, requests), requests - requests_cost)
            waits.append(-(-wait // _MS))
        self._levels = [requests, tokens]
        self._at_ns = last
        found = np.array(waits, np.int64)
        return found == 0, found


def _wait_ns(level: int, needed: int, limit: int) -> int:
    if level >= needed:
        return 0
    return -(-(needed - level // _MINUTE_NS * _MINUTE_NS) // limit)
