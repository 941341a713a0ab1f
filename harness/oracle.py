"""The oracle: what a program must answer, folded from the plan alone, before anything ran.

The judge compares the ledger with these rows. Order is the program's, never the order of
completion; attempt marks have no part in it. Pure; evidence calls it once a run.

Source: docs/design.md, "Program, step, attempt, receipt, oracle".
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.clock import NS_PER_S
from harness.errors import UsageError
from harness.history import Expected
from harness.scenario import Program, Step
from mock_llm.marker import find_all
from mock_llm.receipts import choice, receipt, task_path, tool_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """One row that a program demands: an answer (step, turn) or a tool call."""

    path: str
    turn: int
    is_tool: bool
    is_last: bool
    """The answer that carries the agent's outcome."""
    receipt: int
    delay_ns: int
    """Least time from the predecessors' answers to this row's begin: a wait stands between."""
    predecessors: tuple[int, ...]
    """Places in the same program's rows, in the order in which the receipt hashes them."""


@dataclass(slots=True)
class _Fold:
    """One program on the way; ``final`` maps a path to the row of its answer."""

    seed: int
    agent: str
    rows: list[Required] = field(default_factory=list)
    final: dict[str, int] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)
    """Steps of branches that were not chosen, and of rounds after the accepted one."""
    poisoned: int | None = None
    """Row of the first step that is never answered."""
    delay_ns: int = 0
    """Of the waits that no row stands behind yet."""

    def before(self, step: Step) -> tuple[int, ...]:
        """Rows of the declared predecessors that were run.

        Raises:
            UsageError: one that comes later, or nowhere; or the step's path is taken.
        """
        if step.path in self.final:
            raise UsageError(
                f"agent {self.agent!r}: path {step.path!r} is there twice; paths name one step"
            )
        unknown = [path for path in step.after if path not in {*self.final, *self.passed}]
        if unknown:
            raise UsageError(
                f"agent {self.agent!r}: step {step.path!r} comes after {unknown[0]!r}, which has "
                f"no answer yet; answered before it: {', '.join(self.final) or 'none'}"
            )
        return tuple(self.final[path] for path in step.after if path in self.final)

    def add(
        self,
        path: str,
        turn: int,
        predecessors: tuple[int, ...],
        *,
        is_tool: bool = False,
        delay_ns: int = 0,
    ) -> int:
        values = [self.rows[place].receipt for place in predecessors]
        self.rows.append(
            Required(
                path=path,
                turn=turn,
                is_tool=is_tool,
                is_last=False,
                receipt=receipt(self.seed, self.agent, path, turn, values),
                delay_ns=delay_ns,
                predecessors=predecessors,
            )
        )
        return len(self.rows) - 1


def required_of(program: Program, seed: int) -> list[Required]:
    """The rows of one program, each after its predecessors; the last one carries the outcome.

    Raises:
        UsageError: no step, a predecessor that has no answer yet, or a path that is there twice.
    """
    return _folded(program, seed).rows


def answers_count(program: Program, seed: int) -> int:
    """LLM answers that a program takes: of the branches that are chosen, and before a poison step.

    Raises:
        UsageError: see required_of.
    """
    fold = _folded(program, seed)
    reached = fold.rows if fold.poisoned is None else fold.rows[: fold.poisoned]
    return sum(not row.is_tool and row.path not in fold.events for row in reached)


def outcome_receipt(program: Program, seed: int) -> int:
    """The receipt value that the agent's outcome has to carry.

    Raises:
        UsageError: see required_of.
    """
    return required_of(program, seed)[-1].receipt


