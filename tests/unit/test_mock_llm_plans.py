"""An orchestrator that goes through its own plan gets answers that end it: its calls, one by one.

The forms are those of Dapr Agents 1.0.9 in mode agent: PlanStep, NextStep, ProgressCheckOutput.
"""

import json
from typing import Any

import pytest

from mock_llm import receipts
from mock_llm.marker import Directive, Marker, find_all, prompt_with
from mock_llm.readings import Reading, read
from mock_llm.replies import check, reply
from mock_llm.wire import parse_chat

SEED, TASKS = 7, 3
MARKER = Marker(
    agent="a1", path="2", predecessors=(), directive=Directive(kind="plan", count=TASKS)
)
PROMPT = prompt_with(MARKER, "Break it down.")
TEAM = "### Team of Agents\n- worker-a: Worker (Goal: Work.)\n- worker-b: Worker (Goal: Work.)\n"
NULL: dict[str, Any] = {"type": "null"}
TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
STATUS: dict[str, Any] = {"type": "string", "enum": ["not_started", "in_progress", "completed"]}
PLAN = {
    "objects": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "step": WHOLE,
                "description": TEXT,
                "status": STATUS,
                "substeps": {"anyOf": [{"type": "array", "items": TEXT}, NULL]},
            },
            "required": ["step", "description", "status", "substeps"],
        },
    }
}
NEXT = {
    "next_agent": TEXT,
    "instruction": TEXT,
    "step": WHOLE,
    "substep": {"anyOf": [{"type": "number"}, NULL]},
}
PROGRESS = {
    "verdict": {"type": "string", "enum": ["continue", "completed", "failed"]},
    "plan_needs_update": {"type": "boolean"},
    "plan_restructure": {"anyOf": [{"type": "array", "items": TEXT}, NULL]},
}


def said(*prompts: str, form: dict[str, Any] | None = None) -> tuple[Reading, str, int]:
    """The answer to a conversation, and the receipt of its step."""
    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": prompt} for prompt in prompts],
    }
    if form is not None:
        schema = {"type": "object", "properties": form, "required": list(form)}
        wanted = {"name": "Form", "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    request = parse_chat(json.dumps(body).encode())
    reading = read(request)
    check(request, reading)
    replied = reply(request, reading, seed=SEED, mark=5)
    return reading, replied.answer.text, replied.receipt


def planned() -> tuple[str, int]:
    """The plan as text, and its receipt."""
    _, text, value = said(PROMPT, form=PLAN)
    return text, value


def result_of(number: int) -> str:
    path = receipts.task_path("2", number)
    return f"It is done. {receipts.render(receipts.tag('a1', path) << 32 | number, 9)}"


def test_the_steps_of_a_plan_are_numbered_from_one() -> None:
    """Each has a task's prompt, on a step of its own that builds on the plan."""
    text, value = planned()
    steps = json.loads(text)["objects"]

    assert [one["step"] for one in steps] == [1, 2, 3]
    markers = [find_all(one["description"])[0] for one in steps]
    assert [one.path for one in markers] == ["2.b0", "2.b1", "2.b2"]
    assert receipts.find(steps[0]["description"]) == [receipts.Receipt(value, 5)]


@pytest.mark.parametrize(("done", "agent"), [(0, "worker-a"), (1, "worker-b"), (2, "worker-a")])
def test_the_next_step_is_the_first_without_a_result(done: int, agent: str) -> None:
    """With the prompt of its task, and an agent of those that the request lists."""
    plan, value = planned()
    results = [result_of(number) for number in range(done)]
    reading, text, receipt = said(PROMPT, plan, *results, f"{PROMPT}\n{TEAM}", form=NEXT)
    answer = json.loads(text)

    assert (reading.kind, receipt) == ("aux", 0)
    assert (answer["next_agent"], answer["step"], answer["substep"]) == (agent, done + 1, None)
    (marker,) = find_all(answer["instruction"])
    assert (marker.path, marker.predecessors) == (f"2.b{done}", ("2",))
    assert receipts.find(answer["instruction"]) == [receipts.Receipt(value, 5)]


@pytest.mark.parametrize(("done", "verdict"), [(1, "continue"), (2, "continue"), (3, "completed")])
def test_a_plan_is_done_when_all_results_are_there(done: int, verdict: str) -> None:
    """And nothing of it is changed meanwhile."""
    results = [result_of(number) for number in range(done)]
    _, text, _ = said(PROMPT, planned()[0], *results, PROMPT, form=PROGRESS)

    assert json.loads(text) == {
        "verdict": verdict,
        "plan_needs_update": False,
        "plan_restructure": None,
    }


def test_the_last_word_passes_the_results_on() -> None:
    """Whoever asked gets every receipt, so that a later prompt can show it."""
    results = [result_of(number) for number in range(TASKS)]
    reading, text, _ = said(PROMPT, planned()[0], *results, PROMPT)

    assert reading.kind == "aux"
    assert receipts.find(text) == [receipts.find(result)[0] for result in results]


def test_before_the_plan_there_is_nothing_to_follow() -> None:
    """The planning call itself is the step, whatever was asked before."""
    reading, _, receipt = said(PROMPT, form=PLAN)

    assert reading.kind == "step"
    assert receipt == planned()[1]
