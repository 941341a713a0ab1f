"""The self-test: a mock engine's knee and quota are found again, and nothing else is said."""

from dataclasses import replace

import pytest

from harness.capacity.assess import Asked, Climbed, assess, during_faults, plateau_of
from harness.capacity.binding import LLM_QUOTA, MACHINE
from harness.capacity.ladder import planned_rates, quota_rates
from harness.capacity.level import Reading, is_backlog
from harness.capacity.prices import LlmPrice, NodePrice, Prices
from harness.capacity.purchase import Target
from harness.capacity.record import CapacityResult, decode, encode
from harness.capacity.usl import OUTSIDE
from harness.results import FaultRow
from harness.runner.blank import NO_SERIES
from tests.capacity_model import Model, reading_of

PRICES = Prices(
    currency="EUR",
    as_of="today",
    llm=LlmPrice(model="m", input_per_million=1.0, output_per_million=10.0),
    node=NodePrice(name="n", per_hour=3.6),
)
FREE = Model(slots=10, service_s=1.0)
GUESS = 9.0
"""Of the warm-up: near, and wrong."""


def asked(**target: object) -> Asked:
    return Asked(
        engine="mock",
        variant="v",
        store="none",
        scenario="ladder",
        seed=1,
        pods=3,
        is_one_thread=True,
        target=Target(**target),  # type: ignore[arg-type]
        prices=PRICES,
        cores=2,
    )


def readings(model: Model, rates: tuple[float, ...], seed: int = 1) -> list[Reading]:
    return [reading_of(model, rate, seed=seed + place) for place, rate in enumerate(rates)]


def assessed(model: Model = FREE, seed: int = 1, **target: object) -> CapacityResult:
    found = readings(model, planned_rates(GUESS, 7), seed)
    return assess(asked(**target), Climbed(readings=found))


def test_the_configured_knee_lies_within_the_stated_interval() -> None:
    """10 slots of 1 s are 10 agents/s; of eight ladders with other arrivals none misses it."""
    rates = planned_rates(GUESS, 6)
    found = [
        plateau_of([one.level for one in readings(FREE, rates, seed)], ())
        for seed in range(100, 900, 100)
    ]

    assert all(one.holds(FREE.capacity_per_s) for one in found), found
    assert all(one.high - one.low < 0.15 * FREE.capacity_per_s for one in found)


def test_the_configured_quota_lies_within_the_stated_interval() -> None:
    """1,800 calls a minute of 5 calls an agent are 6 agents/s, and the quota is what binds."""
    model = replace(FREE, requests_per_min=1800)
    found = readings(FREE, planned_rates(GUESS, 7)) + readings(model, quota_rates(6.0))
    result = assess(asked(), Climbed(readings=found))

    assert result.quota is not None
    assert result.quota.ceiling_per_s == pytest.approx(6.0)
    assert result.quota.measured.holds(model.quota_per_s)
    assert [one.what for one in result.bindings] == ["", LLM_QUOTA]


def test_the_knees_are_near_the_knee() -> None:
    """All three definitions, for an engine that has a sharp one."""
    result = assessed()

    assert [one.at_per_s for one in result.knees] == pytest.approx([10.0] * 3, rel=0.25)
    assert result.at_slo.value == pytest.approx(9.0, rel=0.15)
    assert result.exit_code == 0
    assert result.unknowns == ()


def test_a_limit_inside_the_engine_is_named_as_such() -> None:
    """Slots are full while no resource is."""
    assert "inside the engine" in assessed().headline


def test_the_machine_is_named_where_it_is_full() -> None:
    """Two cores busy, most of it with workers."""
    model = replace(FREE, worker_s=0.195)
    result = assessed(model)

    assert result.bindings[0].what == "worker CPU"
    model = replace(FREE, worker_s=0.13, others_cores=0.6)
    result = assessed(model)

    assert result.bindings[0].what == MACHINE
    assert "CPU of strangers 31%" in result.bindings[0].text
    assert any("Strangers took 0.60 to 0.60 of 2 cores" in one for one in result.doubts)
    assert any("lower bound" in one for one in result.unknowns)
    assert [row.name for row in result.node if "without the harness" in row.name] == []


def test_a_machine_full_of_strangers_tells_nothing() -> None:
    """Ten slots bind; that others took nine tenths of the machine is no evidence against it."""
    result = assessed(replace(FREE, others_cores=1.8))

    assert result.bindings[0].what == ""
    assert "not told: the machine was full, and most of it with strangers" in result.headline


def test_what_the_harness_took_could_have_been_the_engines() -> None:
    """By the utilisation law, where the machine is full of nobody else."""
    result = assessed(replace(FREE, worker_s=0.1, driver_cores=0.75))
    (row,) = [row for row in result.node if "without the harness" in row.name]

    assert result.bindings[0].what == MACHINE
    assert row.value == "up to 20.2 agents/s"


