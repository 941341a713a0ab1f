"""Which agents a mutant harms, and a file that says which it did harm.

The choice follows from the names alone, so that a detection run knows it before it begins; the file
is the truth that verdicts are compared with. Nothing here is used by the correct engine.
"""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from harness.errors import UsageError

RATE = 10
"""One agent in so many is harmed, unless the variant says otherwise."""
LOG = "planted.txt"
"""In the slot's state folder: an agent's id a line."""
CORRECT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planting:
    """A mutant's choice of agents."""

    mutant: str
    rate: int
    """One agent in so many, drawn by a hash of its id."""
    folder: Path | None = None
    """State folder of the slot, for the log; None keeps none."""
    _noted: set[str] = field(default_factory=set)

    def is_chosen(self, agent: str) -> bool:
        """Whether this agent is to be harmed, as soon as its program gives the occasion."""
        digest = blake2b(f"{self.mutant}\0{agent}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.rate == 0

    def note(self, agent: str) -> None:
        """Say that the harm is done; once an agent and incarnation."""
        if agent in self._noted or self.folder is None:
            return
        self._noted.add(agent)
        descriptor = os.open(self.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, f"{agent}\n".encode())
        finally:
            os.close(descriptor)


def planted_in(folder: Path) -> frozenset[str]:
    """The agents that were harmed, as the log of a state folder says."""
    path = folder / LOG
    return frozenset(path.read_text().split()) if path.exists() else frozenset()


def parse_variant(variant: str) -> tuple[str, int]:
    """Split ``<mutant>`` or ``<mutant>@<rate>``; an empty variant is the correct engine.

    Raises:
        UsageError: the rate is no positive number.
    """
    name, at, text = (variant or CORRECT).partition("@")
    if not at:
        return name, RATE
    if not text.isdecimal() or int(text) < 1 or name == CORRECT:
        raise UsageError(
            f"variant is {variant!r}, expected a mutant and one agent in how many it harms, such "
            "as lost-step@50"
        )
    return name, int(text)
