"""What sidecars are given of a run's messages."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.brokers import make_broker
from harness.brokers.place import BrokerPlace
from harness.clock import SystemClock
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.runner.residue import KINDS
from harness.runner.switchboard import RunSwitchboard

SHIPPED = Path(__file__).resolve().parents[2] / "components"
DECLARED = {path.name for path in SHIPPED.glob("subscription-*.yaml")}


class Witness:
    """Takes every note."""

    async def note(self, *_: Any) -> int:
        return 1


@pytest.mark.parametrize("is_declared", [True, False])
def test_workers_that_subscribe_get_no_declared_subscriptions(
    tmp_path: Path, is_declared: bool
) -> None:
    """Else two subscriptions would share a topic; the policies they get all the same."""
    processes = Processes(run=tmp_path, logs=tmp_path, clock=SystemClock())
    place = BrokerPlace(folder=tmp_path, processes=processes, ports=Ports(1))
    board = RunSwitchboard(
        brokers={"in-memory": make_broker("in-memory", place)},
        shipped=SHIPPED,
        resources=tmp_path,
        witness=Witness(),  # type: ignore[arg-type]
        http=None,  # type: ignore[arg-type]
        clock=SystemClock(),
        is_declared=is_declared,
    )

    asyncio.run(board.connect())

    given = {path.name for path in tmp_path.glob("*.yaml")}
    assert given & DECLARED == (DECLARED if is_declared else set())
    assert given - DECLARED == {"pubsub-in-memory.yaml", "resiliency.yaml"}


def test_whatever_is_declared_is_collected_when_a_run_is_over() -> None:
    """A message in a topic that nobody empties would count as lost."""
    routes = {
        yaml.safe_load((SHIPPED / name).read_text())["spec"]["routes"]["default"]
        for name in DECLARED
    }

    assert routes == {f"/messages/{kind}" for kind in KINDS}
