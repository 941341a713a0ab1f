"""The limiter against what the real service was seen to say."""

import pytest

from mock_llm.limiter import (
    DAY_NS,
    MINUTE_NS,
    NS_PER_MS,
    NS_PER_S,
    Decision,
    Limiter,
    Limits,
    charge,
    duration,
)


def _admit(limiter: Limiter, tokens: int, now_ns: int = 0, account: str = "x") -> Decision:
    return limiter.admit(account, tokens, now_ns, model="gpt-4o")


def _message(decision: Decision) -> str:
    assert decision.refusal is not None
    return decision.refusal.message


@pytest.mark.parametrize(
    ("limit", "used", "requested", "wait"),
    [
        (30_000, 29_937, 385, "644ms"),  # BuilderIO/micro-agent#86
        (30_000, 14_567, 24_754, "18.642s"),  # semanser/codel#72
        (10_000, 8_554, 3_082, "9.816s"),  # FoundationAgents/MetaGPT#523
        (250_000, 250_000, 143_071, "34.337s"),  # openai/codex#10062
    ],
)
def test_refusals_of_tokens_seen_in_the_wild(
    limit: int, used: int, requested: int, wait: str
) -> None:
    """The wait is (used + requested - limit) / (limit / 60 s), cut to milliseconds."""
    limiter = Limiter(Limits(tokens_per_minute=limit))
    _admit(limiter, used)

    refused = _admit(limiter, requested)

    assert _message(refused) == (
        "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): "
        f"Limit {limit}, Used {used}, Requested {requested}. Please try again in {wait}. "
        "Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    assert refused.refusal is not None
    assert (refused.refusal.type, refused.refusal.code) == ("tokens", "rate_limit_exceeded")


def test_refusal_of_requests_seen_in_the_wild() -> None:
    """Limit 3, used 3, requested 1: twenty seconds (ChatDev#26)."""
    limiter = Limiter(Limits(requests_per_minute=3))
    for _ in range(3):
        assert _admit(limiter, 1).refusal is None

    refused = _admit(limiter, 1)

    text = "requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."
    assert text in _message(refused)
    assert refused.refusal is not None
    assert refused.refusal.type == "requests"
    assert dict(refused.headers)["retry-after"] == "20"


def test_request_too_large_seen_in_the_wild() -> None:
    """No wait is told when none helps (TheR1D/shell_gpt#653)."""
    refused = _admit(Limiter(Limits(tokens_per_minute=30_000)), 31_538)

    assert _message(refused) == (
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): "
        "Limit 30000, Requested 31538. The input or output tokens must be reduced in order to "
        "run successfully. Visit https://platform.openai.com/account/rate-limits to learn more."
    )
    assert refused.retry_after_ms == -1
    assert "retry-after" not in dict(refused.headers)


@pytest.mark.parametrize(
    ("limits", "name", "tokens", "remaining", "reset"),
    [
        (Limits(tokens_per_minute=10_000), "tokens", 519, "9481", "3.114s"),
        (Limits(tokens_per_minute=200_000), "tokens", 22, "199978", "6ms"),
        (Limits(requests_per_day=10_000), "requests", 1, "9999", "8.64s"),
        (Limits(tokens_per_minute=60_000), "tokens", 3_000, "57000", "3s"),
        (Limits(requests_per_minute=60), "requests", 1, "59", "1s"),
    ],
)
def test_headers_seen_in_the_wild(
    limits: Limits, name: str, tokens: int, remaining: str, reset: str
) -> None:
    """Remaining and the time until the bucket is full, on an answered request."""
    headers = dict(_admit(Limiter(limits), tokens).headers)

    assert headers[f"x-ratelimit-remaining-{name}"] == remaining
    assert headers[f"x-ratelimit-reset-{name}"] == reset


def test_quota_spent() -> None:
    """A spent quota is refused for good, without a wait."""
    refused = _admit(Limiter(Limits(is_quota_spent=True)), 1)

    assert refused.refusal is not None
    assert refused.refusal.code == refused.refusal.type == "insufficient_quota"
    assert (refused.retry_after_ms, refused.headers) == (-1, ())


