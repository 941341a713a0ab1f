"""What an answer decides, in words and in every form that frameworks ask for."""

import json
from typing import Any

import pytest

from mock_llm import receipts
from mock_llm.marker import Directive, Marker, prompt_with
from mock_llm.readings import Reading, read
from mock_llm.replies import check, reply
from mock_llm.wire import Answer, ChatRequest, WireError, parse_chat

SEED = 7
TEXT: dict[str, Any] = {"type": "string"}
ROUTE = receipts.receipt(SEED, "a1", "2", 0, [])

Body = dict[str, Any]


def _asks(directive: str, predecessors: tuple[str, ...] = (), text: str = "Go on.") -> Body:
    kind, _, count = directive.partition("=")
    marker = Marker(
        agent="a1",
        path="2",
        predecessors=predecessors,
        directive=Directive(kind=kind, count=int(count or 0)),
    )
    return _user(prompt_with(marker, text))


def _user(text: str) -> Body:
    return {"role": "user", "content": text}


def _request(message: Body, **more: object) -> ChatRequest:
    return parse_chat(json.dumps({"model": "m", "messages": [message], **more}).encode())


def _reply(request: ChatRequest, mark: int = 5) -> tuple[Reading, Answer, int]:
    reading = read(request)
    check(request, reading)
    replied = reply(request, reading, seed=SEED, mark=mark)
    return reading, replied.answer, replied.receipt


def _form(**properties: Body) -> Body:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "json_schema", "json_schema": {"name": "Form", "schema": schema}}


def test_a_route_is_said_in_words() -> None:
    """The branch follows from the receipt's value; a second attempt says the same."""
    _, first, value = _reply(_request(_asks("route=3")), mark=5)
    _, second, _ = _reply(_request(_asks("route=3")), mark=6)

    assert value == ROUTE
    assert first.text.startswith(f"branch {ROUTE % 3}. ")
    assert receipts.find(first.text) == [receipts.Receipt(ROUTE, 5)]
    assert first.text.replace(".5>>", ".6>>") == second.text


@pytest.mark.parametrize("count", range(2, 9))
def test_a_route_reads_what_it_builds_on(count: int) -> None:
    """Another answer before it may take another branch: control flow is data."""
    chosen = set()
    for number in range(40):
        shown = receipts.render(receipts.tag("a1", "1") << 32 | number, 0)
        request = _request(_asks(f"route={count}", ("1",), shown))
        chosen.add(_reply(request)[1].text.split(".")[0])

    assert len(chosen) > 1
    assert chosen <= {f"branch {number}" for number in range(count)}


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"enum": ["a", "b", "c"]}, ["a", "b", "c"][ROUTE % 3]),
        ({"anyOf": [{"const": "a"}, {"const": "b"}, {"const": "c"}]}, ["a", "b", "c"][ROUTE % 3]),
        ({"type": "integer"}, ROUTE % 3),
    ],
    ids=["enum", "constants", "integer"],
)
def test_a_route_fills_the_field_that_can_carry_it(field: Body, said: object) -> None:
    """An enum's values are the branches in order; the receipt stands in the texts beside it."""
    form = _form(reason=TEXT, small={"enum": ["x", "y"]}, to=field)
    _, answer, _ = _reply(_request(_asks("route=3"), response_format=form))

    filled = json.loads(answer.text)
    assert filled["to"] == said
    assert receipts.find(filled["reason"]) == [receipts.Receipt(ROUTE, 5)]


def test_a_route_by_a_forced_function() -> None:
    """Structured output by a tool call says the same, under a call id that carries the receipt."""
    schema = {"type": "object", "properties": {"to": {"enum": ["a", "b", "c"]}}, "required": ["to"]}
    tool = {"type": "function", "function": {"name": "Route", "parameters": schema}}
    request = _request(_asks("route=3"), tools=[tool], tool_choice="required")

    reading, answer, value = _reply(request)

    assert (reading.kind, value) == ("step", ROUTE)
    assert json.loads(answer.calls[0].arguments) == {"to": ["a", "b", "c"][ROUTE % 3]}
    assert receipts.parse_call_id(answer.calls[0].id) == (receipts.Receipt(ROUTE, 5), 0)


@pytest.mark.parametrize("directive", ["route=3", "judge=1", "plan=2"])
def test_a_decision_without_a_field_is_refused(directive: str) -> None:
    """The witness never answers beside the point: the message says which field it looks for."""
    form = _form(reason=TEXT)

    with pytest.raises(WireError, match=f"{directive}: none of the fields reason can carry it"):
        _reply(_request(_asks(directive), response_format=form))


@pytest.mark.parametrize(
    ("directive", "named"),
    [("route=3", {"branch": ROUTE % 3}), ("judge=0", {"accepted": True}), ("plan=1", {})],
)
def test_json_without_a_schema_uses_our_names(directive: str, named: Body) -> None:
    """JSON mode without a schema: the decision under a name of ours, the text beside it."""
    form = {"type": "json_object"}
    _, answer, value = _reply(_request(_asks(directive), response_format=form))

    filled = json.loads(answer.text)
    assert named.items() <= filled.items()
    assert receipts.find(filled["text"]) == [receipts.Receipt(value, 5)]
    assert ("tasks" in filled) == (directive == "plan=1")


