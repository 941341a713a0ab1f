"""What the witness answers to requests as frameworks send them."""

import json
from typing import Any

import pytest

from mock_llm import receipts
from mock_llm.marker import Directive, Marker, prompt_with
from mock_llm.readings import Reading, read
from mock_llm.replies import check, reply
from mock_llm.wire import Answer, ChatRequest, WireError, parse_chat

SEED = 7
Body = dict[str, Any]
ACT = {
    "type": "function",
    "function": {
        "name": "act",
        "parameters": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("agent", "path", "value")},
            "required": ["agent", "path", "value"],
        },
    },
}


def _prompt(
    path: str, directive: str = "say", predecessors: tuple[str, ...] = (), text: str = "Go on."
) -> str:
    kind, _, count = directive.partition("=")
    marker = Marker(
        agent="a1",
        path=path,
        predecessors=predecessors,
        directive=Directive(kind=kind, count=int(count or 0)),
    )
    return prompt_with(marker, text)


def _user(content: object) -> Body:
    return {"role": "user", "content": content}


def _request(*messages: Body, **more: object) -> ChatRequest:
    body = {"model": "m", "messages": list(messages), **more}
    return parse_chat(json.dumps(body).encode())


def _reply(request: ChatRequest, mark: int = 5) -> tuple[Reading, Answer, int]:
    reading = read(request)
    check(request, reading)
    replied = reply(request, reading, seed=SEED, mark=mark)
    return reading, replied.answer, replied.receipt


def test_plain_prompt() -> None:
    """A prompt with a marker is a step; its answer carries the receipt and the mark."""
    reading, answer, value = _reply(_request(_user(_prompt("1"))))

    assert (reading.kind, reading.agent, reading.path, reading.turn) == ("step", "a1", "1", 0)
    assert value == receipts.receipt(SEED, "a1", "1", 0, [])
    assert receipts.find(answer.text) == [receipts.Receipt(value, 5)]
    assert answer.id == receipts.completion_id(value, 5)


def test_only_the_mark_tells_attempts_apart() -> None:
    """Two attempts get the same words and value, and other marks."""
    _, first, one = _reply(_request(_user(_prompt("1"))), mark=5)
    _, second, two = _reply(_request(_user(_prompt("1"))), mark=6)

    assert one == two
    assert first.text.replace(".5>>", ".6>>") == second.text


@pytest.mark.parametrize(
    "content",
    [
        "Current Task: " + _prompt("1") + "\n\nThis is the expected criteria, dated 2026-01-01.",
        [{"type": "text", "text": "Hello"}, {"type": "text", "text": _prompt("1")}],
        [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": _prompt("1")}],
    ],
    ids=["wrapped", "parts", "parts with an image"],
)
def test_nothing_else_of_a_prompt_matters(content: object) -> None:
    """Wrapped prompts and lists of parts give the same receipt as the bare prompt."""
    _, _, bare = _reply(_request(_user(_prompt("1"))))

    assert _reply(_request({"role": "system", "content": "You."}, _user(content)))[2] == bare


def test_receipts_of_predecessors_are_hashed_in_declared_order() -> None:
    """The order is the plan's, not that of the text; of a repeated one the last counts."""
    first = receipts.receipt(SEED, "a1", "1", 0, [])
    second = receipts.receipt(SEED, "a1", "2", 0, [])
    text = f"{receipts.render(second, 3)} and {receipts.render(first, 1)}"

    reading, _, value = _reply(_request(_user(_prompt("3", predecessors=("1", "2"), text=text))))

    assert reading.predecessors == (first, second)
    assert value == receipts.receipt(SEED, "a1", "3", 0, [first, second])


def test_missing_predecessor_is_left_out() -> None:
    """What is not in the request cannot be hashed: the outcome will differ from the oracle's."""
    reading, _, _ = _reply(_request(_user(_prompt("3", predecessors=("1", "2")))))

    assert reading.predecessors == ()


def test_last_open_step_of_a_conversation() -> None:
    """Earlier prompts with their answers stay in the conversation and are not asked again."""
    _, answer, first = _reply(_request(_user(_prompt("1"))))
    request = _request(
        _user(_prompt("1")),
        {"role": "assistant", "content": answer.text},
        _user(_prompt("2", predecessors=("1",))),
    )

    reading, _, value = _reply(request)

    assert reading.path == "2"
    assert value == receipts.receipt(SEED, "a1", "2", 0, [first])
    assert [entry[:2] for entry in reading.context] == [("u", "m"), ("a", "r"), ("u", "m")]


def test_pasted_earlier_answers() -> None:
    """A framework that pastes earlier prompts and answers behind the new prompt changes nothing."""
    _, answer, first = _reply(_request(_user(_prompt("1"))))
    pasted = _prompt("2", predecessors=("1",)) + f"\nContext:\n{_prompt('1')}\n{answer.text}"

    reading, _, value = _reply(_request(_user(pasted)))

    assert reading.path == "2"
    assert value == receipts.receipt(SEED, "a1", "2", 0, [first])


def _tool_loop(turns: int, tool: Body) -> tuple[list[Body], list[int]]:
    """A conversation of so many turns with the tool, and the receipt of each turn."""
    messages, values = [_user(_prompt("1", "tools=2"))], []
    for turn in range(turns):
        _, answer, value = _reply(_request(*messages, tools=[tool]), mark=10 + turn)
        values.append(value)
        call = answer.calls[0]
        effect = receipts.receipt(SEED, "a1", receipts.tool_path("1", turn, 0), 0, [value])
        function = {"name": call.name, "arguments": call.arguments}
        messages += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": call.id, "type": "function", "function": function}],
            },
            {"role": "tool", "tool_call_id": call.id, "content": receipts.render(effect, turn)},
        ]
    return messages, values


