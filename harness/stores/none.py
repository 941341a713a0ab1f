"""Stores without a server: none at all, the sidecar's memory, one SQLite file."""

from harness.protocols import Component
from harness.stores.place import StorePlace


class NoStore:
    """The engine keeps its state itself, in the slot's folder."""

    name = "none"
    durability = "D1"

    def __init__(self, place: StorePlace) -> None:
        self._place = place

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def component(self) -> Component | None:
        """No component."""
        return None

    def url(self) -> str:
        """No address."""
        return ""

    async def figures(self) -> dict[str, float]:
        """See CountingStore: it holds nothing, and nobody counts what the engine does by itself."""
        return {"bytes": 0.0}


class InMemory(NoStore):
    """The memory of each sidecar: lost with it, honestly."""

    name = "in-memory"
    durability = "none"

    def component(self) -> Component | None:
        """See Store."""
        return Component(file="state-in-memory.yaml", metadata={})

    async def figures(self) -> dict[str, float]:
        """See CountingStore: what the sidecar holds cannot be seen."""
        return {}


class Sqlite(NoStore):
    """One SQLite file (WAL) for the sidecar; several sidecars on it end in SQLITE_BUSY."""

    name = "sqlite"
    durability = "D1"

    async def start(self) -> None:
        """Make the folder."""
        self._place.folder.mkdir(parents=True, exist_ok=True)

    def component(self) -> Component | None:
        """See Store."""
        path = self._place.folder / "agent-workflow.sqlite"
        return Component(file="state-sqlite.yaml", metadata={"connectionString": str(path)})

    async def figures(self) -> dict[str, float]:
        """See CountingStore: the file with its log, in whole pages; operations are not counted."""
        found = [path.stat().st_size for path in self._place.folder.glob("*") if path.is_file()]
        return {"bytes": float(sum(found))}
