"""A sweep: every call of one program, struck at every point, in every way; drawn and read here.

A strike covers all calls at once: as many agents as the program has calls are started, agent k is
held at call k, and when all are held their pod is struck once. So 5 calls x 5 points x 3 ways take
15 strikes a repeat. Pure: `runner` acts on the plan, the ledger says what came of it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from harness.history import NONE, Evidence, FaultWindow, Ints, Kind
from harness.oracle import Required, required_of
from harness.plan import (
    Cell,
    HeldCall,
    Plan,
    PlannedAgent,
    PlannedFault,
    SweepSpec,
    draw_agents,
    programs_jsonl,
    slots_of,
)
from harness.results import SweepCell
from harness.scenario import LlmSpec, LoadSpec, Scenario
from harness.verdict import Anomaly

POINTS = {
    "before_call": "the call has arrived, and is neither on file nor executed",
    "during": "the call is on file and let in, its answer is not there yet (a tool has acted)",
    "before_answer": "executed and on file, nothing of the answer has left",
    "before_use": "the answer has left, and no later call has carried it yet",
    "after_use": "the next call, which carries the answer, is on file (of the last: the outcome)",
}
"""Where a strike can meet a call, in the order of the call's life."""

VICTIMS = {"pod": "kill_pod", "worker": "kill_worker", "sidecar": "kill_sidecar"}
"""What is struck -> kind of fault."""

STEPS = 4
"""Of the pattern tools: say, a tool loop of one turn, say; five calls in all."""


def scenario_of(spec: SweepSpec) -> Scenario:
    """One pod, quick answers, agents as many as all strikes need."""
    strikes = len(spec.victims) * len(spec.points) * spec.repeats
    return Scenario(
        name="sweep",
        summary="one program, struck at every call and point",
        mix={"tools": 1.0},
        steps=STEPS,
        pods=1,
        load=LoadSpec(agents=strikes * calls_count(), shape="at_once", warm_up_agents=0),
        llm=LlmSpec(latency_ms=20.0, latency_sigma=0.0),
        liveness_s=spec.patience_s,
    )


def calls_count() -> int:
    """Calls of the program: answers and tool calls."""
    return STEPS + 1


def draw_sweep(spec: SweepSpec, cell: Cell, seed: int) -> tuple[Plan, list[PlannedAgent]]:
    """Draw the strikes and their agents: repeats outermost, then victims, then points."""
    scenario = scenario_of(spec)
    agents = draw_agents(scenario, seed)
    (slot,) = slots_of(scenario)
    count = calls_count()
    kinds = [
        (victim, point)
        for _ in range(spec.repeats)
        for victim in spec.victims
        for point in spec.points
    ]
    faults = tuple(
        PlannedFault(
            name=f"{VICTIMS[victim]}-{number + 1}",
            kind=VICTIMS[victim],
            slot=slot,
            at_ratio=0.0,
            in_flight_min=0,
            point=point,
            agents=tuple(one.agent for one in agents[number * count : (number + 1) * count]),
        )
        for number, (victim, point) in enumerate(kinds)
    )
    plan = Plan(
        seed=seed,
        cell=cell,
        scenario=scenario,
        faults=faults,
        answers_count=len(agents) * STEPS,
        programs_sha256=hashlib.sha256(programs_jsonl(agents)).hexdigest(),
        warm_up_sha256=hashlib.sha256(b"").hexdigest(),
        sweep=spec,
    )
    return plan, agents


def holds_of(fault: PlannedFault, programs: dict[str, PlannedAgent], seed: int) -> list[HeldCall]:
    """Where each agent of a strike is held before it; the last call's use is not a call."""
    holds = []
    for number, agent in enumerate(fault.agents):
        calls = required_of(programs[agent].program, seed)
        if fault.point != "after_use":
            point = {"before_call": "arrival", "during": "begun"}.get(fault.point, "answering")
            holds.append(_held(agent, calls[number], point))
        elif number + 1 < len(calls):
            holds.append(_held(agent, calls[number + 1], "begun"))
    return holds


def later_holds_of(
    fault: PlannedFault, programs: dict[str, PlannedAgent], seed: int
) -> list[HeldCall]:
    """For before_use: the calls that would carry the answers, kept until the strike is over."""
    if fault.point != "before_use":
        return []
    holds = []
    for number, agent in enumerate(fault.agents):
        calls = required_of(programs[agent].program, seed)
        if number + 1 < len(calls):
            holds.append(_held(agent, calls[number + 1], "arrival"))
    return holds


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNote:
    """A note of the witness: a call came to a hold."""

    seq: int
    agent: str
    path: str
    turn: int
    point: str


def cells_of(
    plan: Plan,
    agents: Iterable[PlannedAgent],
    evidence: Evidence,
    held: Sequence[HeldNote],
    anomalies: Iterable[Anomaly],
) -> tuple[SweepCell, ...]:
    """What came of every cell, judged from the ledger and the checkers' anomalies."""
    programs = {one.agent: one for one in agents}
    fallen: dict[str, list[Anomaly]] = {}
    for anomaly in anomalies:
        fallen.setdefault(anomaly.agent, []).append(anomaly)
    windows = {window.name: window for window in evidence.faults}
    names = {victim: name for name, victim in VICTIMS.items()}
    cells: dict[tuple[str, str, int], SweepCell] = {}
    for fault in plan.faults:
        for number, agent in enumerate(fault.agents):
            calls = required_of(programs[agent].program, plan.seed)
            ledger = _AgentLedger(evidence, agent, held)
            proof, missed = _proof(ledger, windows.get(fault.name), fault.point, calls, number)
            call = calls[number]
            outcome = missed or _outcome(ledger, call, fallen.get(agent, []))
            key = (names[fault.kind], fault.point, number)
            cell = cells.get(key) or SweepCell(
                victim=key[0],
                point=fault.point,
                call=call.path if call.is_tool else f"{call.path} turn {call.turn}",
                is_tool=call.is_tool,
                outcomes=(),
                proofs=(),
            )
            cells[key] = replace(
                cell, outcomes=(*cell.outcomes, outcome), proofs=(*cell.proofs, proof)
            )
    return tuple(cells.values())