def test_tool_loop() -> None:
    """Two turns with a call, then a text; each turn builds on the one before and its effect."""
    messages, values = _tool_loop(2, ACT)

    reading, answer, value = _reply(_request(*messages, tools=[ACT]))

    effect = receipts.receipt(SEED, "a1", "1.t1.c0", 0, [values[1]])
    assert (reading.turn, reading.is_final, answer.calls) == (2, True, ())
    assert value == receipts.receipt(SEED, "a1", "1", 2, [values[1], effect])
    assert len({value, *values}) == 3


def test_tool_call_keeps_the_convention() -> None:
    """A function that declares agent, path and value gets exactly them."""
    _, answer, value = _reply(_request(_user(_prompt("1", "tools=1")), tools=[ACT]))

    assert answer.calls[0].name == "act"
    assert json.loads(answer.calls[0].arguments) == {
        "agent": "a1",
        "path": "1.t0.c0",
        "value": receipts.render(value, 5),
    }


def test_tool_call_adapts_to_other_parameters() -> None:
    """Any other function gets the receipt in its required strings, and valid values elsewhere."""
    tool = {
        "type": "function",
        "function": {
            "name": "search",
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "limit": {"type": "integer"},
                    "order": {"enum": ["up", "down"]},
                    "note": {"type": "string"},
                },
                "required": ["query", "limit", "order"],
            },
        },
    }
    _, answer, value = _reply(_request(_user(_prompt("1", "tools=1")), tools=[tool]))

    shown = receipts.render(value, 5)
    assert json.loads(answer.calls[0].arguments) == {"query": shown, "limit": 0, "order": "up"}


def test_tools_without_a_function_on_offer_are_refused() -> None:
    """A program error is loud: the witness does not invent a function."""
    with pytest.raises(WireError, match="offers no function"):
        _reply(_request(_user(_prompt("1", "tools=1"))))


def test_finished_tool_step_is_auxiliary() -> None:
    """A further call after the final answer is the framework's own."""
    messages, _ = _tool_loop(2, ACT)
    _, answer, _ = _reply(_request(*messages, tools=[ACT]))
    messages.append({"role": "assistant", "content": answer.text})

    assert _reply(_request(*messages, _user("Anything else?"), tools=[ACT]))[0].kind == "aux"


def test_quoted_marker_in_a_summary_is_auxiliary() -> None:
    """A structured answer that the step does not ask for is overhead, and valid by its schema."""
    schema = {
        "type": "object",
        "properties": {
            "content": {"type": "string"},
            "tone": {"enum": ["plain", "warm"]},
            "score": {"type": "number"},
            "is_done": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "inner": {"$ref": "#/$defs/Inner"},
        },
        "required": ["content", "tone", "score", "is_done", "tags", "inner"],
        "$defs": {
            "Inner": {
                "type": "object",
                "properties": {"name": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
                "required": ["name"],
            }
        },
    }
    form = {"type": "json_schema", "json_schema": {"name": "Summary", "schema": schema}}
    request = _request(_user("Summarise:\n" + _prompt("1")), response_format=form)

    reading, answer, value = _reply(request)

    assert (reading.kind, reading.agent, reading.path, value) == ("aux", "a1", "", 0)
    assert receipts.find(answer.text) == []
    assert json.loads(answer.text) == {
        "content": "ok",
        "tone": "plain",
        "score": 0,
        "is_done": False,
        "tags": [],
        "inner": {"name": "ok"},
    }


def test_no_marker_is_auxiliary() -> None:
    """A framework's own question is answered, and is nobody's step."""
    reading, answer, value = _reply(_request(_user("What is the title of this chat?")))

    assert (reading.kind, reading.agent, value, answer.text) == ("aux", "", 0, "ok")


def test_forced_function_is_auxiliary() -> None:
    """Structured output by a forced function is answered by a call, and is no step."""
    choice = {"type": "function", "function": {"name": "act"}}
    request = _request(_user(_prompt("1")), tools=[ACT], tool_choice=choice)

    reading, answer, _ = _reply(request)

    assert reading.kind == "aux"
    assert set(json.loads(answer.calls[0].arguments)) == {"agent", "path", "value"}


def test_marker_of_another_agent_is_told_apart() -> None:
    """The context says whose marker it is: R compares contexts."""
    other = prompt_with(
        Marker(agent="b9", path="1", predecessors=(), directive=Directive(kind="say")), "x"
    )

    reading, _, _ = _reply(_request(_user(other), _user(_prompt("1"))))

    assert [entry[1] for entry in reading.context] == ["x", "m"]


@pytest.mark.parametrize(
    ("more", "text"),
    [({"stream": True}, "streaming"), ({"n": 2}, "n above 1")],
)
def test_what_is_not_spoken_is_refused(more: Body, text: str) -> None:
    """Never a half-right answer."""
    with pytest.raises(WireError, match=f"not implemented: {text}"):
        _reply(_request(_user(_prompt("1")), **more))


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"messages": 3}', b'{"messages":[{}]}', b"\xff"])
def test_malformed_bodies(body: bytes) -> None:
    """What is no request is an error of the caller."""
    with pytest.raises(WireError, match="could not parse"):
        parse_chat(body)
