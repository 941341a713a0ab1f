"""What a person sees while a run goes on: a live line on a terminal, plain lines elsewhere."""

from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from harness.clock import NS_PER_S, Clock

PLAIN_EVERY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of a run at one moment."""

    phase: str
    planned: int
    started: int
    ended: int
    answered_steps: int
    steps_per_s: float
    limited: int
    faults_struck: int
    faults_planned: int
    pods_ready: int
    pods: int

    def line(self) -> str:
        """One line for people."""
        return (
            f"{self.phase}: agents {self.started}/{self.planned} started, {self.ended} ended | "
            f"{self.answered_steps} steps, {self.steps_per_s:.0f}/s | 429s {self.limited} | "
            f"faults {self.faults_struck}/{self.faults_planned} | "
            f"pods {self.pods_ready}/{self.pods}"
        )


class Display(Protocol):
    """Where progress goes."""

    def tell(self, text: str) -> None:
        """A line that stays."""

    def show(self, snapshot: Snapshot) -> None:
        """The state now; may be called often."""

    def close(self) -> None:
        """The run is over."""


class TerminalDisplay:
    """A line at the bottom that is drawn anew; what is told scrolls above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._live.start()

    def tell(self, text: str) -> None:
        """See Display."""
        self._console.print(Text(text), highlight=False)

    def show(self, snapshot: Snapshot) -> None:
        """See Display."""
        self._live.update(Text(snapshot.line(), style="bold"))

    def close(self) -> None:
        """See Display."""
        self._live.stop()


class PlainDisplay:
    """A line every few seconds, for logs."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._next_ns = 0

    def tell(self, text: str) -> None:
        """See Display."""
        self._console.print(Text(text), highlight=False, soft_wrap=True)

    def show(self, snapshot: Snapshot) -> None:
        """See Display."""
        now = self._clock.monotonic_ns()
        if now >= self._next_ns:
            self._next_ns = now + int(PLAIN_EVERY_S * NS_PER_S)
            self.tell("  " + snapshot.line())

    def close(self) -> None:
        """See Display."""


def make_display(console: Console, clock: Clock) -> Display:
    """The one that fits where the output goes."""
    return TerminalDisplay(console) if console.is_terminal else PlainDisplay(console, clock)
