"""results.json: what is read back is what was written, and another version is told apart."""

import msgspec
import pytest

from harness.errors import UsageError
from harness.results import (
    SCHEMA,
    Assumption,
    Distribution,
    FaultRow,
    MatrixResult,
    ProcessRow,
    PromiseRow,
    Repeats,
    RunResult,
    Series,
    decode_matrix,
    decode_run,
    encode,
)
from harness.verdict import PROMISES, Anomaly

ANOMALY = Anomaly(name="double-commit", promise="S1", agent="a1", path="2", text="two", seqs=(4, 9))
FAULT = FaultRow(
    name="kill_pod-1",
    kind="kill_pod",
    victims=("agents-1.1",),
    fired_s=3.5,
    healed_s=5.0,
    in_flight_count=4,
    resume_s_p50=1.5,
    resume_s_max=2.0,
    repeats_count=3,
    proof="signal SIGKILL",
    parts_s={"ready": 1.25},
)
REPEATS = Repeats(
    llm_count=3,
    tool_count=1,
    tool_applied_extra_count=0,
    wasted_tokens=300,
    useful_tokens=9000,
    auxiliary_count=0,
    auxiliary_tokens=0,
    requests_per_used_step=1.03,
    limited_count=2,
    requests_count=105,
    non_victim_count=0,
)


def row(key: str, text: str) -> PromiseRow:
    return PromiseRow(
        key=key,
        text=text,
        expectation="promised",
        source="docs",
        quote="",
        verdict="invalid",
        is_surprise=True,
        is_offered=True,
        reason="one double commit",
        checked_count=100,
        exposed_count=40,
        kills_count=4,
        violations_count=1,
        not_judged_count=0,
        bound_per_kill_ratio=1.0,
        bound_per_exposure_ratio=1.0,
        anomalies=(ANOMALY,),
    )


def run_result() -> RunResult:
    spread = Distribution(name="resume", count=3, ms_p50=1.0, ms_p95=2.0, ms_p99=2.0, ms_max=2.5)
    return RunResult(
        name="pod_kill.control:naive.none.none.0",
        scenario="pod_kill",
        summary="pods die",
        engine="control",
        variant="naive",
        store="none",
        broker="none",
        repeat=0,
        seed=1,
        pods=3,
        state="judged",
        state_reason="",
        verdict="invalid",
        exit_code=1,
        headline="S1 refuted",
        recovery_kind="assisted",
        promises=tuple(row(promise.key, promise.text) for promise in PROMISES),
        assumptions=(Assumption(name="ledger", is_met=True, text="no gap"),),
        doubts=("one doubt",),
        agents_planned=20,
        agents_accepted=20,
        agents_completed=19,
        agents_failed=1,
        agents_unfinished=0,
        steps_expected=100,
        steps_used=99,
        agents_per_s=5.0,
        steps_per_s=25.0,
        offered_per_s=5.0,
        capacity_per_s=0.0,
        load_s=4.0,
        lateness_ms_p99=1.5,
        resume=spread,
        latencies=(spread,),
        faults=(FAULT,),
        faults_planned=1,
        series=Series(
            bin_s=1.0,
            start_s=(0.0, 1.0),
            steps_per_s=(1.0, 2.0),
            ended_per_s=(0.0, 1.0),
            started_per_s=(1.0, 0.0),
            limited_per_s=(0.0, 0.0),
            running=(1.0, 0.0),
        ),
        repeats=REPEATS,
        processes=(ProcessRow(name="worker", count=4, is_engine=True, cpu_s=1.5, rss_mb_max=90.0),),
        environment={"python": "3.11"},
        repeat_command="onceproof repro RUN",
        directory="pod_kill.control:naive.none.none.0",
    )


def matrix() -> MatrixResult:
    return MatrixResult(
        name="demo",
        seed=1,
        started_utc="2026-01-01T00:00:00Z",
        duration_s=12.5,
        command="onceproof run --matrix demo",
        exit_code=0,
        runs=(run_result(),),
    )


def test_a_result_survives_its_file() -> None:
    """Every field, anomalies and their sequence numbers included."""
    assert decode_run(encode(run_result()), source="results.json") == run_result()
    assert decode_matrix(encode(matrix()), source="matrix.json") == matrix()


def test_results_can_be_read_by_people() -> None:
    """Indented JSON; the schema comes first."""
    assert encode(run_result()).startswith(b'{\n "schema": 1,\n "name"')


@pytest.mark.parametrize("schema", [SCHEMA + 1, SCHEMA - 2, None, "1"])
def test_another_schema_is_told_apart(schema: object) -> None:
    """Readers take this version and the one before; nothing is guessed."""
    data = msgspec.json.decode(encode(run_result())) | {"schema": schema}

    with pytest.raises(UsageError, match=r"results\.json: schema is .*onceproof check"):
        decode_run(msgspec.json.encode(data), source="results.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1", b'{"schema": 1}', b"\xff"])
def test_damage_is_told_with_the_next_move(data: bytes) -> None:
    """A cut file is never half a result."""
    with pytest.raises(UsageError, match=r"results\.json: .*onceproof check"):
        decode_run(data, source="results.json")


def test_every_cut_of_a_result_is_refused() -> None:
    """Whatever byte the disk ended at."""
    data = encode(run_result())
    for length in range(0, len(data) - 1, 97):
        with pytest.raises(UsageError):
            decode_run(data[:length], source="results.json")