def test_the_wait_told_is_enough_and_not_too_long() -> None:
    """After the wait the request passes, a millisecond and a unit earlier it does not."""
    limits = Limits(tokens_per_minute=30_000, charge_rejected=False)
    limiter = Limiter(limits)
    _admit(limiter, 29_937)
    wait_ms = _admit(limiter, 385).retry_after_ms

    assert wait_ms == 644
    assert _admit(limiter, 385, (wait_ms - 1) * NS_PER_MS).refusal is not None
    assert _admit(limiter, 385, wait_ms * NS_PER_MS).refusal is None


def test_retry_after_is_rounded_up() -> None:
    """Seconds are a minimum: 644 ms is told as 1 s beside the exact milliseconds."""
    limiter = Limiter(Limits(tokens_per_minute=30_000))
    _admit(limiter, 29_937)

    headers = dict(_admit(limiter, 385).headers)

    assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "644")


def test_atomic_over_all_limits() -> None:
    """What one limit refuses is taken from no other, but for the request that was made."""
    limits = Limits(requests_per_minute=10, tokens_per_minute=100, charge_rejected=False)
    limiter = Limiter(limits)
    _admit(limiter, 90)

    headers = dict(_admit(limiter, 20).headers)

    assert headers["x-ratelimit-remaining-requests"] == "9"
    assert headers["x-ratelimit-remaining-tokens"] == "10"


def test_refused_requests_count_when_asked_for() -> None:
    """charge_rejected takes a request from the minute, and never below nothing."""
    limiter = Limiter(Limits(requests_per_minute=2, tokens_per_minute=100))
    _admit(limiter, 100)

    remaining = [
        dict(_admit(limiter, 50).headers)["x-ratelimit-remaining-requests"] for _ in range(3)
    ]

    assert remaining == ["0", "0", "0"]


def test_burst_enforces_a_minute_by_the_second() -> None:
    """60 a minute with a burst of 1/60 is one a second."""
    limiter = Limiter(Limits(requests_per_minute=60, burst=1 / 60))

    assert _admit(limiter, 1).refusal is None
    assert _admit(limiter, 1).retry_after_ms == 1000
    assert _admit(limiter, 1, NS_PER_S - 1).refusal is not None
    assert _admit(limiter, 1, 2 * NS_PER_S).refusal is None


def test_accounts_do_not_share() -> None:
    """One account's use leaves the other's bucket full."""
    limiter = Limiter(Limits(requests_per_minute=1))
    _admit(limiter, 1, account="a")

    assert _admit(limiter, 1, account="b").refusal is None
    assert _admit(limiter, 1, account="a").refusal is not None


def test_sustained_rate_is_the_limit() -> None:
    """Over ten minutes of trying twice a second, 60 a minute plus the first burst pass."""
    limiter = Limiter(Limits(requests_per_minute=60, charge_rejected=False))
    step = NS_PER_S // 2

    passed = sum(_admit(limiter, 1, n * step).refusal is None for n in range(2 * 600))

    assert passed == 60 + 599


def test_the_scarcest_request_limit_is_shown() -> None:
    """RPM and RPD share one header: the one with less left."""
    limiter = Limiter(Limits(requests_per_minute=60, requests_per_day=10))

    assert dict(_admit(limiter, 1).headers)["x-ratelimit-limit-requests"] == "10"


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [
        (0, "0s"),
        (6_600_000, "6ms"),
        (NS_PER_S, "1s"),
        (3_114 * NS_PER_MS, "3.114s"),
        (6 * MINUTE_NS, "6m0s"),
        (62 * MINUTE_NS, "1h2m0s"),
        (DAY_NS, "24h0m0s"),
    ],
)
def test_duration(span_ns: int, text: str) -> None:
    """As Go prints it, cut to milliseconds."""
    assert duration(span_ns) == text


def test_charge_is_the_larger() -> None:
    """The output limit or a quarter of the characters."""
    assert (charge(500, 400), charge(50, 401)) == (500, 101)


def test_impossible_limits_are_refused() -> None:
    """A limit of zero is a mistake, not a way to refuse everything."""
    with pytest.raises(ValueError, match="limits are at least 1"):
        Limits(requests_per_minute=0)
