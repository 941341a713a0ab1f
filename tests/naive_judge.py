"""The judge once more, record by record in plain Python: the oracle of the checkers' tests.

It follows docs/guarantees.md and shares no code with harness.checkers and harness.measures. Slow on
purpose: dictionaries and loops that can be read against the page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from harness.checkers.ends import SPINS_MAX
from harness.checkers.resumed import REPLACED, TIMER_NS
from harness.history import (
    AgentStatus,
    ContextKind,
    ContextRole,
    Evidence,
    Kind,
    MessageEvent,
    RequestOutcome,
)
from mock_llm.receipts import tag_of
from tests.naive_messages import Post, events_of
from tests.naive_records import Entry, Key, Plan, Row, overlaps, read, read_plans

Finding = tuple[str, str, str, str]
"""(promise, anomaly, agent, path)"""


def judge(evidence: Evidence) -> Counter[Finding]:
    """All anomalies, each with how often it was found."""
    rows = read(evidence)
    plans = read_plans(evidence)
    findings: Counter[Finding] = Counter()
    names = evidence.names
    by_agent: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_agent[row.agent].append(row)

    def note(promise: str, name: str, agent: int, path: int) -> None:
        who = names.agents[agent] if agent >= 0 else ""
        findings[promise, name, who, names.paths[path] if path >= 0 else ""] += 1

    for row in by_agent.pop(-1, []):
        if row.kind != Kind.AUXILIARY and row.receipt:
            note("R", "phantom-step", -1, row.path)
    marks: dict[int, list[int]] = defaultdict(list)
    for place in range(len(evidence.outcomes.seq)):
        marks[int(evidence.outcomes.agent[place])].append(place)
    heals = [fault.healed_ns for fault in evidence.faults]
    events = [row.begin_ns for row in rows if row.kind == Kind.EVENT]
    deadline = max([*heals, *evidence.starts.accepted_ns.tolist(), *events], default=0)
    deadline = max([deadline, *work_after(rows, deadline)])
    deadline += evidence.liveness_ns
    for agent in range(len(names.agents)):
        rows_of = by_agent.get(agent, [])
        story = Story(evidence, agent, rows_of, plans[agent], marks[agent], deadline=deadline)
        for promise, name, path in story.findings():
            note(promise, name, agent, path)
    _judge_keys(rows, note)
    for name, agent, path in Post(evidence, by_agent, deadline).findings():
        note("M", name, agent, path)
    if not any(row.kind == Kind.EFFECT and row.receipt and row.key >= 0 for row in rows):
        for finding in [finding for finding in findings if finding[0] == "S4"]:
            del findings[finding]
    return findings


def work_after(rows: list[Row], since: int) -> Iterable[int]:
    """Begins of the steps after ``since`` that show an engine at work on its load."""
    times = sorted(row.begin_ns for row in rows if row.is_answer)
    first: dict[Key, int] = {}
    for row in rows:
        if row.is_answer:
            first[row.cell] = min(row.begin_ns, first.get(row.cell, row.begin_ns))
    new = sorted(first.values())
    best = max((_within(times, time) for time in times), default=0)
    return [
        time
        for time in new
        if time > since and _within(new, time) >= 20 and _within(new, time) * 4 >= best
    ]


def _within(times: list[int], until: int) -> int:
    return bisect_right(times, until) - bisect_right(times, until - 10 * 10**9)


def repeats(evidence: Evidence) -> int:
    """Executions beyond the first of each answer and tool call."""
    executed = Counter(row.cell for row in read(evidence) if row.has_cell and row.receipt)
    return sum(count - 1 for count in executed.values())


def interrupted(evidence: Evidence) -> int:
    """Pairs of a cell and a fault that found it in flight on its victim."""
    rows, plans = read(evidence), read_plans(evidence)
    by_agent: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_agent[row.agent].append(row)
    found = set()
    for agent in range(len(evidence.names.agents)):
        marks = [at for at, who in enumerate(evidence.outcomes.agent) if who == agent]
        story = Story(evidence, agent, by_agent.get(agent, []), plans[agent], marks)
        for row in story.rows:
            for fault in evidence.faults:
                firing = fault.firing_seq
                is_victim = fault.is_shared or row.caller in fault.victims
                is_open = row.receipt or row.end < 0 or row.end > firing
                is_unused = story.use.get(row.cell, firing + 1) > firing
                begun = row.has_cell and row.begin < firing
                if fault.has_struck and is_victim and begun and is_open and is_unused:
                    found.add((row.cell, fault.name))
    return len(found)


class Story:
    """One agent's history."""

    def __init__(
        self,
        evidence: Evidence,
        agent: int,
        rows: list[Row],
        plan: Plan,
        marks: list[int],
        *,
        deadline: int = 0,
    ) -> None:
        self.evidence = evidence
        self.agent = agent
        self.deadline = deadline
        self.rows = rows
        self.plan = plan
        outcomes = evidence.outcomes
        self.marks = [
            (int(outcomes.seq[m]), int(outcomes.receipt[m]), int(outcomes.mark[m]))
            for m in marks
            if outcomes.status[m] == AgentStatus.COMPLETED
        ]
        self.failed = [
            int(outcomes.seq[m]) for m in marks if outcomes.status[m] == AgentStatus.FAILED
        ]
        self.mark_ns = [int(outcomes.t_ns[m]) for m in marks]
        self.by_begin = {row.begin: row for row in rows}
        self.executed: dict[Key, list[Row]] = defaultdict(list)
        for row in rows:
            row.carries = [self.source(entry) for entry in row.context]
            if row.has_cell and row.receipt:
                self.executed[row.cell].append(row)
        self.executed = dict(self.executed)
        self.outcome_seq = self.marks[0][0] if self.marks else None
        self.tip: Row | None = None
        if self.marks:
            _, receipt, mark = self.marks[0]
            self.tip = self.source(Entry(1, ContextKind.RECEIPT, receipt, mark))
        self.use = self.uses()

    def source(self, entry: Entry) -> Row | None:
        if entry.kind not in (ContextKind.RECEIPT, ContextKind.CALL) or not entry.value:
            return None
        if entry.mark >= 0:
            row = self.by_begin.get(entry.mark)
            return row if row is not None and row.receipt == entry.value else None
        return next((row for row in self.rows if row.receipt == entry.value), None)

    def uses(self) -> dict[Key, int]:
        use: dict[Key, int] = {}
        for row in self.rows:
            for source in row.carries:
                if source is not None and source.has_cell:
                    use[source.cell] = min(use.get(source.cell, row.begin), row.begin)
        if self.outcome_seq is not None:
            for cell in (self.tip.cell if self.tip else None, self.plan.last):
                if cell is not None:
                    use[cell] = min(use.get(cell, self.outcome_seq), self.outcome_seq)
        return use

    def lineage(self, start: Row) -> list[Row]:
        seen: dict[int, Row] = {}
        todo = [start]
        while todo:
            row = todo.pop()
            if row.begin not in seen:
                seen[row.begin] = row
                todo += [source for source in row.carries if source is not None]
        return [seen[begin] for begin in sorted(seen)]

    def findings(self) -> Iterable[tuple[str, str, int]]:
        yield from self.liveness()
        yield from self.orphans()
        yield from self.timers()
        yield from self.commits()
        yield from self.repeats()
        yield from self.effects()
        yield from self.resume()
        yield from self.message_starts()

    # L

    def liveness(self) -> Iterable[tuple[str, str, int]]:
        evidence, starts = self.evidence, self.evidence.starts
        if any(fault.healed_seq < 0 for fault in evidence.faults):
            return
        if starts.accepted_ns[self.agent] < 0:
            return
        deadline = self.deadline
        ends = list(self.mark_ns)
        if starts.ended_ns[self.agent] >= 0:
            ends.append(int(starts.ended_ns[self.agent]))
        if ends and min(ends) <= deadline:
            return
        starts_by_message = {event.agent for event in events_of(evidence) if event.name == "start"}
        if not self.rows and not ends and self.agent in starts_by_message:
            return
        if ends or evidence.phases.get("end", -1) >= deadline:
            yield ("L", *self.plight())

    def plight(self) -> tuple[str, int]:
        if not self.rows:
            return ("lost-start", -1)
        if max(map(len, self.executed.values()), default=0) > SPINS_MAX:
            return ("spinning", -1)
        asked = {row.cell for row in self.rows if row.has_cell}
        to_come = [
            cell
            for cell in self.plan.cells
            if cell not in asked and all(one in self.executed for one in self.plan.before[cell])
        ]
        run_end_ns = self.evidence.phases.get("end", -1)
        for cell in to_come:
            delay_ns = self.plan.delay_ns[cell]
            before = [
                min(row.end_ns for row in self.executed[one]) for one in self.plan.before[cell]
            ]
            if delay_ns and max(before, default=0) + delay_ns <= run_end_ns:
                return ("lost-timer", cell[1])
        for cell in to_come:
            rows = [row for one in self.plan.before[cell] for row in self.executed[one]]
            if any(row.kind == Kind.EVENT for row in rows):
                return ("lost-event", cell[1])
        return ("stuck", -1)

    def orphans(self) -> Iterable[tuple[str, str, int]]:
        failed = min(self.failed, default=None)
        if failed is None:
            return
        late = {
            cell
            for cell in self.plan.cells
            if self.executed.get(cell) and self.executed[cell][0].begin > failed
        }
        for cell in late:
            if late & set(self.plan.before[cell]):
                yield ("L", "orphan-child", cell[1])

    def timers(self) -> Iterable[tuple[str, str, int]]:
        for cell, delay_ns in self.plan.delay_ns.items():
            if not delay_ns or not self.executed.get(cell):
                continue
            begun = min(row.begin_ns for row in self.executed[cell])
            for before in self.plan.before[cell]:
                ends = [row.end_ns for row in self.executed.get(before, ())]
                if ends and begun < min(ends) + delay_ns - TIMER_NS:
                    yield ("R", "early-timer", cell[1])
                    break

    # S1

    def commits(self) -> Iterable[tuple[str, str, int]]:
        last = self.plan.last
        for one, two in pairwise(self.marks):
            if one[1:] != two[1:]:
                yield ("S1", "forked-lineage", -1)
        if last is not None:
            yield from self.forks(last)
        yield from self.double_starts()
        if self.outcome_seq is None:
            return
        if self.tip is None:
            yield ("S1", "false-terminal", -1)
            return
        committed: dict[Key, int] = Counter(
            row.cell for row in self.lineage(self.tip) if row.has_cell
        )
        for cell, count in committed.items():
            if count > 1:
                yield ("S1", "double-commit", cell[1])
        required: set[Key] = set()
        todo = [last] if last else []
        while todo:
            cell = todo.pop()
            if cell not in required:
                required.add(cell)
                todo += self.plan.before[cell]
        ran = {cell: rows[0].begin for cell, rows in self.executed.items()}
        late = {cell for cell in required if ran.get(cell, 0) > self.outcome_seq}
        if late:
            yield ("S1", "false-terminal", -1)
        built_on = {
            before
            for cell in self.plan.cells
            if committed[cell]
            for before in self.plan.before[cell]
        }
        for cell in required:
            if not committed[cell] and cell not in late and (cell in built_on or cell == last):
                yield ("S1", "lost-step", cell[1])

    def forks(self, last: Key) -> Iterable[tuple[str, str, int]]:
        tips = self.executed.get(last, [])
        for one, two in pairwise(tips):
            rests = [{row.begin for row in self.lineage(tip)} - {tip.begin} for tip in (one, two)]
            if rests[0] != rests[1] and not self.struck(one.caller, one.begin, two.begin):
                yield ("S1", "forked-lineage", last[1])

    def double_starts(self) -> Iterable[tuple[str, str, int]]:
        if self.evidence.starts.posts[self.agent] < 2:
            return
        for cell in self.plan.cells:
            if self.plan.before[cell]:
                continue
            rows = self.executed.get(cell, [])
            used = {one.begin for row in self.rows for one in row.carries if one is not None}
            used |= {self.tip.begin} if self.tip is not None else set()
            for one, two in pairwise(rows):
                is_alive = not self.struck(one.caller, one.begin, two.begin)
                if is_alive and {one.begin, two.begin} <= used:
                    yield ("S1", "duplicate-start", -1)
                    return

    def message_starts(self) -> Iterable[tuple[str, str, int]]:
        whats = [
            event.what
            for event in events_of(self.evidence)
            if (event.agent, event.name) == (self.agent, "start")
        ]
        if whats.count(MessageEvent.PUBLISHING) != 1 or MessageEvent.DELIVERED not in whats:
            return
        used = {one.begin for row in self.rows for one in row.carries if one is not None}
        used |= {self.tip.begin} if self.tip is not None else set()
        for cell in self.plan.cells:
            rows = [] if self.plan.before[cell] else self.executed.get(cell, [])
            for one, two in pairwise(rows):
                rests = [
                    {before.begin for before in self.lineage(row)}
                    for row in self.rows
                    if row.begin > two.begin
                ]
                is_alive = not self.struck(one.caller, one.begin, two.begin) or any(
                    one.begin in rest and two.begin not in rest for rest in rests
                )
                is_joined = any(
                    {one.begin, two.begin} <= {each.begin for each in row.carries if each}
                    for row in self.rows
                )
                if is_alive and not is_joined and {one.begin, two.begin} <= used:
                    yield ("M", "duplicate-message-start", -1)
                    return

    # S2, S3

    def repeats(self) -> Iterable[tuple[str, str, int]]:
        for cell, rows in self.executed.items():
            for one, two in pairwise(rows):
                if self.outcome_seq is not None and two.begin > self.outcome_seq:
                    yield ("S2", "recompute-after-outcome", cell[1])
                elif cell in self.use and two.begin > self.use[cell]:
                    yield ("S2", "recompute-after-use", cell[1])
                explained = one.outcome == RequestOutcome.DROPPED or any(
                    overlaps(fault, one.begin, two.begin) for fault in self.evidence.faults
                )
                if not explained:
                    is_overlap = two.begin < one.end
                    name = "concurrent-duplicate" if is_overlap else "repeat-without-fault"
                    yield ("S3", name, cell[1])

    def is_dead(self, row: Row) -> bool:
        return any(
            fault.has_struck
            and fault.kind in REPLACED
            and row.caller in fault.victims
            and 0 <= fault.healed_seq < row.begin
            for fault in self.evidence.faults
        )

    def struck(self, caller: str, since: int, until: int) -> bool:
        return any(
            (fault.is_shared or caller in fault.victims) and overlaps(fault, since, until)
            for fault in self.evidence.faults
        )

    # S4, S5

    def effects(self) -> Iterable[tuple[str, str, int]]:
        for cell, rows in self.executed.items():
            if not cell[3]:
                continue
            if len(rows) > 1:
                yield ("S5", "attempted-twice", cell[1])
            if sum(row.is_applied for row in rows) > 1:
                yield ("S4", "double-applied", cell[1])
            if any(one.key != two.key for one, two in pairwise(rows)):
                yield ("S4", "key-instability", cell[1])

    # R

    def resume(self) -> Iterable[tuple[str, str, int]]:
        plan = self.plan
        skipped, early = set(), set()
        for cell in plan.cells:
            if cell not in self.executed:
                continue
            for before in plan.before[cell]:
                if before not in self.executed:
                    skipped.add(before)
                elif self.executed[cell][0].begin < min(r.end for r in self.executed[before]):
                    early.add(cell)
        yield from (("R", "skipped-step", cell[1]) for cell in skipped)
        yield from (("R", "out-of-order", cell[1]) for cell in early)
        if self.marks and plan.last:
            receipt = self.marks[0][1]
            if receipt and receipt != plan.receipt[plan.last]:
                yield ("R", "wrong-outcome", -1)
        wrong = {
            row.begin
            for cell, rows in self.executed.items()
            if cell in plan.receipt
            for row in rows
            if row.receipt != plan.receipt[cell]
        }
        for row in self.rows:
            is_fed = any(source is not None and source.begin in wrong for source in row.carries)
            if row.begin in wrong and not is_fed:
                yield ("R", "result-divergence", row.path)
        yield from self.strangers()
        yield from self.conversations()

    def strangers(self) -> Iterable[tuple[str, str, int]]:
        for row in self.rows:
            if row.has_cell and row.receipt and row.kind != Kind.EVENT and self.is_dead(row):
                yield ("R", "zombie-effect", row.path)
        for cell, rows in self.executed.items():
            if cell not in self.plan.receipt and rows:
                yield ("R", "phantom-step", cell[1])

    def conversations(self) -> Iterable[tuple[str, str, int]]:
        own = {tag_of(receipt) for receipt in self.plan.receipt.values()}
        for row in self.rows:
            lost = [
                entry
                for entry, source in zip(row.context, row.carries, strict=True)
                if entry.kind in (ContextKind.RECEIPT, ContextKind.CALL) and source is None
            ]
            is_foreign = any(entry.kind == ContextKind.FOREIGN for entry in row.context)
            if is_foreign or any(tag_of(entry.value) not in own for entry in lost):
                yield ("R", "cross-agent-leak", row.path)
            if any(tag_of(entry.value) in own for entry in lost):
                yield ("R", "unanswered-receipt", row.path)
            if row.kind == Kind.STEP and row.receipt and row.turn > 0 and not self.goes_on(row):
                yield ("R", "context-corruption", row.path)

    def goes_on(self, row: Row) -> bool:
        asked, told = Counter[int](), Counter[int]()
        results = 0
        before: Row | None = None
        for entry, source in zip(row.context, row.carries, strict=True):
            is_call = entry.kind == ContextKind.CALL
            asked[entry.value] += is_call and entry.role == ContextRole.ASSISTANT
            told[entry.value] += is_call and entry.role == ContextRole.TOOL
            results += entry.kind == ContextKind.RECEIPT and entry.role == ContextRole.TOOL
            is_turn = source is not None and source.kind != Kind.AUXILIARY
            if is_call and is_turn and (source.path, source.turn) == (row.path, row.turn - 1):  # type: ignore[union-attr]
                before = source
        if +asked != +told or asked.total() != results:
            return False
        return before is None or row.context[: len(before.context)] == before.context


def _judge_keys(rows: list[Row], note: object) -> None:
    latest: dict[int, Row] = {}
    for row in rows:
        if row.kind != Kind.EFFECT or row.key < 0 or not row.receipt:
            continue
        other = latest.get(row.key)
        if other is not None and (other.agent, other.path) != (row.agent, row.path):
            note("S4", "key-shared", row.agent, row.path)  # type: ignore[operator]
        latest[row.key] = row
