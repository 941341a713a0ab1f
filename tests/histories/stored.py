"""A run's directory from a random history: what `onceproof check` reads, sealed."""

import hashlib
from pathlib import Path

import msgspec

from harness.archive import read_run, seal
from harness.commits import EngineHistory
from harness.facts import RunFacts
from harness.plan import Cell, Plan, PlannedAgent, PlannedFault, programs_jsonl
from harness.scenario import FaultSpec, LoadSpec, Scenario
from mock_llm.ledger import LedgerWriter
from tests.histories.build import SEED
from tests.histories.random_runs import Run


class NoClock:
    """The history has times of its own."""

    def monotonic_ns(self) -> int:
        return 0

    def wall_ns(self) -> int:
        return 0


def store(run: Run, root: Path, *, broker: str = "none") -> None:
    """Write everything that a finished run leaves, and seal it."""
    agents = [
        PlannedAgent(agent=one.agent, pod="agents-0", at_ns=0, program=one) for one in run.programs
    ]
    scenario = Scenario(
        name="stored",
        summary="",
        load=LoadSpec(agents=len(agents), rate_per_s=1.0, warm_up_agents=0),
        faults=(FaultSpec(kind="kill_pod", count=max(1, run.kills)),),
        exposures_min=0,
    )
    plan = Plan(
        seed=SEED,
        cell=Cell(engine="reference", broker=broker),
        scenario=scenario,
        faults=tuple(
            PlannedFault(
                name=f"k{number}", kind="kill_pod", slot="agents-0", at_ratio=0.5, in_flight_min=0
            )
            for number in range(run.kills)
        ),
        answers_count=1,
        programs_sha256=hashlib.sha256(programs_jsonl(agents)).hexdigest(),
        warm_up_sha256="",
    )
    (root / "live").mkdir(parents=True)
    (root / "plan.json").write_bytes(msgspec.json.encode(plan))
    (root / "programs.jsonl").write_bytes(programs_jsonl(agents))
    facts = RunFacts(started_utc="2026-01-01T00:00:00Z", ending="finished")
    (root / "run.json").write_bytes(msgspec.json.encode(facts))
    (root / "environment.json").write_bytes(b'{"schema": 1, "python": "3"}')
    history = EngineHistory(reason="not implemented: a story has no engine")
    (root / "history.json").write_bytes(msgspec.json.encode(history))
    events = b"".join(msgspec.json.encode(event) + b"\n" for event in run.events)
    (root / "live" / "driver.jsonl").write_bytes(events)
    writer = LedgerWriter(root / "live" / "ledger-0001.bin", run="r", seed=SEED, clock=NoClock())
    for record in run.records:
        writer.append(lambda _seq, _ns, record=record: record)  # type: ignore[misc]
    writer.close()
    seal(root, read_run(root).evidence)
