"""Requests of Dapr Agents 1.0.9 as they came, read by the witness: golden, seed 1."""

from pathlib import Path

from mock_llm.readings import Reading, read
from mock_llm.replies import check, reply
from mock_llm.wire import ChatRequest, parse_chat

CAPTURED = Path(__file__).parents[1] / "histories" / "captured"


def captured(name: str) -> tuple[ChatRequest, Reading]:
    """A request of a run of the pattern tools, agent a000000, step 2."""
    request = parse_chat((CAPTURED / f"dapr_agents_{name}.json").read_bytes())
    reading = read(request)
    check(request, reading)
    return request, reading


def test_the_last_turn_of_a_tool_loop_is_read_as_it_was_meant() -> None:
    """The answer builds on the second call and on its tool's receipt, as it did in that run."""
    request, reading = captured("turn")

    assert (reading.kind, reading.agent, reading.path) == ("step", "a000000", "2")
    assert (reading.turn, reading.is_final) == (2, True)
    assert reading.predecessors == (0x7518B40524EF7253, 0x90704E516F6981E7)
    assert reply(request, reading, seed=1, mark=14).receipt == 0x7518B405D9743432


def test_the_conversation_summary_is_overhead_of_its_agent() -> None:
    """It quotes the marker on its own line, but wants a form that is not the step's."""
    request, reading = captured("summary")

    assert (reading.kind, reading.agent, reading.path) == ("aux", "a000000", "")
    assert reply(request, reading, seed=1, mark=15).answer.text == '{"summary":"ok"}'
