"""What Dapr Agents adds to a program and what its memories keep, on the real runtime.

Read off the witness's ledger and off what the workers say in their logs at a program's end.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from harness.oracle import outcome_receipt
from harness.scenario import Program
from mock_llm.ledger import iter_records
from mock_llm.records import Begin
from tests.contract.engine_stand import (
    SEED,
    Stand,
    lacking_parts,
    program_of,
    spec_of,
    standing,
)
from tests.contract.worker_stand import refused

pytestmark = pytest.mark.integration

RUNS = 4
"""Agents before the kill, and as many after it."""
LINE = re.compile(r"memory of ([\w-]+): (\d+) kept(?:, (\d+) of (\d+) stored)?")


def ended(stand: Stand, name: str) -> list[Program]:
    """Tool loops, one after another, so that each finds what those before it left."""
    programs = [program_of(f"{name}{number}", "tools") for number in range(RUNS)]
    for one in programs:
        assert stand.post(one) == 202
        assert stand.outcomes([one]) == {one.agent: outcome_receipt(one, SEED)}
    return programs


def own_calls(stand: Stand) -> Counter[str]:
    """Calls of the framework for itself, by agent."""
    return Counter(
        one.agent
        for one in iter_records(stand.ledger)
        if isinstance(one, Begin) and one.kind == "aux"
    )


def remembered(folder: Path) -> list[tuple[str, ...]]:
    """What the workers said of their memories, in order: run, kept, and what is stored."""
    logs = sorted((folder / "run" / "logs").glob("worker-*.log"))
    return [found for log in logs for found in LINE.findall(log.read_text(errors="replace"))]


@pytest.mark.parametrize(
    ("kind", "kept", "stored"),
    [
        # One list for all runs of the process; a kill takes it.
        ("list", [1, 2, 3, 4, 1, 2, 3, 4], []),
        # Each run finds its own summary, and no other.
        ("state", [1] * (2 * RUNS), []),
        # Everything stays, and the framework's own reading gives none of it back.
        ("vector", [0] * (2 * RUNS), list(range(1, 2 * RUNS + 1))),
    ],
)
def test_what_a_memory_keeps_across_tasks_and_a_kill(
    kind: str, kept: list[int], stored: list[int], tmp_path: Path
) -> None:
    """Each run of a DurableAgent adds one call of its own, a summary, and that is what is kept."""
    name = f"dapr_agents:memory-{kind}"
    if reason := lacking_parts(spec_of(name)):
        pytest.skip(reason)
    with standing(name, tmp_path / "run") as stand:
        programs = ended(stand, "before")
        stand.kill_and_replace()
        programs += ended(stand, "after")

        assert own_calls(stand) == {one.agent: 1 for one in programs}
        said = remembered(tmp_path)
        assert [run for run, *_ in said] == [f"{one.agent}-2" for one in programs]
        assert [int(count) for _, count, *_ in said] == kept
        assert [(int(own), int(total)) for *_, own, total in said if total] == [
            (1, total) for total in stored
        ]


def test_an_orchestrator_goes_through_its_plan(tmp_path: Path) -> None:
    """In mode agent each task of the plan is asked once; the rest are the framework's own calls.

    Beside it an agent whose call is refused for good: three requests by the OpenAI SDK, three times
    by the retry policy.
    """
    name = "dapr_agents:planner"
    if reason := lacking_parts(spec_of(name)):
        pytest.skip(reason)
    with standing(name, tmp_path / "run") as stand:
        program = program_of("planned", "orchestrator")
        tasks = next(step.tasks for step in program.steps if step.kind == "plan")
        assert (stand.post(refused("limited")), stand.post(program)) == (202, 202)
        assert stand.outcomes([program]) == {"planned": outcome_receipt(program, SEED)}

        assert set(stand.attempts("planned").values()) == {1}
        # Next step and progress for each task, the last word, a summary of the orchestrator's run
        # and one of each task's.
        assert own_calls(stand) == {"planned": 3 * tasks + 2}
        stand.until(lambda: stand.view("limited")["status"] == "failed", "the refused agent's end")
        assert stand.attempts("limited") == {("1", 0): 9}
