"""Every seam of the harness, on one page.

What is behind a seam is started by `provide` and `cluster`, joined by `runner`, and replaced by an
in-memory implementation in tests; each has one conformance suite in tests/contract/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.ids import Slot

if TYPE_CHECKING:
    # Each worker is an importer: what only names types would cost every pod numpy and faker.
    from pathlib import Path

    from harness.plan import HeldCall, PlannedFault
    from harness.results import ProcessRow

SPANS = "spans over OTLP"
"""The feature in ``EngineSpec.lacks``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What the harness must know of an engine to run it; the worker's ``GET /about`` must agree."""

    engine: str
    variant: str
    summary: str
    recovery: str
    """native: the engine resumes by itself; assisted: the supervisor re-submits; none."""
    intake: str
    """durable: a 202 survives SIGKILL of the pod; volatile: it does not."""
    any_pod_answers: bool
    """GET works on every pod; else only on the agent's slot."""
    holds_status: bool = False
    """GET /agents/{id} takes ``?wait_s=`` and answers when the agent has ended, or then."""
    kinds: tuple[str, ...]
    """Step kinds that its worker interprets."""
    worker: tuple[str, ...]
    """Command of the worker process."""
    needs_dapr: bool = False
    app_ids: tuple[str, ...] = ()
    """Dapr apps that the slots are dealt out to in turn; empty for one app of all."""
    stores: tuple[str, ...] = ("none",)
    """State stores that it can run on; the first is the default."""
    brokers: tuple[str, ...] = ("none",)
    """Brokers that its agents can get messages over; the first is the default."""
    is_subscribing: bool = False
    """Its workers subscribe by streams; their sidecars get no declared subscriptions."""
    ready_s: float = 60.0
    """Time in which a pod must be ready, all pods starting at once on two busy cores."""
    components: tuple[str, ...] = ()
    """Further Dapr files: ``memory`` is components/memory-*.yaml, at the store's address."""
    exports: str = ""
    """How its spans leave over OTLP, by its own documentation; empty where they do not, and then
    ``lacks`` may say why under SPANS."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Step kinds and other features that its worker has not -> the reason, for people."""


class Engine(Protocol):
    """An engine under test: data about it, since all that acts is its worker."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def variants(self) -> tuple[str, ...]:
        """Of the engine; the first is the default."""

    def spec(self, variant: str) -> EngineSpec:
        """Describe one variant; raises UsageError when there is none of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component file of components/ with the metadata that this run overrides."""

    file: str
    """Name in components/."""
    metadata: dict[str, str]
    reader_entry: str = ""
    """Metadata that names its reader, where one component has one reader and so one topic; other
    topics have copies of it under names of their own."""


class Store(Protocol):
    """A state store: started for one run, in a folder of the run, on loopback."""

    name: str
    durability: str
    """D1 survives any SIGKILL; D2 survives power loss; none."""

    async def start(self) -> None:
        """Start and wait until it answers; on failure nothing is left running.

        Raises:
            MachineError: not to be had here, or never ready.
        """

    async def stop(self) -> None:
        """Stop and reap; safe when it never started."""

    def component(self) -> Component | None:
        """The Dapr component that reaches it; None for engines with a store of their own."""

    def url(self) -> str:
        """Address for workers that reach it without a sidecar; empty when there is none.

        Known when it has started; workers get it as ONCEPROOF_STATE_URL.
        """


@runtime_checkable
class CountingStore(Protocol):
    """A store that can also say what it did and holds; the gate compares some of it."""

    sources: Mapping[str, str]
    """Figure -> where the store says so, for people."""
    trouble: str
    """What a sidecar's log has where the store refused its work; empty where there is no one word.
    """

    async def figures(self) -> dict[str, float]:
        """``operations``: commands served for others since the start; ``bytes``: what it holds;
        ``writes``: those that changed something; ``written_bytes``: what its own log took.

        A figure that cannot be had is absent.

        Raises:
            MachineError: it does not answer.
        """


class Broker(Protocol):
    """A message broker: started for one run, in a folder of the run, on loopback."""

    name: str
    durability: str
    """Of what it acknowledged; as of a store."""

    async def start(self) -> None:
        """Start and wait until it takes messages; on failure nothing is left running.

        Raises:
            MachineError: not to be had here, never ready, or it refuses the login of its address.
        """

    async def stop(self) -> None:
        """Stop and reap; safe when it never started. One of the user's is left alone."""

    async def kill(self) -> str:
        """SIGKILL what `start` started, and reap; the proof, empty when there was nothing.

        `start` brings it back, at the same address, with what it had written.
        """

    async def end(self) -> str:
        """As `kill`, but by SIGTERM: it has the time to finish."""

    def forget(self) -> None:
        """Remove all that it has written; only when nothing of it runs."""

    def component(self) -> Component | None:
        """The Dapr component that reaches it, known when it has started; None for no broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCount:
    """What a broker itself says of one topic."""

    given: int
    """Messages that it took, ever; -1 where it keeps no such count."""
    left: int
    """Of these, those that the app's readers have not acknowledged."""


