"""Small random histories: runs of a correct engine, and the same with records that lie.

The engine is a model: it walks programs step by step on pods that are killed, and repeats what a
kill cut off before its use. A lie changes a few records at random, in ways that need not make
sense: judges that agree on those agree on everything that a real engine could do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import msgspec

from harness.evidence import DriverEvent, evidence_of
from harness.history import Declared, Evidence
from harness.oracle import Required, required_of
from harness.scenario import Program, Step
from mock_llm.ledger import Begin, End, Message, Note, Outcome, Record
from mock_llm.receipts import tag
from tests.histories.build import SEED, S, chain, fan_out, tools

SLOTS = 2
Entry = tuple[str, str, int, int]


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


Lie = Callable[[Random, list[Record]], list[Record]]


def _pick(chance: Random, records: list[Record], *kinds: type) -> int:
    places = [place for place, record in enumerate(records) if isinstance(record, kinds)]
    return chance.choice(places) if places else -1


def drop_request(chance: Random, records: list[Record]) -> list[Record]:
    """A request nobody saw."""
    place = _pick(chance, records, Begin)
    if place < 0:
        return records
    seq = records[place].seq  # type: ignore[union-attr]
    return [
        record
        for record in records
        if not (isinstance(record, Begin) and record.seq == seq)
        and not (isinstance(record, End) and record.begin == seq)
    ]


def double_request(chance: Random, records: list[Record]) -> list[Record]:
    """A request once more, at a later moment, by anybody."""
    place = _pick(chance, records, End)
    if place < 0:
        return records
    end = records[place]
    begin = next(
        (r for r in records if isinstance(r, Begin) and r.seq == end.begin),  # type: ignore[union-attr]
        None,
    )
    if begin is None:
        return records
    renumbered = _spread(records)
    at = chance.randrange(place, len(records)) + 1
    seq = 3 * at + 1
    caller = chance.choice(["agents-0.1", "agents-0.2", "agents-1.1", "agents-1.2"])
    begin = _renumber(begin, {record.seq: 3 * (i + 1) for i, record in enumerate(records)})  # type: ignore[union-attr]
    again = msgspec.structs.replace(begin, seq=seq, caller=caller)
    more = msgspec.structs.replace(
        end,  # type: ignore[type-var]
        seq=seq + 1,
        begin=seq,
        mark=seq if end.receipt else -1,  # type: ignore[union-attr]
        is_applied=chance.random() < 0.3,
    )
    return _renumbered([*renumbered[:at], again, more, *renumbered[at:]])


def move_record(chance: Random, records: list[Record]) -> list[Record]:
    """A record at another moment, its end still after its begin."""
    place = _pick(chance, records, Begin, Outcome)
    if place < 0:
        return records
    record = records[place]
    rest = records[:place] + records[place + 1 :]
    stop = next(
        (i for i, r in enumerate(rest) if isinstance(r, End) and r.begin == record.seq),  # type: ignore[union-attr]
        len(rest),
    )
    at = chance.randrange(stop + 1)
    return _renumbered([*rest[:at], record, *rest[at:]])


def change_context(chance: Random, records: list[Record]) -> list[Record]:
    """A request that carried something else: less, more, in another order, of another attempt."""
    place = _pick(chance, records, Begin)
    if place < 0:
        return records
    record = records[place]
    context: list[Entry] = list(record.context)  # type: ignore[union-attr]
    others = [r for r in records[:place] if isinstance(r, End) and r.receipt]
    move = chance.randrange(6)
    if move == 0 and context:
        context.pop(chance.randrange(len(context)))
    elif move == 1 and context:
        context.append(chance.choice(context))
    elif move == 2:
        chance.shuffle(context)
    elif move == 3 and others:
        other = chance.choice(others)
        context.append((chance.choice("ut"), chance.choice("rc"), other.receipt, other.mark))
    elif move == 4 and context:
        at = chance.randrange(len(context))
        role, kind, value, _ = context[at]
        context[at] = (role, kind, value, chance.choice([-1, 1, 2, 5, 9]))
    elif move == 5:
        context.append(("u", "x", 77, -1))
    changed = msgspec.structs.replace(record, context=context)  # type: ignore[type-var]
    return [*records[:place], changed, *records[place + 1 :]]


def change_begin(chance: Random, records: list[Record]) -> list[Record]:
    """A request of another caller, step, turn, key, or agent."""
    place = _pick(chance, records, Begin)
    if place < 0:
        return records
    changes: list[dict[str, object]] = [
        {"caller": chance.choice(["agents-0.1", "agents-0.2", "agents-1.1"])},
        {"path": chance.choice(["1", "2", "3", "9", "2.t0.c0"])},
        {"turn": chance.randrange(3)},
        {"key": chance.choice(["", "k", "a0-2.t0.c0"])},
        {"agent": chance.choice(["a0", "a1", "stranger"])},
        {"kind": chance.choice(["step", "aux", "effect"])},
    ]
    changed = msgspec.structs.replace(records[place], **chance.choice(changes))  # type: ignore[type-var]
    return [*records[:place], changed, *records[place + 1 :]]


def change_key(chance: Random, records: list[Record]) -> list[Record]:
    """An effect under another key."""
    effects = [at for at, r in enumerate(records) if isinstance(r, Begin) and r.kind == "effect"]
    if not effects:
        return records
    place = chance.choice(effects)
    other = records[chance.choice(effects)]
    key = chance.choice(["", "k", other.key])  # type: ignore[union-attr]
    changed = msgspec.structs.replace(records[place], key=key)  # type: ignore[type-var]
    return [*records[:place], changed, *records[place + 1 :]]


def change_end(chance: Random, records: list[Record]) -> list[Record]:
    """Another result, or another end."""
    place = _pick(chance, records, End)
    if place < 0:
        return records
    end = records[place]
    changes: list[dict[str, object]] = [
        {"receipt": end.receipt ^ 1 if end.receipt else 0},  # type: ignore[union-attr]
        {"outcome": chance.choice(["dropped", "client_gone"])},
        {"receipt": 0, "mark": -1, "outcome": "faulted"},
        {"is_applied": True},
    ]
    changed = msgspec.structs.replace(end, **chance.choice(changes))  # type: ignore[type-var]
    return [*records[:place], changed, *records[place + 1 :]]


def change_outcome(chance: Random, records: list[Record]) -> list[Record]:
    """Another outcome, or the same once more."""
    place = _pick(chance, records, Outcome)
    if place < 0:
        return records
    answers = [r for r in records[:place] if isinstance(r, End) and r.receipt]
    other = chance.choice(answers) if answers else None
    changes: list[dict[str, object]] = [
        {"receipt": 0, "mark": -1},
        {"status": "failed"},
        {"mark": -1},
        {"receipt": other.receipt, "mark": other.mark} if other else {"receipt": 5},
    ]
    changed = msgspec.structs.replace(records[place], **chance.choice(changes))  # type: ignore[type-var]
    if chance.random() < 0.3:
        return _renumbered([*records, changed])
    return [*records[:place], changed, *records[place + 1 :]]


def drop_message(chance: Random, records: list[Record]) -> list[Record]:
    """Something that happened to a message, and nobody told; or what was left, uncounted."""
    places = [
        place
        for place, record in enumerate(records)
        if isinstance(record, Message) or (isinstance(record, Note) and record.kind == "residue")
    ]
    if not places:
        return records
    place = chance.choice(places)
    return _renumbered([*records[:place], *records[place + 1 :]])


def double_message(chance: Random, records: list[Record]) -> list[Record]:
    """The same told again at another moment, or another end of the same message."""
    place = _pick(chance, records, Message)
    if place < 0:
        return records
    what = chance.choice(
        [records[place].what, "delivered", "dead_letter", "residue", "acknowledged"]  # type: ignore[union-attr]
    )
    again = msgspec.structs.replace(records[place], seq=10_000_000, what=what)  # type: ignore[type-var]
    at = chance.randrange(len(records)) + 1
    return _renumbered([*records[:at], again, *records[at:]])


def move_message(chance: Random, records: list[Record]) -> list[Record]:
    """Told at another moment."""
    place = _pick(chance, records, Message)
    if place < 0:
        return records
    rest = records[:place] + records[place + 1 :]
    at = chance.randrange(len(rest)) + 1
    return _renumbered([*rest[:at], records[place], *rest[at:]])


def lose_message(chance: Random, records: list[Record]) -> list[Record]:
    """A message that came to nobody, and is or is not left."""
    place = _pick(chance, records, Message)
    if place < 0:
        return records
    lost = records[place]
    came = ("delivered", "dead_letter")
    kept: list[Record] = [
        record
        for record in records
        if not (isinstance(record, Message) and record.id == lost.id and record.what in came)  # type: ignore[union-attr]
    ]
    if chance.random() < 0.5:
        left = msgspec.structs.replace(lost, seq=10_000_000, what="residue")  # type: ignore[type-var]
        kept.append(left)
    return _renumbered(kept)


def silence_agent(chance: Random, records: list[Record]) -> list[Record]:
    """An agent that never asked, though it may have been started."""
    agent = chance.choice(["a0", "a1", "a2"])
    gone = {r.seq for r in records if isinstance(r, Begin) and r.agent == agent}
    return [
        record
        for record in records
        if not (isinstance(record, Begin | Outcome) and record.agent == agent)
        and not (isinstance(record, End) and record.begin in gone)
    ]


def run_twice(chance: Random, records: list[Record]) -> list[Record]:
    """All that an agent did once more, beside it or behind it."""
    agent = chance.choice(["a0", "a1", "a2"])
    own = {r.seq for r in records if isinstance(r, Begin) and r.agent == agent}
    ends = {r.seq for r in records if isinstance(r, End) and r.begin in own}
    twin = {seq: 50_000_000 + seq for seq in own | ends}
    behind = chance.random() < 0.5
    doubled: list[Record] = []
    copies: list[Record] = []
    for record in records:
        doubled.append(record)
        if record.seq in twin:  # type: ignore[union-attr]
            (copies if behind else doubled).append(_twin(record, twin))
    return _renumbered([*doubled, *copies])


def _twin(record: Record, twin: dict[int, int]) -> Record:
    if isinstance(record, Begin):
        context = [(*entry[:3], twin.get(entry[3], entry[3])) for entry in record.context]
        return msgspec.structs.replace(record, seq=twin[record.seq], context=context)
    assert isinstance(record, End)
    return msgspec.structs.replace(
        record,
        seq=twin[record.seq],
        begin=twin[record.begin],
        mark=twin.get(record.mark, record.mark),
    )


def change_message(chance: Random, records: list[Record]) -> list[Record]:
    """Another message, topic, key, number or broker."""
    place = _pick(chance, records, Message)
    if place < 0:
        return records
    changes: list[dict[str, object]] = [
        {"id": chance.choice(["a0/m0", "a1/start", "stranger", "x/y", "a0/start"])},
        {"topic": chance.choice(["starts", "results", "other"])},
        {"topic": "other"},
        {"key": chance.choice(["", "a0", "a1"])},
        {"number": chance.randrange(-1, 4)},
        {"broker": chance.choice(["", "b", "c"])},
        {"is_poison": chance.random() < 0.5},
    ]
    changed = msgspec.structs.replace(records[place], **chance.choice(changes))  # type: ignore[type-var]
    return [*records[:place], changed, *records[place + 1 :]]


LIES: list[Lie] = [
    drop_message,
    double_message,
    move_message,
    lose_message,
    silence_agent,
    run_twice,
    change_message,
    drop_request,
    double_request,
    move_record,
    change_context,
    change_begin,
    change_key,
    change_end,
    change_outcome,
]


def _spread(records: list[Record]) -> list[Record]:
    """The same with room between the numbers."""
    number = {record.seq: 3 * (place + 1) for place, record in enumerate(records)}  # type: ignore[union-attr]
    return [_renumber(record, number) for record in records]


def _renumbered(records: list[Record]) -> list[Record]:
    """Numbers in the order of the list; marks and ends follow their requests, time goes on."""
    number = {record.seq: place + 1 for place, record in enumerate(records)}  # type: ignore[union-attr]
    times = sorted(record.t_ns for record in records)  # type: ignore[union-attr]
    renumbered = [_renumber(record, number) for record in records]
    return [
        msgspec.structs.replace(record, t_ns=t_ns)  # type: ignore[type-var]
        for record, t_ns in zip(renumbered, times, strict=True)
    ]


def _renumber(record: Record, number: dict[int, int]) -> Record:
    def of(seq: int) -> int:
        return number.get(seq, seq if seq < 0 else 100_000 + seq)

    if isinstance(record, Begin):
        context = [(role, kind, value, of(mark)) for role, kind, value, mark in record.context]
        return msgspec.structs.replace(record, seq=of(record.seq), context=context)
    if isinstance(record, End):
        return msgspec.structs.replace(
            record, seq=of(record.seq), begin=of(record.begin), mark=of(record.mark)
        )
    if isinstance(record, Outcome):
        return msgspec.structs.replace(record, seq=of(record.seq), mark=of(record.mark))
    if isinstance(record, Note | Message):
        return msgspec.structs.replace(record, seq=of(record.seq))
    return record
