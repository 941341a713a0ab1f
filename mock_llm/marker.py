"""The marker: the one line of a prompt that tells the witness which step a request belongs to.

The plan writes it, workers copy it unread, the witness finds it again. Pure text to record and
back.

    [[op1 <agent> <path> <predecessor paths, or -> <directive> <check>]]

The check guards against a marker that a framework cut, wrapped or changed: such a line is no
marker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

VERSION = "op1"
"""Names the form. A change of the form gets a new name, so that old evidence stays readable."""

KINDS = ("say", "tools", "route", "plan", "judge", "fail")
"""What a directive can ask for. `say` has no count; all others say how many."""

_LEAST = {"route": 1, "plan": 1, "fail": 400}
"""Of the count, by kind; 0 for the others."""
_WORD = r"[^\s,\[\]]+"
_LINE = re.compile(
    rf"(\[\[{VERSION} ({_WORD}) ({_WORD}) ({_WORD}(?:,{_WORD})*) "
    rf"([a-z]+)(?:=([0-9]{{1,9}}))?(,last)?) ([0-9a-f]{{8}})\]\]"
)
_OWN_LINE = re.compile(rf"^[^\S\n]*(\[\[{VERSION} [^\n]*\]\])[^\S\n]*$", re.MULTILINE)
_IS_WORD = re.compile(_WORD)
_NONE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """What the step asks of the model: `say`, `tools=2`, `say,last`.

    `tools=n`: n turns with a tool call before the answer in words. `route=k`: choose one of k
    branches. `plan=n`: delegate n sub-tasks. `judge=n`: a verdict; n revisions are still wanted, so
    that 0 accepts. `fail=500`: a poison step; every attempt is answered with this HTTP status.
    """

    kind: str
    """One of KINDS."""
    count: int = 0
    """Turns with a tool call, branches, sub-tasks, revisions still wanted, status; 0 for `say`."""
    is_last: bool = False
    """True when the final answer of this step ends the agent."""

    @property
    def is_accepting(self) -> bool:
        """The verdict of a judge that wants no further revision."""
        return self.kind == "judge" and self.count == 0

    def __str__(self) -> str:
        head = self.kind if self.kind == "say" else f"{self.kind}={self.count}"
        return f"{head},last" if self.is_last else head


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A step's name and what its answer has to build on."""

    agent: str
    """The agent's id: no white space, comma or square bracket."""
    path: str
    """The step's path, such as `2.b1.r0`; the same alphabet."""
    predecessors: tuple[str, ...]
    """Paths whose receipts the answer hashes, in declared order."""
    directive: Directive
    """What is asked."""


def render(marker: Marker) -> str:
    """The marker as its line of text, without a line end.

    Raises:
        ValueError: a name that the form cannot carry; it would not be found again.
    """
    directive = marker.directive
    least = _LEAST.get(directive.kind, 0)
    if directive.kind not in KINDS or directive.count < least:
        raise ValueError(
            f"directive {str(directive)!r}: kind must be one of {', '.join(KINDS)}, and the count "
            f"at least {least}"
        )
    for word in (marker.agent, marker.path, *marker.predecessors):
        if word == _NONE or not _IS_WORD.fullmatch(word):
            raise ValueError(
                f"{word!r} cannot stand in a marker: use letters, digits and signs other than "
                "white space, comma and square brackets; a bare '-' means none"
            )
    predecessors = ",".join(marker.predecessors) or _NONE
    text = f"[[{VERSION} {marker.agent} {marker.path} {predecessors} {directive}"
    return f"{text} {_check(text)}]]"


def parse(line: str) -> Marker | None:
    """The marker that `line` is, white space aside; None when it is none or was changed."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return None
    text, agent, path, predecessors, kind, count, last, check = match.groups()
    if kind not in KINDS or (kind == "say") != (count is None) or check != _check(text):
        return None
    if int(count or 0) < _LEAST.get(kind, 0):
        return None
    return Marker(
        agent=agent,
        path=path,
        predecessors=() if predecessors == _NONE else tuple(predecessors.split(",")),
        directive=Directive(kind=kind, count=int(count or 0), is_last=last is not None),
    )


def find_all(text: str) -> list[Marker]:
    """Every marker that has a line of `text` to itself, in order; one inside a line is none."""
    if f"[[{VERSION} " not in text:
        return []
    found = (parse(line) for line in _OWN_LINE.findall(text))
    return [marker for marker in found if marker is not None]


def prompt_with(marker: Marker, text: str) -> str:
    """A prompt that carries the marker on its own line, whatever a framework puts before it."""
    return f"\n{render(marker)}\n{text}"


def _check(text: str) -> str:
    return blake2b(text.encode(), digest_size=4).hexdigest()
