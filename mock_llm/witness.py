"""The witness's state and its order of events: ledger first, then memory, then the answer.

Every method is synchronous: between two awaits of the app nothing comes in between a record and
what follows from it. The app calls them in this order: begin, (refuse | limit | price), (answer |
lose).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mock_llm import config as configs
from mock_llm.clock import Clock
from mock_llm.config import Config
from mock_llm.drops import Drops
from mock_llm.holds import Holds
from mock_llm.latency import Latencies
from mock_llm.ledger import LedgerWriter
from mock_llm.limiter import Decision, Limiter, charge, tokens_of
from mock_llm.progress import EndedAgent, EndsFeed, Progress
from mock_llm.readings import Reading
from mock_llm.receipts import UNMARKED, Receipt, find, receipt
from mock_llm.records import Begin, End, EndOutcome, Message, Note, Outcome
from mock_llm.replies import Reply, reply
from mock_llm.wire import ChatRequest

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request comes from, by its path and headers."""

    caller: str
    """`<pod>.<incarnation>`, or `-`."""
    account: str
    """What the limiter counts by."""
    retry: int
    """x-stainless-retry-count; -1 when absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A request that the limiter let in: from here on it counts as executed."""

    begin: Begin
    """Its begin record."""
    reply: Reply
    """What will be said."""
    completion_tokens: int
    """Its price in output."""
    latency_s: float
    """How long it takes."""
    mark: int
    """Attempt mark of the answer; UNMARKED for stable answers."""