@pytest.mark.parametrize(
    ("arrived", "begin", "grew", "slower", "is_one"),
    [
        (215, 54, 61, 1.09, True),
        (175, 15, 44, 1.32, True),
        (111, 18, 15, 1.0, False),
        (111, 18, 15, 1.3, True),
        (42, 4, 4, 2.0, False),
        (1000, 400, 90, 2.0, False),
    ],
)
def test_a_backlog_is_told_from_a_crowd(
    arrived: int, begin: int, grew: int, slower: float, is_one: bool
) -> None:
    """Figures of real levels among them: a late crowd of arrivals makes nobody slower."""
    assert is_backlog(arrived, begin=begin, grew=grew, slower=slower) is is_one


def test_littles_law_holds_at_steady_levels_and_is_red_at_others() -> None:
    """A queue that grows has no steady state."""
    free = assessed().levels

    assert {one.little.state for one in free if one.little and not one.is_saturated} == {"holds"}
    assert {one.little.state for one in free if one.little and one.is_saturated} == {"fails"}


def test_a_sample_that_lies_makes_the_result_unknown() -> None:
    """Half of the agents in flight are not seen: the law fails at a steady level."""
    found = readings(FREE, planned_rates(GUESS, 7))
    level = found[2].level
    assert level.little is not None
    lying = replace(level.little, state="fails", text="so one of the measurements is wrong")
    found[2] = replace(found[2], level=replace(level, little=lying))
    result = assess(asked(), Climbed(readings=found))

    assert any("Little's law fails" in one for one in result.unknowns)
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("model", "rates", "why"),
    [
        (FREE, (2.0, 4.0, 12.0, 14.0), "4 levels without a quota count, at least 5"),
        (FREE, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), "the ladder never saturated"),
        (
            replace(FREE, driver_cores=0.97),
            (2.0, 4.0, 6.0, 8.0, 12.0, 14.0),
            "the harness was full before the engine",
        ),
        (
            replace(FREE, late_ms=900.0),
            (2.0, 4.0, 6.0, 8.0, 12.0, 14.0),
            "p99 of its lateness 900 ms",
        ),
    ],
)
def test_what_the_levels_do_not_carry_is_not_said(
    model: Model, rates: tuple[float, ...], why: str
) -> None:
    """A sentence stands where the number would, and the exit code is unknown."""
    result = assess(asked(), Climbed(readings=readings(model, rates)))

    assert result.capacity.value is None
    assert any(why in one for one in result.unknowns), result.unknowns
    assert "no capacity is stated" in result.headline
    assert result.exit_code == 2


def test_nothing_measured_is_unknown() -> None:
    """Not even a level."""
    result = assess(asked(), Climbed(readings=()))

    assert result.capacity.value is None
    assert result.exit_code == 2


def test_an_objective_that_no_level_keeps_is_said() -> None:
    """An agent takes a second; half of one is missed from the start, and nothing is bought."""
    result = assessed(slo_s=0.5)

    assert result.at_slo.value is None
    assert any("missed at the lowest level" in one for one in result.unknowns)
    assert result.purchase == ()


def test_too_few_nodes_contradict_the_target() -> None:
    """50/s on nodes of about 10/s, used to 70 %, with one to spare, are more than 4 nodes."""
    result = assessed(agents_per_s=50.0, nodes_max=4)

    assert any("need" in one and "--nodes-max is 4" in one for one in result.unknowns)
    assert result.exit_code == 2


def test_no_peak_is_stated_beyond_what_was_measured() -> None:
    """A ladder below the knee sees no peak of the curve."""
    found = readings(replace(FREE, slots=1000), tuple(float(rate) for rate in range(2, 16, 2)))
    result = assess(asked(), Climbed(readings=found))

    assert result.scalability.peak_concurrency.value is None
    assert OUTSIDE in result.scalability.peak_concurrency.reason


def test_the_rate_while_a_pod_is_down_is_that_of_its_window() -> None:
    """Bins of one second; the strike lasts from 1.4 to 3.4 s: two middles are in it."""
    series = replace(NO_SERIES, start_s=(0.0, 1.0, 2.0, 3.0), ended_per_s=(9.0, 2.0, 4.0, 6.0))
    struck = FaultRow(
        name="kill_pod-1",
        kind="kill_pod",
        victims=("agents-1.1",),
        fired_s=1.4,
        healed_s=3.4,
        in_flight_count=1,
        resume_s_p50=1.0,
        resume_s_max=1.0,
        repeats_count=0,
        proof="exit -9",
    )

    assert during_faults(series, [struck]) == 3.0
    assert during_faults(NO_SERIES, [struck]) == -1.0


def test_capacity_json_comes_back_as_it_was() -> None:
    """Whatever is written can be read."""
    result = assessed()

    assert decode(encode(result), source="x") == result
