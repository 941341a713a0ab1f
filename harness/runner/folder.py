"""Where everything of a run lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside ``runs/<utc>-<matrix>-<seed>/<run>/``."""

    root: Path

    @property
    def live(self) -> Path:
        """What is written while the run goes on: ledger, driver events, address book."""
        return self.root / "live"

    @property
    def logs(self) -> Path:
        """A file for each process."""
        return self.root / "logs"

    @property
    def components(self) -> Path:
        """Effective component files."""
        return self.root / "components"

    @property
    def state(self) -> Path:
        """Stores, the scheduler's etcd, the slots' folders; removed after a judged run."""
        return self.root / "state"

    @property
    def warm_up(self) -> Path:
        """The driver's files of the warm-up."""
        return self.root / "warm-up"

    @property
    def plan(self) -> Path:
        """plan.json."""
        return self.root / "plan.json"

    @property
    def programs(self) -> Path:
        """programs.jsonl."""
        return self.root / "programs.jsonl"

    @property
    def environment(self) -> Path:
        """environment.json."""
        return self.root / "environment.json"

    @property
    def history(self) -> Path:
        """history.json: what the engine's own history says."""
        return self.root / "history.json"

    @property
    def address_book(self) -> Path:
        """pods.json, which the driver follows."""
        return self.live / "pods.json"

    @property
    def spans(self) -> Path:
        """spans.jsonl, of runs with tracing."""
        return self.live / "spans.jsonl"

    @property
    def driver_events(self) -> Path:
        """driver.jsonl."""
        return self.live / "driver.jsonl"
