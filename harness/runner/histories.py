"""Asks the engine for its own history of the agents that matter, after the drain; history.json.

Agents that repeated something come first, then those that a fault hit. The engine is asked about a
bounded number of them, for a bounded time, and the file says so where that left some out.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import httpx
import msgspec

from harness.clock import Clock
from harness.commits import AgentCommits, Commits, EngineHistory
from harness.drafts import write_whole
from harness.protocols import EngineSpec, Platform
from harness.runner.roster import Roster
from harness.runner.sender import pod_of
from mock_llm.ledger import Begin, End, Note, Outcome, Record

FEATURE = "history"
"""Its name in `EngineSpec.lacks`."""
RECORDS_MAX = 2_000_000
"""Of the ledger, read to choose; some ten seconds."""
AGENTS_MAX = 500
AT_ONCE = 8
ASKING_S, CALL_S = 20.0, 10.0
"""For all agents, and for one."""
BODY_BYTES_MAX = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What asking needs; `ask` is the way in."""

    agents: frozenset[str]
    """Of the plan; those of the warm-up are nobody's evidence."""
    spec: EngineSpec
    pods: Platform
    roster: Roster
    clock: Clock
    http: httpx.AsyncClient
    offset_ns: int
    """Wall clock less monotonic clock at the begin of the run."""
    interrupted: asyncio.Event

    async def ask(self, ledger: Iterator[Record], path: Path) -> None:
        """Choose by the ledger, ask, write ``path``.

        Whatever the engine does, this ends within a minute and raises nothing of the engine's.
        """
        history = EngineHistory(reason=self.spec.lacks.get(FEATURE, ""))
        if not history.reason:
            records = islice(ledger, RECORDS_MAX)
            history = await self._asked(await asyncio.to_thread(chosen, records, self.agents))
        write_whole(path, msgspec.json.format(msgspec.json.encode(history), indent=1))

    async def _asked(self, agents: list[str]) -> EngineHistory:
        found: list[AgentCommits] = []
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(agent: str) -> None:
            async with gate:
                if not self.interrupted.is_set():
                    found.append(await self._one(agent))

        try:
            async with asyncio.timeout(ASKING_S), asyncio.TaskGroup() as group:
                for agent in agents[:AGENTS_MAX]:
                    group.create_task(one(agent))
        except TimeoutError:
            pass  # What was answered until then counts, and the rest is said to be left out.
        wall_ns, monotonic_ns = self.clock.wall_ns(), self.clock.monotonic_ns()
        left_out = len(agents) - len(found)
        limit = f"at most {AGENTS_MAX} are asked, {ASKING_S:g} s"
        why = "the run was interrupted" if self.interrupted.is_set() else limit
        return EngineHistory(
            reason="" if agents else "no fault hit an agent, and none repeated anything",
            chosen_count=len(agents),
            bound=f"{left_out} agents were left out: {why}" if left_out else "",
            wall_ns=wall_ns,
            monotonic_ns=monotonic_ns,
            drift_ns=wall_ns - monotonic_ns - self.offset_ns,
            agents=tuple(sorted(found, key=lambda one: one.agent)),
        )

    async def _one(self, agent: str) -> AgentCommits:
        pod = pod_of(self.pods, self.roster.slots[agent], any_pod=self.spec.any_pod_answers)
        if pod is None:
            return AgentCommits(agent=agent, problem="no pod was ready to answer")
        try:
            answer = await self.http.get(f"{pod.url}/agents/{agent}/history", timeout=CALL_S)
        except httpx.HTTPError as error:
            return AgentCommits(agent=agent, problem=f"no answer: {error!r}"[:300])
        body = answer.content
        if answer.status_code != 200:
            text = body[:300].decode(errors="replace")
            return AgentCommits(agent=agent, problem=f"answered {answer.status_code}: {text}")
        if len(body) > BODY_BYTES_MAX:
            return AgentCommits(agent=agent, problem=f"{len(body)} bytes; at most {BODY_BYTES_MAX}")
        try:
            commits = msgspec.json.decode(body, type=Commits).commits
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return AgentCommits(agent=agent, problem=f"no commits in the answer: {error}"[:300])
        return AgentCommits(agent=agent, commits=tuple(commits))


class _Strike(msgspec.Struct):
    victims: list[str] = []
    is_shared: bool = False


def chosen(records: Iterable[Record], agents: Collection[str]) -> list[str]:
    """Those of ``agents`` that had something executed twice, then those that a fault hit.

    Hit: the fault struck the incarnation that the agent's latest call had come from, and the driver
    had not read its outcome yet.
    """
    executed: set[tuple[str, str, int, str]] = set()
    open_calls: dict[int, tuple[str, str, int, str]] = {}
    caller: dict[str, str] = {}
    repeated: dict[str, None] = {}
    hit: dict[str, None] = {}
    for record in records:
        if isinstance(record, Begin):
            if record.kind in ("step", "effect") and record.agent in agents:
                open_calls[record.seq] = record.agent, record.path, record.turn, record.kind
                caller[record.agent] = record.caller
        elif isinstance(record, End):
            call = open_calls.pop(record.begin, None)
            if call is not None and record.receipt:
                if call in executed:
                    repeated[call[0]] = None
                executed.add(call)
        elif isinstance(record, Outcome):
            caller.pop(record.agent, None)
        elif isinstance(record, Note) and record.kind == "fired":
            strike = msgspec.json.decode(record.detail or "{}", type=_Strike)
            struck = (a for a, c in caller.items() if strike.is_shared or c in strike.victims)
            hit |= dict.fromkeys(struck)
    return list(repeated | hit)
