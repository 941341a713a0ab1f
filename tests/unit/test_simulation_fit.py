"""From a stored run to a model: what is read, what is refused, what is printed."""

from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest

from harness.archive import read_run
from harness.cli import main
from harness.cli.arguments import parser
from harness.cli.running import judged
from harness.cli.simulating import asked
from harness.errors import UsageError
from harness.facts import RunFacts
from harness.results import ProcessRow
from harness.simulation.fit import Run, as_run, fit
from harness.simulation.outcome import outcome_of
from harness.simulation.settings import Settings, Station, capacity_per_s
from harness.simulation.validate import Compared, validate
from harness.simulation.walk import simulate
from reports.simulation import (
    Simulated,
    encode_simulation,
    render_simulation_markdown,
    render_simulation_text,
)
from tests.histories import random_runs
from tests.histories.stored import store

CPU_S = {"worker": 0.6, "sidecar": 0.3, "redis": 0.1, "scheduler": 0.2, "witness": 0.05}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulation.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged run without a word about processes."""
    root: Path = tmp_path_factory.mktemp("runs") / "run"
    told = random_runs.Run(Random(3), agents=4, kills=0)
    told.play()
    store(told, root)
    judged(root, read_run(root).plan, "")
    return root


@pytest.fixture
def measured(folder: Path) -> Run:
    """The same run, with the processes' CPU."""
    archived = read_run(folder)
    rows = tuple(
        ProcessRow(name=name, count=1, is_engine=True, cpu_s=cpu_s, rss_mb_max=1.0)
        for name, cpu_s in CPU_S.items()
    )
    assert archived.facts is not None
    result = judged(folder, archived.plan, "")
    return Run(
        name="run",
        plan=replace(archived.plan, answers_count=12),
        evidence=archived.evidence,
        facts=replace(archived.facts, processes=rows, rate_per_s=2.0),
        result=replace(
            result,
            agents_planned=4,
            environment={"machine": "2 cores, 23 GiB"},
        ),
    )


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *words])
    assert ended.value.code == 254
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_service_times_are_cpu_by_phase(measured: Run) -> None:
    """A phase is an answered call or an agent's end; the harness works on the machine alone."""
    fitted = fit(measured)

    llm = next(one for one in measured.result.latencies if one.name == "step")
    phases = llm.count + measured.result.agents_completed
    settings = fitted.settings
    assert settings.worker.ms == pytest.approx(600 / phases)
    assert settings.sidecar.ms == pytest.approx(300 / phases)
    assert settings.shared.ms == pytest.approx(300 / phases)
    assert settings.machine.ms == pytest.approx(1250 / phases)
    assert (settings.machine.servers, settings.steps, settings.rate_per_s) == (2, 3, 2.0)
    assert settings.llm_ms[50] == pytest.approx(llm.ms_p50, rel=0.01)


def test_what_is_not_measured_is_called_assumed(measured: Run) -> None:
    """A run without a kill says nothing about restarts."""
    sources = {one.name: one.is_read for one in fit(measured).sources}

    assert sources["worker.ms"]
    assert not sources["restart_ms, recovery_ms"]
    assert not sources["cv"]


@pytest.mark.parametrize("facts", [None, RunFacts(started_utc="", ending="finished")])
def test_a_run_without_service_times_is_refused(measured: Run, facts: RunFacts | None) -> None:
    """Nothing is made up."""
    with pytest.raises(UsageError, match="has no measured service times"):
        fit(replace(measured, facts=facts))


def test_agents_without_calls_are_refused(measured: Run) -> None:
    """There is nothing to simulate."""
    with pytest.raises(UsageError, match="make no calls"):
        as_run(
            fit(measured).settings, replace(measured, plan=replace(measured.plan, answers_count=0))
        )


def test_the_command_refuses_with_one_message(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run, no results, no service times: 254."""
    assert "expected the directory of a run" in refused(capsys, str(tmp_path))
    assert "no measured service times" in refused(capsys, str(folder))


def test_contradictions_are_refused(measured: Run) -> None:
    """Said twice, said wrongly, or unknown."""

    def said(*words: str) -> str:
        with pytest.raises(UsageError) as caught:
            asked(parser().parse_args(["simulate", "run", *words]), fit(measured).settings)
        return str(caught.value)

    assert "pods is 0" in said("--pods", "0")
    assert "contradict" in said("--pods", "3", "--set", "pods=4")
    assert "unknown field podz; known: agents" in said("--set", "podz=4")
    assert "rate_per_s is -1" in said("--rate", "-1")
    assert "Expected" in said("--set", "pods=many")


def test_without_a_rate_most_of_the_capacity_is_offered(measured: Run) -> None:
    """And every pod has a machine of its own."""
    words = ["simulate", "run", "--agents", "9", "--pods", "5", "--set", "shared.servers=50"]
    settings = asked(parser().parse_args(words), fit(measured).settings)

    assert (settings.agents, settings.pods, settings.machine) == (9, 5, Station())
    assert settings.rate_per_s == pytest.approx(0.7 * capacity_per_s(settings)[0])


def test_a_single_run_has_no_spread(measured: Run) -> None:
    """So that a prediction of it is unknown, however near."""
    rows = validate(fit(measured), [measured])

    assert {one.state for one in rows} == {"unknown"}
    assert {"agent p50", "calls per agent"} <= {one.figure for one in rows}


def test_a_prediction_outside_of_the_spread_is_called_so(measured: Run) -> None:
    """Two equal runs have no spread at all, and a model with a slower LLM is not them."""
    fitted = fit(measured)
    slow = replace(fitted, settings=replace(fitted.settings, llm_ms=(60_000.0,)))
    rows = {one.figure: one for one in validate(slow, [measured, measured])}

    assert rows["agent p50"].state == "outside"


def test_every_form_has_the_same_figures(measured: Run) -> None:
    """Text of at most 100 signs a line, Markdown, JSON."""
    fitted = fit(measured)
    outcome = outcome_of(fitted.settings, simulate(fitted.settings, 1), 1)
    row = Compared(
        scenario="chain",
        figure="agent p50",
        unit="ms",
        runs_count=2,
        measured=2000.0,
        spread=100.0,
        predicted=2100.0,
        state="within",
    )
    found = Simulated(
        run="run", command="onceproof x", sources=fitted.sources, outcome=outcome, compared=(row,)
    )
    shown = render_simulation_text(found)

    assert max(map(len, shown.splitlines())) <= 100
    for form in (shown, render_simulation_markdown(found)):
        assert "agents completed" in form
        assert "worker.ms" in form
        assert "2,100" in form
    assert b'"completed_count": 4' in encode_simulation(found)


def test_the_page_names_every_setting() -> None:
    """docs/simulation.md says what can be set."""
    text = PAGE.read_text()

    assert [entry.name for entry in fields(Settings) if f"`{entry.name}" not in text] == []
