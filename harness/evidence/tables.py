"""Evidence as flat tables, for Parquet and for anybody's own queries; and back.

Every table has columns of one length: offsets are stored as counts, names as tables of their own.
What must hold of evidence is asserted in both directions. The files are the archive's work.
"""

from dataclasses import fields
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.history import (
    NONE,
    BrokerRow,
    Context,
    Evidence,
    Expected,
    FaultWindow,
    Ints,
    Messages,
    Names,
    Outcomes,
    Requests,
    Starts,
)

Column = NDArray[Any]
Tables = dict[str, dict[str, Column]]
_Columns = Context | Messages | Outcomes | Requests | Starts | Expected
_Record = TypeVar("_Record", Context, Messages, Outcomes, Requests, Starts, Expected)


class _Run(msgspec.Struct):
    """What is no column; one JSON text in the table ``run``."""

    seed: int
    faults: list[FaultWindow]
    faults_planned: int
    phases: dict[str, int]
    last_heal_seq: int
    problems: list[str]
    liveness_ns: int
    exposures_min: int
    last_event_ns: int = NONE
    working_until_ns: int = NONE
    brokers: list[BrokerRow] = msgspec.field(default_factory=list)


def to_tables(evidence: Evidence) -> Tables:
    """Table -> column -> array; ``context_count`` and ``predecessor_count`` stand for offsets.

    Raises:
        HarnessError: the evidence contradicts itself.
    """
    assert_sound(evidence)
    requests = _columns(evidence.requests)
    requests["context_count"] = np.diff(requests.pop("context_start")).astype(np.int32)
    expected = _columns(evidence.expected)
    expected["predecessor_count"] = np.diff(expected.pop("predecessor_start")).astype(np.int32)
    predecessors = expected.pop("predecessor")
    run = _Run(
        seed=evidence.seed,
        faults=list(evidence.faults),
        faults_planned=evidence.faults_planned,
        phases=evidence.phases,
        last_heal_seq=evidence.last_heal_seq,
        problems=list(evidence.problems),
        liveness_ns=evidence.liveness_ns,
        exposures_min=evidence.exposures_min,
        last_event_ns=evidence.last_event_ns,
        working_until_ns=evidence.working_until_ns,
        brokers=list(evidence.brokers),
    )
    return {
        "requests": requests,
        "context": _columns(evidence.context),
        "outcomes": _columns(evidence.outcomes),
        "starts": _columns(evidence.starts),
        "messages": _columns(evidence.messages),
        "expected": expected,
        "predecessors": {"row": predecessors},
        "agents": {"name": _texts(evidence.names.agents)},
        "paths": {"name": _texts(evidence.names.paths)},
        "callers": {"name": _texts(evidence.names.callers)},
        "keys": {"name": _texts(evidence.names.keys)},
        "message_ids": {"name": _texts(evidence.names.messages)},
        "topics": {"name": _texts(evidence.names.topics)},
        "brokers": {"name": _texts(evidence.names.brokers)},
        "run": {"json": _texts((msgspec.json.encode(run).decode(),))},
    }


