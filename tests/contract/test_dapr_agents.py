"""What Dapr Agents adds to a program, what its variants do and its memories keep, on the runtime.

Read off the witness's ledger and off what the workers say in their logs at a program's end.
"""

import dataclasses
import re
from collections import Counter
from pathlib import Path

import httpx
import pytest

from harness.clock import NS_PER_S
from harness.cluster.listening import ports_of_group
from harness.oracle import outcome_receipt
from harness.scenario import Program
from mock_llm.ledger import iter_records
from mock_llm.records import End
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
MEMORY = re.compile(r"memory of ([\w-]+): (\d+) kept(?:, (\d+) of (\d+) stored)?")
SPEAKER = re.compile(r"(?:\x1b\[[\d;]*m)?([a-z-]+)\(assistant\):")


def ended(stand: Stand, name: str) -> list[Program]:
    """Tool loops, one after another, so that each finds what those before it left."""
    programs = [program_of(f"{name}{number}", "tools") for number in range(RUNS)]
    for one in programs:
        assert stand.post(one) == 202
        assert stand.outcomes([one]) == {one.agent: outcome_receipt(one, SEED)}
    return programs


def known_ports(stand: Stand) -> set[int]:
    """Where the worker and its sidecar listen by the harness's order."""
    ports = stand.pod.sidecar_ports  # type: ignore[attr-defined]
    return {stand.pod.worker_port, *dataclasses.astuple(ports)}  # type: ignore[attr-defined]


def own_calls(stand: Stand) -> Counter[str]:
    """Calls of the framework for itself, by agent."""
    return Counter(one.agent for one in stand.begins("aux"))


def said(folder: Path, what: re.Pattern[str], who: str = "worker-*") -> list[tuple[str, ...]]:
    """The groups of what the workers said in their logs, in order."""
    logs = sorted((folder / "run" / "logs").glob(f"{who}.log"))
    return [
        found.groups() for log in logs for found in what.finditer(log.read_text(errors="replace"))
    ]


@pytest.mark.parametrize(
    ("kind", "store", "kept", "stored"),
    [
        # One list for all runs of the process; a kill takes it.
        ("list", "redis", [1, 2, 3, 4, 1, 2, 3, 4], []),
        # Each run finds its own summary, and no other; here workflow and registry are in it, too.
        ("state", "postgres", [1] * (2 * RUNS), []),
        # Everything stays, and the framework's own reading gives none of it back.
        ("vector", "redis", [0] * (2 * RUNS), list(range(1, 2 * RUNS + 1))),
    ],
)
def test_what_a_memory_keeps_across_tasks_and_a_kill(
    kind: str, store: str, kept: list[int], stored: list[int], tmp_path: Path
) -> None:
    """Each run of a DurableAgent adds one call of its own, a summary, and that is what is kept."""
    name = f"dapr_agents:memory-{kind}"
    if reason := lacking_parts(spec_of(name), store):
        pytest.skip(reason)
    with standing(name, tmp_path / "run", store) as stand:
        programs = ended(stand, "before")
        stand.kill_and_replace()
        programs += ended(stand, "after")

        assert own_calls(stand) == {one.agent: 1 for one in programs}
        told = said(tmp_path, MEMORY)
        assert [run for run, *_ in told] == [f"{one.agent}-2" for one in programs]
        assert [int(count) for _, count, *_ in told] == kept
        assert [(int(own), int(total)) for *_, own, total in told if total] == [
            (1, total) for total in stored
        ]


