"""A run with tracing: what sidecars and workers are told, and what is read back of its spans."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import pytest
import yaml

from harness.archive import SPANS, manifest_problems, read_run, seal
from harness.clock import ManualClock
from harness.cluster.dapr import ControlPlane, DaprCommands
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.sink import told_to_export
from harness.engines.registry import ENGINES
from harness.protocols import SPANS as SPANS_FEATURE
from harness.runner.judge import judge
from harness.runner.walk import exports_of
from tests.histories.random_runs import Run
from tests.histories.stored import store
from tests.spans import file_of, span


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A stored run whose scenario asked for tracing, and which has no spans yet."""
    place = tmp_path / "run"
    run = Run(Random(3), agents=4, kills=2)
    run.play()
    store(run, place)
    (place / "manifest.json").unlink()
    plan = msgspec.json.decode((place / "plan.json").read_bytes())
    plan["scenario"]["tracing"] = True
    (place / "plan.json").write_bytes(msgspec.json.encode(plan))
    return place


def tracing_of_configuration(folder: Path, spans_to: str) -> object:
    clock = ManualClock()
    plane = ControlPlane(
        commands=DaprCommands(daprd=("daprd",), placement=("p",), scheduler=("s",)),
        processes=Processes(run=folder, logs=folder, clock=clock),
        ports=Ports(1),
        folder=folder,
        clock=clock,
    )
    plane.write_configuration(spans_to=spans_to)
    return yaml.safe_load((folder / "configuration.yaml").read_text())["spec"]["tracing"]


def test_sidecars_sample_nothing_unless_there_is_a_sink(tmp_path: Path) -> None:
    """Throughput of other runs is not touched; with a sink every trace is sampled."""
    assert tracing_of_configuration(tmp_path, "") == {"samplingRate": "0"}
    assert tracing_of_configuration(tmp_path, "127.0.0.1:20001") == {
        "samplingRate": "1",
        "otel": {"endpointAddress": "127.0.0.1:20001", "isSecure": False, "protocol": "http"},
    }


def test_workers_are_told_in_the_standard_words() -> None:
    """Of OpenTelemetry, so that a worker in any language understands them."""
    assert told_to_export("http://127.0.0.1:1", "app") == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "app",
    }


def test_an_engine_exports_or_does_not() -> None:
    """Never both; one that says nothing has none by default."""
    for engine in ENGINES.values():
        for variant in engine.variants:
            spec = engine.spec(variant)
            assert not (spec.exports and SPANS_FEATURE in spec.lacks), f"{engine.name}:{variant}"
    assert exports_of(ENGINES["crewai"].spec("crew")).startswith("not implemented: CrewAI's own")
    assert exports_of(ENGINES["dapr_workflow"].spec("default")).startswith("the sidecar's")


def test_spans_are_judged_and_sealed(root: Path) -> None:
    """A span that is changed afterwards is no longer the run's."""
    (root / SPANS).write_bytes(file_of(span("1", agent="a1"), span("2", parent="gone")))

    result = judge(root)

    assert result.tracing is not None
    assert (result.tracing.spans_count, result.tracing.orphans_count) == (2, 1)
    assert result.tracing.problems == ()
    (root / SPANS).write_bytes(file_of(span("1", agent="a1")))
    assert manifest_problems(root) == [f"{SPANS} is not as it was when the run was sealed"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "No such file or directory"),
        (b"", "does not begin as this version writes it"),
        (file_of(span("1")).rsplit(b"{", 1)[0], "ended before it was asked to"),
        (file_of(span("1"), left_out=9), "9 spans are left out"),
    ],
)
def test_spans_that_are_not_whole_are_a_doubt(root: Path, data: bytes | None, problem: str) -> None:
    """And no verdict falls with them: an engine's own word about itself decides nothing."""
    if data is not None:
        (root / SPANS).write_bytes(data)
    whole = judge_without_tracing(root)

    result = judge(root)

    assert result.tracing is not None
    assert any(problem in doubt for doubt in result.doubts)
    assert any(problem in one for one in result.tracing.problems)
    assert [row.verdict for row in result.promises] == whole


def judge_without_tracing(root: Path) -> list[str]:
    """The verdicts of the same run, had it asked for no spans."""
    text = (root / "plan.json").read_bytes()
    (root / "plan.json").write_bytes(text.replace(b'"tracing":true', b'"tracing":false'))
    verdicts = [row.verdict for row in judge(root).promises]
    (root / "manifest.json").unlink()
    (root / "plan.json").write_bytes(text)
    return verdicts


def test_spans_behind_a_link_are_not_looked_at(root: Path, tmp_path: Path) -> None:
    """A run's directory may be a stranger's."""
    outside = tmp_path / "outside"
    outside.write_bytes(file_of(span("1")))
    (root / SPANS).symlink_to(outside)

    archived = read_run(root)

    assert archived.spans is not None
    assert archived.spans.spans == ()
    assert "is a link" in archived.spans.problems[0]
    seal(root, archived.evidence)
    assert SPANS not in (root / "manifest.json").read_text()


def test_run_that_asked_for_no_spans_reads_none(root: Path) -> None:
    """Whatever lies there."""
    text = (root / "plan.json").read_bytes()
    (root / "plan.json").write_bytes(text.replace(b'"tracing":true', b'"tracing":false'))
    (root / SPANS).write_bytes(file_of(span("1")))

    assert judge(root).tracing is None
