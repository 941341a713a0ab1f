"""Rate limits as the real service has them: continuous token buckets, its headers, its refusals.

Pure: the time is a parameter in nanoseconds, and a bucket counts in whole numbers, so that no
answer depends on rounding. The app asks `admit` once a request, between its begin record and its
answer.

Source: OpenAI's guide to rate limits, and reports of real refusals, which fit
wait = (used + requested - limit) / (limit / 60 s) exactly; a fixed window does not fit them.
"""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S
DAY_NS = 24 * 60 * MINUTE_NS

ACCOUNTS_MAX = 4096
"""From here on, accounts whose buckets are full are forgotten: a new one would be equal."""

_HELP = "Visit https://platform.openai.com/account/rate-limits to learn more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one account may do; None is no limit."""

    requests_per_minute: int | None = None
    """RPM."""
    tokens_per_minute: int | None = None
    """TPM; a request is charged before it runs, see `charge`."""
    requests_per_day: int | None = None
    """RPD."""
    burst: float = 1.0
    """Share of a limit that can be used at once; 1/60 enforces a minute's limit by the second."""
    charge_rejected: bool = True
    """A refused request counts as a request, as the documentation says."""
    is_quota_spent: bool = False
    """Every request is refused for good, as when the bill was not paid."""

    def __post_init__(self) -> None:
        named = (self.requests_per_minute, self.tokens_per_minute, self.requests_per_day)
        if any(limit is not None and limit < 1 for limit in named) or not 0 < self.burst <= 1:
            raise ValueError(f"{self}: limits are at least 1 or null, burst is above 0 and up to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A 429, as the body of the error says it."""

    message: str
    """The sentence with limit, use, request and wait."""
    type: str
    """tokens, requests or insufficient_quota."""
    code: str
    """rate_limit_exceeded or insufficient_quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the limiter says to one request."""

    refusal: Refusal | None
    """None: the request may run."""
    headers: tuple[tuple[str, str], ...]
    """x-ratelimit-* for either answer; with a refusal that a wait helps, retry-after too."""
    retry_after_ms: int
    """Wait told to the caller; -1 for none."""


@dataclass(slots=True)
class _Bucket:
    """One limit of one account. A unit is `window_ns` parts, and a nanosecond refills `limit`
    parts."""

    name: str
    text: str
    limit: int
    window_ns: int
    capacity: int
    level: int
    at_ns: int

    def refill(self, now_ns: int) -> None:
        if now_ns > self.at_ns:
            self.level = min(self.capacity, self.level + (now_ns - self.at_ns) * self.limit)
            self.at_ns = now_ns

    def used(self) -> int:
        """Units in use, rounded up, so that a wait told is long enough."""
        return self.limit - self.level // self.window_ns

    def wait_ns(self, units: int) -> int:
        """Time until `units` fit; a request above the burst waits for a full bucket."""
        needed = min(units * self.window_ns, self.capacity)
        short = needed - self.level // self.window_ns * self.window_ns
        return -(-short // self.limit) if self.level < needed else 0

    def headers(self) -> tuple[tuple[str, str], ...]:
        remaining = max(0, self.level // self.window_ns)
        full = self.capacity // self.window_ns
        reset_ns = (full - remaining) * self.window_ns // self.limit
        return (
            (f"x-ratelimit-limit-{self.name}", str(self.limit)),
            (f"x-ratelimit-remaining-{self.name}", str(remaining)),
            (f"x-ratelimit-reset-{self.name}", duration(reset_ns)),
        )


class Limiter:
    """Every account's buckets, all filled by the same limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._accounts: dict[str, list[_Bucket]] = {}

    def admit(self, account: str, tokens: int, now_ns: int, *, model: str) -> Decision:
        """Take one request of `tokens` from all buckets of the account, or from none.

        `now_ns` never goes back for longer than it matters: an earlier time refills nothing.
        """
        if self.limits.is_quota_spent:
            return Decision(refusal=_QUOTA, headers=(), retry_after_ms=-1)
        buckets = self._buckets(account, now_ns)
        if not buckets:
            return _FREE
        asked = [(bucket, tokens if bucket.name == "tokens" else 1) for bucket in buckets]
        worst = max(asked, key=lambda pair: pair[0].wait_ns(pair[1]), default=None)
        too_large = next((pair for pair in asked if pair[1] > pair[0].limit), None)
        refused = too_large or (worst if worst and worst[0].wait_ns(worst[1]) else None)
        if refused is None:
            for bucket, units in asked:
                bucket.level -= units * bucket.window_ns
            return Decision(refusal=None, headers=_headers(buckets), retry_after_ms=-1)
        return self._refuse(buckets, *refused, account=account, model=model)

    def _refuse(
        self, buckets: list[_Bucket], bucket: _Bucket, units: int, *, account: str, model: str
    ) -> Decision:
        where = f"for {model} in organization org-{account} on {bucket.text}: Limit {bucket.limit}"
        if units > bucket.limit:
            message = (
                f"Request too large {where}, Requested {units}. The input or output tokens must be "
                f"reduced in order to run successfully. {_HELP}"
            )
            wait_ns = -1
        else:
            wait_ns = bucket.wait_ns(units)
            message = (
                f"Rate limit reached {where}, Used {bucket.used()}, Requested {units}. "
                f"Please try again in {duration(wait_ns)}. {_HELP}"
            )
        if self.limits.charge_rejected:
            for other in buckets:
                if other.name == "requests":
                    other.level = max(min(0, other.level), other.level - other.window_ns)
        refusal = Refusal(message=message, type=bucket.name, code="rate_limit_exceeded")
        if wait_ns < 0:
            return Decision(refusal=refusal, headers=_headers(buckets), retry_after_ms=-1)
        waits = (
            ("retry-after", str(-(-wait_ns // NS_PER_S))),
            ("retry-after-ms", str(-(-wait_ns // NS_PER_MS))),
        )
        return Decision(
            refusal=refusal,
            headers=_headers(buckets) + waits,
            retry_after_ms=-(-wait_ns // NS_PER_MS),
        )

    def _buckets(self, account: str, now_ns: int) -> list[_Bucket]:
        buckets = self._accounts.get(account)
        if buckets is None:
            if len(self._accounts) >= ACCOUNTS_MAX:
                self._forget_full(now_ns)
            buckets = self._accounts[account] = self._full(now_ns)
        for bucket in buckets:
            bucket.refill(now_ns)
        return buckets

    def _full(self, now_ns: int) -> list[_Bucket]:
        limits = self.limits
        rows = (
            ("requests", "requests per min (RPM)", limits.requests_per_minute, MINUTE_NS),
            ("requests", "requests per day (RPD)", limits.requests_per_day, DAY_NS),
            ("tokens", "tokens per min (TPM)", limits.tokens_per_minute, MINUTE_NS),
        )
        buckets = []
        for name, text, limit, window_ns in rows:
            if limit is not None:
                capacity = max(1, int(limit * limits.burst)) * window_ns
                buckets.append(_Bucket(name, text, limit, window_ns, capacity, capacity, now_ns))
        return buckets

    def _forget_full(self, now_ns: int) -> None:
        for account, buckets in list(self._accounts.items()):
            for bucket in buckets:
                bucket.refill(now_ns)
            if all(bucket.level == bucket.capacity for bucket in buckets):
                del self._accounts[account]


def charge(max_tokens: int, characters: int) -> int:
    """Tokens that a request is charged before it runs: its output limit, or its text / 4 if
    more."""
    return max(max_tokens, tokens_of(characters))


def tokens_of(characters: int) -> int:
    """Tokens of a text of so many characters: a quarter, rounded up."""
    return -(-characters // 4)


def duration(span_ns: int) -> str:
    """A time span as Go prints it, cut to whole milliseconds: `6ms`, `3.114s`, `6m0s`, `1h2m0s`."""
    total_ms = span_ns // NS_PER_MS
    if total_ms < 1000:
        return f"{total_ms}ms" if total_ms > 0 else "0s"
    total_s, ms = divmod(total_ms, 1000)
    minutes, seconds = divmod(total_s, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{ms:03d}".rstrip("0") if ms else ""
    if hours:
        return f"{hours}h{minutes}m{seconds}{fraction}s"
    return f"{minutes}m{seconds}{fraction}s" if minutes else f"{seconds}{fraction}s"


def _headers(buckets: list[_Bucket]) -> tuple[tuple[str, str], ...]:
    """The headers of the scarcest limit of each name: a day's and a minute's requests share one."""
    shown: dict[str, _Bucket] = {}
    for bucket in buckets:
        other = shown.get(bucket.name)
        if other is None or bucket.level // bucket.window_ns < other.level // other.window_ns:
            shown[bucket.name] = bucket
    return tuple(header for bucket in shown.values() for header in bucket.headers())


_FREE = Decision(refusal=None, headers=(), retry_after_ms=-1)

_QUOTA = Refusal(
    message=(
        "You exceeded your current quota, please check your plan and billing details. For more "
        "information on this error, read the docs: "
        "https://platform.openai.com/docs/guides/error-codes/api-errors."
    ),
    type="insufficient_quota",
    code="insufficient_quota",
)
