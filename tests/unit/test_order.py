"""Orders: everything that is impossible is said before a process exists."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engines.registry import ENGINES
from harness.plan import Cell
from harness.runner.order import (
    PATTERN_KINDS,
    Order,
    brokers_of,
    disk_problem,
    lacking_problem,
    problems_of_order,
    spec_of,
)
from harness.scenario import PATTERNS, FaultSpec, LoadSpec, Scenario

SCENARIO = Scenario(name="small", summary="", load=LoadSpec(agents=2))
REFERENCE = Cell(engine="reference", variant=ENGINES["reference"].variants[0])
DAPR = Cell(engine="dapr_workflow", store="redis")
HOSTED = Cell(engine="dapr_agents", variant="subscribed-guarded", store="redis")
SERVED = replace(HOSTED, variant="mcp-durable", platform="kubernetes")


def order(cell: Cell = REFERENCE, **fields: object) -> Order:
    return Order(scenario=replace(SCENARIO, **fields), cell=cell)  # type: ignore[arg-type]


def with_fault(kind: str) -> tuple[FaultSpec, ...]:
    return (FaultSpec(kind=kind),)


def test_a_possible_order_has_no_problems() -> None:
    """What can run is not talked about."""
    assert problems_of_order(order()) == []
    assert problems_of_order(order(DAPR, faults=with_fault("kill_sidecar"))) == []


def test_an_order_is_named_by_its_cell() -> None:
    """The directory's and the column's name are one."""
    assert order(DAPR).name == "small.dapr_workflow:default.redis.none.0"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (order(replace(REFERENCE, engine="dpr")), "unknown engine 'dpr'; known: dapr_workflow"),
        (order(replace(REFERENCE, variant="x")), "unknown variant 'x' of reference; known: "),
        (order(replace(REFERENCE, store="mongo")), "unknown store 'mongo'; known: none"),
        (order(replace(REFERENCE, store="redis")), "reference cannot use the store redis"),
        (order(replace(DAPR, store="none")), "dapr_workflow cannot use the store none"),
        (order(replace(DAPR, store="sqlite")), "pods is 3, expected 1 on the store sqlite"),
        (order(faults=with_fault("flood")), "unknown fault 'flood'; known: kill_pod"),
        (order(faults=with_fault("kill_sidecar")), "reference has no sidecar"),
        (order(pods=0), "pods is 0, expected at least 1"),
        (order(SERVED), "dapr_agents:mcp-durable: Dapr takes no MCP server there"),
    ],
)
def test_each_impossibility_is_one_sentence(wrong: Order, told: str) -> None:
    """With the value and what was expected."""
    (problem,) = problems_of_order(wrong)

    assert told in problem


def test_everything_wrong_is_said_at_once() -> None:
    """Engine, fault and count in one go."""
    wrong = order(replace(REFERENCE, engine="dpr"), pods=0, faults=with_fault("flood"))

    assert len(problems_of_order(wrong)) == 3


def test_every_pattern_says_what_it_needs_of_an_engine() -> None:
    """A pattern without an entry would be given to an engine that cannot run it."""
    assert set(PATTERN_KINDS) == set(PATTERNS)


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_engine_has_a_spec_for_each_variant(name: str) -> None:
    """The first variant is the default, and names are one everywhere."""
    for variant in ENGINES[name].variants:
        spec = spec_of(Cell(engine=name, variant=variant))
        assert (spec.engine, spec.variant) == (name, variant)


def test_a_run_that_does_not_fit_on_the_disk_is_refused(tmp_path: Path) -> None:
    """With what there is, what is needed, and the next move."""
    problem = disk_problem([order(load=LoadSpec(agents=10**12))], tmp_path / "not" / "yet")

    assert "MB free" in problem
    assert "onceproof clean" in problem
    assert not (tmp_path / "not").exists()


def test_a_small_run_fits(tmp_path: Path) -> None:
    """The folder need not exist yet, and is not made by asking."""
    assert disk_problem([order()], tmp_path / "runs") == ""
    assert not (tmp_path / "runs").exists()


def test_a_file_is_no_place_for_runs(tmp_path: Path) -> None:
    """Said before the start, not as a traceback after it."""
    (tmp_path / "file").write_text("")

    assert "not a folder" in disk_problem([order()], tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run as another user")
def test_a_folder_of_somebody_else_is_no_place_for_runs(tmp_path: Path) -> None:
    """Said before the start."""
    tmp_path.chmod(0o500)

    assert "not a folder that can be written to" in disk_problem([order()], tmp_path / "runs")


def test_an_engine_says_why_it_lacks_a_step_kind() -> None:
    """The pattern that needs it is refused with the engine's own reason."""
    spec = replace(spec_of(DAPR), kinds=("say",), lacks={"wait": "has no timer"})

    told = "dapr_workflow: not implemented: wait (has no timer), which pattern timer needs"
    assert lacking_problem(spec, "timer") == told
    assert lacking_problem(spec, "chain") == ""


