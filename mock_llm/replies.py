"""What to answer: a pure function of seed, request and attempt mark.

The same step on the same context gets the same words and the same receipt value, whoever asks,
however often and in whatever order; only the mark tells attempts apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mock_llm import decisions, receipts, schemas
from mock_llm.marker import Marker
from mock_llm.plans import follow
from mock_llm.readings import Reading, read
from mock_llm.wire import Answer, Call, ChatRequest, Function, WireError

DECISIONS = ("route", "plan", "judge")
"""Kinds of directive whose answer decides what is run next."""

__all__ = ["Reply", "check", "read", "reply"]

_WORDS = (
    "amber",
    "anchor",
    "apple",
    "arrow",
    "basin",
    "beacon",
    "birch",
    "bridge",
    "cabin",
    "candle",
    "canyon",
    "cedar",
    "circle",
    "cliff",
    "cloud",
    "copper",
    "coral",
    "cotton",
    "creek",
    "crystal",
    "delta",
    "ember",
    "engine",
    "falcon",
    "feather",
    "fern",
    "field",
    "flint",
    "forest",
    "fountain",
    "garden",
    "glacier",
    "granite",
    "harbor",
    "harvest",
    "hazel",
    "heron",
    "hill",
    "horizon",
    "island",
    "ivory",
    "jasper",
    "juniper",
    "kettle",
    "lagoon",
    "lantern",
    "ledge",
    "linen",
    "maple",
    "marble",
    "meadow",
    "mirror",
    "orchard",
    "paper",
    "pebble",
    "river",
    "saddle",
    "silver",
    "summit",
    "timber",
    "valley",
    "willow",
    "window",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer and the receipt that it carries."""

    answer: Answer
    """What is said."""
    receipt: int
    """Receipt value; 0 for an auxiliary call."""


def check(request: ChatRequest, reading: Reading) -> None:
    """Make sure that `reply` can answer.

    Raises:
        WireError: the request asks for what is not spoken here.
    """
    if request.stream:
        raise WireError("not implemented: streaming")
    if (request.n or 1) != 1:
        raise WireError("not implemented: n above 1")
    if reading.kind == "aux" or reading.marker is None:
        return
    if reading.marker.directive.kind in DECISIONS:
        _decision(request, reading.marker, 0, "")
    if not reading.is_final and not request.may_call():
        raise WireError(
            f"step {reading.path!r} of {reading.agent!r} asks for a tool call, "
            "and the request offers no function"
        )


def reply(request: ChatRequest, reading: Reading, *, seed: int, mark: int) -> Reply:
    """The answer to a request that `check` let through."""
    if reading.kind == "aux" or reading.marker is None:
        return Reply(answer=_auxiliary(request, reading, mark), receipt=0)
    marker = reading.marker
    value = receipts.receipt(seed, marker.agent, marker.path, reading.turn, reading.predecessors)
    identifier = receipts.completion_id(value, mark)
    shown = receipts.render(value, mark)
    text = f"{_words(value)} {shown}"
    delegated = _delegated(request, marker, value, mark, text)
    if delegated:
        return Reply(answer=Answer(id=identifier, text="", calls=delegated), receipt=value)
    if marker.directive.kind in DECISIONS:
        said, function = _decision(request, marker, value, text)
        if function is None:
            return Reply(answer=Answer(id=identifier, text=said), receipt=value)
        call = Call(id=receipts.call_id(value, mark, 0), name=function.name, arguments=said)
        return Reply(answer=Answer(id=identifier, text="", calls=(call,)), receipt=value)
    if reading.is_final:
        return Reply(answer=Answer(id=identifier, text=text), receipt=value)
    call = Call(
        id=receipts.call_id(value, mark, 0),
        name=request.functions()[0].name,
        arguments=_arguments(request.functions()[0], marker, reading.turn, shown),
    )
    return Reply(answer=Answer(id=identifier, text="", calls=(call,)), receipt=value)


def _delegated(
    request: ChatRequest, marker: Marker, value: int, mark: int, text: str
) -> tuple[Call, ...]:
    """The calls that hand a plan's tasks to the first agent that is on offer as a tool, if any."""
    is_bound = request.is_structured() or request.forced_function() is not None
    if marker.directive.kind != "plan" or is_bound or not request.may_call():
        return ()
    for function in request.functions():
        tasks = decisions.in_calls(marker, text, schemas.parse(function.parameters))
        if tasks is not None:
            return tuple(
                Call(
                    id=receipts.call_id(value, mark, number),
                    name=function.name,
                    arguments=_json(task),
                )
                for number, task in enumerate(tasks)
            )
    return ()


def _decision(
    request: ChatRequest, marker: Marker, value: int, text: str
) -> tuple[str, Function | None]:
    """What is said, in words or in the form asked for; and the function, if one has to be called.

    Raises:
        WireError: the form has no field for it.
    """
    function = request.forced_function()
    form = request.response_format
    if function is not None:
        schema = schemas.parse(function.parameters)
    elif form is not None and form.type != "text":
        schema = schemas.parse(form.json_schema.schema) if form.json_schema else schemas.Schema()
    else:
        return decisions.in_words(marker, value, text), None
    return _json(decisions.in_form(marker, value, text, schema)), function


def _arguments(function: Function, marker: Marker, turn: int, shown: str) -> str:
    convention = {
        "agent": marker.agent,
        "path": receipts.tool_path(marker.path, turn, 0),
        "value": shown,
    }
    schema = schemas.parse(function.parameters)
    return _json(schemas.arguments(schema, convention=convention, text=shown))


def _auxiliary(request: ChatRequest, reading: Reading, mark: int) -> Answer:
    identifier = receipts.completion_id(0, mark)
    forced = request.forced_function()
    if forced is not None:
        filled = schemas.example(schemas.parse(forced.parameters))
        call = Call(id=receipts.call_id(0, mark, 0), name=forced.name, arguments=_json(filled))
        return Answer(id=identifier, text="", calls=(call,))
    form = request.response_format
    asked = "\n".join(request.messages[-1].texts()) if request.messages else ""
    if form is None or form.type == "text":
        text = "\n".join(_last_results(request)) or follow(
            reading.marker, reading.context, None, asked
        )
        return Answer(id=identifier, text=str(text or "ok"))
    if form.json_schema is None:
        return Answer(id=identifier, text='{"answer":"ok"}')
    schema = schemas.parse(form.json_schema.schema)
    followed = follow(reading.marker, reading.context, schema, asked)
    return Answer(id=identifier, text=_json(followed or schemas.example(schema)))


def _last_results(request: ChatRequest) -> list[str]:
    """What the tools said that were called last: who is asked after them has to pass it on."""
    results: list[str] = []
    for message in reversed(request.messages):
        if message.role != "tool":
            break
        results[:0] = message.texts()
    return results


def _words(value: int) -> str:
    """Three words that follow from the receipt."""
    count = len(_WORDS)
    places = (value % count, value // count % count, value // count // count % count)
    return "The notes say " + ", ".join(_WORDS[place] for place in places) + "."


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
