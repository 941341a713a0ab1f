"""What the harness notes about brokers, beside what they declare."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from harness.history import NONE, BrokerRow, Declared
from mock_llm.ledger import Note

BROKER = "broker"
"""Kind of the note that says which broker messages go to from here on."""
RESIDUE = "residue"
"""What was left in a broker is on file, and these are its own counters."""
RETRY_BOUND = "retry-bound"
"""How often a broker delivers a message before it may become a dead letter."""
ABOUT_BROKERS = (BROKER, RESIDUE, RETRY_BOUND)
"""Kinds whose subject is a broker."""


class _Detail(msgspec.Struct, frozen=True):
    left: int = NONE
    published: int = NONE
    deliveries_max: int = NONE


_DETAIL = msgspec.json.Decoder(_Detail)


def brokers_of(
    names: Sequence[str], declared: Mapping[str, Declared], notes: Iterable[Note]
) -> tuple[tuple[BrokerRow, ...], list[str]]:
    """A row for each name, and what is wrong with the notes; later notes replace earlier ones."""
    rows = {name: BrokerRow(name=name, declared=declared.get(name, Declared())) for name in names}
    problems = []
    for note in notes:
        if note.kind not in (RESIDUE, RETRY_BOUND) or note.subject not in rows:
            continue
        try:
            detail = _DETAIL.decode(note.detail or "{}")
        except msgspec.MsgspecError as error:
            problems.append(f"broker {note.subject}: the note {note.kind!r} is unreadable: {error}")
            continue
        row = rows[note.subject]
        if note.kind == RETRY_BOUND:
            rows[note.subject] = replace(row, deliveries_max=detail.deliveries_max)
        else:
            rows[note.subject] = replace(
                row, is_counted=True, left=detail.left, published=detail.published
            )
    return tuple(rows.values()), problems
