"""Evidence as columns: what the witness, the driver and the plan say about one run, in one order.

Struct-of-arrays from the start, since ten million requests as objects would not fit. A row's place
in time is its ledger sequence number (``seq``); nanoseconds are CLOCK_MONOTONIC and serve durations
only. Indices point into `Names`. Pure: reading files is `archive`'s work.

Source: docs/design.md, "Evidence".
"""

import enum
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
SmallInts = NDArray[np.int32]
Receipts = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

NONE = -1
"""Absent, in every integer column."""


class Kind(enum.IntEnum):
    """What a request was."""

    STEP = 0
    AUXILIARY = 1
    EFFECT = 2
    EVENT = 3
    """An event that the harness sends to an agent: its payload carries the receipt."""


class RequestOutcome(enum.IntEnum):
    """How a request ended at the witness."""

    OPEN = 0
    """No end record: the witness or the run stopped first."""
    ANSWERED = 1
    LIMITED = 2
    """429 by the limiter: no effect."""
    FAULTED = 3
    """5xx on purpose: no effect."""
    CLIENT_GONE = 4
    """Executed and priced if ``receipt`` is not 0, else it left before the limiter."""
    DROPPED = 5
    """Executed, the answer withheld on purpose."""
    REFUSED = 6
    """A bad request: no effect."""


class MessageEvent(enum.IntEnum):
    """What happened to a message."""

    PUBLISHING = 0
    ACKNOWLEDGED = 1
    """The broker said yes."""
    REFUSED = 2
    """It said no, or nobody knows: the message may have come in all the same."""
    DELIVERED = 3
    """A handler has it, and has not acknowledged it yet."""
    DEAD_LETTER = 4
    RESIDUE = 5
    """Found in the broker when the run was over."""


class AgentStatus(enum.IntEnum):
    """What the engine said of an agent when the driver last asked."""

    UNKNOWN = 0
    RUNNING = 1
    COMPLETED = 2
    FAILED = 3
    """Ended, and *gave up*: terminal for L, no outcome for S1 and R."""


class ContextRole(enum.IntEnum):
    """Whose message a context entry stood in."""

    SYSTEM = 0
    USER = 1
    ASSISTANT = 2
    TOOL = 3