@runtime_checkable
class ListingBroker(Protocol):
    """A broker whose topics somebody may have to make."""

    async def absent(self, topics: Sequence[str]) -> list[str]:
        """Those that it has not, now that readers have asked for them.

        Raises:
            MachineError: it does not answer.
        """


@runtime_checkable
class CountingBroker(Protocol):
    """A broker that counts; the sums of the ledger are compared with it."""

    async def counts(self, topics: Sequence[str], app_id: str) -> dict[str, TopicCount]:
        """Topic -> its counters, as the app ``app_id`` reads it; zeros for one that it has not.

        Raises:
            MachineError: it does not answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the witness has seen of the load so far."""

    answered_steps: int
    limited: int
    ended_agents: int
    unused: dict[str, int]
    """Caller -> steps begun by it and not yet used: an upper bound of what a kill interrupts."""
    undelivered: int = 0
    """Messages that a broker acknowledged and no handler has yet, or poison no dead letter yet."""


class Witness(Protocol):
    """The outside observer: the mock LLM's control side."""

    async def note(self, kind: str, subject: str, detail: dict[str, object]) -> int:
        """Put a mark into the ledger; returns its sequence number."""

    async def progress(self) -> Progress:
        """Ask how far the load is."""

    async def place(self, holds: Sequence[HeldCall]) -> None:
        """Have calls wait at their points from now on."""

    async def caller_held(self, call: HeldCall, *, deadline_s: float) -> str:
        """Wait until a call is held at its point; who made it, or empty when none came in time."""

    async def release(self, holds: Sequence[HeldCall]) -> bool:
        """Let the calls go, and those that come later pass."""

    async def drop(self, slot: str, count: int, *, deadline_s: float) -> tuple[int, ...]:
        """Execute and drop the next answers to a slot; numbers of those dropped in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """What the operating system says of a strike."""

    victims: tuple[str, ...]
    """Callers (incarnations) that it hit."""
    proof: str
    """Exit status of each process that was reaped; empty when nothing was hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """What replaced the victim, and where the time went."""

    caller: str
    parts_ns: dict[str, int]
    """restart_delay, process_start, ready."""


class Pod(Protocol):
    """A slot and the incarnation that runs in it now."""

    slot: Slot
    is_ready: bool
    """Health of worker and sidecar was seen and neither has died since."""

    @property
    def caller(self) -> str:
        """The incarnation that the witness sees."""

    @property
    def url(self) -> str:
        """Where the worker contract is served."""

    @property
    def sidecar_url(self) -> str:
        """Where the harness reaches the sidecar's HTTP API; empty where it cannot, or none is."""


class Switchboard(Protocol):
    """Which broker messages go over. Every broker of the run is up."""

    async def let_publish(self, is_open: bool) -> None:
        """Have every worker that runs now hold what it would publish, or go on.

        Raises HarnessError when a worker does not answer.
        """

    async def kill(self) -> Struck:
        """SIGKILL the broker in force, and reap."""

    async def end(self) -> Struck:
        """End the broker in force by SIGTERM, and reap."""

    def forget(self) -> None:
        """Remove all that the broker in force, which was killed, had written."""

    async def restore(self) -> Healed:
        """Start it again at the same address, with what is still written, until it answers.

        Raises:
            MachineError: it does not come back.
        """

    async def point(self, to: str, *, reads_old: bool = False) -> None:
        """Pods that start from now on use this broker; those that run keep theirs.

        ``reads_old``: they go on reading from the broker before it, too.
        """

    async def reload(self, to: str) -> Struck:
        """Change the component under the sidecars that run: its file, or the cluster's object.

        Each exchanges it by itself. Raises HarnessError when one did not in time.
        """

    async def flip(self, to: str) -> Struck:
        """Have the relay that sidecars reach the broker through pass them on to this one.

        Raises HarnessError when there is no relay.
        """

    async def until_flipped(self, *, deadline_s: float) -> None:
        """Wait until sidecars are connected again; raises HarnessError when they are late."""

    async def spoil(self) -> Struck:
        """Make the component's file unreadable under the sidecars that run, for some seconds.

        The proof says what they have then.
        """


