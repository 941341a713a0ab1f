"""How a program is walked: the few rules that every worker shares; pure.

Order: the top-level steps one after another; the branches of a parallel step side by side, each one
after another. A parallel step has no answer of its own: later prompts embed those of its branches.

Three kinds leave it to an answer what is run next. A route step is asked, and then one of its
branches is run. A plan step is asked, and then the prompts that it delegates are, side by side. The
rounds of a judge step are run one after another until the last answer of one accepts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from harness.errors import EngineError, UsageError
from harness.scenario import SCHEMA, Program, Step
from mock_llm.receipts import task_path

KINDS = ("say", "tools", "parallel", "route", "plan", "judge", "child", "wait", "receive")
"""Step kinds that our own loops interpret."""

MESSAGE_KINDS = ("publish", "team")
"""Further kinds of engines whose agents talk over a broker."""

SILENT = ("parallel", "route", "plan", "judge", "child", "wait", "receive", *MESSAGE_KINDS)
"""Kinds that do not end in an answer of the LLM's own: none of them can be last."""

_HAVE_BRANCHES = ("parallel", "route", "judge", "child", "team")
_EMBEDDED = re.compile(r"\{answer:([^{}\s]+)\}")
_BRANCH = re.compile(r"\bbranch (\d{1,6})\b")
_VERDICT = re.compile(r"\s*(accept|revise)\b")


def fill(prompt: str, answers: Mapping[str, str]) -> str:
    """Put the answers in for ``{answer:<path>}``; every other brace stays, in answers as well.

    A step that was not run, as its branch was not chosen, has nothing to put in.
    """
    if "{answer:" not in prompt:
        return prompt
    return _EMBEDDED.sub(lambda match: answers.get(match.group(1), ""), prompt)


def choice_of(answer: str, count: int) -> int:
    """Which of ``count`` branches an answer chooses, from 0: it says ``branch 2``.

    Raises:
        EngineError: it chooses none, or one that there is not.
    """
    found = _BRANCH.search(answer)
    if found is None or int(found.group(1)) >= count:
        raise EngineError(f"the answer chooses none of {count} branches: {answer[:200]!r}")
    return int(found.group(1))


def tasks_of(answer: str) -> tuple[str, ...]:
    """The prompts that an answer delegates: a JSON list of texts.

    Raises:
        EngineError: it is none.
    """
    try:
        return tuple(msgspec.json.decode(answer, type=list[str]))
    except msgspec.MsgspecError as error:
        raise EngineError(f"the answer delegates nothing: {answer[:200]!r}") from error


def is_accepted(answer: str) -> bool:
    """Whether a verdict accepts: it begins with ``accept``, or else with ``revise``.

    Raises:
        EngineError: it is no verdict.
    """
    found = _VERDICT.match(answer)
    if found is None:
        raise EngineError(f"the answer is no verdict: {answer[:200]!r}")
    return found.group(1) == "accept"


def branches_of(step: Step, answer: str) -> tuple[tuple[Step, ...], ...]:
    """What is run side by side once a step was answered: of a route or plan step; else nothing.

    Raises:
        EngineError: the answer is not of the form that the step asks for.
    """
    if step.kind == "route":
        return (step.branches[choice_of(answer, len(step.branches))],)
    if step.kind != "plan":
        return ()
    return tuple(
        (Step(path=task_path(step.path, number), kind="say", prompt=prompt),)
        for number, prompt in enumerate(tasks_of(answer))
    )


def child_program(agent: str, step: Step, answers: Mapping[str, str]) -> Program:
    """The program of a child agent, complete in itself: the parent's answers are filled in.

    ``agent`` is the instance that runs it; markers keep naming the agent of the plan.
    """
    (steps,) = step.branches
    return Program(agent=agent, steps=_filled(steps, frozenset(_paths(steps)), answers))


def _filled(
    steps: tuple[Step, ...], own: frozenset[str], answers: Mapping[str, str]
) -> tuple[Step, ...]:
    """Put in what is not the child's own; its own answers come later."""

    def known(match: re.Match[str]) -> str:
        path = match.group(1)
        return match.group(0) if path in own else answers.get(path, "")

    return tuple(
        replace(
            step,
            prompt=_EMBEDDED.sub(known, step.prompt),
            after=tuple(path for path in step.after if path in own),
            branches=tuple(_filled(branch, own, answers) for branch in step.branches),
        )
        for step in steps
    )


