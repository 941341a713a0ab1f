"""Lies: a few records of a history dropped, doubled, moved or changed at random.

They need not make sense: judges that agree on these agree on all that a real engine could do.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from mock_llm.ledger import Begin, End, Message, Note, Outcome, Record

Entry = tuple[str, str, int, int]
"""(role, kind, value, mark) of a context."""
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
