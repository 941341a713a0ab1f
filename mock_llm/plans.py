"""What to answer an orchestrator that goes through its own plan: who is next, is it done, what came
of it.

Such calls are the framework's own, not steps: the plan was the step, its tasks are the steps that
follow. Pure, and by the request alone: a task is done when its receipt is in the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mock_llm import receipts, schemas
from mock_llm.decisions import TASK_FIELDS, tasks
from mock_llm.marker import Marker
from mock_llm.records import ContextEntry
from mock_llm.schemas import Json, Schema

ORDER_FIELDS = ("instruction", *TASK_FIELDS)
"""Of a form that hands out a task, the field that carries its prompt."""
AGENT_FIELDS = ("next_agent", "agent", "agent_name", "name")
"""Of such a form, the field that names who is to do it."""
DONE, GOES_ON = ("completed", "complete", "done", "finished"), ("continue", "in_progress")
"""Of an enum of verdicts on the whole plan, the values for each."""
_LISTED = re.compile(r"^- ([\w.-]+): ", re.MULTILINE)


def follow(
    marker: Marker | None, context: Iterable[ContextEntry], schema: Schema | None, asked: str
) -> Json:
    """The answer to a call that follows up a plan; None when it is no such call.

    Without a schema it is a text with the results of the tasks, else the object that the schema
    asks for. `asked` is the last prompt: of the agents that it lists as `- name: ...`, each task
    gets one in turn.
    """
    if marker is None or marker.directive.kind != "plan":
        return None
    shown = {
        receipts.tag_of(value): receipts.render(value, mark)
        for _, kind, value, mark in context
        if kind == "r"
    }
    plan = shown.get(receipts.tag(marker.agent, marker.path))
    if plan is None:
        return None
    paths = [receipts.task_path(marker.path, n) for n in range(marker.directive.count)]
    results = [shown.get(receipts.tag(marker.agent, path), "") for path in paths]
    if schema is None:
        return " ".join(["The parts are worked out.", *filter(None, results)])
    fields = {
        name: schemas.resolved(inner, schema)
        for name, inner in schema.properties.items()
        if isinstance(inner, Schema)
    }
    said = _verdict(fields, schema, is_done=all(results))
    if not said and "" in results:
        number = results.index("")
        said = _order(fields, number, tasks(marker, plan)[number], _LISTED.findall(asked))
    filled = schemas.example(schema)
    if not said or not isinstance(filled, dict):
        return None
    left_out = dict.fromkeys(name for name in filled if schemas.is_nullable(schema, name))
    return {**filled, **left_out, **said}


def _verdict(fields: dict[str, Schema], root: Schema, *, is_done: bool) -> dict[str, Json]:
    """The first enum that can say that all is done as well as that it is not."""
    for name, one in fields.items():
        options = schemas.options(one, root)
        done = next((value for value in options if value in DONE), None)
        goes_on = next((value for value in options if value in GOES_ON), None)
        if done and goes_on:
            return {name: done if is_done else goes_on}
    return {}


def _order(fields: dict[str, Schema], number: int, task: str, agents: list[str]) -> dict[str, Json]:
    """A task handed out: its prompt, its number in the plan from 1, and who is to do it."""
    order = next((name for name in ORDER_FIELDS if name in fields), None)
    place = next((name for name, one in fields.items() if one.kind() == "integer"), None)
    if order is None or place is None:
        return {}
    said: dict[str, Json] = {order: task, place: number + 1}
    agent = next((name for name in AGENT_FIELDS if name in fields), None)
    if agent and agents:
        said[agent] = agents[number % len(agents)]
    return said
