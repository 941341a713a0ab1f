"""What a request asks for: its step, its turn, and what it shows of earlier steps.

Pure, and a function of the request alone: never of the order of arrival or of anything remembered.
Frameworks wrap prompts, paste earlier answers and prepend their own words, so only own-line
markers, receipts and tool-call ids count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mock_llm.marker import VERSION, Marker
from mock_llm.marker import parse as parse_marker
from mock_llm.receipts import find, parse_call_id, tag, tag_of, tool_path
from mock_llm.records import CallKind, ContextEntry
from mock_llm.wire import ChatRequest, Message

_ROLES = {
    "system": "s",
    "developer": "s",
    "user": "u",
    "assistant": "a",
    "tool": "t",
    "function": "t",
}
_MARKER_SIGN = f"[[{VERSION} "
_STRUCTURED = frozenset({"route", "plan", "judge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A request, understood."""

    kind: CallKind
    """step, or aux for a call that the framework makes for itself."""
    marker: Marker | None
    """The step's marker; with aux the last one seen, if any: whose overhead it is."""
    turn: int
    """Turn within the step, from 0."""
    is_final: bool
    """The answer to this turn ends the step."""
    predecessors: tuple[int, ...]
    """Receipt values that the answer's receipt hashes, in order."""
    context: list[ContextEntry]
    """What the request shows, in its order."""

    @property
    def agent(self) -> str:
        """The agent; empty when no marker was seen."""
        return self.marker.agent if self.marker else ""

    @property
    def path(self) -> str:
        """The step's path; empty for an auxiliary call."""
        return self.marker.path if self.marker and self.kind == "step" else ""

    @property
    def is_last(self) -> bool:
        """The step is the agent's last."""
        return self.marker is not None and self.kind == "step" and self.marker.directive.is_last


@dataclass(slots=True)
class _Shown:
    """Everything of ours in a request, in its order."""

    entries: list[ContextEntry | tuple[str, Marker]] = field(default_factory=list)
    asked: list[Marker] = field(default_factory=list)
    values: dict[int, list[int]] = field(default_factory=dict)
    calls: dict[int, dict[int, set[int]]] = field(default_factory=dict)

    def add_text(self, role: str, text: str) -> None:
        if _MARKER_SIGN not in text:
            self.add_receipts(role, text)
            return
        for line in text.split("\n"):
            marker = parse_marker(line) if _MARKER_SIGN in line else None
            if marker is None:
                self.add_receipts(role, line)
                continue
            self.entries.append((role, marker))
            if role == "u":
                self.asked.append(marker)

    def add_receipts(self, role: str, text: str) -> None:
        if "<<" not in text:
            return
        for value, mark in find(text):
            self.values.setdefault(tag_of(value), []).append(value)
            self.entries.append((role, "r", value, mark))

    def add_call(self, role: str, identifier: str) -> None:
        parsed = parse_call_id(identifier)
        if parsed is None or not parsed[0].value:
            return
        (value, mark), index = parsed
        self.values.setdefault(tag_of(value), []).append(value)
        self.calls.setdefault(tag_of(value), {}).setdefault(value, set()).add(index)
        self.entries.append((role, "c", value, mark))

    def context(self, agent: str) -> list[ContextEntry]:
        """The entries, with the markers told apart by whether they are the agent's own."""
        return [entry if len(entry) == 4 else _marked(*entry, agent) for entry in self.entries]


def read(request: ChatRequest) -> Reading:
    """What the request asks for."""
    shown = _show(request.messages)
    marker = _open_step(shown)
    is_step = marker is not None and not _is_foreign_form(marker, request)
    if marker is None or not is_step:
        whose = marker or (shown.asked[-1] if shown.asked else None)
        return Reading(
            kind="aux",
            marker=whose,
            turn=0,
            is_final=True,
            predecessors=(),
            context=shown.context(whose.agent if whose else ""),
        )
    own_calls = shown.calls.get(tag(marker.agent, marker.path), {})
    turn = len(own_calls)
    return Reading(
        kind="step",
        marker=marker,
        turn=turn,
        is_final=marker.directive.kind != "tools" or turn >= marker.directive.count,
        predecessors=tuple(_predecessors(shown, marker, turn)),
        context=shown.context(marker.agent),
    )


def _show(messages: Iterable[Message]) -> _Shown:
    shown = _Shown()
    for message in messages:
        role = _ROLES.get(message.role, "u")
        if message.tool_call_id and role == "t":
            shown.add_call(role, message.tool_call_id)
        for text in message.texts():
            shown.add_text(role, text)
        for call in message.tool_calls or ():
            shown.add_call(role, call.id)
    return shown


def _open_step(shown: _Shown) -> Marker | None:
    """The last marker whose final receipt the request does not show yet."""
    for marker in reversed(shown.asked):
        turns = marker.directive.count + 1 if marker.directive.kind == "tools" else 1
        if len(set(shown.values.get(tag(marker.agent, marker.path), ()))) < turns:
            return marker
    return None


def _is_foreign_form(marker: Marker, request: ChatRequest) -> bool:
    """Whether the answer has to have a form that the step does not ask for."""
    kind = marker.directive.kind
    if request.is_structured():
        return kind not in _STRUCTURED
    return kind == "say" and request.forced_function() is not None


def _predecessors(shown: _Shown, marker: Marker, turn: int) -> Iterator[int]:
    if turn == 0:
        for path in marker.predecessors:
            yield from shown.values.get(tag(marker.agent, path), ())[-1:]
        return
    own = shown.calls[tag(marker.agent, marker.path)]
    earlier = next(reversed(own))
    yield earlier
    for call in sorted(own[earlier]):
        answered = tag(marker.agent, tool_path(marker.path, turn - 1, call))
        yield from shown.values.get(answered, ())[-1:]


def _marked(role: str, marker: Marker, agent: str) -> ContextEntry:
    kind = "m" if marker.agent == agent else "x"
    return (role, kind, tag(marker.agent, marker.path), -1)