def test_agents_that_talk_need_a_broker() -> None:
    """Said before the start, with the remedy."""
    talk = order(replace(DAPR, broker="none"), mix={"notes": 1.0, "poison_note": 1.0})

    (problem,) = problems_of_order(talk)
    assert problem == (
        "the pattern notes, poison_note needs a broker, and the run has none; "
        "name one: --broker redis"
    )
    assert problems_of_order(replace(talk, cell=replace(DAPR, broker="redis"))) == []


SWAP = (FaultSpec(kind="broker_swap", to="kafka", in_flight_min=0),)
FLIP = FaultSpec(kind="broker_swap_flip", to="redis", in_flight_min=0)


@pytest.mark.parametrize(
    ("cell", "faults", "told"),
    [
        (replace(DAPR, broker="carrier-pigeon"), (), "unknown broker 'carrier-pigeon'"),
        (replace(REFERENCE, broker="redis"), (), "has no messages over the broker redis"),
        (replace(DAPR, variant="two-apps", broker="redis"), (), "it can use none"),
        (DAPR, SWAP, "the run has none; name it: --broker redis"),
        (replace(DAPR, broker="redis"), (replace(SWAP[0], to=""),), "unknown broker ''"),
        (replace(DAPR, broker="redis"), (replace(SWAP[0], to="none"),), "to none; name one"),
        (
            replace(DAPR, broker="redis"),
            (replace(SWAP[0], kind="broker_swap_flip"),),
            "broker_swap_flip from redis to kafka: behind one address both must speak the same",
        ),
        (
            replace(DAPR, broker="redis-2"),
            (FLIP, replace(SWAP[0], to="redis")),
            "broker_swap_flip beside broker_swap: take one of them",
        ),
    ],
)
def test_messages_that_cannot_be_are_said_before(
    cell: Cell, faults: tuple[FaultSpec, ...], told: str
) -> None:
    """A broker that nobody knows, an engine without messages, a swap that leads nowhere."""
    (problem,) = problems_of_order(order(cell, faults=faults))

    assert told in problem


def test_a_run_starts_the_brokers_that_it_swaps_to() -> None:
    """Each once, the first one first; a run without messages none."""
    back = (*SWAP, replace(SWAP[0], to="redis"))
    swapping = order(replace(DAPR, broker="redis"), faults=back)

    assert problems_of_order(swapping) == []
    assert brokers_of(swapping.scenario, swapping.cell) == ("redis", "kafka")
    assert brokers_of(SCENARIO, DAPR) == ()


@pytest.mark.parametrize(("cell", "pattern"), [(DAPR, "chain"), (HOSTED, "solo")])
def test_a_flip_and_one_back_can_be(cell: Cell, pattern: str) -> None:
    """Each from the broker in force before it."""
    flips = (replace(FLIP, to="redis-2"), FLIP)
    flipped = order(replace(cell, broker="redis"), mix={pattern: 1.0}, faults=flips)

    assert problems_of_order(flipped) == []


@pytest.mark.parametrize(
    ("fault", "schedulers", "told"),
    [
        (FaultSpec(kind="kill_scheduler", member="7"), 3, "leader, follower, majority, 0, 1, 2"),
        (FaultSpec(kind="kill_scheduler", member="follower"), 1, "one scheduler has no follower"),
        (FaultSpec(kind="kill_scheduler", down_s=None, count=2), 3, "2 of 3 schedulers stay dead"),
        (
            FaultSpec(kind="kill_scheduler", down_s=None, member="majority"),
            5,
            "3 of 5 schedulers stay dead",
        ),
        (FaultSpec(kind="kill_scheduler", down_s=-1.0), 3, "down_s is -1.0, expected 0 or more"),
        (FaultSpec(kind="kill_placement", down_s=None), 3, "there is no other one"),
        (FaultSpec(kind="scale_down", down_s=None), 3, "down_s is None, expected 0 or more"),
        (FaultSpec(kind="kill_pod"), 8, "schedulers is 8, expected at most 7"),
    ],
)
def test_a_control_plane_that_cannot_be_struck_so_is_said_before(
    fault: FaultSpec, schedulers: int, told: str
) -> None:
    """A member that there is not, a cluster without a majority, a time that is none."""
    (problem,) = problems_of_order(order(DAPR, faults=(fault,), schedulers=schedulers))

    assert told in problem


def test_the_death_of_a_minority_of_schedulers_is_possible() -> None:
    """One of three may stay dead; of one the only one may die if it comes back."""
    dead = FaultSpec(kind="kill_scheduler", down_s=None, member="leader")

    assert problems_of_order(order(DAPR, faults=(dead,), schedulers=3)) == []
    assert problems_of_order(order(DAPR, faults=with_fault("kill_scheduler"))) == []
