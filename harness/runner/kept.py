"""What an engine keeps durably, and how often it asked its store during the load.

Called by `walk` at the begin and at the end of the load; a store that does not answer costs the
figures, never the run.
"""

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import MachineError
from harness.measures.figures import OPERATIONS, SIZE
from harness.protocols import CountingStore, Store


@dataclass(slots=True, kw_only=True)
class Kept:
    """Of one run; `begin` at the begin of the load, `end` when it is over."""

    store: Store
    slots: Path
    """Folder of the slots: here engines with a state of their own keep it."""
    logs: Path
    figures: dict[str, float] = field(default_factory=dict)
    reason: str = ""
    """Why a figure is missing; empty when none is."""
    _before: dict[str, float] = field(default_factory=dict)

    async def begin(self) -> None:
        """Remember what was there before the load: the traces of a warm-up."""
        self._before = await self._now()

    async def end(self) -> None:
        """Take the difference."""
        now = await self._now()
        self.figures = {name: value - self._before.get(name, 0.0) for name, value in now.items()}
        missing = [name for name in (OPERATIONS, SIZE) if name not in self.figures]
        if missing and not self.reason:
            self.reason = f"the store {self.store.name} says nothing of {', '.join(missing)}"

    def facts(self) -> dict[str, object]:
        """As run.json has them."""
        counting = self.store if isinstance(self.store, CountingStore) else None
        trouble = counting.trouble if counting else ""
        return {
            "store": self.figures,
            "store_reason": self.reason,
            "store_sources": dict(counting.sources) if counting else {},
            "store_trouble": trouble,
            "store_troubles_count": lines_with(trouble, self.logs) if trouble else 0,
        }

    async def _now(self) -> dict[str, float]:
        if not isinstance(self.store, CountingStore):
            self.reason = f"the store {self.store.name} counts nothing"
            return {}
        try:
            found = await self.store.figures()
        except MachineError as error:
            self.reason = str(error)
            return {}
        if SIZE in found:
            found[SIZE] += folder_bytes(self.slots)
        return found


def folder_bytes(folder: Path) -> float:
    """Bytes of all files below a folder; 0 when there is none, a file that vanishes counts 0."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return float(total)


def lines_with(word: str, logs: Path) -> int:
    """Lines of the sidecars' logs that hold the word."""
    total = 0
    for path in logs.glob("*sidecar*"):
        with path.open(errors="replace") as lines:
            total += sum(word in line for line in lines)
    return total
