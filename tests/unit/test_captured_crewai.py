"""Requests of CrewAI 1.15.30 as they came: the step is found, whatever stands around our prompt."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mock_llm.readings import read
from mock_llm.receipts import tag, tag_of
from mock_llm.wire import parse_chat

FILE = Path(__file__).parents[1] / "histories" / "captured" / "crewai.json"
CASES = json.loads(FILE.read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_a_captured_request_is_the_step_that_it_was(case: dict[str, Any]) -> None:
    """Path, turn and predecessors are those of the program; captured on the real framework."""
    reading = read(parse_chat(msgspec.json.encode(case["body"])))

    assert (reading.kind, reading.agent, reading.path, reading.turn) == (
        *("step", "a1", case["path"]),
        case["turn"],
    )
    assert [tag_of(value) for value in reading.predecessors] == [
        tag("a1", path) for path in case["predecessors"]
    ]
