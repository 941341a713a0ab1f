"""A Dapr workflow's history to commits: golden events, in the SDK's own records."""

from dapr.ext.workflow._durabletask.internal.history_events_pb2 import HistoryEvent
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from harness.commits import Commit
from harness.engines.dapr_history import children_in, commits_in
from mock_llm.receipts import call_id, render

S = 1_000_000_000


def event(at_s: float, kind: str, **fields: object) -> HistoryEvent:
    made = HistoryEvent(timestamp=Timestamp(seconds=int(at_s), nanos=int(at_s % 1 * S)))
    getattr(made, kind).SetInParent()
    for name, value in fields.items():
        if isinstance(value, StringValue):
            getattr(getattr(made, kind), name).CopyFrom(value)
        else:
            setattr(getattr(made, kind), name, value)
    return made


def completed(at_s: float, result: str) -> HistoryEvent:
    return event(at_s, "taskCompleted", result=StringValue(value=result))


def test_a_result_is_kept_between_its_date_and_the_turn_that_takes_it() -> None:
    """The date is when the sidecar had it; the turn began with it in the inbox."""
    events = [
        *(event(1, "workflowStarted"), event(1.5, "executionStarted"), event(2, "taskScheduled")),
        *(event(5, "workflowStarted"), completed(3, f'{{"content": "{render(255, 9)} Ada"}}')),
        *(event(9, "workflowStarted"), completed(7, f'[{{"id": "{call_id(254, 11, 0)}"}}]')),
    ]

    assert commits_in(events) == [
        Commit(receipt=render(255, 9), since_ns=3 * S, until_ns=5 * S),
        Commit(receipt=render(254, 11), since_ns=7 * S, until_ns=9 * S),
    ]


def test_a_result_dated_after_its_turn_has_one_date() -> None:
    """Two sidecars may disagree on the time: the later one counts."""
    events = [event(5, "workflowStarted"), completed(6, render(255, 9))]

    assert commits_in(events) == [Commit(receipt=render(255, 9), since_ns=6 * S, until_ns=6 * S)]


def test_what_is_no_result_is_no_commit() -> None:
    """A prompt carries earlier receipts; a limited call's answer has none."""
    events = [
        event(1, "workflowStarted"),
        event(2, "taskScheduled", input=StringValue(value=render(255, 9))),
        completed(3, '{"retry_after_s": 2}'),
    ]

    assert commits_in(events) == []


def test_children_are_followed_by_their_instance() -> None:
    """A child agent is a workflow of its own."""
    events = [event(1, "childWorkflowInstanceCreated", instanceId="a1-2")]

    assert children_in(events) == ["a1-2"]
    assert commits_in(events) == []
