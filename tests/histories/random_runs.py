"""Small random histories: runs of a correct engine, and the same with records that lie.

The engine is a model: it walks programs step by step on pods that are killed, and repeats what a
kill cut off before its use. A lie changes a few records at random, in ways that need not make
sense: judges that agree on those agree on everything that a real engine could do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from harness.evidence import DriverEvent, evidence_of
from harness.history import Declared, Evidence
from harness.oracle import Required, required_of
from harness.scenario import Program, Step
from mock_llm.ledger import Begin, End, Message, Note, Outcome, Record
from mock_llm.receipts import tag
from tests.histories.build import SEED, S, chain, fan_out, tools
from tests.histories.lies import LIES, Entry

SLOTS = 2


class Run:
    """A run on the way: agents take turns at random, kills fall between their moves."""

    def __init__(self, chance: Random, *, agents: int, kills: int) -> None:
        self.chance = chance
        make: list[Callable[[str], Program]] = [
            lambda agent: chain(agent, "1", "2", "3"),
            lambda agent: tools(agent, 2),
            fan_out,
            with_side_step,
        ]
        self.programs = [chance.choice(make)(f"a{number}") for number in range(agents)]
        self.records: list[Record] = []
        self.events: list[DriverEvent] = []
        self.incarnation = [1] * SLOTS
        self.kills_left = kills
        self.kills = 0
        self.t_ns = 1000 * S
        self.note("phase", "load", {})
        self.post = Post(self) if chance.random() < 0.7 else None
        self.walkers = [Walker(self, program, chance.randrange(SLOTS)) for program in self.programs]

    def tick(self) -> tuple[int, int]:
        self.t_ns += self.chance.randrange(1, S)
        return len(self.records) + 1, self.t_ns

    def note(self, kind: str, subject: str, detail: dict[str, object]) -> None:
        seq, t_ns = self.tick()
        self.records.append(
            Note(seq=seq, t_ns=t_ns, kind=kind, subject=subject, detail=json.dumps(detail))
        )

    def play(self) -> None:
        while going := [walker for walker in self.walkers if not walker.is_done]:
            if self.kills_left and self.chance.random() < 0.1:
                self.kill(self.chance.randrange(SLOTS))
            self.chance.choice(going).move()
            if self.post is not None:
                self.post.move()
        if self.post is not None:
            self.post.finish()
        self.t_ns += 600 * S
        self.note("phase", "end", {})

    def kill(self, slot: int) -> None:
        self.kills_left -= 1
        self.kills += 1
        detail: dict[str, object] = {
            "kind": "kill_pod",
            "victims": [f"agents-{slot}.{self.incarnation[slot]}"],
            "proof": "reaped",
        }
        name = f"kill_pod-{self.kills}"
        self.note("firing", name, detail)
        self.note("fired", name, detail)
        for walker in self.walkers:
            if walker.slot == slot:
                walker.cut()
        self.incarnation[slot] += 1
        if self.chance.random() < 0.9:
            self.note("healed", name, detail)


class Post:
    """A broker that keeps its word: queues per key, in order where that is declared."""

    def __init__(self, run: Run) -> None:
        self.run, chance = run, run.chance
        self.declared = Declared(
            delivery=chance.choice(["at least once", "at most once", "exactly once"]),
            is_ordered=chance.random() < 0.5,
        )
        self.tries_max = chance.choice([1, 3])
        self.numbers = {program.agent: 0 for program in run.programs}
        self.waiting: list[dict[str, object]] = []
        self.had: list[dict[str, object]] = []
        run.note("broker", "b", {})
        run.note("retry-bound", "b", {"deliveries_max": self.tries_max})
        self.given = 0
        for program in run.programs:
            if chance.random() < 0.5:
                self.publish(program.agent, "start")

    def tell(self, what: str, mail: dict[str, object], **changed: object) -> None:
        seq, t_ns = self.run.tick()
        record = Message(seq=seq, t_ns=t_ns, what=what, **{**mail, **changed})  # type: ignore[arg-type]
        self.run.records.append(record)

    def publish(self, agent: str, path: str = "") -> None:
        number = self.numbers[agent]
        self.numbers[agent] += 1
        mail: dict[str, object] = {
            "id": f"{agent}/{path or f'm{number}'}",
            "topic": "starts" if path else "results",
            "key": agent,
            "number": number,
            "broker": self.run.chance.choice(["b", ""]),
            "caller": "agents-0.1",
            "is_poison": not path and self.run.chance.random() < 0.1,
        }
        self.tell("publishing", mail)
        if self.run.chance.random() < 0.1:
            self.tell("refused", mail)
            if self.run.chance.random() < 0.5:
                return
        else:
            self.tell("acknowledged", mail)
        self.given += 1
        self.waiting.append(mail)
        if path:
            # An agent that is started by a message does nothing before.
            self.deliver(self.waiting[-1])

    def deliver(self, mail: dict[str, object]) -> None:
        for _ in range(self.tries_max if mail["is_poison"] else 1):
            self.tell("delivered", mail, is_poison=False, key="", number=-1)
        if mail["is_poison"]:
            self.tell("dead_letter", mail)
        self.waiting.remove(mail)
        self.had.append(mail)

    def next(self) -> dict[str, object]:
        mail = self.run.chance.choice(self.waiting)
        if not self.declared.is_ordered:
            return mail
        return next(one for one in self.waiting if one["key"] == mail["key"])

    def move(self) -> None:
        if self.run.chance.random() < 0.4:
            self.publish(self.run.chance.choice(sorted(self.numbers)))
        if self.waiting and self.run.chance.random() < 0.4:
            self.deliver(self.next())
        if (
            self.had
            and self.declared.delivery == "at least once"
            and self.run.chance.random() < 0.1
        ):
            self.tell("delivered", self.run.chance.choice(self.had))

    def finish(self) -> None:
        while self.waiting:
            self.deliver(self.next())
        counters = {"left": 0, "published": self.given} if self.run.chance.random() < 0.5 else {}
        self.run.note("residue", "b", dict(counters))


def with_side_step(agent: str) -> Program:
    """A program with a step that nothing builds on."""
    return Program(
        agent=agent,
        steps=(
            Step(path="1", kind="say"),
            Step(path="2", kind="say", after=("1",)),
            Step(path="3", kind="say", after=("1",)),
        ),
    )


class Walker:
    """One agent."""

    def __init__(self, run: Run, program: Program, slot: int) -> None:
        self.run, self.slot, self.agent = run, slot, program.agent
        self.rows: list[Required] = required_of(program, SEED)
        self.given: dict[int, tuple[int, int]] = {}
        self.open: dict[int, Begin] = {}
        self.context: dict[int, list[Entry]] = {}
        self.is_done = False
        _, t_ns = run.tick()
        run.events.append(event(t_ns, "invoke", self.agent))
        run.events.append(event(t_ns, "ok", self.agent))

    def ready(self) -> list[int]:
        return [
            place
            for place, row in enumerate(self.rows)
            if place not in self.given
            and place not in self.open
            and all(before in self.given for before in row.predecessors)
        ]

    def move(self) -> None:
        if len(self.given) == len(self.rows):
            self.finish()
        elif self.open and (not self.ready() or self.run.chance.random() < 0.6):
            place = self.run.chance.choice(sorted(self.open))
            self.end(place, self.run.chance.choices(("answered", "limited"), (9, 1))[0])
        else:
            self.begin(self.run.chance.choice(self.ready()))

    def begin(self, place: int) -> None:
        row = self.rows[place]
        seq, t_ns = self.run.tick()
        record = Begin(
            seq=seq,
            t_ns=t_ns,
            caller=f"agents-{self.slot}.{self.run.incarnation[self.slot]}",
            agent=self.agent,
            path=row.path,
            turn=row.turn,
            kind="effect" if row.is_tool else "step",
            retry=-1,
            model="m",
            prompt_tokens=3,
            max_tokens=0,
            is_last=row.is_last,
            account="",
            key=f"{self.agent}-{row.path}" if row.is_tool else "",
            context=self.shown(place),
        )
        self.run.records.append(record)
        self.open[place] = record

    def shown(self, place: int) -> list[Entry]:
        row = self.rows[place]
        given = [(*self.given[before],) for before in row.predecessors]
        if row.is_tool:
            return [("t", "r", *given[0])]
        if row.turn == 0:
            entries = [("u", "m", tag(self.agent, row.path), -1)]
            entries += [("u", "r", *one) for one in given]
        else:
            entries = list(self.context[row.predecessors[0]])
            entries += [("a", "c", *given[0]), ("t", "c", *given[0]), ("t", "r", *given[1])]
        self.context[place] = entries
        return entries

    def end(self, place: int, outcome: str) -> None:
        begin = self.open.pop(place)
        row = self.rows[place]
        seq, t_ns = self.run.tick()
        is_executed = outcome in ("answered", "client_gone")
        earlier = any(
            isinstance(record, End) and record.is_applied and record.receipt == row.receipt
            for record in self.run.records
        )
        self.run.records.append(
            End(
                seq=seq,
                t_ns=t_ns,
                begin=begin.seq,
                outcome=outcome,  # type: ignore[arg-type]
                status=200,
                receipt=row.receipt if is_executed else 0,
                mark=begin.seq if is_executed else -1,
                completion_tokens=2,
                retry_after_ms=-1,
                is_applied=row.is_tool and is_executed and not earlier,
                is_final=not row.is_tool,
            )
        )
        if outcome == "answered":
            self.given[place] = (row.receipt, begin.seq)

    def cut(self) -> None:
        """The pod is killed: what is open ran for nobody; of the unused, half is forgotten."""
        for place in sorted(self.open):
            self.end(place, "client_gone")
        used = {entry[3] for shown in self.context.values() for entry in shown if entry[3] >= 0}
        used |= {
            entry[3]
            for record in self.run.records
            if isinstance(record, Begin)
            for entry in record.context
        }
        for place, (_, mark) in list(self.given.items()):
            if mark not in used and self.run.chance.random() < 0.5:
                del self.given[place]

    def finish(self) -> None:
        seq, t_ns = self.run.tick()
        value, mark = self.given[len(self.rows) - 1]
        self.run.records.append(
            Outcome(
                seq=seq, t_ns=t_ns, agent=self.agent, status="completed", receipt=value, mark=mark
            )
        )
        self.run.events.append(event(t_ns, "ended", self.agent, "completed"))
        self.is_done = True


def event(t_ns: int, kind: str, agent: str, status: str = "") -> DriverEvent:
    return DriverEvent(
        t_ns=t_ns, kind=kind, agent=agent, intended_ns=t_ns, caller="", status=status
    )


def correct_run(seed: int, *, agents: int = 3, kills: int = 2) -> Evidence:
    """Evidence of a correct engine under kills."""
    run = Run(Random(seed), agents=agents, kills=kills)
    run.play()
    return joined(run, run.records)


def lying_run(seed: int, *, agents: int = 3, kills: int = 2, lies: int = 3) -> Evidence:
    """The same with a few records changed, dropped, doubled or moved."""
    chance = Random(seed)
    run = Run(chance, agents=agents, kills=kills)
    run.play()
    records = list(run.records)
    for _ in range(chance.randrange(1, lies + 1)):
        records = chance.choice(LIES)(chance, records)
    for agent in run.programs:
        if chance.random() < 0.2:
            run.events.insert(0, event(1000 * S, "invoke", agent.agent))
        if chance.random() < 0.1:
            run.events = [
                one for one in run.events if (one.agent, one.kind) != (agent.agent, "ended")
            ]
            records = [
                r for r in records if not (isinstance(r, Outcome) and r.agent == agent.agent)
            ]
        if chance.random() < 0.1:
            run.events = [one for one in run.events if (one.agent, one.kind) != (agent.agent, "ok")]
    return joined(run, records)


def joined(run: Run, records: list[Record]) -> Evidence:
    return evidence_of(
        seed=SEED,
        programs=run.programs,
        records=records,
        driver_events=run.events,
        faults_planned=run.kills,
        liveness_ns=60 * S,
        exposures_min=0,
        declared={"b": run.post.declared} if run.post is not None else {},
    )
