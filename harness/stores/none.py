"""Stores without a server: none at all, the sidecar's memory, one SQLite file."""

import struct
from collections.abc import Mapping

from harness.protocols import Component
from harness.stores.place import StorePlace

FILE = "agent-workflow.sqlite"
CHANGES_AT = 8
"""Byte of the wal-index where SQLite counts transactions, in the machine's own order; it begins
anew when the file is opened after a kill. Source: sqlite.org/walformat.html, section 2.1.
"""


class NoStore:
    """The engine keeps its state itself, in the slot's folder."""

    name = "none"
    component_file = ""
    """Of components/; empty where the engine needs none."""
    durability = "D1"
    sources: Mapping[str, str] = {"bytes": "files in the slots' folders"}
    trouble = ""

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
    component_file = "state-in-memory.yaml"
    durability = "none"
    sources: Mapping[str, str] = {}

    def component(self) -> Component | None:
        """See Store."""
        return Component(file=self.component_file, metadata={})

    async def figures(self) -> dict[str, float]:
        """See CountingStore: what the sidecar holds cannot be seen."""
        return {}


class Sqlite(NoStore):
    """One SQLite file (WAL) for the sidecar; several sidecars on it end in SQLITE_BUSY."""

    name = "sqlite"
    component_file = "state-sqlite.yaml"
    durability = "D1"
    sources: Mapping[str, str] = {
        "bytes": "the file with its log, in whole pages",
        "writes": "transactions: the change counter in the header of its -shm file",
    }
    trouble = "SQLITE_BUSY"

    async def start(self) -> None:
        """Make the folder."""
        self._place.folder.mkdir(parents=True, exist_ok=True)

    def component(self) -> Component | None:
        """See Store."""
        path = self._place.folder / FILE
        return Component(file=self.component_file, metadata={"connectionString": str(path)})

    async def figures(self) -> dict[str, float]:
        """See CountingStore: the file with its log, in whole pages; operations are not counted.

        The log is written over from its begin after a checkpoint, so bytes written are not known.
        """
        found = [path.stat().st_size for path in self._place.folder.glob("*") if path.is_file()]
        figures = {"bytes": float(sum(found))}
        index = self._place.folder / f"{FILE}-shm"
        if index.exists() and len(head := index.read_bytes()[: CHANGES_AT + 4]) == CHANGES_AT + 4:
            figures["writes"] = float(struct.unpack_from("=I", head, CHANGES_AT)[0])
        return figures


class SharedSqlite(Sqlite):
    """The same file under the sidecars of several pods: on purpose, to show what comes of it."""

    name = "sqlite-shared"