def _paths(steps: Iterable[Step]) -> Iterator[str]:
    """Every path below, those of delegated tasks included."""
    for step in steps:
        yield step.path
        yield from (task_path(step.path, number) for number in range(step.tasks))
        for branch in step.branches:
            yield from _paths(branch)


def outcome_path(program: Program) -> str:
    """Path of the step whose answer is the agent's outcome: the last one.

    Raises:
        UsageError: no step, or the last one is parallel and so has no answer.
    """
    if not program.steps or program.steps[-1].kind in SILENT:
        raise UsageError(
            f"agent {program.agent!r}: the last step must have an answer of its own; "
            "end the program with a say or a tools step"
        )
    return program.steps[-1].path


def problems_of(program: Program, kinds: Iterable[str]) -> list[str]:
    """What keeps a worker with these ``kinds`` from running a program; empty when nothing does."""
    problems = []
    if program.schema != SCHEMA:
        problems.append(f"schema is {program.schema}, expected {SCHEMA}")
    if not program.agent:
        problems.append("agent is empty, expected an id")
    if not program.steps:
        problems.append("steps is empty, expected at least one")
    elif program.steps[-1].kind in SILENT:
        last = program.steps[-1]
        problems.append(f"step {last.path!r} is last and {last.kind}: it has no answer")
    _problems_of_sequence(program.steps, frozenset(kinds), set(), set(), problems)
    return problems


def _problems_of_sequence(
    steps: tuple[Step, ...],
    kinds: frozenset[str],
    earlier: set[str],
    taken: set[str],
    problems: list[str],
) -> set[str]:
    """Add what is wrong and return the paths walked; those in ``taken`` may not come again."""
    walked: set[str] = set()
    for step in steps:
        known = earlier | walked
        problems += _problems_of_step(step, kinds, known, taken)
        taken.add(step.path)
        if step.kind == "route":
            known.add(step.path)
        within: set[str] = set()
        for branch in step.branches:
            before = known | within if step.kind == "judge" else known
            within |= _problems_of_sequence(branch, kinds, before, taken, problems)
        walked |= {step.path, *within}
        walked.update(task_path(step.path, number) for number in range(step.tasks))
    return walked


def _problems_of_step(
    step: Step, kinds: frozenset[str], known: set[str], taken: set[str]
) -> list[str]:
    embedded = _EMBEDDED.findall(step.prompt)
    checks = [
        (bool(step.path), "path is empty"),
        (step.path not in taken, "path is there twice"),
        (step.kind in kinds, f"kind {step.kind!r} is not known here: {', '.join(sorted(kinds))}"),
        (set(step.after) <= known, f"after names {_missing(step.after, known)}, no earlier step"),
        (
            set(embedded) <= set(step.after),
            f"the prompt embeds {_missing(embedded, set(step.after))}, which after does not name",
        ),
        (
            step.kind not in ("parallel", "route", "judge", "team")
            or (bool(step.branches) and all(step.branches)),
            f"{step.kind} without a branch, or with an empty one",
        ),
        (
            step.kind != "child" or (len(step.branches) == 1 and bool(step.branches[0])),
            "child without its one sequence of steps",
        ),
        (
            step.kind in _HAVE_BRANCHES or not step.branches,
            f"branches in a {step.kind} step",
        ),
        (step.wait_s >= 0, f"wait_s is {step.wait_s}, expected 0 or more"),
        (step.kind != "tools" or step.turns >= 1, f"turns is {step.turns}, expected at least 1"),
        (step.kind != "plan" or step.tasks >= 1, f"tasks is {step.tasks}, expected at least 1"),
    ]
    return [f"step {step.path!r}: {text}" for is_fine, text in checks if not is_fine]


def _missing(paths: Iterable[str], known: set[str]) -> str:
    return ", ".join(repr(path) for path in paths if path not in known)
