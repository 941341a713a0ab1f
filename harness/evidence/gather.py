"""Ledger records to columns: packed bytes while they come, arrays when all are there.

Ten million records as objects would not fit, so each is packed as it passes. Packing is all or
nothing: a record that does not fit its columns leaves no half row, and is a complaint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct, error

import numpy as np
from numpy.typing import NDArray

from harness.evidence.brokers import ABOUT_BROKERS, BROKER
from harness.evidence.told import Told, split
from harness.history import (
    NONE,
    AgentStatus,
    Context,
    ContextKind,
    ContextRole,
    Kind,
    Messages,
    Names,
    Outcomes,
    RequestOutcome,
    Requests,
)
from mock_llm.ledger import Begin, End, Message, Note, Opened, Outcome, Record

WARM_UP = "w"
"""First letter of the agents of the warm-up, which are no evidence."""

_KINDS = {
    "step": Kind.STEP,
    "aux": Kind.AUXILIARY,
    "effect": Kind.EFFECT,
    "event": Kind.EVENT,
}
_OUTCOMES = {member.name.lower(): member for member in RequestOutcome}
_ROLES = dict(zip("suat", ContextRole, strict=True))
_SHOWN = dict(zip("mrcx", ContextKind, strict=True))
_STATUSES = {"completed": AgentStatus.COMPLETED, "failed": AgentStatus.FAILED}

_BEGIN = Struct("<qqiiiiBiii?i")
_BEGIN_COLUMNS = np.dtype(
    [
        ("seq", "<i8"),
        ("ns", "<i8"),
        ("agent", "<i4"),
        ("path", "<i4"),
        ("turn", "<i4"),
        ("caller", "<i4"),
        ("kind", "u1"),
        ("retry", "<i4"),
        ("tokens", "<i4"),
        ("key", "<i4"),
        ("is_last", "?"),
        ("context_count", "<i4"),
    ]
)
_END = Struct("<qqqBiQqiq??")
_END_COLUMNS = np.dtype(
    [
        ("seq", "<i8"),
        ("ns", "<i8"),
        ("begin", "<i8"),
        ("outcome", "u1"),
        ("status", "<i4"),
        ("receipt", "<u8"),
        ("mark", "<i8"),
        ("tokens", "<i4"),
        ("retry_after_ms", "<i8"),
        ("is_applied", "?"),
        ("is_final", "?"),
    ]
)
_ENTRY = Struct("<BBQq")
_ENTRY_COLUMNS = np.dtype([("role", "u1"), ("kind", "u1"), ("value", "<u8"), ("mark", "<i8")])
_OUTCOME = Struct("<qqiBQq")
_OUTCOME_COLUMNS = np.dtype(
    [
        ("seq", "<i8"),
        ("ns", "<i8"),
        ("agent", "<i4"),
        ("status", "u1"),
        ("receipt", "<u8"),
        ("mark", "<i8"),
    ]
)
Table = NDArray[np.void]


@dataclass(slots=True)
class Gathered:
    """What has been read so far."""

    agents: dict[str, int]
    seed: int
    notes: list[Note] = field(default_factory=list)
    _paths: dict[str, int] = field(default_factory=dict)
    _callers: dict[str, int] = field(default_factory=dict)
    _keys: dict[str, int] = field(default_factory=dict)
    _begins: bytearray = field(default_factory=bytearray)
    _ends: bytearray = field(default_factory=bytearray)
    _entries: bytearray = field(default_factory=bytearray)
    _outcomes: bytearray = field(default_factory=bytearray)
    _told: Told = field(default_factory=Told)
    _complaints: dict[str, list[str]] = field(default_factory=dict)
    """What is wrong -> where."""

    @classmethod
    def of(
        cls, agents: Sequence[str], paths: Sequence[str], seed: int, *, broker: str = ""
    ) -> "Gathered":
        """Start with the names of the plan, so that its numbers are those of the oracle."""
        made = cls(agents={}, seed=seed)
        for name in agents:
            if name in made.agents:
                made.complain("an agent is in the plan twice", name)
            made.agents.setdefault(name, len(made.agents))
        made._paths = {path: number for number, path in enumerate(paths)}
        if broker not in ("", "none"):
            made._told.brokers[broker] = 0
        return made

    def add(self, record: Record) -> None:
        """Take one record."""
        try:
            if isinstance(record, Begin):
                self._add_begin(record)
            elif isinstance(record, End):
                self._add_end(record)
            elif isinstance(record, Note):
                self._add_note(record)
            elif isinstance(record, Outcome):
                self._add_outcome(record)
            elif isinstance(record, Message):
                self._add_message(record)
            elif isinstance(record, Opened) and record.seed != self.seed:
                self.complain(
                    f"the ledger is of another run: the plan's seed is {self.seed}",
                    f"{record.seed}",
                )
        except (error, KeyError) as what:
            self.complain(f"a record does not fit the ledger's form: {what!r}", repr(record)[:80])

    def complain(self, what: str, where: str) -> None:
        """Note something wrong; equal complaints become one problem with a count."""
        self._complaints.setdefault(what, []).append(where)

    def problems(self) -> list[str]:
        """All complaints in words; call it last."""
        return [
            f"{what} ({len(places)} times, first {places[0]})" if len(places) > 1
            else f"{what} ({places[0]})"
            for what, places in self._complaints.items()
        ]  # fmt: skip

    def names(self) -> Names:
        """The names that the columns point to."""
        return Names(
            agents=tuple(self.agents),
            paths=tuple(self._paths),
            callers=tuple(self._callers),
            keys=tuple(self._keys),
            messages=tuple(self._told.ids),
            topics=tuple(self._told.topics),
            brokers=tuple(self._told.brokers),
        )

    def phases(self) -> dict[str, int]:
        """Phase -> nanoseconds of its first mark."""
        return {note.subject: note.t_ns for note in reversed(self.notes) if note.kind == "phase"}

    def outcomes(self) -> Outcomes:
        """The outcome marks of the plan's agents, in order."""
        found = np.frombuffer(self._outcomes, _OUTCOME_COLUMNS)
        found = found[np.argsort(found["seq"], kind="stable")]
        is_new = np.append(True, np.diff(found["seq"]) > 0)[: len(found)]
        for seq in found["seq"][~is_new]:
            self.complain("an outcome mark is in the ledger twice", f"sequence number {seq}")
        found = found[is_new]
        return Outcomes(
            seq=found["seq"].copy(),
            t_ns=found["ns"].copy(),
            agent=found["agent"].copy(),
            status=found["status"].copy(),
            receipt=found["receipt"].copy(),
            mark=found["mark"].copy(),
        )

    def messages(self) -> Messages:
        """What happened to the messages of the load, in order."""
        messages, doubled = self._told.messages()
        for seq in doubled:
            self.complain("a message's record is in the ledger twice", f"sequence number {seq}")
        return messages

    def requests(self) -> tuple[Requests, Context]:
        """The requests of the load, ordered and joined with their ends."""
        begins = np.frombuffer(self._begins, _BEGIN_COLUMNS)
        kept = self._kept(begins)
        starts = np.cumsum(begins["context_count"]) - begins["context_count"]
        context, context_start = self._context(starts[kept], begins["context_count"][kept])
        ends = self._ends_of(begins, kept)
        rows = begins[kept]
        requests = Requests(
            begin_seq=rows["seq"].copy(),
            end_seq=ends["seq"].copy(),
            begin_ns=rows["ns"].copy(),
            end_ns=ends["ns"].copy(),
            agent=rows["agent"].copy(),
            path=rows["path"].copy(),
            turn=rows["turn"].copy(),
            caller=rows["caller"].copy(),
            kind=rows["kind"].copy(),
            outcome=ends["outcome"].copy(),
            status=ends["status"].copy(),
            receipt=ends["receipt"].copy(),
            mark=ends["mark"].copy(),
            retry=rows["retry"].copy(),
            prompt_tokens=rows["tokens"].copy(),
            completion_tokens=ends["tokens"].copy(),
            retry_after_ms=ends["retry_after_ms"].copy(),
            key=rows["key"].copy(),
            is_applied=ends["is_applied"].copy(),
            is_last=rows["is_last"].copy(),
            is_final=ends["is_final"].copy(),
            context_start=context_start,
        )
        return requests, context

    def _add_begin(self, record: Begin) -> None:
        agent = self.agents.get(record.agent, NONE)
        if agent == NONE and record.agent.startswith(WARM_UP):
            agent = _WARM
        entries = b"".join(
            [_ENTRY.pack(_ROLES[role], _SHOWN[kind], value, mark)
             for role, kind, value, mark in record.context]
        )  # fmt: skip
        key = self._keys.setdefault(record.key, len(self._keys)) if record.key else NONE
        packed = _BEGIN.pack(
            record.seq,
            record.t_ns,
            agent,
            self._paths.setdefault(record.path, len(self._paths)),
            record.turn,
            self._callers.setdefault(record.caller, len(self._callers)),
            _KINDS[record.kind],
            record.retry,
            record.prompt_tokens,
            key,
            record.is_last,
            len(record.context),
        )
        self._begins += packed
        self._entries += entries

    def _add_end(self, record: End) -> None:
        self._ends += _END.pack(
            record.seq,
            record.t_ns,
            record.begin,
            _OUTCOMES[record.outcome],
            record.status,
            record.receipt,
            record.mark,
            record.completion_tokens,
            record.retry_after_ms,
            record.is_applied,
            record.is_final,
        )

    def _add_outcome(self, record: Outcome) -> None:
        agent = self.agents.get(record.agent, NONE)
        if agent == NONE:
            if not record.agent.startswith(WARM_UP):
                self.complain("an outcome mark of an agent that is in no program", record.agent)
            return
        self._outcomes += _OUTCOME.pack(
            record.seq,
            record.t_ns,
            agent,
            _STATUSES.get(record.status, AgentStatus.UNKNOWN),
            record.receipt,
            record.mark,
        )

    def _add_note(self, record: Note) -> None:
        self.notes.append(record)
        if record.kind == BROKER:
            self._told.in_force = record.subject
        if record.kind in ABOUT_BROKERS and record.subject:
            self._told.brokers.setdefault(record.subject, len(self._told.brokers))

    def _add_message(self, record: Message) -> None:
        name, path = split(record.id)
        agent = self.agents.get(name, NONE)
        if agent == NONE and name.startswith(WARM_UP):
            return
        self._told.add(
            record,
            agent=agent,
            path=self._paths.setdefault(path, len(self._paths)) if path else NONE,
            key=self._keys.setdefault(record.key, len(self._keys)) if record.key else NONE,
            caller=self._callers.setdefault(record.caller, len(self._callers)),
        )

    def _kept(self, begins: Table) -> NDArray[np.intp]:
        """Rows that are evidence, in order of sequence, each number once."""
        load_ns = self.phases().get("load", NONE)
        # Auxiliary calls that name nobody belong to the warm-up as long as the load has not begun.
        is_nobodys = (begins["agent"] == NONE) & (begins["kind"] == Kind.AUXILIARY)
        is_warm = (begins["agent"] == _WARM) | (is_nobodys & (begins["ns"] < load_ns))
        kept = np.flatnonzero(~is_warm)
        seqs = begins["seq"][kept]
        if np.any(np.diff(seqs) <= 0):
            order = np.argsort(seqs, kind="stable")
            is_new = np.append(True, np.diff(seqs[order]) > 0)[: len(order)]
            for place in order[~is_new]:
                self.complain("a request is in the ledger twice", f"sequence number {seqs[place]}")
            if np.any(np.diff(seqs) < 0):
                self.complain("the ledger is out of order", "begin records")
            kept = kept[order[is_new]]
        return kept

    def _context(
        self, starts: NDArray[np.int64], counts: NDArray[np.int32]
    ) -> tuple[Context, NDArray[np.int64]]:
        entries = np.frombuffer(self._entries, _ENTRY_COLUMNS)
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        if int(offsets[-1]) != len(entries) or np.any(starts != offsets[:-1]):
            place = np.arange(int(offsets[-1])) + np.repeat(starts - offsets[:-1], counts)
            entries = entries[place]
        context = Context(
            role=entries["role"].copy(),
            kind=entries["kind"].copy(),
            value=entries["value"].copy(),
            mark=entries["mark"].copy(),
        )
        return context, offsets

    def _ends_of(self, begins: Table, kept: NDArray[np.intp]) -> Table:
        """The end record of each kept row; an open one where there is none."""
        ends = np.frombuffer(self._ends, _END_COLUMNS)
        joined = np.zeros(len(kept), _END_COLUMNS)
        for name in ("seq", "ns", "mark", "retry_after_ms"):
            joined[name] = NONE
        if not len(ends):
            return joined
        seqs = begins["seq"][kept]
        place = np.minimum(np.searchsorted(seqs, ends["begin"]), max(len(seqs) - 1, 0))
        is_ours = seqs[place] == ends["begin"] if len(seqs) else np.zeros(len(ends), np.bool_)
        strays = ends["begin"][~is_ours]
        for seq in strays[~np.isin(strays, begins["seq"])]:
            self.complain("a request ends that never began", f"sequence number {seq}")
        rows = np.flatnonzero(is_ours)
        _, first = np.unique(place[rows], return_index=True)
        for row in np.delete(rows, first):
            self.complain("a request ends twice", f"sequence number {ends['begin'][row]}")
        joined[place[rows[first]]] = ends[rows[first]]
        self._check_ends(joined, seqs)
        return joined

    def _check_ends(self, joined: Table, seqs: NDArray[np.int64]) -> None:
        """An end comes after its begin, and its mark is that begin's number."""
        has_ended = joined["seq"] != NONE
        is_early = has_ended & (joined["seq"] <= seqs)
        is_mismarked = has_ended & (joined["mark"] != NONE) & (joined["mark"] != seqs)
        for row in np.flatnonzero(is_early):
            self.complain("a request ends before it began", f"sequence number {seqs[row]}")
        for row in np.flatnonzero(is_mismarked):
            self.complain("an answer has another request's mark", f"sequence number {seqs[row]}")
        joined["mark"][is_mismarked] = seqs[is_mismarked]


_WARM = -2
