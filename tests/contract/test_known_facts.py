"""What is known of the frameworks from outside shows here too, read off the witness's ledger.

Real workers, the real witness, a real kill. Dapr Agents needs a runtime: its facts are in
test_dapr_agents.py.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.scenario import Program
from tests.contract.worker_stand import (
    Slot,
    Witness,
    closing,
    program_of,
    refused,
    running_witness,
    until,
)

AGENTS = 16
KILLS_MAX = 5


def asked_by(witness: Witness, caller: str) -> dict[str, list[int]]:
    """Agent -> numbers of the steps of its chain that a process asked, in order."""
    asked: dict[str, list[int]] = {}
    for one in witness.begins():
        if one.caller == caller:
            asked.setdefault(one.agent, []).append(int(one.path))
    return asked


def gone_back(slot: Slot, programs: list[Program]) -> list[tuple[int, int]]:
    """Kill the pod in mid-run and resume: the furthest step asked, and the first one asked anew."""
    witness, before = slot.witness, slot.witness.progress()["answered_turns"]
    slot.start()
    assert {slot.post(program) for program in programs} == {202}
    steps = len(programs[0].steps)
    due = before + len(programs) * steps // 3
    until(lambda: witness.progress()["answered_turns"] >= due, "a mid-run", slot.log)
    slot.stop(signal.SIGKILL)
    killed = asked_by(witness, f"{slot.name}.{slot.incarnation}")
    slot.start()
    unfinished = [program for program in programs if steps not in killed.get(program.agent, ())]
    assert {slot.post(program) for program in unfinished} == {202}
    slot.until_ended(unfinished)
    resumed = asked_by(witness, f"{slot.name}.{slot.incarnation}")
    return [
        (max(killed[program.agent]), resumed[program.agent][0])
        for program in unfinished
        if max(killed.get(program.agent, (0,))) > 1
    ]


@pytest.mark.parametrize(
    ("engine", "pace", "is_shown", "always"),
    [
        # A node may have been kept with the next one not yet asked.
        ("langgraph:sqlite-sync", (6, 100.0), lambda far, new: far <= new <= far + 1, True),
        # Its writer falls behind where nodes are quick.
        ("langgraph:sqlite-async", (24, 20.0), lambda far, new: new < far, False),
        ("langgraph:sqlite-exit", (6, 100.0), lambda far, new: new == 1, True),
        ("langgraph:none", (6, 100.0), lambda far, new: new == 1, True),
        # All steps but the last one are one node.
        ("langgraph:naive", (6, 100.0), lambda far, new: new == 1 or (far, new) == (5, 6), True),
    ],
    ids=["sync", "async", "exit", "none", "naive"],
)
def test_what_a_kill_repeats(
    engine: str,
    pace: tuple[int, float],
    is_shown: Callable[[int, int], bool],
    always: bool,
    tmp_path: Path,
) -> None:
    """LangGraph repeats the node in flight (sync), now and then those before it (async), or all
    (exit, none), or all of a node of several calls (naive).
    ``pace``: steps of a chain, and milliseconds of each.
    """
    steps, latency_ms = pace
    with (
        running_witness(tmp_path, latency_ms=latency_ms) as witness,
        closing(Slot(engine, witness, tmp_path)) as slot,
    ):
        seen: list[tuple[int, int]] = []
        for kill in range(1 if always else KILLS_MAX):
            seen += gone_back(
                slot, [program_of(f"k{kill}-{n}", "chain", steps) for n in range(AGENTS)]
            )
            if any(is_shown(*one) for one in seen):
                break
            slot.stop(signal.SIGKILL)

        shown = [one for one in seen if is_shown(*one)]
        assert shown, seen
        assert not always or (shown == seen and len(seen) >= AGENTS // 4)


def test_a_429_is_asked_three_times_by_the_sdk(tmp_path: Path) -> None:
    """What frameworks make of it is in test_worker_contract.py, where their pods stand anyway."""
    import openai  # noqa: PLC0415 - a second that only this test has use for.

    with running_witness(tmp_path, latency_ms=5) as witness:
        sdk = openai.OpenAI(base_url=f"{witness.url}/pods/sdk.1/v1", api_key="sk-not-a-key")
        prompt = refused("sdk").steps[0].prompt
        with pytest.raises(openai.RateLimitError):
            sdk.chat.completions.create(model="any", messages=[{"role": "user", "content": prompt}])

        assert [one.agent for one in witness.begins()] == ["sdk"] * 3
