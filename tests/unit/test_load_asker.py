"""The asker of ends: whoever's last answer was seen is asked until the end is read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from harness.clock import NS_PER_S
from harness.load.asker import Asker, Many, One
from harness.load.contract import Witness, Worker
from harness.load.pods import PodEntry, Pods, PodsFile
from harness.load.roster import Agent, Roster
from harness.load.schedule import Arrival
from harness.load.starts import StartState
from harness.load.wire import Answer, Replied

POD = PodEntry(slot="agents-1", caller="agents-1.2", url="http://pod", state="ready")


class Running(Worker):
    """A worker whose agent has had its last answer and is not completed yet."""

    def __init__(self) -> None:
        """No wire."""

    def status(self, url: str, agent: str) -> Answer:
        return Replied(status=200, body=b'{"status":"running","output":""}')


class Feed(Witness):
    """A witness that has seen one last answer."""

    def __init__(self) -> None:
        """No wire."""

    def ends(self, after: int) -> Answer:
        end = {"seq": 1, "agent": "a1", "caller": "agents-1.2"}
        return Replied(status=200, body=msgspec.json.encode({"ends": [end]}))


def test_a_restart_of_its_slot_does_not_end_the_chase_of_an_agent(tmp_path: Path) -> None:
    """Else an agent that ends just then is read only at the slow rhythm, half a minute later."""
    arrival = Arrival(agent="a1", slot="agents-1", at_ns=0, offset=0, length=0)
    start = StartState(slot="agents-1", any_pod_answers=False)
    agent = Agent(arrival=arrival, intended_ns=0, start=start)
    roster = Roster(iter([agent]))
    roster.accept(agent, 0)
    pods = PodsFile(tmp_path / "pods.json")
    pods.current = Pods(pods=(POD,))
    agenda: list[tuple[int, One | Many]] = []
    config = SimpleNamespace(any_pod_answers=False, ask_interval_s=30.0, asks_in_flight=8)
    asker = Asker(
        roster=roster,
        pods=pods,
        worker=Running(),
        witness=Feed(),
        events=cast(Any, None),
        clock=cast(Any, SimpleNamespace(monotonic_ns=lambda: NS_PER_S)),
        report=lambda *_: None,
        later=lambda due_ns, item: agenda.append((due_ns, item)),
        config=cast(Any, config),
    )

    asker.follow()
    asker.mark_due("agents-1")
    for _, item in agenda.copy():
        asker.ask(item)

    assert [due_ns for due_ns, _ in agenda if due_ns > NS_PER_S] == [NS_PER_S + NS_PER_S // 20]
