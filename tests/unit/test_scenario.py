"""Scenarios: what may be set, what is said when it may not, and that nothing is lost on disk."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.scenario import (
    PATTERNS,
    SCHEMA,
    SHAPES,
    FaultSpec,
    LlmSpec,
    LoadSpec,
    Scenario,
    problems_of,
    scenario_of,
    to_json,
    with_overrides,
)
from scenarios import SCENARIOS
from scenarios.matrices import MATRICES

SCENARIO = Scenario(name="small", summary="a few", faults=(FaultSpec(kind="kill_pod"),))
counts = st.integers(1, 1000)
shares = st.floats(0.01, 0.5)
scenarios = st.builds(
    Scenario,
    name=st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True),
    summary=st.text(max_size=40),
    mix=st.dictionaries(st.sampled_from(PATTERNS), st.floats(0.1, 10), min_size=1),
    steps=counts,
    load=st.builds(
        LoadSpec,
        agents=counts,
        shape=st.sampled_from(SHAPES),
        rate_per_s=st.none() | st.floats(0.1, 1000),
        warm_up_agents=counts,
    ),
    llm=st.builds(LlmSpec, latency_ms=st.floats(0, 1e5), requests_per_min=st.none() | counts),
    pods=st.integers(1, 64),
    faults=st.lists(
        st.builds(
            FaultSpec,
            kind=st.sampled_from(["kill_pod", "kill_worker"]),
            count=counts,
            progress_from=shares,
            progress_to=st.floats(0.6, 1.0),
        ),
        max_size=3,
    ).map(tuple),
)


@given(scenario=scenarios)
def test_a_scenario_survives_its_file(scenario: Scenario) -> None:
    """What is read back is what was written, and it can run."""
    assert scenario_of(msgspec.json.decode(to_json(scenario)), source="test") == scenario
    assert problems_of(scenario) == []


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_shipped_scenario_can_run(name: str) -> None:
    """Nothing that we ship is refused."""
    assert problems_of(SCENARIOS[name]) == []


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_every_run_of_a_matrix_can_run(name: str) -> None:
    """The overrides of a matrix name fields that there are."""
    for entry in MATRICES[name].entries:
        scenario = with_overrides(SCENARIOS[entry.scenario], list(entry.overrides))
        assert problems_of(scenario) == []


def test_overrides_set_fields_by_path() -> None:
    """Records, lists and maps; the value is JSON, or else a plain string."""
    changed = with_overrides(
        SCENARIO,
        [
            "load.agents=7",
            "load.rate_per_s=null",
            "faults.0.count=3",
            "mix.tools=2",
            "summary=seven agents",
        ],
    )

    assert changed == replace(
        SCENARIO,
        load=replace(SCENARIO.load, agents=7, rate_per_s=None),
        faults=(FaultSpec(kind="kill_pod", count=3),),
        mix={"chain": 1.0, "tools": 2},
        summary="seven agents",
    )


def test_every_wrong_override_is_in_one_message() -> None:
    """The caller mends all of them at once."""
    with pytest.raises(UsageError) as caught:
        with_overrides(SCENARIO, ["load.agents", "nowhere.at.all=1", "faults.5.count=1"])

    message = str(caught.value)
    assert "--set load.agents: expected FIELD=VALUE" in message
    assert "no field 'nowhere.at.all'" in message
    assert "no field 'faults.5.count'" in message


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("load.agent=1", "load.agent"),
        ("faults.0.kinds=x", "faults.0.kinds"),
        ("surprise=1", "surprise"),
        ("llm.latency=1", "llm.latency"),
    ],
)
def test_an_unknown_field_is_named_by_its_path(override: str, place: str) -> None:
    """A misspelt field is never ignored, however deep it lies."""
    with pytest.raises(UsageError, match=rf"unknown field {place}\b"):
        with_overrides(SCENARIO, [override])


def test_every_unknown_field_is_in_one_message() -> None:
    """A file with three misspelt fields is mended in one go."""
    data = {"name": "x", "summary": "", "a": 1, "load": {"b": 1}, "faults": [{"kind": "k", "c": 1}]}

    with pytest.raises(UsageError) as caught:
        scenario_of(data, source="mine.yaml")

    assert "mine.yaml: unknown field a, load.b, faults.0.c" in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "text",
        {},
        {"name": "x"},
        {"name": "x", "summary": "", "load": 5},
        {"name": "x", "summary": "", "load": {"agents": "many"}},
        {"name": "x", "summary": "", "faults": {"kind": "kill_pod"}},
        {"name": "x", "summary": "", "mix": ["chain"]},
        {"name": "x", "summary": "", "schema": SCHEMA + 1},
    ],
)
def test_what_is_no_scenario_is_the_callers_to_mend(data: object) -> None:
    """Whatever a YAML file holds, the answer is a message and never a traceback."""
    with pytest.raises(UsageError, match=r"mine\.yaml"):
        scenario_of(data, source="mine.yaml")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("load.agents=0", "load.agents is 0, expected at least 1"),
        ("load.agents=-5", "load.agents is -5, expected at least 1"),
        ("load.agents=200001", "expected at most 200000"),
        ("load.shape=wave", "load.shape is 'wave', known: constant, ramp, spike, at_once"),
        ("load.rate_per_s=0", "load.rate_per_s is 0"),
        ("load.starts_in_flight=0", "load.starts_in_flight is 0"),
        ("load.warm_up_agents=-1", "load.warm_up_agents is -1"),
        ("load.warm_up_agents=0", "load.rate_per_s is null and load.warm_up_agents is 0"),
        ("load.capacity_ratio=0", "load.capacity_ratio is 0"),
        ("llm.latency_ms=-1", "llm.latency_ms is -1"),
        ("llm.latency_sigma=-1", "llm.latency_sigma is -1"),
        ("llm.requests_per_min=0", "llm.requests_per_min is 0"),
        ("llm.tokens_per_min=-4", "llm.tokens_per_min is -4"),
        ("pods=0", "pods is 0"),
        ("pods=65", "pods is 65, expected at most 64"),
        ("steps=0", "steps is 0"),
        ("mix={}", "mix is empty"),
        ("mix.chain=0", "mix.chain is 0"),
        ("mix.chian=1", "unknown pattern 'chian'; known: chain, tools, parallel"),
        ("run_s=0", "run_s is 0"),
        ("liveness_s=-1", "liveness_s is -1"),
        ("exposures_min=-1", "exposures_min is negative"),
        ("limited_ratio_min=2", "limited_ratio_min is 2"),
        ("faults.0.count=0", "fault kill_pod: count is 0"),
        ("faults.0.in_flight_min=-1", "in_flight_min is -1"),
        ("faults.0.progress_to=0.01", "expected 0 <= from < to <= 1"),
        ("faults.0.progress_to=1.5", "expected 0 <= from < to <= 1"),
        ("name=../elsewhere", "name is '../elsewhere'"),
        ("name=", "name is ''"),
    ],
)
def test_every_impossible_value_is_told_with_what_was_expected(override: str, told: str) -> None:
    """The message has the value and the expectation."""
    (problem,) = problems_of(with_overrides(SCENARIO, [override]))

    assert told in problem


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_without_a_size_are_refused(value: float) -> None:
    """YAML can say .inf and .nan; no clock can."""
    endless = replace(
        SCENARIO,
        run_s=value,
        liveness_s=value,
        mix={"chain": value},
        llm=LlmSpec(latency_ms=value),
        load=LoadSpec(rate_per_s=value),
    )

    assert len(problems_of(endless)) == 5


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """Five mistakes are five sentences."""
    wrong = with_overrides(
        SCENARIO, ["load.agents=0", "pods=0", "steps=0", "faults.0.count=0", "mix.x=1"]
    )

    assert len(problems_of(wrong)) == 5
