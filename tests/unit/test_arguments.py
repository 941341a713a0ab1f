"""The command line: everything wrong in one message, exit code 254, nothing started."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.arguments import parser
from harness.cli.asking import load_scenario, orders_of
from harness.errors import UsageError
from harness.runner.order import Order
from scenarios import SCENARIOS
from scenarios.matrices import MATRICES


def asked(folder: Path, *words: str) -> tuple[str, list[Order]]:
    return orders_of(parser().parse_args(["run", *words, "--out", str(folder / "runs")]))


def refused(folder: Path, *words: str) -> str:
    with pytest.raises(UsageError) as caught:
        asked(folder, *words)
    assert not (folder / "runs").exists()
    return str(caught.value)


def test_a_scenario_gets_the_engines_defaults(tmp_path: Path) -> None:
    """Without options: Dapr Workflow, its first variant, its first store."""
    name, (order,) = asked(tmp_path, "pod_kill")

    assert name == "pod_kill"
    assert order.name == "pod_kill.dapr_workflow:default.redis.none.0"


def test_options_are_taken(tmp_path: Path) -> None:
    """Engine with variant, store, fields, repeats."""
    _, orders = asked(
        tmp_path,
        *("pod_kill", "--engine", "control:guarded", "--set", "load.agents=7", "--repeats", "3"),
    )

    assert [order.cell.variant for order in orders] == ["guarded"] * 3
    assert [order.cell.repeat for order in orders] == [0, 1, 2]
    assert {order.scenario.load.agents for order in orders} == {7}


@pytest.mark.parametrize(
    ("override", "ending"),
    [
        ("faults=[]", " (without faults)"),
        ('faults=[{"kind": "kill_worker"}]', " (faults replaced by kill_worker)"),
        ("faults.0.count=2", SCENARIOS["pod_kill"].summary[-20:]),
        ("summary=what I want to see", "what I want to see"),
    ],
)
def test_a_page_does_not_name_faults_that_were_replaced(
    tmp_path: Path, override: str, ending: str
) -> None:
    """A summary is of the scenario as it stands in its file."""
    _, (order,) = asked(tmp_path, "pod_kill", "--set", override)

    assert order.scenario.summary.endswith(ending)


@pytest.mark.parametrize("name", sorted(MATRICES))
def test_every_matrix_can_be_asked_for(tmp_path: Path, name: str) -> None:
    """Every entry of ours is an order without problems."""
    _, orders = asked(tmp_path, "--matrix", name)

    assert len(orders) == len(MATRICES[name].entries)


def test_everything_wrong_is_in_one_message(tmp_path: Path) -> None:
    """The caller mends it in one go."""
    message = refused(
        tmp_path,
        *("pod_kill", "--engine", "dpr", "--repeats", "0"),
        *("--set", "load.agents=0", "--set", "faults.0.kind=flood"),
    )

    assert "--repeats is 0" in message
    assert "unknown engine 'dpr'" in message
    assert "load.agents is 0" in message
    assert "unknown fault 'flood'" in message


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nonsense",), "unknown scenario 'nonsense'; known: baseline, pod_kill"),
        (("absent.yaml",), "absent.yaml: No such file"),
        (("--matrix", "nonsense"), "unknown matrix 'nonsense'; known: default"),
        (("pod_kill", "--matrix", "demo"), "say either a SCENARIO or --matrix"),
        ((), "say either a SCENARIO or --matrix"),
        (("--matrix", "demo", "--engine", "control"), "--engine does not go with --matrix"),
        (("--matrix", "demo", "--set", "load.agent=1"), "unknown field load.agent"),
        (("pod_kill", "--set", "load.agents"), "--set load.agents: expected FIELD=VALUE"),
        (("pod_kill", "--engine", "control:x"), "unknown variant 'x' of control; known: "),
        (("pod_kill", "--store", "mongo"), "unknown store 'mongo'"),
        (
            ("pod_kill", "--set", "llm.latency_ms=fast"),
            "latency_ms is 'fast': Expected",
        ),
        (("pod_kill", "--set", "pods=-1"), "pods is -1, expected at least 1"),
    ],
)
def test_each_mistake_is_told(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """With the value, the expectation, and nothing made on disk."""
    assert told in refused(tmp_path, *words)


@pytest.mark.parametrize("text", ["{", "- 1", "", "name: x", "a: 1\nname: x\nsummary: y"])
def test_a_file_that_is_no_scenario_is_told(tmp_path: Path, text: str) -> None:
    """The path and the problem."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    assert "mine.yaml" in refused(tmp_path, str(path))


def test_a_scenario_may_be_a_file(tmp_path: Path) -> None:
    """A user's scenario needs no line of ours."""
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nsummary: two agents\nload: {agents: 2}\n")

    scenario = load_scenario(str(path))

    assert (scenario.name, scenario.load.agents) == ("mine", 2)


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--no-such-option"],
        ["nonsense"],
        ["run", "pod_kill", "--seed", "many"],
        ["check"],
        ["explain", "only-one"],
        [],
    ],
)
def test_usage_errors_exit_with_254(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """2 would mean unknown."""
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert caught.value.code == 254
    assert "Traceback" not in capsys.readouterr().err


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """`python -m harness run nonsense` says what is known, exits with 254, and makes nothing."""
    command = (sys.executable, "-m", "harness", "run", "nonsense", "--engine", "dpr")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 254
    assert done.stdout == ""
    assert "unknown scenario 'nonsense'" in done.stderr
    assert "unknown engine 'dpr'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_dry_run_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It checks and draws everything, and says the digest of the programs."""
    with pytest.raises(SystemExit) as caught:
        main(["run", "pod_kill", "--engine", "control", "--dry-run", "--out", str(tmp_path / "r")])

    assert caught.value.code == 0
    assert re.search(r"300 agents, \d+ LLM answers.*programs [0-9a-f]{12}", capsys.readouterr().out)
    assert not (tmp_path / "r").exists()


def test_list_names_everything_that_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Scenarios, matrices, engines with variants, stores, faults."""
    with pytest.raises(SystemExit):
        main(["list"])

    listed = capsys.readouterr().out
    for name in (*SCENARIOS, *MATRICES, "control:naive", "control:guarded", "redis", "kill_pod"):
        assert name in listed


@pytest.mark.parametrize(("keep", "left"), [("0", []), ("2", ["b", "c"]), ("5", ["a", "b", "c"])])
def test_clean_keeps_the_newest(tmp_path: Path, keep: str, left: list[str]) -> None:
    """All of them, where there are fewer."""
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "matrix.json").touch()

    with pytest.raises(SystemExit, match="0"):
        main(["clean", "--out", str(tmp_path), "--keep", keep])
    assert sorted(path.name for path in tmp_path.iterdir()) == left
