"""What sidecars are given of a run's messages."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.brokers import make_broker
from harness.brokers.place import BrokerPlace
from harness.clock import SystemClock
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.cluster.relay import Relay
from harness.engines.messages import RELAYED
from harness.errors import HarnessError, MachineError
from harness.protocols import Struck
from harness.provide.server import Server
from harness.runner import switchboard
from harness.runner.residue import KINDS, SOON
from harness.runner.switchboard import RunSwitchboard

SHIPPED = Path(__file__).resolve().parents[2] / "components"
DECLARED = {path.name for path in SHIPPED.glob("subscription-*.yaml")}


class Witness:
    """Takes every note."""

    async def note(self, *_: Any) -> int:
        return 1


def board_in(folder: Path, **fields: Any) -> RunSwitchboard:
    """A switchboard over the sidecars' memory, unless ``fields`` say otherwise."""
    processes = Processes(run=folder, logs=folder, clock=SystemClock())
    place = BrokerPlace(folder=folder, processes=processes, ports=Ports(1))
    here: dict[str, Any] = {"brokers": {"in-memory": make_broker("in-memory", place)}}
    return RunSwitchboard(
        shipped=SHIPPED,
        resources=folder,
        witness=Witness(),  # type: ignore[arg-type]
        http=None,  # type: ignore[arg-type]
        clock=SystemClock(),
        **here | fields,
    )


@pytest.mark.parametrize("is_declared", [True, False])
def test_workers_that_subscribe_get_no_declared_subscriptions(
    tmp_path: Path, is_declared: bool
) -> None:
    """Else two subscriptions would share a topic; the policies they get all the same."""
    board = board_in(tmp_path, is_declared=is_declared)

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


def test_redis_is_told_in_milliseconds_how_often_to_look_again() -> None:
    """Finding 0016: of ``5s`` it takes no notice, and looks every 15 s."""
    content = yaml.safe_load((SHIPPED / "pubsub-redis.yaml").read_text())
    shipped = {entry["name"]: entry["value"] for entry in content["spec"]["metadata"]}

    assert shipped["redeliverInterval"].isdecimal()
    assert {one["redeliverInterval"].isdecimal() for one in SOON.values()} == {True}


class Lister:
    """A broker that has some topics, and another one at each question."""

    name = "lister"

    def __init__(self, *there: str, makes: bool) -> None:
        self._there, self._makes = [*there], makes

    async def absent(self, topics: Sequence[str]) -> list[str]:
        found = [topic for topic in topics if topic not in self._there]
        self._there += found[:1] if self._makes else []
        return found


@pytest.mark.parametrize("makes", [True, False])
def test_topics_that_a_broker_does_not_make_are_said_before_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, makes: bool
) -> None:
    """One that makes them by and by is waited for; else their names and the next move."""
    monkeypatch.setattr(switchboard, "POLL_S", 0.01)
    monkeypatch.setattr(switchboard, "TOPICS_S", 0.2)
    lister = Lister("onceproof.starts", makes=makes)
    board = board_in(tmp_path, brokers={"lister": lister}, current="lister")

    if makes:
        asyncio.run(board.reach())
    else:
        with pytest.raises(MachineError, match=r"no topic onceproof\.\S+, .*auto\.create") as told:
            asyncio.run(board.reach())
        assert "onceproof.starts" not in str(told.value)


def test_sidecars_behind_a_relay_have_its_address_and_no_brokers_name(tmp_path: Path) -> None:
    """A flip changes neither; and what was given to whom is not counted after it."""
    servers = {"redis": Server(url="redis://127.0.0.1:1", version="", origin="")}
    servers["redis-2"] = Server(url="redis://127.0.0.1:2", version="", origin="")
    processes = Processes(run=tmp_path, logs=tmp_path, clock=SystemClock())
    place = BrokerPlace(folder=tmp_path, processes=processes, ports=Ports(1), servers=servers)
    brokers = {name: make_broker(name, place) for name in servers}
    relay = Relay(Ports(os.getpid()).take(), SystemClock())
    board = board_in(tmp_path, brokers=brokers, relay=relay)

    async def act() -> Struck:
        await board.connect()
        struck = await board.flip("redis-2")
        await board.stop()
        return struck

    struck = asyncio.run(act())

    content = yaml.safe_load((tmp_path / "pubsub-redis.yaml").read_text())
    values = {entry["name"]: entry["value"] for entry in content["spec"]["metadata"]}
    assert values["redisHost"] == relay.address
    assert board.environ == {"ONCEPROOF_BROKER": RELAYED}
    assert (board.used, board.forgetful) == (["redis", "redis-2"], {"redis", "redis-2"})
    assert struck == Struck(victims=(), proof="")
    with pytest.raises(HarnessError, match="nothing is flipped"):
        asyncio.run(board_in(tmp_path).flip("redis"))