UNREAD = Reading(kind="aux", marker=None, turn=0, is_final=True, predecessors=(), context=[])
"""The reading of a body that is no request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedEffect:
    """An effect that has happened and whose answer has not left yet."""

    begin: Begin
    receipt: int
    mark: int
    is_applied: bool
    latency_s: float


class Witness:
    """One life of the witness. Every LedgerError goes up: what is not on file is not answered."""

    def __init__(self, ledger: LedgerWriter, *, config: Config, seed: int, clock: Clock) -> None:
        self.config = config
        self.progress = Progress()
        self.ends = EndsFeed()
        self.created_s = clock.wall_ns() // NS_PER_S
        self._ledger = ledger
        self._seed = seed
        self._clock = clock
        self._limiter = Limiter(config.limits())
        self._latencies = Latencies(seed)
        self._applied: set[str] = set()
        self.holds = Holds(self.note)
        self.drops = Drops()
        self.note("config", "witness", configs.render(config))

    def begin(self, origin: Origin, reading: Reading, request: ChatRequest | None) -> Begin:
        """A request was parsed; `request` is None when the body was none."""
        record = self._ledger.append(
            lambda seq, t_ns: Begin(
                seq=seq,
                t_ns=t_ns,
                caller=origin.caller,
                agent=reading.agent,
                path=reading.path,
                turn=reading.turn,
                kind=reading.kind,
                retry=origin.retry,
                model=request.model if request else "",
                prompt_tokens=tokens_of(request.characters()) if request else 0,
                max_tokens=request.output_limit() if request else 0,
                is_last=reading.is_last,
                account=origin.account,
                key="",
                context=reading.context,
            )
        )
        self.progress.begin(origin.caller)
        self.progress.use(entry[2] for entry in reading.context if entry[1] in "rc")
        return record

    def refuse(self, begin: Begin, status: int) -> End:
        """The request is the caller's mistake; nothing is executed."""
        return self._end(begin, "refused", status=status)

    def fault(self, begin: Begin, status: int) -> End:
        """The plan wants this call to fail; nothing is executed."""
        return self._end(begin, "faulted", status=status)

    def decide(self, begin: Begin) -> Decision:
        """Ask the limiter; a refusal is on file when this returns."""
        # The prompt's tokens are characters / 4 already: the charge takes the larger of the two.
        decision = self._limiter.admit(
            begin.account,
            charge(begin.max_tokens, 4 * begin.prompt_tokens),
            self._clock.monotonic_ns(),
            model=begin.model,
        )
        if decision.refusal is not None:
            self._end(begin, "limited", status=429, retry_after_ms=decision.retry_after_ms)
        return decision

    def price(self, begin: Begin, request: ChatRequest, reading: Reading) -> Priced:
        """Draw the answer and its latency for a request that was let in."""
        mark = UNMARKED if self.config.stable_answers else begin.seq
        drawn = reply(request, reading, seed=self._seed, mark=mark)
        latency_ms = self._latencies.draw_ms(
            begin.agent,
            begin.path or begin.kind,
            begin.turn,
            median_ms=self.config.latency_ms_median,
            sigma=self.config.latency_sigma,
            floor_ms=self.config.latency_ms_floor,
        )
        return Priced(
            begin=begin,
            reply=drawn,
            completion_tokens=tokens_of(drawn.answer.characters()),
            latency_s=latency_ms / 1000,
            mark=mark,
        )

    def answer(self, priced: Priced, *, is_final: bool) -> End:
        """The answer is about to leave."""
        begin = priced.begin
        is_step = begin.kind == "step"
        record = self._end(begin, "answered", status=200, priced=priced, is_final=is_final)
        if is_step:
            self.progress.answer(
                begin.caller, record.receipt, is_final=is_final, now_ns=record.t_ns
            )
        if is_step and is_final and begin.is_last:
            self.ends.add(EndedAgent(record.seq, begin.agent, begin.caller))
        return record

    def lose(self, priced: Priced, outcome: EndOutcome, *, is_final: bool) -> End:
        """It was executed, and its answer reaches nobody: client_gone or dropped."""
        return self._end(priced.begin, outcome, status=0, priced=priced, is_final=is_final)

    def execute(
        self, origin: Origin, *, agent: str, path: str, key: str, value: str
    ) -> ExecutedEffect:
        """A tool acts now; its answer may take a while, and a lost caller changes nothing."""
        seen = find(value)
        begin = self._ledger.append(
            lambda seq, t_ns: Begin(
                seq=seq,
                t_ns=t_ns,
                caller=origin.caller,
                agent=agent,
                path=path,
                turn=0,
                kind="effect",
                retry=origin.retry,
                model="",
                prompt_tokens=0,
                max_tokens=0,
                is_last=False,
                account=origin.account,
                key=key,
                context=[("t", "r", one.value, one.mark) for one in seen],
            )
        )
        is_applied = not key or key not in self._applied
        if key:
            self._applied.add(key)
        self.progress.begin_effect(origin.caller)
        self.progress.use(one.value for one in seen)
        self.progress.effects_attempted += 1
        self.progress.effects_applied += is_applied
        latency_ms = self._latencies.draw_ms(
            agent,
            path,
            0,
            median_ms=self.config.tool_latency_ms_median,
            sigma=self.config.latency_sigma,
            floor_ms=0.0,
        )
        return ExecutedEffect(
            begin=begin,
            receipt=receipt(self._seed, agent, path, 0, [one.value for one in seen]),
            mark=UNMARKED if self.config.stable_answers else begin.seq,
            is_applied=is_applied,
            latency_s=latency_ms / 1000,
        )

    def end_effect(self, executed: ExecutedEffect, outcome: EndOutcome) -> None:
        """The answer of an effect is about to leave, or reaches nobody."""
        self._ledger.append(
            lambda seq, t_ns: End(
                seq=seq,
                t_ns=t_ns,
                begin=executed.begin.seq,
                outcome=outcome,
                status=200 if outcome == "answered" else 0,
                receipt=executed.receipt,
                mark=executed.mark,
                completion_tokens=0,
                retry_after_ms=-1,
                is_applied=executed.is_applied,
                is_final=False,
            )
        )
        self.progress.end_effect(executed.begin.caller)

    def send_event(self, agent: str, path: str) -> tuple[int, int]:
        """The harness is about to send an event: the receipt and the mark that its payload carries.

        On file as a call that was answered at once, so that its use is seen like any other.
        """
        begin = self._ledger.append(
            lambda seq, t_ns: Begin(
                seq=seq,
                t_ns=t_ns,
                caller="-",
                agent=agent,
                path=path,
                turn=0,
                kind="event",
                retry=-1,
                model="",
                prompt_tokens=0,
                max_tokens=0,
                is_last=False,
                account="",
                key="",
                context=[],
            )
        )
        value = receipt(self._seed, agent, path, 0, [])
        mark = UNMARKED if self.config.stable_answers else begin.seq
        self._ledger.append(
            lambda seq, t_ns: End(
                seq=seq,
                t_ns=t_ns,
                begin=begin.seq,
                outcome="answered",
                status=200,
                receipt=value,
                mark=mark,
                completion_tokens=0,
                retry_after_ms=-1,
                is_applied=False,
                is_final=False,
            )
        )
        return value, mark

    def note(self, kind: str, subject: str, detail: str) -> int:
        """Put something that the harness did into the order; its sequence number."""
        record = self._ledger.append(
            lambda seq, t_ns: Note(seq=seq, t_ns=t_ns, kind=kind, subject=subject, detail=detail)
        )
        return record.seq

    def outcome(self, agent: str, status: str, text: str) -> int:
        """The driver read an agent's output: the use of its last receipt. Its sequence number."""
        last = (find(text) or [Receipt(0, UNMARKED)])[-1]
        record = self._ledger.append(
            lambda seq, t_ns: Outcome(
                seq=seq,
                t_ns=t_ns,
                agent=agent,
                status=status,
                receipt=last.value,
                mark=last.mark,
            )
        )
        self.progress.use((last.value,))
        return record.seq

    def message(self, told: Message) -> int:
        """Somebody says what happened to a message; `told` gets its place. Its sequence number."""
        record = self._ledger.append(
            lambda seq, t_ns: msgspec.structs.replace(told, seq=seq, t_ns=t_ns)
        )
        self.progress.message(record.what, record.id, is_poison=record.is_poison)
        return record.seq

    def reconfigure(self, config: Config) -> int:
        """Change settings from the next request on; changed limits start with full buckets."""
        seq = self.note("config", "witness", configs.render(config))
        if config.limits() != self.config.limits():
            self._limiter = Limiter(config.limits())
        self.config = config
        return seq

    def now_ns(self) -> int:
        """The time on the scale of the records."""
        return self._clock.monotonic_ns()

    def _end(
        self,
        begin: Begin,
        outcome: EndOutcome,
        *,
        status: int,
        priced: Priced | None = None,
        retry_after_ms: int = -1,
        is_final: bool = False,
    ) -> End:
        record = self._ledger.append(
            lambda seq, t_ns: End(
                seq=seq,
                t_ns=t_ns,
                begin=begin.seq,
                outcome=outcome,
                status=status,
                receipt=priced.reply.receipt if priced else 0,
                mark=priced.mark if priced else UNMARKED,
                completion_tokens=priced.completion_tokens if priced else 0,
                retry_after_ms=retry_after_ms,
                is_applied=False,
                is_final=is_final and begin.kind == "step",
                engine_ms=round(priced.latency_s * 1000) if priced else 0,
            )
        )
        self.progress.end(begin.caller, outcome)
        if priced:
            self.progress.tokens_prompt += begin.prompt_tokens
            self.progress.tokens_completion += priced.completion_tokens
        return record