@pytest.mark.parametrize(
    ("variant", "pattern", "own", "speakers"),
    [
        # The crew is asked once for each call of the tool; none of its calls names an agent.
        ("crew", "tools", {"": 1, "worked": 1}, {"recorder"}),
        # The lead's last word and its summary, and a summary of the worker for each of two tasks.
        ("delegate", "orchestrator", {"worked": 2 + 2}, {"lead", "worker"}),
    ],
)
def test_a_variant_goes_its_own_way(
    variant: str, pattern: str, own: dict[str, int], speakers: set[str], tmp_path: Path
) -> None:
    """The oracle's outcome, each step once, by whom, and the calls that its framework adds."""
    name = f"dapr_agents:{variant}"
    if reason := lacking_parts(spec_of(name)):
        pytest.skip(reason)
    with standing(name, tmp_path / "run") as stand:
        program = program_of("worked", pattern)
        assert stand.post(program) == 202
        assert stand.outcomes([program]) == {"worked": outcome_receipt(program, SEED)}

        assert set(stand.attempts("worked").values()) == {1}
        assert own_calls(stand) == own
        assert {who for (who,) in said(tmp_path, SPEAKER)} == speakers


def test_who_picks_and_a_tool_of_the_sidecars(tmp_path: Path) -> None:
    """By turn, one round is the first one's; by chance, each is picked: neither asks an LLM for it.
    A tool of an MCPServer resource runs in Dapr's own workflow, beside the agent's.
    """
    if reason := lacking_parts(spec_of("dapr_agents:roundrobin")):
        pytest.skip(reason)
    with standing("dapr_agents:roundrobin", tmp_path / "run") as stand:

        def speakers_of(name: str, count: int) -> set[str]:
            programs = [program_of(f"{name}{number}", "tools") for number in range(count)]
            assert {stand.post(one) for one in programs} == {202}
            assert stand.outcomes(programs) == {
                one.agent: outcome_receipt(one, SEED) for one in programs
            }
            for one in programs:
                assert set(stand.attempts(one.agent).values()) == {1}
                assert own_calls(stand)[one.agent] == 1
            return {who for (who,) in said(tmp_path, SPEAKER, f"worker-{stand.pod.caller}")}

        assert speakers_of("turn", 2) == {"recorder-a"}
        stand.become("random")
        # That all of them fall on one is a chance of 1 in 2,048.
        assert speakers_of("chance", 12) == {"recorder-a", "recorder-b"}
        stand.become("mcp-durable")
        assert speakers_of("served", 1) == {"recorder"}
        assert len([one for one in stand.begins("effect") if one.agent == "served0"]) == 1
        log = tmp_path / "run" / "logs" / f"sidecar-{stand.pod.caller}.log"
        assert "'dapr.internal.mcp.effects.CallTool.record' completed" in log.read_text()


def test_a_tool_may_come_by_mcp_and_wait_for_a_human(tmp_path: Path) -> None:
    """By MCP: its effect is the witness's, and the worker serves it on loopback beside its own
    port. With a human: the tool runs when one has approved it, some seconds after it was asked for.
    """
    if reason := lacking_parts(spec_of("dapr_agents:mcp")):
        pytest.skip(reason)
    program = program_of("worked", "tools")
    calls = sum(step.turns for step in program.steps)
    with standing("dapr_agents:mcp", tmp_path / "mcp") as stand:
        assert stand.post(program) == 202
        assert stand.outcomes([program]) == {"worked": outcome_receipt(program, SEED)}
        assert len(stand.begins("effect")) == calls
        assert stand.pod.worker is not None
        (served,) = set(ports_of_group(stand.pod.worker.group)) - known_ports(stand)
        assert httpx.get(f"http://127.0.0.1:{served}/mcp").status_code == 406  # No event stream.
    with standing("dapr_agents:approval", tmp_path / "human") as stand:
        assert stand.post(program) == 202
        assert stand.outcomes([program]) == {"worked": outcome_receipt(program, SEED)}
        ends = {one.begin: one for one in iter_records(stand.ledger) if isinstance(one, End)}
        waits_s = [
            (effect.t_ns - ends[asked.seq].t_ns) / NS_PER_S
            for effect in stand.begins("effect")
            for asked in stand.begins("step")
            if effect.path.startswith(f"{asked.path}.t{asked.turn}.")
        ]
        assert len(waits_s) == calls
        assert max(waits_s) > 0.5, waits_s


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
