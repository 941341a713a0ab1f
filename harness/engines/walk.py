"""How a program is walked: the few rules that every worker shares; pure.

Order: the top-level steps one after another; the branches of a parallel step side by side, each one
after another. A parallel step has no answer of its own: later prompts embed those of its branches.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from harness.errors import UsageError
from harness.scenario import SCHEMA, Program, Step

KINDS = ("say", "tools", "parallel", "child", "wait", "receive")
"""Step kinds that our own loops interpret."""

SILENT = ("parallel", "child", "wait", "receive")
"""Kinds without an answer of the LLM's own: none of them can be last."""

_EMBEDDED = re.compile(r"\{answer:([^{}\s]+)\}")


def fill(prompt: str, answers: Mapping[str, str]) -> str:
    """Put the answers in for ``{answer:<path>}``; every other brace stays, in answers as well.

    Raises:
        UsageError: the prompt embeds the answer of a step that has none yet.
    """
    if "{answer:" not in prompt:
        return prompt
    try:
        return _EMBEDDED.sub(lambda match: answers[match.group(1)], prompt)
    except KeyError as error:
        raise UsageError(
            f"the prompt embeds the answer of {error.args[0]!r}; answered so far: "
            f"{', '.join(answers) or 'none'}; a program may embed earlier steps only"
        ) from error


def child_program(agent: str, step: Step, answers: Mapping[str, str]) -> Program:
    """The program of a child agent, complete in itself: the parent's answers are filled in.

    ``agent`` is the instance that runs it; markers keep naming the agent of the plan.
    """
    (steps,) = step.branches
    return Program(agent=agent, steps=tuple(_known_filled(one, answers) for one in steps))


def _known_filled(step: Step, answers: Mapping[str, str]) -> Step:
    """Put in the answers that are there; the child's own come later."""
    known = [path for path in _EMBEDDED.findall(step.prompt) if path in answers]
    prompt = step.prompt
    for path in known:
        prompt = prompt.replace(f"{{answer:{path}}}", answers[path])
    after = tuple(path for path in step.after if path not in answers)
    return replace(step, prompt=prompt, after=after)


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
        within = [
            _problems_of_sequence(branch, kinds, known, taken, problems) for branch in step.branches
        ]
        walked.add(step.path)
        walked.update(*within)
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
            step.kind != "parallel" or (bool(step.branches) and all(step.branches)),
            "parallel without a branch, or with an empty one",
        ),
        (
            step.kind != "child" or (len(step.branches) == 1 and bool(step.branches[0])),
            "child without its one sequence of steps",
        ),
        (
            step.kind in ("parallel", "child") or not step.branches,
            f"branches in a {step.kind} step",
        ),
        (step.wait_s >= 0, f"wait_s is {step.wait_s}, expected 0 or more"),
        (step.kind != "tools" or step.turns >= 1, f"turns is {step.turns}, expected at least 1"),
    ]
    return [f"step {step.path!r}: {text}" for is_fine, text in checks if not is_fine]


def _missing(paths: Iterable[str], known: set[str]) -> str:
    return ", ".join(repr(path) for path in paths if path not in known)