@pytest.mark.parametrize(("directive", "word"), [("judge=0", "accept"), ("judge=2", "revise")])
def test_a_verdict_is_said_in_words(directive: str, word: str) -> None:
    """No revision wanted accepts."""
    _, answer, value = _reply(_request(_asks(directive)))

    assert answer.text.startswith(f"{word}. ")
    assert receipts.find(answer.text) == [receipts.Receipt(value, 5)]


@pytest.mark.parametrize(
    ("field", "accepting", "revising"),
    [
        ({"type": "boolean"}, True, False),
        ({"enum": ["FAIL", "PASS"]}, "PASS", "FAIL"),
        ({"enum": ["one", "two"]}, "one", "two"),
    ],
)
def test_a_verdict_fills_the_field_that_can_carry_it(
    field: Body, accepting: object, revising: object
) -> None:
    """A flag, or a word that accepts; of unknown words the first one does."""
    form = _form(feedback=TEXT, score={"type": "number"}, verdict=field)
    said = [
        json.loads(_reply(_request(_asks(one), response_format=form))[1].text)
        for one in ("judge=0", "judge=1")
    ]

    assert [one["verdict"] for one in said] == [accepting, revising]


def test_a_plan_delegates_prompts() -> None:
    """Each prompt is a step of its own, whose answer builds on the plan's."""
    _, answer, plan = _reply(_request(_asks("plan=3")))

    tasks = json.loads(answer.text)
    for number, task in enumerate(tasks):
        reading, _, value = _reply(_request(_user(task)))
        assert (reading.kind, reading.agent, reading.path) == ("step", "a1", f"2.b{number}")
        assert value == receipts.receipt(SEED, "a1", f"2.b{number}", 0, [plan])
    assert len(tasks) == 3


def test_a_plan_that_is_quoted_asks_nothing() -> None:
    """Markers inside a JSON list are no lines of their own: a later prompt may embed it whole."""
    _, answer, plan = _reply(_request(_asks("plan=2")))
    asked = _asks("say", ("2",), f"Given {answer.text}")
    later = asked["content"].replace("a1 2 2 ", "a1 3 2 ")

    reading = read(_request(_user(later)))

    assert plan in {value for _, kind, value, _ in reading.context if kind == "r"}
    assert {entry[2] for entry in reading.context if entry[1] == "m"} <= {receipts.tag("a1", "2")}


@pytest.mark.parametrize(
    "items",
    [
        {"$ref": "#/$defs/Task"},
        {
            "type": "object",
            "properties": {"step": {"type": "integer"}, "title": TEXT, "instructions": TEXT},
            "required": ["step", "title", "instructions"],
        },
        TEXT,
    ],
    ids=["reference", "inline", "texts"],
)
def test_a_plan_fills_the_array_of_a_schema(items: Body) -> None:
    """As many entries as tasks; the prompt is in the field that is called so."""
    form = _form(tasks={"type": "array", "items": items})
    task = {"type": "object", "properties": {"instructions": TEXT}, "required": ["instructions"]}
    form["json_schema"]["schema"]["$defs"] = {"Task": task}
    _, answer, _ = _reply(_request(_asks("plan=2"), response_format=form))

    tasks = json.loads(answer.text)["tasks"]
    prompts = [one if isinstance(one, str) else one["instructions"] for one in tasks]
    assert [read(_request(_user(prompt))).path for prompt in prompts] == ["2.b0", "2.b1"]


def _tool(name: str, *parameters: str) -> Body:
    schema = {"type": "object", "properties": dict.fromkeys(parameters, TEXT)}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def test_a_plan_is_handed_to_an_agent_that_is_a_tool() -> None:
    """One call for each task, to the first function that takes one; each with its own marker."""
    tools = [_tool("record", "agent", "path", "value"), _tool("worker", "task", "context")]
    _, words, value = _reply(_request(_asks("plan=2")))

    _, answer, called = _reply(_request(_asks("plan=2"), tools=tools, tool_choice="auto"))

    assert called == value
    assert [call.name for call in answer.calls] == ["worker", "worker"]
    assert [receipts.parse_call_id(call.id) for call in answer.calls] == [
        (receipts.Receipt(value, 5), number) for number in range(2)
    ]
    given = [json.loads(call.arguments)["task"] for call in answer.calls]
    assert given == json.loads(words.text)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [_tool("record", "agent", "path", "value")]},
        {"tools": [_tool("worker", "task")], "tool_choice": "none"},
    ],
)
def test_a_plan_without_an_agent_on_offer_is_said_in_words(more: Body) -> None:
    """Nothing is called that does not take a task, or against the request's word."""
    _, answer, _ = _reply(_request(_asks("plan=2"), **more))

    assert answer.calls == ()
    assert len(json.loads(answer.text)) == 2


def test_who_is_asked_after_its_tools_passes_on_what_they_said() -> None:
    """The plan is answered, so the call is the framework's own, and loses no receipt."""
    tools = [_tool("worker", "task")]
    asks = _asks("plan=2")
    _, answer, _ = _reply(_request(asks, tools=tools))
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in answer.calls
    ]
    done = [
        {"role": "tool", "tool_call_id": call.id, "content": f"part {number}"}
        for number, call in enumerate(answer.calls)
    ]
    messages = [asks, {"role": "assistant", "content": None, "tool_calls": calls}, *done]
    body = {"model": "m", "messages": messages, "tools": tools}

    reading, last, value = _reply(parse_chat(json.dumps(body).encode()))

    assert (reading.kind, reading.agent, value) == ("aux", "a1", 0)
    assert last.text == "part 0\npart 1"
