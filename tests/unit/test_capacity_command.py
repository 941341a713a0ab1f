"""`onceproof capacity` before anything starts: everything wrong at once, with exit code 254."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.capacity.level import side_of
from harness.capacity.record import FAULT, PARKED, PROBE, QUOTA
from harness.cli import main
from harness.cli.arguments import parser
from harness.cli.asking import orders_of
from harness.cli.climbing import FAULTS, Size, ladder_orders, level_order, parked_order, probe_order
from harness.engines.reference.adapter import ENGINE
from harness.runner.order import Order, problems_of_order

SIZE = Size(levels=7, seconds=20.0, repeats=1, minutes=15.0, parked=200)


def order_of(engine: str = ENGINE) -> Order:
    _, (order,) = orders_of(parser().parse_args(["run", "ladder", "--engine", engine]))
    return order


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["capacity", *words])
    assert ended.value.code == 254
    return capsys.readouterr().err


def test_every_side_is_known_by_its_scenario() -> None:
    """So that a stored ladder is read from its runs alone."""
    order = order_of()
    level = level_order(order, order.scenario, "free_1", rate=5.0, seconds=20.0)
    limited = replace(level.scenario, llm=replace(level.scenario.llm, requests_per_min=60))

    assert side_of(probe_order(order).scenario) == PROBE
    assert side_of(parked_order(order, agents=10, rate=1.0).scenario) == PARKED
    assert side_of(replace(level.scenario, faults=FAULTS)) == FAULT
    assert side_of(limited) == QUOTA
    assert side_of(level.scenario) == "free"


def test_orders_of_a_ladder_can_all_run() -> None:
    """What is planned before the probe is what the runner takes."""
    orders = ladder_orders(order_of(), SIZE)

    assert [order.scenario.name for order in orders] == [
        *("ladder_probe", "ladder_free_1", "ladder_parked")
    ]
    assert [text for order in orders for text in problems_of_order(order)] == []


def test_nobody_is_parked_where_nobody_is_asked_for() -> None:
    """``--parked 0``."""
    orders = ladder_orders(order_of(), replace(SIZE, parked=0))

    assert [order.scenario.name for order in orders] == ["ladder_probe", "ladder_free_1"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nobody",), "unknown engine 'nobody'"),
        (("reference", "--levels", "3"), "--levels is 3, expected 5 to 20"),
        (("reference", "--seconds", "1"), "--seconds is 1, expected 4 to 600"),
        (("reference", "--slo", "5"), "--slo is '5', expected a duration such as 5s"),
        (("reference", "--slo", "900ms"), "the LLM alone takes an agent 1 s"),
        (("reference", "--target", "10", "--rpm", "600"), "contradict each other"),
        (("reference", "--scenario", "pod_kill"), "has faults"),
        (("reference", "--set", "llm.requests_per_min=60"), "takes it by --rpm N"),
        (("reference", "--set", "mix.parked=1"), "takes them by --parked N"),
        (("reference", "--prices", "none.yaml"), "none.yaml: No such file"),
        (("--from", "nowhere"), "expected the folder that `onceproof capacity` wrote"),
    ],
)
def test_what_cannot_be_is_said_before(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    """With the value, the expectation and the next move."""
    assert told in refused(capsys, *words)


def test_everything_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Not one after the other."""
    said = refused(capsys, "nobody", "--levels", "1", "--minutes", "0", "--target", "-1")

    assert all(one in said for one in ("nobody", "--levels is 1", "--minutes is 0"))


def test_a_ladder_that_broke_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is not ours."""
    (tmp_path / "ladder.json").write_text('{"schema": 7}')

    assert "ladder.json" in refused(capsys, "--from", str(tmp_path))
