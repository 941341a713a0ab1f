"""What an engine's own history says of its commits: what a worker answers, and history.json.

A second figure beside S2 and S3, never evidence: the engine wrote it, and no verdict rests on it.

Source: docs/guarantees.md, "The engine's own history"
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

SCHEMA = 1

Ns = Annotated[int, msgspec.Meta(ge=0, le=2**61)]
Drift = Annotated[int, msgspec.Meta(ge=-(2**61), le=2**61)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A result that the engine keeps; times are wall-clock nanoseconds since 1970."""

    receipt: str
    """The receipt in it, as the witness wrote it: ``<<...>>``. It names step, turn and attempt."""
    since_ns: Ns
    """It was kept no earlier than this."""
    until_ns: Ns
    """And no later than this; the same where the engine has one date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commits:
    """Body of ``GET /agents/{id}/history``; in any order, a result may be there twice."""

    commits: list[Commit]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCommits:
    """What was answered about one agent."""

    agent: str
    commits: tuple[Commit, ...] = ()
    problem: str = ""
    """Why nothing was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHistory:
    """history.json: whom the runner asked after the drain, and what the engine knew."""

    schema: int = SCHEMA
    reason: str = ""
    """Why nobody was asked; empty when somebody was."""
    chosen_count: int = 0
    """Agents that a fault had hit or that repeated something."""
    bound: str = ""
    """What limited the asking, in words; empty when all of them were asked."""
    wall_ns: Ns = 0
    """Wall clock when it was asked ..."""
    monotonic_ns: Ns = 0
    """... and the monotonic clock at that moment."""
    drift_ns: Drift = 0
    """How far the wall clock had moved against the monotonic one since the run's begin."""
    agents: tuple[AgentCommits, ...] = ()


def earliest(commits: list[Commit]) -> list[Commit]:
    """Of each receipt the first commit, in order of time."""
    first: dict[str, Commit] = {}
    for one in sorted(commits, key=lambda commit: (commit.since_ns, commit.until_ns)):
        first.setdefault(one.receipt, one)
    return list(first.values())
