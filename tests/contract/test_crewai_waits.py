"""What a kill leaves of CrewAI's flows with @persist: one that waits for a word, one that runs."""

import signal
import sqlite3
from contextlib import closing as closed
from pathlib import Path

import msgspec

from harness.commits import Commits
from harness.oracle import outcome_receipt
from mock_llm import receipts
from tests.contract.worker_stand import (
    SEED,
    Slot,
    closing,
    program_of,
    running_witness,
    until,
)


def waiting(states: Path) -> set[str]:
    """The flows that CrewAI says are paused, in the database of @persist."""
    with closed(sqlite3.connect(states)) as database:
        return {flow for (flow,) in database.execute("SELECT flow_uuid FROM pending_feedback")}


def test_a_flow_that_waits_outlives_its_process(tmp_path: Path) -> None:
    """Killed while they wait, one from its first step and one before its last, both go on with the
    word and ask nothing again. One that was killed in its last step repeats everything but the
    word, which it has. The dates of @persist are of every answer.
    """
    waits = [program_of("parked", "parked"), program_of("event", "event")]
    programs = [*waits, program_of("woken", "event")]
    with (
        running_witness(tmp_path, latency_ms=300) as witness,
        closing(Slot("crewai:flow-persist", witness, tmp_path)) as slot,
    ):
        slot.start()
        assert {slot.post(program) for program in programs} == {202}
        names, states = {program.agent for program in programs}, tmp_path / "state/flow_states.db"
        until(lambda: waiting(states) == names, "all wait", slot.log)
        slot.send("woken", "e")
        last = programs[-1].steps[-1].path
        until(lambda: witness.attempts()[("woken", last, 0)] == 1, "its last step", slot.log)
        slot.stop(signal.SIGKILL)
        slot.start()
        assert {slot.post(program) for program in programs} == {202}
        for program in waits:
            slot.send(program.agent, "e")
        views = slot.until_ended(programs)

        for program in programs:
            (receipt,) = receipts.find(views[program.agent]["output"])
            assert receipt.value == outcome_receipt(program, SEED)
        attempts = witness.attempts()
        assert {count for (agent, *_), count in attempts.items() if agent != "woken"} == {1}
        again = {path for (agent, path, _), count in attempts.items() if count > 1}
        assert again >= {step.path for step in programs[-1].steps[:-2]}
        for program in waits:
            answer = slot.ask("GET", f"/agents/{program.agent}/history")
            kept = msgspec.json.decode(answer.content, type=Commits).commits
            marks = {one.mark for row in kept for one in receipts.find(row.receipt)}
            assert marks >= set(witness.given(program.agent))