class ControlPlane(Protocol):
    """Dapr's servers that all sidecars share; each keeps its files when it is brought back."""

    async def kill(self, part: str, member: str, *, is_graceful: bool) -> Struck:
        """End a server of Dapr's, such as ``scheduler``, by SIGKILL or by SIGTERM first, and reap.

        ``member`` is its number, or the ``leader``, a ``follower`` or the ``majority`` (as few as
        make one, all at once) of the schedulers' etcd.

        Raises:
            HarnessError: there is no such member now.
        """

    async def restore(self, *, after_s: float | None, deadline_s: float) -> Healed:
        """Bring back what was killed last, ``after_s`` from now, and wait until it takes part.

        None leaves it dead, and waits until the others have shared its work among them.

        Raises:
            HarnessError: nothing was killed.
            MachineError: not within ``deadline_s``.
        """


class Workload(Protocol):
    """What a cluster's API does to the pods of a run; each strike comes back when they are gone."""

    async def evict(self, slot: str) -> Struck:
        """Evict a slot's pod. Raises HarnessError where the cluster refuses, as for a budget."""

    async def chaos_kill(self, slot: str) -> Struck:
        """Have Chaos Mesh kill a slot's pod. Raises as `evict`."""

    async def roll_out(self) -> Struck:
        """Replace every pod in turn, and wait until all of before are gone."""

    async def scale_down(self, slot: str) -> Struck:
        """One pod fewer of the slot's app: the slot's own, or the last one of a StatefulSet."""

    async def scale_up(self, slot: str, *, after_s: float) -> None:
        """As many pods as slots again, ``after_s`` from now."""

    async def replace_bare(self) -> tuple[str, ...]:
        """Delete the pods that came without their sidecar; their names."""


class Platform(Protocol):
    """Where the pods of a run live, and who brings back what died: this machine, or a cluster."""

    restarted: asyncio.Queue[Pod]
    """Pods that are ready again after something in them had died, as it happens."""
    troubles: list[str]
    """What died or failed to start without a fault of ours; shown as doubts."""

    @property
    def control_plane(self) -> ControlPlane | None:
        """Dapr's servers, where the platform has its own; None where the run starts them."""

    @property
    def workload(self) -> Workload | None:
        """The pods as a cluster's API sees them; None where no cluster keeps them."""

    @property
    def by_slot(self) -> Mapping[str, Pod]:
        """All pods of the run."""

    async def start(self) -> None:
        """Start every pod and wait until all are ready; `stop` takes away what a failure leaves.

        Raises:
            MachineError: one died or was not ready in time; alone or in a group of exceptions.
        """

    async def run(self) -> None:
        """Bring back, or see brought back, what dies; until cancelled."""

    async def stop(self) -> None:
        """End every pod and leave nothing behind; safe when it never started."""

    async def configure(self, resources: Path) -> None:
        """Sidecars that start from now on, and those that reload, have what is in this folder."""

    async def metadata(self, slot: str) -> bytes:
        """What a slot's sidecar says of itself; raises HarnessError when it says nothing."""

    async def begin_costs(self) -> None:
        """The load begins: what pods spent before does not count."""

    async def costs(self) -> tuple[ProcessRow, ...]:
        """What pods cost since, where they are no processes of this machine; none if unknown."""

    async def kill(self, slot: str, part: str) -> Struck:
        """See Stage."""

    async def retire(self, slot: str) -> Struck:
        """See Stage."""

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        """See Stage."""


class Stage(Protocol):
    """All that a fault may touch."""

    witness: Witness
    switchboard: Switchboard | None
    """None in a run without messages."""
    control_plane: ControlPlane | None
    """None for an engine without Dapr."""
    workload: Workload | None
    """None where no cluster keeps the pods."""

    def slots(self) -> tuple[str, ...]:
        """The pods' places."""

    def caller(self, slot: str) -> str:
        """The incarnation that a slot runs now."""

    def is_ready(self, slot: str) -> bool:
        """Health of worker and sidecar was seen and neither has died since."""

    async def kill(self, slot: str, part: str) -> Struck:
        """SIGKILL ``pod``, ``worker`` or ``sidecar`` of a slot and reap it."""

    async def retire(self, slot: str) -> Struck:
        """End a pod as a rolling restart does, by SIGTERM first; the platform replaces it."""

    async def healed(self, slot: str, *, deadline_s: float) -> Healed:
        """Wait until the slot is healthy again.

        Raises:
            HarnessError: not within ``deadline_s``.
        """


class Fault(Protocol):
    """One kind of fault. The conductor calls arm, fire, heal in this order, each once."""

    kind: str
    is_shared: bool
    """True when it strikes what all pods share."""

    def needs(self, engine: EngineSpec) -> str:
        """Why this engine cannot have this fault; empty when it can."""

    async def arm(self, stage: Stage, planned: PlannedFault) -> None:
        """Make ready without touching the subject; may raise HarnessError."""

    async def fire(self, stage: Stage, planned: PlannedFault) -> Struck:
        """Strike, and come back with proof."""

    async def heal(self, stage: Stage, planned: PlannedFault, struck: Struck) -> Healed:
        """Undo, or wait until the platform has undone it."""
