"""The records of the ledger: what the witness saw, in the order in which it saw it.

Written by the witness alone, read by the harness; `mock_llm.ledger` is the door to both. A record
is a msgpack array that starts with its tag; fields are only ever added at the end, with a default.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = 2
"""Version of the records; 2 brought those of messages. A reader takes this and the one before."""

ContextEntry = tuple[str, str, int, int]
"""(role, kind, value, mark): one thing that a request showed of earlier steps, in request order.

role: s system, u user, a assistant, t tool. kind: m a marker of the request's own agent (value is
its tag), x a marker of another agent, r a receipt in a text, c a receipt in a tool-call id. mark:
the attempt mark of a receipt, else -1.
"""

CallKind = Literal["step", "aux", "effect", "event"]
"""A call for a step of a program, one that a framework makes for itself, an effect of a tool, an
event that the harness is about to send."""

EndOutcome = Literal["answered", "limited", "faulted", "client_gone", "dropped", "refused"]
"""answered 200; limited 429; faulted a planned error; client_gone the caller left before its
answer; dropped executed, its answer withheld on purpose; refused a bad request."""

MessageWhat = Literal[
    "publishing", "acknowledged", "refused", "delivered", "dead_letter", "residue"
]
"""publishing it is about to be; acknowledged the broker said yes; refused no, or nobody knows;
delivered a handler has it, and has not acknowledged it yet; dead_letter it came to the dead-letter
topic; residue it was found in the broker when the run was over."""


class Opened(msgspec.Struct, array_like=True, frozen=True, tag=0, gc=False):
    """The first record of a segment; it has no sequence number."""

    schema: int
    """SCHEMA of the writer."""
    run: str
    """Id of the run."""
    seed: int
    """Seed that the receipts hash."""
    wall_ns: int
    """Wall clock at the opening: the only anchor."""
    mono_ns: int
    """CLOCK_MONOTONIC at the same moment; `t_ns` of the records is on this scale."""
    pid: int
    """Process that wrote the segment."""


class Begin(msgspec.Struct, array_like=True, frozen=True, tag=1, gc=False):
    """A request was parsed; written before the limiter sees it."""

    seq: int
    """Sequence number; also the attempt mark of the answer."""
    t_ns: int
    """Monotonic nanoseconds."""
    caller: str
    """`<pod>.<incarnation>` from the path, `-` when the path names none."""
    agent: str
    """Agent of the step; empty for an auxiliary call without a marker."""
    path: str
    """Path of the step; empty as above."""
    turn: int
    """Turn within the step, from 0."""
    kind: CallKind
    """Whose call it is."""
    retry: int
    """x-stainless-retry-count; -1 when absent."""
    model: str
    """Model asked for."""
    prompt_tokens: int
    """Characters of the request's texts / 4."""
    max_tokens: int
    """Output limit asked for; 0 for none."""
    is_last: bool
    """The step's marker says `last`."""
    account: str
    """Digest of API key and project: what the limiter counts by."""
    key: str
    """Idempotency key of an effect; empty for none."""
    context: list[ContextEntry]
    """What the request showed of earlier steps."""


class End(msgspec.Struct, array_like=True, frozen=True, tag=2, gc=False):
    """What became of a request; written before the answer leaves."""

    seq: int
    """Sequence number."""
    t_ns: int
    """Monotonic nanoseconds."""
    begin: int
    """Sequence number of its begin record."""
    outcome: EndOutcome
    """What became of it."""
    status: int
    """HTTP status; 0 when none was sent."""
    receipt: int
    """Receipt value; 0 when nothing was executed."""
    mark: int
    """Attempt mark; -1 for none."""
    completion_tokens: int
    """Characters of the answer / 4; 0 when nothing was executed."""
    retry_after_ms: int
    """Wait told to a limited caller; -1 for none."""
    is_applied: bool
    """An effect changed the world: false for the repeat of a key, and for calls to the model."""
    is_final: bool
    """The answer is the final turn of its step."""
    engine_ms: int = 0
    """Latency drawn for the answer, in milliseconds."""


class Note(msgspec.Struct, array_like=True, frozen=True, tag=3, gc=False):
    """Something the harness did, in the witness's order: phases, fault marks, resubmits."""

    seq: int
    """Sequence number."""
    t_ns: int
    """Monotonic nanoseconds."""
    kind: str
    """Free text such as phase, arming, firing, fired, healed, resubmit."""
    subject: str
    """What it happened to: a fault's id, a pod."""
    detail: str
    """The rest, in words or JSON."""


class Outcome(msgspec.Struct, array_like=True, frozen=True, tag=4, gc=False):
    """The driver read an agent's outcome: the use of its last step."""

    seq: int
    """Sequence number."""
    t_ns: int
    """Monotonic nanoseconds."""
    agent: str
    """The agent."""
    status: str
    """Terminal state that the worker named."""
    receipt: int
    """Last receipt in the output; 0 for none."""
    mark: int
    """Its attempt mark; -1 for none."""


class Message(msgspec.Struct, array_like=True, frozen=True, tag=5, gc=False):
    """Something happened to a message between agents, or to one that starts an agent."""

    seq: int
    """Sequence number."""
    t_ns: int
    """Monotonic nanoseconds."""
    caller: str
    """`<pod>.<incarnation>` of who says so, `-` for the harness."""
    what: MessageWhat
    """What happened."""
    id: str
    """`<agent>/<path>`; `<agent>/start` for the one that starts an agent."""
    topic: str
    """Topic that it was published to, came from, or was found in; of a dead letter the one that
    it was meant for."""
    key: str
    """Messages with one key are in order, where order is promised."""
    number: int
    """Place within its key, from 0."""
    broker: str
    """The broker that it went through, as components name it."""
    is_poison: bool = False
    """The plan wants every handling of it to fail; said when it is published."""


Sequenced = Begin | End | Note | Outcome | Message
"""Records with a sequence number."""

Record = Opened | Begin | End | Note | Outcome | Message
"""Everything a ledger holds."""
