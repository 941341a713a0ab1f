"""Closed forms against sums done by hand."""

import math

import pytest

from harness.capacity.laws import Quota, check_little, drain_s, quota_agents_per_s, quota_for


def test_a_quota_in_closed_form() -> None:
    """900 calls a minute are 15 a second: 3 agents of 5 calls; fewer tokens bind before."""
    quota = Quota(requests_per_min=900, tokens_per_min=60_000)

    assert quota_agents_per_s(quota, requests_per_agent=5, tokens_per_agent=100) == (
        3.0,
        "requests",
    )
    assert quota_agents_per_s(quota, requests_per_agent=5, tokens_per_agent=500) == (2.0, "tokens")
    assert quota_agents_per_s(Quota(), requests_per_agent=5, tokens_per_agent=1) == (math.inf, "")


def test_the_quota_to_buy_is_the_inverse() -> None:
    """What is bought for a rate allows just that rate, at the use that was asked for."""
    bought = quota_for(3.0, per_agent=5, use_ratio=0.75)

    assert bought == 1200
    allowed, _ = quota_agents_per_s(
        Quota(requests_per_min=bought), requests_per_agent=5, tokens_per_agent=0
    )
    assert allowed * 0.75 == pytest.approx(3.0)


def test_a_backlog_drains_by_what_is_left_over() -> None:
    """30 s at 6/s are 180 agents, and 8 - 6 a second are left for them."""
    assert drain_s(outage_s=30, offered_per_s=6, capacity_per_s=8) == pytest.approx(90)
    assert drain_s(outage_s=30, offered_per_s=8, capacity_per_s=8) == math.inf


@pytest.mark.parametrize(
    ("in_flight", "growth", "state", "words"),
    [
        (20.5, 1, "holds", ""),
        (15.0, 1, "fails", "one of the measurements is wrong"),
        (30.0, 25, "fails", "+25 agents over the window, so there was no steady state"),
        (0.0, 0, "unchecked", "nothing"),
    ],
)
def test_littles_law_at_a_level(in_flight: float, growth: int, state: str, words: str) -> None:
    """4 a second of 5 s each are 20 in flight; 60 s of that are checked to about 8 %."""
    found = check_little(
        in_flight=in_flight,
        throughput_per_s=4.0,
        agent_s=5.0,
        window_s=60.0,
        samples=60,
        growth=growth,
    )

    assert found.state == state
    assert words in found.text


def test_a_window_that_is_too_short_is_no_check() -> None:
    """2 s of agents that take 5 s: the edges are all there is, and no state is claimed."""
    found = check_little(
        in_flight=4.1, throughput_per_s=0.8, agent_s=5.0, window_s=2.0, samples=2, growth=0
    )

    assert found.state == "unchecked"
    assert "too short" in found.text


@pytest.mark.parametrize(("samples", "state"), [(5, "unchecked"), (500, "fails")])
def test_quick_agents_are_hardly_seen_by_few_samples(samples: int, state: str) -> None:
    """0.7 in flight of 0.2 s each: five looks see 0.2 by chance, five hundred do not."""
    found = check_little(
        in_flight=0.2,
        throughput_per_s=3.5,
        agent_s=0.2,
        window_s=5.0 * samples / 5,
        samples=samples,
        growth=0,
    )

    assert found.state == state