def _held(agent: str, call: Required, point: str) -> HeldCall:
    return HeldCall(agent=agent, path=call.path, turn=call.turn, point=point)


class _AgentLedger:
    """What the ledger has of one agent."""

    def __init__(self, evidence: Evidence, agent: str, held: Sequence[HeldNote]) -> None:
        self._evidence = evidence
        self._agent = agent
        self._number = evidence.names.agents.index(agent)
        self._rows = np.flatnonzero(evidence.requests.agent == self._number)
        self._held = held

    def rows_of(self, call: Required) -> Ints:
        """Requests of one call, in the ledger's order."""
        requests, names = self._evidence.requests, self._evidence.names
        if call.path not in names.paths:
            return np.zeros(0, np.int64)
        wanted = (requests.path[self._rows] == names.paths.index(call.path)) & (
            requests.turn[self._rows] == call.turn
        )
        kind = Kind.EFFECT if call.is_tool else Kind.STEP
        found: Ints = self._rows[wanted & (requests.kind[self._rows] == kind)]
        return found

    def first_use(self, calls: Sequence[Required], number: int) -> int:
        """Sequence number of the first successor call, or of the outcome; NONE without."""
        if number + 1 < len(calls):
            seqs = self._evidence.requests.begin_seq[self.rows_of(calls[number + 1])]
        else:
            outcomes = self._evidence.outcomes
            seqs = outcomes.seq[outcomes.agent == self._number]
        return int(seqs.min()) if len(seqs) else NONE

    def held_seq(self, call: Required, point: str) -> int:
        """When the call was first held; NONE when it was not."""
        seqs = [
            note.seq
            for note in self._held
            if (note.agent, note.path, note.turn, note.point)
            == (self._agent, call.path, call.turn, point)
        ]
        return min(seqs, default=NONE)

    def executions_of(self, call: Required) -> int:
        """How often one call was executed."""
        return int(np.count_nonzero(self._evidence.requests.is_executed[self.rows_of(call)]))

    def repeats(self) -> int:
        """Executions of any call of a step beyond the first."""
        requests = self._evidence.requests
        rows = self._rows[requests.is_executed[self._rows]]
        rows = rows[requests.kind[rows] != Kind.AUXILIARY]
        calls = {
            (int(requests.path[row]), int(requests.turn[row]), int(requests.kind[row]))
            for row in rows
        }
        return len(rows) - len(calls)


def _proof(
    ledger: _AgentLedger,
    window: FaultWindow | None,
    point: str,
    calls: Sequence[Required],
    number: int,
) -> tuple[str, str]:
    """(numbers of the ledger that prove the meeting, "") or ("", why the strike missed)."""
    if window is None or not window.has_struck:
        return "", "missed: nothing was struck"
    call, firing, fired = calls[number], window.firing_seq, window.fired_seq
    rows = ledger.rows_of(call)
    requests = ledger._evidence.requests
    begins, ends = requests.begin_seq[rows], requests.end_seq[rows]
    begun = begins[begins < firing]
    ended = ends[(ends != NONE) & (ends < firing)]
    use = ledger.first_use(calls, number)
    is_unused = use == NONE or use > fired
    met: bool
    if point == "before_call":
        seq = ledger.held_seq(call, "arrival")
        met, text = seq != NONE and seq < firing and not len(begun), f"held at {seq}"
    elif point == "during":
        met, text = bool(len(begun)) and not len(ended), f"begun at {_last(begun)}"
    elif point == "before_answer":
        seq = ledger.held_seq(call, "answering")
        met = bool(len(ended)) and seq != NONE and seq < firing and is_unused
        text = f"executed at {_last(ended)}, held at {seq}"
    elif point == "before_use":
        met, text = bool(len(ended)) and is_unused, f"answered at {_last(ended)}, first use {use}"
    else:
        met, text = use != NONE and use < firing, f"used at {use}"
    if not met:
        return "", f"missed: {text}, struck at {firing}"
    return f"{text}, struck at {firing} to {fired}", ""


def _outcome(ledger: _AgentLedger, call: Required, fallen: list[Anomaly]) -> str:
    """What came of the struck call first, else of the agent's other calls."""
    own = {anomaly.promise for anomaly in fallen if anomaly.path in ("", call.path)}
    others = {anomaly.promise for anomaly in fallen} - own
    words = [*sorted(own), *(f"other {promise}" for promise in sorted(others))]
    if words:
        return ", ".join(words)
    if ledger.executions_of(call) > 1:
        return "repeated"
    return "other repeated" if ledger.repeats() else "once"


def _last(seqs: Ints) -> int:
    return int(seqs.max()) if len(seqs) else NONE


def held_note(seq: int, agent: str, detail: str) -> HeldNote | None:
    """Read a note of the kind ``held``; None when it is not readable."""
    try:
        found = msgspec.json.decode(detail, type=dict[str, str | int])
        return HeldNote(
            seq=seq,
            agent=agent,
            path=str(found["path"]),
            turn=int(found["turn"]),
            point=str(found["point"]),
        )
    except (msgspec.MsgspecError, KeyError, ValueError):
        return None
