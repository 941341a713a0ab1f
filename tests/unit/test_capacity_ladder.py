"""Levels as they come: enough below, enough above, and no more than that."""

from harness.capacity.ladder import (
    AGENTS_MAX,
    AGENTS_MIN,
    EXTRA,
    Ladder,
    agents_for,
    planned_rates,
    rounded,
)
from harness.capacity.record import Level


def climbed(
    capacity: float, rates: list[float], *, full_at: float = 1e9
) -> tuple[Ladder, list[float]]:
    """A ladder on an engine of a known capacity; the loads that it ran."""
    ladder = Ladder(side="free", rates=list(rates))
    ran = []
    while (rate := ladder.next_rate(is_time_left=True)) is not None:
        ran.append(rate)
        level = Level(
            run="r",
            side="free",
            offered_per_s=rate,
            is_saturated=rate > capacity,
            is_generator_full=rate >= full_at,
        )
        ladder.done([level])
        assert len(ran) < 30
    return ladder, ran


def test_levels_rise_from_a_quarter_to_half_above_the_guess() -> None:
    """Even steps, three digits."""
    assert planned_rates(10.0, 6) == (2.5, 5.0, 7.5, 10.0, 12.5, 15.0)
    assert rounded(0.012345) == 0.0123
    assert rounded(1234.5) == 1230.0


def test_two_saturated_levels_are_enough() -> None:
    """What is left out is said, with the loads that made it needless."""
    ladder, ran = climbed(6.0, [2.0, 4.0, 5.0, 8.0, 10.0, 12.0])

    assert ran == [2.0, 4.0, 5.0, 8.0, 10.0]
    assert [(one.offered_per_s, one.reason) for one in ladder.skipped] == [
        (12.0, "saturated at 8/s and 10/s already")
    ]


def test_a_guess_that_was_too_low_goes_on() -> None:
    """Until something saturates."""
    _, ran = climbed(30.0, [5.0, 10.0, 20.0])

    assert ran == [5.0, 10.0, 20.0, 30.0, 45.0]


def test_a_ladder_that_never_saturates_ends() -> None:
    """After as many levels as may be added."""
    _, ran = climbed(1e9, [5.0, 10.0])

    assert len(ran) == 2 + EXTRA


def test_a_guess_that_was_too_high_goes_down() -> None:
    """Three levels that follow their load are needed for a slope."""
    _, ran = climbed(3.0, [5.0, 10.0, 20.0, 30.0])

    assert ran[:2] == [5.0, 10.0]
    assert len([rate for rate in ran if rate <= 3.0]) == 3


def test_a_full_harness_ends_the_ladder() -> None:
    """More load would say nothing; less may, so that levels are added below."""
    ladder, ran = climbed(1e9, [5.0, 10.0, 20.0], full_at=10.0)

    assert ran == [5.0, 10.0, 3.0, 1.8]
    assert "harness itself was full" in ladder.skipped[0].reason


def test_no_level_begins_when_the_time_is_spent() -> None:
    """All that is left is skipped for that reason."""
    ladder = Ladder(side="free", rates=[1.0, 2.0])

    assert ladder.next_rate(is_time_left=False) is None
    assert [one.reason for one in ladder.skipped] == ["the time is spent", "the time is spent"]


def test_agents_of_a_level_are_bounded() -> None:
    """A slow engine gets enough of them, a fast one a shorter level."""
    assert agents_for(10.0, 20.0) == 200
    assert agents_for(0.1, 20.0) == AGENTS_MIN
    assert agents_for(1e6, 20.0) == AGENTS_MAX
