"""Histories in a few words: each line is something that happened, the sum is Evidence.

    evidence_of(begin("a1", "1"), fired("agents-0.1"), begin("a1", "1"), end("a1", "1"))

Agents, programs, driver events and ledger records follow from what is said. A program is a chain of
the paths that an agent is seen with, unless `programs` says otherwise. Time moves on by a second a
line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.evidence import DriverEvent
from harness.evidence import evidence_of as evidence_from
from harness.history import Declared, Evidence
from harness.oracle import Required, required_of
from harness.scenario import Program, Step
from mock_llm.ledger import Begin, End, Message, Note, Outcome, Record
from mock_llm.receipts import tag, tag_of

SEED = 7
S = 1_000_000_000
CALLER = "agents-0.1"
BROKER = "b"


@dataclass(slots=True)
class Teller:
    """Where the story stands."""

    programs: dict[str, Program]
    records: list[Record] = field(default_factory=list)
    events: list[DriverEvent] = field(default_factory=list)
    t_ns: int = 1000 * S
    rows: dict[str, dict[tuple[str, int], Required]] = field(default_factory=dict)
    marks: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Latest attempt mark of an answer."""
    values: dict[int, int] = field(default_factory=dict)
    """Attempt mark -> receipt, where it is not the oracle's."""
    open: dict[tuple[str, str, int], list[Begin]] = field(default_factory=dict)
    faults: dict[str, dict[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, program in self.programs.items():
            required = required_of(program, SEED)
            self.rows[name] = {(row.path, row.turn): row for row in required}

    @property
    def seq(self) -> int:
        return len(self.records) + 1

    def tick(self) -> int:
        self.t_ns += S
        return self.t_ns

    def required(self, agent: str, path: str, turn: int) -> Required | None:
        return self.rows.get(agent, {}).get((path, turn))

    def value(self, agent: str, path: str, turn: int) -> int:
        found = self.required(agent, path, turn)
        return found.receipt if found else forged(agent, path, 0xBAD + turn)

    def carry(self, agent: str, path: str, turn: int, mark: int | None = None) -> tuple[int, int]:
        """(value, mark) of the latest attempt, or of the one that is named."""
        latest = self.marks.get((agent, path, turn), 999_999) if mark is None else mark
        return self.values.get(latest, self.value(agent, path, turn)), latest

    def context(self, agent: str, path: str, turn: int) -> list[tuple[str, str, int, int]]:
        """What a right worker would send."""
        entries: list[tuple[str, str, int, int]] = []
        row = self.required(agent, path, 0) if turn else self.required(agent, path, turn)
        before = list(self.rows.get(agent, {}).values())
        if row is None or not row.is_tool:
            entries += [("u", "m", tag(agent, path), -1)]
        for place in row.predecessors if row else ():
            shown = before[place]
            entries += [("t" if row and row.is_tool else "u", "r",
                         *self.carry(agent, shown.path, shown.turn))]  # fmt: skip
        for number in range(turn):
            value, mark = self.carry(agent, path, number)
            tool = self.carry(agent, f"{path}.t{number}.c0", 0)
            entries += [("a", "c", value, mark), ("t", "c", value, mark), ("t", "r", *tool)]
        return entries


Line = Callable[[Teller], None]
_Seen = tuple[str, str]


@dataclass(slots=True)
class Told:
    """A line, and the agent and path that it names."""

    line: Line
    agent: str = ""
    path: str = ""


def forged(agent: str, path: str, low: int) -> int:
    """A receipt value with a step's own tag, and a hash that nobody computed."""
    return tag(agent, path) << 64 - tag_of(2**64 - 1).bit_length() | low


def begin(
    agent: str,
    path: str,
    turn: int = 0,
    *,
    caller: str = CALLER,
    key: str = "",
    kind: str = "",
    retry: int = -1,
    context: list[tuple[str, str, int, int]] | None = None,
    change: Callable[[list[tuple[str, str, int, int]]], list[tuple[str, str, int, int]]]
    | None = None,
) -> Told:
    """A request reaches the witness; what it carries is right, unless said otherwise."""

    def line(teller: Teller) -> None:
        row = teller.required(agent, path, turn)
        is_tool = row.is_tool if row else ".c" in path
        carried = teller.context(agent, path, turn) if context is None else context
        record = Begin(
            seq=teller.seq,
            t_ns=teller.tick(),
            caller=caller,
            agent=agent,
            path=path,
            turn=turn,
            kind=kind or ("effect" if is_tool else "step"),
            retry=retry,
            model="m",
            prompt_tokens=10,
            max_tokens=0,
            is_last=bool(row and row.is_last),
            account="",
            key=key,
            context=change(carried) if change else carried,
        )
        teller.records.append(record)
        teller.open.setdefault((agent, path, turn), []).append(record)

    return Told(line, agent, path)


def end(
    agent: str,
    path: str,
    turn: int = 0,
    *,
    outcome: str = "answered",
    is_executed: bool | None = None,
    is_applied: bool = True,
    receipt: int | None = None,
    which: int = 0,
) -> Told:
    """The oldest open request of a step ends (`which` = -1 for the newest)."""

    def line(teller: Teller) -> None:
        start = teller.open[agent, path, turn].pop(which)
        has_effect = (
            outcome in ("answered", "dropped", "client_gone")
            if is_executed is None
            else is_executed
        )
        value = teller.value(agent, path, turn) if receipt is None else receipt
        if has_effect:
            teller.marks[agent, path, turn] = start.seq
            teller.values[start.seq] = value
        row = teller.required(agent, path, turn)
        teller.records.append(
            End(
                seq=teller.seq,
                t_ns=teller.tick(),
                begin=start.seq,
                outcome=outcome,  # type: ignore[arg-type]
                status={"answered": 200, "limited": 429, "faulted": 503}.get(outcome, 0),
                receipt=value if has_effect else 0,
                mark=start.seq if has_effect else -1,
                completion_tokens=5 if has_effect else 0,
                retry_after_ms=100 if outcome == "limited" else -1,
                is_applied=has_effect and start.kind == "effect" and is_applied,
                is_final=bool(row and not row.is_tool),
            )
        )

    return Told(line, agent, path)


def ask(agent: str, path: str, turn: int = 0, **more: object) -> Told:
    """A request and its end."""
    of_end = {"outcome", "is_executed", "is_applied", "receipt"}
    first = begin(agent, path, turn, **{k: v for k, v in more.items() if k not in of_end})  # type: ignore[arg-type]
    last = end(agent, path, turn, which=-1, **{k: v for k, v in more.items() if k in of_end})  # type: ignore[arg-type]

    def line(teller: Teller) -> None:
        first.line(teller)
        last.line(teller)

    return Told(line, agent, path)


def used(agent: str, path: str, turn: int = 0, *, by: str = "", is_answered: bool = False) -> Told:
    """A ledger line carries the latest receipt: an auxiliary request of `by` or the agent."""

    def line(teller: Teller) -> None:
        entry = ("u", "r", *teller.carry(agent, path, turn))
        record = Begin(
            seq=teller.seq,
            t_ns=teller.tick(),
            caller=CALLER,
            agent=by or agent,
            path="",
            turn=0,
            kind="aux",
            retry=-1,
            model="m",
            prompt_tokens=10,
            max_tokens=0,
            is_last=False,
            account="",
            key="",
            context=[entry],
        )
        teller.records.append(record)
        if is_answered:
            teller.records.append(
                End(
                    seq=teller.seq,
                    t_ns=teller.tick(),
                    begin=record.seq,
                    outcome="answered",
                    status=200,
                    receipt=0,
                    mark=record.seq,
                    completion_tokens=5,
                    retry_after_ms=-1,
                    is_applied=False,
                    is_final=False,
                )
            )

    return Told(line, agent, path)


def outcome(
    agent: str,
    status: str = "completed",
    *,
    path: str | None = None,
    receipt: int | None = None,
    mark: int | None = None,
) -> Told:
    """The driver reads the outcome: by default the latest answer of the last step."""

    def line(teller: Teller) -> None:
        rows = list(teller.rows[agent].values())
        last = rows[-1] if path is None else [row for row in rows if row.path == path][-1]
        value, latest = teller.carry(agent, last.path, last.turn, mark)
        is_empty = status != "completed" or latest == 999_999
        teller.records.append(
            Outcome(
                seq=teller.seq,
                t_ns=teller.tick(),
                agent=agent,
                status=status,
                receipt=(0 if is_empty else value) if receipt is None else receipt,
                mark=-1 if is_empty else latest,
            )
        )
        teller.events.append(_event(teller.t_ns, "ended", agent, status))

    return Told(line, agent)


def fired(
    *victims: str, name: str = "", proof: str = "reaped: -9", is_shared: bool = False
) -> Told:
    """A fault is about to fire, and fires."""

    def line(teller: Teller) -> None:
        fault = name or f"kill_pod-{len(teller.faults)}"
        detail: dict[str, object] = {
            "kind": "kill_pod",
            "victims": list(victims),
            "is_shared": is_shared,
        }
        teller.faults[fault] = detail
        _note(teller, "firing", fault, detail)
        detail["proof"] = proof
        _note(teller, "fired", fault, detail)

    return Told(line)


def healed(name: str = "") -> Told:
    """Health is seen again: after the fault named, or the latest."""

    def line(teller: Teller) -> None:
        fault = name or list(teller.faults)[-1]
        detail = {**teller.faults[fault], "parts_ns": {"ready": S}}
        _note(teller, "healed", fault, detail)

    return Told(line)


def note(kind: str, subject: str, detail: dict[str, object] | None = None) -> Told:
    """Any other mark in the ledger."""
    return Told(lambda teller: _note(teller, kind, subject, detail or {}))


def message(
    what: str,
    id: str,
    *,
    topic: str = "t",
    key: str = "",
    number: int = -1,
    broker: str = BROKER,
    caller: str = CALLER,
    is_poison: bool = False,
) -> Told:
    """Something happens to a message."""

    def line(teller: Teller) -> None:
        teller.records.append(
            Message(
                seq=teller.seq,
                t_ns=teller.tick(),
                caller=caller,
                what=what,  # type: ignore[arg-type]
                id=id,
                topic=topic,
                key=key,
                number=number,
                broker=broker,
                is_poison=is_poison,
            )
        )

    return Told(line)


def sent(id: str, **more: object) -> Told:
    """A message is published, and the broker says yes."""
    two = [message(what, id, **more) for what in ("publishing", "acknowledged")]  # type: ignore[arg-type]
    return Told(lambda teller: [one.line(teller) for one in two] and None)


def counted(broker: str = BROKER, **counters: int) -> Told:
    """What is left in a broker is all on file."""
    return note("residue", broker, dict(counters))


def driver(kind: str, agent: str, status: str = "") -> Told:
    """Any other event of the driver."""
    return Told(
        lambda teller: teller.events.append(_event(teller.tick(), kind, agent, status)), agent
    )


def chain(agent: str, *paths: str) -> Program:
    """A program of say steps, each after the one before."""
    steps = tuple(
        Step(path=path, kind="say", after=paths[place - 1 : place] if place else ())
        for place, path in enumerate(paths)
    )
    return Program(agent=agent, steps=steps)


def tools(agent: str, turns: int = 2) -> Program:
    """A question, a loop of tool calls, a conclusion."""
    return Program(
        agent=agent,
        steps=(
            Step(path="1", kind="say"),
            Step(path="2", kind="tools", after=("1",), turns=turns),
            Step(path="3", kind="say", after=("2",)),
        ),
    )


def fan_out(agent: str) -> Program:
    """A question, two views side by side, a summary."""
    return Program(
        agent=agent,
        steps=(
            Step(path="1", kind="say"),
            Step(
                path="2",
                kind="parallel",
                after=("1",),
                branches=(
                    (Step(path="2.b0", kind="say", after=("1",)),),
                    (Step(path="2.b1", kind="say", after=("1",)),),
                ),
            ),
            Step(path="3", kind="say", after=("2.b0", "2.b1")),
        ),
    )


def evidence_of(
    *told: Told,
    programs: Iterable[Program] = (),
    faults_planned: int | None = None,
    exposures_min: int = 0,
    liveness_ns: int = 60 * S,
    problems: tuple[str, ...] = (),
    is_accepted: bool = True,
    end_after_ns: int = 600 * S,
    broker: str = "",
    declared: Declared | None = None,
) -> Evidence:
    """Join the lines; all agents are accepted before the first, and the run waits for its end."""
    given = {program.agent: program for program in programs}
    seen: dict[str, dict[str, None]] = {}
    for one in told:
        if one.agent and one.agent not in given:
            seen.setdefault(one.agent, {})[one.path] = None
    for agent, paths in seen.items():
        given[agent] = chain(agent, *([path for path in sorted(paths) if path] or ["1"]))
    teller = Teller(given)
    _note(teller, "phase", "load", {})
    for agent in given:
        teller.events.append(_event(teller.t_ns, "invoke", agent))
        if is_accepted:
            teller.events.append(_event(teller.t_ns, "ok", agent, "202"))
    for one in told:
        one.line(teller)
    teller.t_ns += end_after_ns
    _note(teller, "phase", "end", {})
    return evidence_from(
        seed=SEED,
        programs=list(given.values()),
        records=teller.records,
        driver_events=teller.events,
        faults_planned=len(teller.faults) if faults_planned is None else faults_planned,
        liveness_ns=liveness_ns,
        exposures_min=exposures_min,
        problems=problems,
        broker=broker,
        declared={BROKER: declared} if declared else {},
    )


def _note(teller: Teller, kind: str, subject: str, detail: dict[str, object]) -> None:
    teller.records.append(
        Note(
            seq=teller.seq,
            t_ns=teller.tick(),
            kind=kind,
            subject=subject,
            detail=json.dumps(detail),
        )
    )


def _event(t_ns: int, kind: str, agent: str, status: str = "") -> DriverEvent:
    return DriverEvent(
        t_ns=t_ns, kind=kind, agent=agent, intended_ns=1000 * S, caller=CALLER, status=status
    )
