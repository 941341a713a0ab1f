"""When to ask whether an agent has ended, and what the answer means. Pure.

A status request costs the worker about 0.6 ms of CPU, so an agent is asked when the witness saw its
last answer, when its slot was replaced, and rarely otherwise.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from harness.clock import NS_PER_MS, NS_PER_S
from harness.load.wire import Answer, Lost, Refused

COMPLETED = "completed"
FAILED = "failed"
CHASE_NS_MAX = 30 * NS_PER_S
"""An agent whose last answer was seen this long ago without an end goes back to the slow rhythm."""
AFTER_RESTART_NS = 5 * NS_PER_S
"""A slot's unfinished agents are asked so long after its new incarnation is ready."""
_DELAYS_NS = tuple(ms * NS_PER_MS for ms in (0, 50, 100, 200, 400, 800, 1_600, 2_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """The witness answered a step whose marker says ``last``."""

    seq: int
    agent: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A terminal status."""

    status: str
    """completed | failed."""
    text: str
    """The output if it is a string, else its JSON; receipts stand in it literally."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """Anything else, in words."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Status:
    status: str
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statuses:
    agents: dict[str, _Status | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    ends: tuple[EndSeen, ...]


_STATUS = msgspec.json.Decoder(_Status)
_STATUSES = msgspec.json.Decoder(_Statuses)
_ENDS = msgspec.json.Decoder(_Ends)


def ask_delay_ns(tries: int) -> int:
    """How long after the ``tries``-th fruitless GET the next one leaves; the first at once."""
    return _DELAYS_NS[min(tries, len(_DELAYS_NS) - 1)]


def ends_of(answer: Answer) -> tuple[EndSeen, ...] | None:
    """Read the witness's feed; None when it gave none."""
    if not isinstance(answer, Refused | Lost) and answer.status == 200:
        try:
            return _ENDS.decode(answer.body).ends
        except (msgspec.DecodeError, msgspec.ValidationError):
            return None
    return None


def status_of(answer: Answer) -> Ended | NotYet:
    """Read the answer to a GET of one agent."""
    if isinstance(answer, Refused | Lost):
        return NotYet(status=answer.reason)
    if answer.status != 200:
        return NotYet(status=str(answer.status))
    try:
        return _read(_STATUS.decode(answer.body))
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        return NotYet(status=f"unreadable status: {error}")


def statuses_of(answer: Answer) -> dict[str, Ended | NotYet] | None:
    """Read the answer to a request for many agents; None when it gave no statuses.

    An agent that the worker does not know may be null in it, or missing.
    """
    if isinstance(answer, Refused | Lost) or answer.status != 200:
        return None
    try:
        found = _STATUSES.decode(answer.body).agents
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return {
        agent: NotYet(status="404") if status is None else _read(status)
        for agent, status in found.items()
    }


def is_unsupported(answer: Answer) -> bool:
    """Say whether the worker does not offer the request for many agents."""
    return not isinstance(answer, Refused | Lost) and answer.status in {404, 405, 501}


def _read(found: _Status) -> Ended | NotYet:
    if found.status not in {COMPLETED, FAILED}:
        return NotYet(status=found.status)
    # Decoded and encoded again, since a worker may escape the brackets of receipts (Go does).
    is_text = isinstance(found.output, str)
    text = found.output if is_text else msgspec.json.encode(found.output).decode()
    return Ended(status=found.status, text=text)