class ContextKind(enum.IntEnum):
    """What a context entry is."""

    MARKER = 0
    """``value`` is the tag of its agent and path."""
    RECEIPT = 1
    CALL = 2
    """A tool-call id; ``value`` and ``mark`` are those of the turn that asked for it."""
    FOREIGN = 3
    """A marker of another agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the integer columns point to."""

    agents: tuple[str, ...]
    """In arrival order; those of the warm-up are not evidence and do not appear."""
    paths: tuple[str, ...]
    callers: tuple[str, ...]
    """Incarnations such as agents-1.3; ``-`` for a request without one."""
    keys: tuple[str, ...]
    """Idempotency keys of effects, and what messages are ordered by."""
    messages: tuple[str, ...] = ()
    """Ids of messages: `<agent>/<path>`."""
    topics: tuple[str, ...] = ()
    brokers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """One row a request, ordered by ``begin_seq``; all columns have the same length n."""

    begin_seq: Ints
    end_seq: Ints
    """NONE while OPEN."""
    begin_ns: Ints
    end_ns: Ints
    agent: SmallInts
    """NONE for an auxiliary request that names no agent, or a stranger's."""
    path: SmallInts
    turn: SmallInts
    caller: SmallInts
    kind: Bytes
    outcome: Bytes
    status: SmallInts
    """HTTP status; 0 while OPEN."""
    receipt: Receipts
    """Of the answer; 0 when nothing was executed."""
    mark: Ints
    """Attempt mark of the answer; NONE without one."""
    retry: SmallInts
    """x-stainless-retry-count; NONE without the header."""
    prompt_tokens: SmallInts
    completion_tokens: SmallInts
    retry_after_ms: Ints
    """What a 429 asked for; NONE elsewhere."""
    key: SmallInts
    """Idempotency key of an effect; NONE when no key came."""
    is_applied: Flags
    """For effects: this attempt was the one that applied."""
    is_last: Flags
    """The step's marker said ``last``."""
    is_final: Flags
    """The answer was the final turn of its step."""
    context_start: Ints
    """Offsets into `Context`, length n + 1."""

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.begin_seq)

    @property
    def is_executed(self) -> Flags:
        """Rows with an effect: answered, executed and dropped, or executed for a lost client."""
        result: Flags = self.receipt != 0
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What each request carried, flattened; row i of requests owns [start[i], start[i+1])."""

    role: Bytes
    kind: Bytes
    value: Receipts
    mark: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """The outcome marks, ordered by ``seq``: the driver read the outcome of an agent."""

    seq: Ints
    t_ns: Ints
    agent: SmallInts
    status: Bytes
    receipt: Receipts
    """The receipt that the outcome carried; 0 without one."""
    mark: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """One row an event of a message, ordered by ``seq``."""

    seq: Ints
    t_ns: Ints
    what: Bytes
    message: SmallInts
    agent: SmallInts
    """NONE when the id names no agent of the plan."""
    path: SmallInts
    topic: SmallInts
    key: SmallInts
    """What it is ordered by; NONE without."""
    number: Ints
    """Place within its key; NONE without."""
    broker: SmallInts
    """NONE when neither the worker nor a note said which."""
    caller: SmallInts
    is_poison: Flags
    """The plan wants every handling to fail; said at PUBLISHING."""

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.seq)


def no_messages() -> Messages:
    """The messages of a run that has none."""
    ints, small = np.zeros(0, np.int64), np.zeros(0, np.int32)
    return Messages(
        seq=ints,
        t_ns=ints,
        what=np.zeros(0, np.uint8),
        message=small,
        agent=small,
        path=small,
        topic=small,
        key=small,
        number=ints,
        broker=small,
        caller=small,
        is_poison=np.zeros(0, np.bool_),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a broker declares about its messages, before any run."""

    delivery: str = ""
    """at least once | at most once | exactly once; empty when nothing is declared."""
    is_ordered: bool = False
    """Messages of one key and topic are delivered in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRow:
    """One broker of a run: what it declares, and what the harness noted of it."""

    name: str
    declared: Declared
    deliveries_max: int = NONE
    """Deliveries after which a message may become a dead letter; NONE when nobody said."""
    is_counted: bool = False
    """What was left in it at the end was collected."""
    left: int = NONE
    """What it itself says is left; NONE when it cannot say."""
    published: int = NONE
    """What it itself says it was ever given."""

    @property
    def excuses_repeats(self) -> bool:
        """Whether a message may come more than once; said of what is not declared, too."""
        return self.declared.delivery in ("", "at least once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """What the driver saw, one row an agent of `Names.agents`."""

    intended_ns: Ints
    sent_ns: Ints
    """First POST; NONE when the driver never came to it."""
    accepted_ns: Ints
    """The 202 of the driver's POST; NONE without one."""
    ended_ns: Ints
    """A terminal status was read; NONE without one."""
    status: Bytes
    posts: SmallInts
    """POSTs by the driver."""
    resubmits: SmallInts
    """POSTs by the supervisor (assisted recovery)."""
    is_info: Flags
    """Its start is undecided: timeout, reset or an error, and no clear no since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the plan demands: a row for each answer (step, turn) and each tool call, all agents.

    Rows of one agent are neighbours, in path order; a predecessor's row comes before its
    successor's.
    """

    agent: SmallInts
    path: SmallInts
    turn: SmallInts
    is_tool: Flags
    is_last: Flags
    """The answer that carries the agent's outcome."""
    receipt: Receipts
    """By the oracle: H folded over the plan."""
    delay_ns: Ints
    """Least time from the predecessors' answers to the begin: a wait of the program; 0 for none."""
    predecessor_start: Ints
    """Offsets into ``predecessor``, one more than rows."""
    predecessor: Ints
    """Row numbers of this table."""

    @property
    def count(self) -> int:
        """Rows."""
        return len(self.agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWindow:
    """One fault as it struck: from *about to fire* to *health seen again*."""

    name: str
    """Unique in the run, such as ``kill_pod-3``."""
    kind: str
    victims: tuple[str, ...]
    """Callers (incarnations) that it struck."""
    is_shared: bool
    """True for shared services, whose scope is all steps."""
    firing_seq: int
    fired_seq: int
    """NONE when it never fired."""
    healed_seq: int
    """NONE when health was never seen again."""
    firing_ns: int
    fired_ns: int
    healed_ns: int
    proof: str
    """What showed that it struck: exit status, cut connections, the new incarnation."""
    parts_ns: dict[str, int]
    """Named spans of the recovery on our side: restart_delay, process_start, ready."""

    @property
    def has_struck(self) -> bool:
        """The fault fired, and there is proof."""
        return self.fired_seq != NONE and bool(self.proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a checker may look at, and nothing that the engine could have written."""

    seed: int
    names: Names
    requests: Requests
    context: Context
    outcomes: Outcomes
    starts: Starts
    expected: Expected
    faults: tuple[FaultWindow, ...]
    faults_planned: int
    phases: dict[str, int]
    """Phase -> nanoseconds of its begin: load, drain, end."""
    last_heal_seq: int
    problems: tuple[str, ...]
    """Gaps and damage found while reading; each makes every promise unknown."""
    liveness_ns: int
    """Time after the last heal, arrival, event or work in which every accepted agent must end."""
    exposures_min: int
    last_event_ns: int = NONE
    """When the harness first sent its last event to an agent; NONE without events."""
    working_until_ns: int = NONE
    """After all of these, the engine's last work through its load, see `harness.backlog`; NONE
    where nothing was left to do."""
    messages: Messages = field(default_factory=no_messages)
    brokers: tuple[BrokerRow, ...] = ()
    """One row a name of `Names.brokers`, in that order."""
