"""A guarded start of an agent by message, and the one that the framework has without."""

from typing import Any

import pytest
from dapr.ext.workflow import DaprWorkflowClient

from harness.engines.dapr_agents.starter import Starter
from mock_llm.marker import Directive, Marker, prompt_with

TASK = prompt_with(
    Marker(agent="a1", path="1", predecessors=(), directive=Directive(kind="tools", count=1)),
    "Record it.",
)


class Alone(Starter):
    """A client without a sidecar and a witness."""

    def __init__(self, *, is_guarded: bool) -> None:
        self._is_guarded = is_guarded
        self.scheduled: list[str] = []
        self.kept: list[str] = []
        self.told: list[str] = []

    def _tell(self, agent: str) -> None:
        self.told.append(agent)

    def _note(self, agent: str, instance: str) -> None:
        assert instance not in self.scheduled
        self.kept.append(instance)

    def get_workflow_state(self, instance_id: str, **_: Any) -> Any:
        return object() if instance_id in self.scheduled else None


@pytest.fixture(autouse=True)
def scheduling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own client takes down what it would schedule."""

    def schedule(self: Alone, _workflow: Any, *, input: Any, instance_id: str) -> str:
        self.scheduled.append(instance_id)
        return instance_id

    def wait(_self: Alone, instance_id: str, **_: Any) -> str:
        return f"waited for {instance_id}"

    monkeypatch.setattr(DaprWorkflowClient, "schedule_new_workflow", schedule)
    monkeypatch.setattr(DaprWorkflowClient, "wait_for_workflow_completion", wait)


def test_a_guarded_message_that_comes_twice_starts_one_agent() -> None:
    """Under the agent's own id; each delivery is told."""
    client = Alone(is_guarded=True)

    for _ in range(2):
        assert client.schedule_new_workflow("agent", input={"task": TASK}) == "a1"

    assert client.scheduled == ["a1"]
    assert client.told == ["a1", "a1"]
    assert client.instances("a1") == ["a1"]


def test_without_a_guard_it_starts_two_and_both_are_known() -> None:
    """As the SDK's client does that is given no id; each is written down before it is scheduled."""
    client = Alone(is_guarded=False)

    for _ in range(2):
        client.schedule_new_workflow("agent", input={"task": TASK})

    assert client.kept == client.scheduled
    assert len(set(client.scheduled)) == 2


def test_a_guarded_client_holds_no_message_until_its_agent_has_ended() -> None:
    """The runner asks for an outcome that it does not log."""
    assert Alone(is_guarded=True).wait_for_workflow_completion("a1") is None
    assert Alone(is_guarded=False).wait_for_workflow_completion("a1") == "waited for a1"