def from_tables(tables: Tables) -> Evidence:
    """Build the evidence that `to_tables` took apart.

    Raises:
        HarnessError: a table or column is missing, of the wrong type, or contradicts another.
    """
    try:
        run = msgspec.json.decode(str(tables["run"]["json"][0]), type=_Run)
        names = Names(
            agents=_names(tables["agents"]),
            paths=_names(tables["paths"]),
            callers=_names(tables["callers"]),
            keys=_names(tables["keys"]),
            messages=_names(tables["message_ids"]),
            topics=_names(tables["topics"]),
            brokers=_names(tables["brokers"]),
        )
        requests = dict(tables["requests"])
        requests["context_start"] = _offsets(requests.pop("context_count"))
        expected = dict(tables["expected"])
        expected["predecessor_start"] = _offsets(expected.pop("predecessor_count"))
        expected["predecessor"] = tables["predecessors"]["row"]
        evidence = Evidence(
            seed=run.seed,
            names=names,
            requests=_record(Requests, requests),
            context=_record(Context, tables["context"]),
            outcomes=_record(Outcomes, tables["outcomes"]),
            starts=_record(Starts, tables["starts"]),
            expected=_record(Expected, expected),
            faults=tuple(run.faults),
            faults_planned=run.faults_planned,
            phases=run.phases,
            last_heal_seq=run.last_heal_seq,
            problems=tuple(run.problems),
            liveness_ns=run.liveness_ns,
            exposures_min=run.exposures_min,
            last_event_ns=run.last_event_ns,
            working_until_ns=run.working_until_ns,
            messages=_record(Messages, tables["messages"]),
            brokers=tuple(run.brokers),
        )
    except (KeyError, IndexError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise HarnessError(
            f"evidence cannot be rebuilt: {error!r}; check the run from its ledger instead"
        ) from error
    assert_sound(evidence)
    return evidence


def assert_sound(evidence: Evidence) -> None:
    """Assert what every checker relies on: lengths, order, and numbers that point to something.

    Raises:
        HarnessError: it does not hold; the message says what.
    """
    broken = [text for is_fine, text in _conditions(evidence) if not is_fine]
    if broken:
        raise HarnessError(f"evidence contradicts itself: {'; '.join(broken)}")


def _conditions(evidence: Evidence) -> list[tuple[bool, str]]:
    requests, expected, names = evidence.requests, evidence.expected, evidence.names
    lengths = _lengths(evidence)
    if lengths:
        return [(False, text) for text in lengths]
    agents = len(names.agents)
    has_mark = requests.mark != NONE
    messages = evidence.messages
    return [
        (
            tuple(one.name for one in evidence.brokers) == names.brokers,
            "brokers are not those of the names",
        ),
        (_is_rising(messages.seq), "messages are not in order"),
        (_points(messages.message, len(names.messages), least=0), "messages.message is no name"),
        (_points(messages.agent, agents), "messages.agent points to no name"),
        (_points(messages.path, len(names.paths)), "messages.path points to no name"),
        (_points(messages.topic, len(names.topics), least=0), "messages.topic is no name"),
        (_points(messages.key, len(names.keys)), "messages.key points to no name"),
        (_points(messages.broker, len(names.brokers)), "messages.broker points to no name"),
        (_points(messages.caller, len(names.callers), least=0), "messages.caller is no name"),
        (_is_rising(requests.begin_seq), "requests are not in order of begin_seq"),
        (_is_rising(evidence.outcomes.seq), "outcomes are not in order"),
        (bool(np.all(np.diff(expected.agent) >= 0)), "expected rows are not in order of agents"),
        (_points(requests.agent, agents), "requests.agent points to no name"),
        (_points(requests.path, len(names.paths)), "requests.path points to no name"),
        (_points(requests.caller, len(names.callers)), "requests.caller points to no name"),
        (_points(requests.key, len(names.keys)), "requests.key points to no name"),
        (_points(evidence.outcomes.agent, agents, least=0), "outcomes.agent points to no name"),
        (_points(expected.agent, agents, least=0), "expected.agent points to no name"),
        (_points(expected.path, len(names.paths), least=0), "expected.path points to no name"),
        (_points(expected.predecessor, expected.count, least=0), "a predecessor is no row"),
        (
            bool(np.all(requests.mark[has_mark] == requests.begin_seq[has_mark])),
            "a mark is not the sequence number of its request",
        ),
    ]


def _lengths(evidence: Evidence) -> list[str]:
    """Columns of unequal length, and offsets that do not fit what they point into."""
    wrong = []
    for record in (
        evidence.requests,
        evidence.context,
        evidence.outcomes,
        evidence.starts,
        evidence.messages,
    ):
        lengths = {
            name: len(column)
            for name, column in _columns(record).items()
            if name != "context_start"
        }
        if len(set(lengths.values())) > 1:
            wrong.append(f"{type(record).__name__} has columns of unequal length: {lengths}")
    if len(evidence.starts.sent_ns) != len(evidence.names.agents):
        wrong.append("starts has not one row an agent")
    requests, expected = evidence.requests, evidence.expected
    if not _offsets_fit(requests.context_start, requests.count, len(evidence.context.kind)):
        wrong.append("context_start does not fit the context")
    if not _offsets_fit(expected.predecessor_start, expected.count, len(expected.predecessor)):
        wrong.append("predecessor_start does not fit the predecessors")
    return wrong


def _offsets_fit(offsets: Ints, rows: int, total: int) -> bool:
    return (
        len(offsets) == rows + 1
        and int(offsets[0]) == 0
        and int(offsets[-1]) == total
        and bool(np.all(np.diff(offsets) >= 0))
    )


def _is_rising(column: Ints) -> bool:
    return bool(np.all(np.diff(column) > 0))


def _points(column: NDArray[np.signedinteger[Any]], count: int, least: int = NONE) -> bool:
    return not len(column) or (int(column.min()) >= least and int(column.max()) < count)


def _columns(record: _Columns) -> dict[str, Column]:
    return {entry.name: getattr(record, entry.name) for entry in fields(record)}


def _record(kind: type[_Record], columns: dict[str, Column]) -> _Record:
    """Build a record of columns, each of the type that its field names."""
    wanted = {entry.name: _type_of(entry.type) for entry in fields(kind)}
    missing = sorted(set(wanted) - set(columns))
    if missing:
        raise KeyError(f"{kind.__name__}: {', '.join(missing)}")
    return kind(**{name: np.asarray(columns[name]).astype(dtype) for name, dtype in wanted.items()})


def _type_of(annotation: object) -> np.dtype[Any]:
    """The element type of an array annotation."""
    return np.dtype(annotation.__args__[1].__args__[0])  # type: ignore[attr-defined]


def _offsets(counts: Column) -> Ints:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _texts(names: tuple[str, ...]) -> Column:
    return np.array(names, dtype=object)


def _names(table: dict[str, Column]) -> tuple[str, ...]:
    return tuple(str(name) for name in table["name"])
