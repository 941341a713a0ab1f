"""Programs as structure and input, for engines that compile a graph once for all of one shape."""

from collections.abc import Sequence
from dataclasses import replace

from harness.scenario import Step


def shape_of(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without what differs from agent to agent."""
    return tuple(
        replace(step, prompt="", wait_s=0.0, branches=tuple(map(shape_of, step.branches)))
        for step in steps
    )


def prompts_of(steps: Sequence[Step]) -> dict[str, str]:
    """What differs: path -> prompt of every step that has one."""
    found = {step.path: step.prompt for step in steps if step.prompt}
    for step in steps:
        for branch in step.branches:
            found |= prompts_of(branch)
    return found
