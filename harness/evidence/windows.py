"""Fault marks to fault windows: from *about to fire* to *health seen again*."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from harness.history import NONE, FaultWindow
from mock_llm.ledger import Note

_Value = TypeVar("_Value")
_MARKS = ("arming", "firing", "fired", "healed")


class _Detail(msgspec.Struct, frozen=True):
    """What a fault's mark says; later marks of the same fault say it again or say more."""

    kind: str = ""
    victims: list[str] | None = None
    is_shared: bool | None = None
    proof: str | None = None
    parts_ns: dict[str, int] | None = None


_DETAIL = msgspec.json.Decoder(_Detail)


@dataclass(frozen=True, slots=True)
class _Mark:
    note: Note
    detail: _Detail


def windows_of(notes: Iterable[Note]) -> tuple[tuple[FaultWindow, ...], list[str]]:
    """Windows in the order of their firing, and what is wrong with the marks.

    A fault that was only armed has no window: it never fired.
    """
    marks: dict[str, dict[str, _Mark]] = {}
    problems = []
    for note in notes:
        if note.kind not in _MARKS:
            continue
        try:
            detail = _DETAIL.decode(note.detail or "{}")
        except msgspec.MsgspecError as error:
            problems.append(f"fault {note.subject}: the mark {note.kind!r} is unreadable: {error}")
            detail = _Detail()
        of_fault = marks.setdefault(note.subject, {})
        if note.kind in of_fault:
            problems.append(f"fault {note.subject}: the mark {note.kind!r} is there twice")
        of_fault.setdefault(note.kind, _Mark(note, detail))
    windows = []
    for name, of_fault in marks.items():
        if "firing" in of_fault:
            windows.append(_window(name, of_fault))
        elif "fired" in of_fault:
            problems.append(f"fault {name} fired without the mark 'firing': marks are missing")
    return tuple(sorted(windows, key=lambda window: window.firing_seq)), problems


def _window(name: str, marks: dict[str, _Mark]) -> FaultWindow:
    details = [marks[kind].detail for kind in _MARKS if kind in marks]
    fired, healed = marks.get("fired"), marks.get("healed")
    return FaultWindow(
        name=name,
        kind=next((detail.kind for detail in reversed(details) if detail.kind), ""),
        victims=tuple(_latest([detail.victims for detail in details]) or ()),
        is_shared=bool(_latest([detail.is_shared for detail in details])),
        firing_seq=marks["firing"].note.seq,
        fired_seq=fired.note.seq if fired else NONE,
        healed_seq=healed.note.seq if healed else NONE,
        firing_ns=marks["firing"].note.t_ns,
        fired_ns=fired.note.t_ns if fired else NONE,
        healed_ns=healed.note.t_ns if healed else NONE,
        proof=_proof(fired, healed),
        parts_ns=_latest([detail.parts_ns for detail in details]) or {},
    )


def _latest(values: Sequence[_Value | None]) -> _Value | None:
    return next((value for value in reversed(values) if value is not None), None)


def _proof(fired: _Mark | None, healed: _Mark | None) -> str:
    """What showed the strike; a heal alone proves nothing when the strike itself proved nothing."""
    struck = fired.detail.proof if fired else None
    if struck == "":
        return ""
    return (healed.detail.proof if healed else None) or struck or ""
