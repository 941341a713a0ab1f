"""What an answer decides: the branch of a route, the tasks of a plan, the verdict of a judge.

Pure. A decision is said in words or, when the request asks for a form, in that form: it goes into
the first field that can carry it, and the receipt into the texts beside it.
"""

from __future__ import annotations

import msgspec

from mock_llm import schemas
from mock_llm.marker import Directive, Marker, prompt_with
from mock_llm.receipts import choice, task_path
from mock_llm.schemas import Json, Schema
from mock_llm.wire import WireError

ACCEPTING = ("accept", "accepted", "approve", "approved", "pass", "passed", "good", "yes", "ok")
"""Of an enum of verdicts, the values that accept; without one of them the first does."""

TASK_FIELDS = ("prompt", "task", "instructions", "description", "content", "query")
"""Of a task that has to be an object, the field that carries the prompt; else its first text."""


AGENT_FIELD = "task"
"""Of a function that is an agent, the parameter that carries the prompt."""


def in_words(marker: Marker, value: int, text: str) -> str:
    """The answer without a form: `branch 2.`, `accept.` or `revise.` before the text, or the tasks
    as a JSON list of prompts.
    """
    directive = marker.directive
    if directive.kind == "plan":
        return msgspec.json.encode(tasks(marker, text)).decode()
    said = (
        f"branch {choice(value, directive.count)}"
        if directive.kind == "route"
        else ("accept" if directive.is_accepting else "revise")
    )
    return f"{said}. {text}"


def in_form(marker: Marker, value: int, text: str, schema: Schema) -> dict[str, Json]:
    """The answer as the object that a schema asks for; without properties, in our own names.

    A route fills the first enum with as many values, or else the first integer; a judge the first
    boolean, or else the first enum; a plan the first array.

    Raises:
        WireError: no field of the schema can say what was decided.
    """
    directive = marker.directive
    if not schema.properties:
        return {**_named(marker, value, text), "text": text}
    filled = schemas.example(schema, text=text)
    fields = {
        name: schemas.resolved(inner, schema)
        for name, inner in schema.properties.items()
        if isinstance(inner, Schema)
    }
    decided = _decided(marker, value, text, fields, schema)
    if decided is None or not isinstance(filled, dict):
        raise WireError(
            f"directive {directive}: none of the fields {', '.join(fields)} can carry it; a route "
            f"takes an enum of {directive.count} values or an integer, a judge a boolean or an "
            "enum, a plan an array"
        )
    name, said = decided
    return {**filled, name: said}


def in_calls(marker: Marker, text: str, schema: Schema) -> list[dict[str, Json]] | None:
    """A plan as the arguments of calls to an agent that is on offer as a tool, one for each task.

    None when the function is no such agent: it takes no text called `task`.
    """
    takes = schema.properties.get(AGENT_FIELD)
    if not isinstance(takes, Schema) or schemas.resolved(takes, schema).kind() != "string":
        return None
    filled = schemas.example(schema, text="ok")
    rest = filled if isinstance(filled, dict) else {}
    return [{**rest, AGENT_FIELD: task} for task in tasks(marker, text)]


def _named(marker: Marker, value: int, text: str) -> dict[str, Json]:
    directive = marker.directive
    if directive.kind == "route":
        return {"branch": choice(value, directive.count)}
    if directive.kind == "judge":
        return {"accepted": directive.is_accepting}
    return {"tasks": [*tasks(marker, text)]}


def _decided(
    marker: Marker, value: int, text: str, fields: dict[str, Schema], root: Schema
) -> tuple[str, Json] | None:
    """The first field that can say it, and what it says."""
    directive = marker.directive
    enums = {name: schemas.options(one, root) for name, one in fields.items()}
    if directive.kind == "plan":
        for name, one in fields.items():
            if one.kind() == "array":
                handed = enumerate(tasks(marker, text), start=1)
                return name, [_task(one, task, number, root) for number, task in handed]
        return None
    if directive.kind == "route":
        chosen = choice(value, directive.count)
        for name, options in enums.items():
            if len(options) >= directive.count:
                return name, options[chosen]
        return _first(fields, "integer", chosen)
    flag = _first(fields, "boolean", directive.is_accepting)
    if flag is not None:
        return flag
    for name, options in enums.items():
        if len(options) > 1:
            return name, _verdict(options, directive)
    return None


def _first(fields: dict[str, Schema], kind: str, said: Json) -> tuple[str, Json] | None:
    return next(((name, said) for name, one in fields.items() if one.kind() == kind), None)


def _verdict(options: list[Json], directive: Directive) -> Json:
    accepting = [one for one in options if str(one).lower() in ACCEPTING] or options[:1]
    revising = [one for one in options if one not in accepting] or options[1:]
    return accepting[0] if directive.is_accepting else revising[0]


def tasks(marker: Marker, text: str) -> list[str]:
    """The prompts that are delegated: each has the marker of its own step, which builds on this."""
    count = marker.directive.count
    return [
        prompt_with(
            Marker(
                agent=marker.agent,
                path=task_path(marker.path, number),
                predecessors=(marker.path,),
                directive=Directive(kind="say"),
            ),
            f"Work out part {number + 1} of {count}. {text}",
        )
        for number in range(count)
    ]


def _task(array: Schema, task: str, number: int, root: Schema) -> Json:
    """A prompt as an item of the array; its first integer is its number in the plan."""
    item = schemas.resolved(array.items, root) if isinstance(array.items, Schema) else Schema()
    if not item.properties:
        return task
    filled = schemas.example(item, text="ok", root=root)
    texts = [
        name
        for name, one in item.properties.items()
        if isinstance(one, Schema) and schemas.resolved(one, root).kind() == "string"
    ]
    named = [name for name in TASK_FIELDS if name in texts] or texts
    if not isinstance(filled, dict) or not named:
        return task
    fields = {name: one for name, one in item.properties.items() if isinstance(one, Schema)}
    place = _first(fields, "integer", number)
    return {**filled, **dict([place] if place else []), named[0]: task}