def fold_all(programs: Sequence[Program], seed: int) -> tuple[Expected, tuple[str, ...]]:
    """The demands of all programs, agents in the order given, and the paths that rows point to.

    Raises:
        UsageError: see required_of.
    """
    paths: dict[str, int] = {}
    agent, path, turn = array("i"), array("i"), array("i")
    is_tool, is_last = bytearray(), bytearray()
    value, count, predecessor = array("Q"), array("q"), array("q")
    delay_ns = array("q")
    for number, program in enumerate(programs):
        base = len(agent)
        for row in required_of(program, seed):
            agent.append(number)
            path.append(paths.setdefault(row.path, len(paths)))
            turn.append(row.turn)
            is_tool.append(row.is_tool)
            is_last.append(row.is_last)
            value.append(row.receipt)
            delay_ns.append(row.delay_ns)
            count.append(len(row.predecessors))
            predecessor.extend([base + place for place in row.predecessors])
    start = np.zeros(len(agent) + 1, np.int64)
    np.cumsum(np.array(count, np.int64), out=start[1:])
    expected = Expected(
        agent=np.array(agent, np.int32),
        path=np.array(path, np.int32),
        turn=np.array(turn, np.int32),
        is_tool=np.array(is_tool, np.bool_),
        is_last=np.array(is_last, np.bool_),
        receipt=np.array(value, np.uint64),
        delay_ns=np.array(delay_ns, np.int64),
        predecessor_start=start,
        predecessor=np.array(predecessor, np.int64),
    )
    return expected, tuple(paths)


def _folded(program: Program, seed: int) -> _Fold:
    fold = _Fold(seed, program.agent)
    _fold_sequence(fold, program.steps)
    if not fold.rows:
        raise UsageError(
            f"agent {program.agent!r} has no step with an answer; expected one at least"
        )
    fold.rows[-1] = replace(fold.rows[-1], is_tool=False, is_last=True)
    return fold


def _fold_sequence(fold: _Fold, steps: tuple[Step, ...]) -> None:
    """Add the rows of the steps that are run, in path order."""
    for step in steps:
        if step.kind in ("parallel", "child", "team"):
            for branch in step.branches:
                _fold_sequence(fold, branch)
        elif step.kind == "judge":
            is_accepted = False
            for one in step.branches:
                if is_accepted:
                    _pass_over(fold, one)
                    continue
                _fold_sequence(fold, one)
                is_accepted = _accepts(one[-1])
        elif step.kind == "publish":
            continue
        elif step.kind == "wait":
            fold.delay_ns += int(step.wait_s * NS_PER_S)
        else:
            _fold_step(fold, step)
            if step.kind == "route":
                value = fold.rows[fold.final[step.path]].receipt
                chosen = choice(value, len(step.branches))
                for number, branch in enumerate(step.branches):
                    (_fold_sequence if number == chosen else _pass_over)(fold, branch)
            for number in range(step.tasks if step.kind == "plan" else 0):
                path = task_path(step.path, number)
                _fold_step(fold, Step(path=path, kind="say", after=(step.path,)))


def _accepts(verdict: Step) -> bool:
    return any(marker.directive.is_accepting for marker in find_all(verdict.prompt))


def _pass_over(fold: _Fold, steps: tuple[Step, ...]) -> None:
    """Note the steps that are not run: who builds on them builds on nothing."""
    for step in steps:
        fold.passed.add(step.path)
        for branch in step.branches:
            _pass_over(fold, branch)


def _fold_step(fold: _Fold, step: Step) -> None:
    """Add the rows of one step: its turns with their tool calls, and its final answer."""
    if step.kind not in ("say", "tools", "route", "plan", "receive"):
        raise UsageError(
            f"agent {fold.agent!r}: step {step.path!r} is of kind {step.kind!r}, which the oracle "
            "does not know"
        )
    before = fold.before(step)
    if fold.poisoned is None and any(m.directive.kind == "fail" for m in find_all(step.prompt)):
        fold.poisoned = len(fold.rows)
    delay_ns = fold.delay_ns
    turns = step.turns if step.kind == "tools" else 0
    for turn in range(turns):
        place = fold.add(step.path, turn, before, delay_ns=delay_ns if turn == 0 else 0)
        call = fold.add(tool_path(step.path, turn, 0), 0, (place,), is_tool=True)
        before = (place, call)
    final = fold.add(step.path, turns, before, delay_ns=0 if turns else delay_ns)
    fold.final[step.path] = final
    if step.kind == "receive":
        fold.events.add(step.path)
    else:
        fold.delay_ns = 0
