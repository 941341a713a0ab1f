"""The guarded control's idempotency ledger: one SQLite file of a slot, written by one thread.

WAL with synchronous NORMAL: a commit survives SIGKILL, not power loss (durability class D1).
"""

import asyncio
import sqlite3
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

# durable: guarded
BATCH_MAX = 512
"""Most results in one commit."""

# durable: guarded
_TABLE = """
create table if not exists results (
  agent text not null, name text not null, value text not null, primary key (agent, name)
) without rowid
"""


# durable: guarded
class _Kept(NamedTuple):
    agent: str
    name: str
    value: str
    done: "asyncio.Future[str]"


# durable: guarded
class SqliteLedger:
    """See Ledger of the loop. Made, used and closed in one event loop.

    The queue to the writer is bounded by the worker's calls in flight: who keeps, waits.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            sqlite3.Error: not a ledger, or not to be written.
        """
        self._reader = _connect(path)
        self._reader.execute(_TABLE)
        self._queue: SimpleQueue[_Kept | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._writer = threading.Thread(target=self._write, args=(path,), daemon=True)
        self._writer.start()

    def find(self, agent: str, name: str) -> str | None:
        """See Ledger; about 10 microseconds, in the event loop's own thread."""
        row = self._reader.execute(
            "select value from results where agent = ? and name = ?", (agent, name)
        ).fetchone()
        return None if row is None else str(row[0])

    async def keep(self, agent: str, name: str, value: str) -> str:
        """See Ledger; returns after the commit. Raises sqlite3.Error when there was none."""
        done: asyncio.Future[str] = self._loop.create_future()
        self._queue.put(_Kept(agent, name, value, done))
        return await done

    def key(self, agent: str, path: str) -> str | None:
        """See Ledger: the same in every attempt."""
        return f"{agent}/{path}"

    async def close(self) -> None:
        """Commit what is queued and close the file."""
        self._queue.put(None)
        await asyncio.to_thread(self._writer.join)
        self._reader.close()

    def _write(self, path: Path) -> None:
        """The writer thread: commit what has come meanwhile in one go, then tell who waits."""
        connection = _connect(path)
        is_open = True
        while is_open:
            batch, is_open = self._next_batch()
            outcome: list[str] | sqlite3.Error
            try:
                outcome = _commit(connection, batch)
            except sqlite3.Error as error:
                outcome = error
            if batch:
                self._loop.call_soon_threadsafe(_tell, batch, outcome)
        connection.close()

    def _next_batch(self) -> tuple[list[_Kept], bool]:
        """What is queued, after waiting for the first; False once the end is reached."""
        batch: list[_Kept] = []
        kept = self._queue.get()
        while kept is not None:
            batch.append(kept)
            if len(batch) == BATCH_MAX:
                return batch, True
            try:
                kept = self._queue.get_nowait()
            except Empty:
                return batch, True
        return batch, False


# durable: guarded
def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma busy_timeout = 5000")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    return connection


# durable: guarded
def _commit(connection: sqlite3.Connection, batch: list[_Kept]) -> list[str]:
    """Write a batch in one transaction; returns the values that stand, the first of each name."""
    if not batch:
        return []
    connection.execute("begin immediate")
    try:
        values = [
            connection.execute(
                "insert into results values (?, ?, ?) "
                "on conflict do update set value = value returning value",
                kept[:3],
            ).fetchone()[0]
            for kept in batch
        ]
    except sqlite3.Error:
        connection.execute("rollback")
        raise
    connection.execute("commit")
    return values


# durable: guarded
def _tell(batch: list[_Kept], outcome: list[str] | sqlite3.Error) -> None:
    for number, kept in enumerate(batch):
        if kept.done.done():
            continue
        if isinstance(outcome, sqlite3.Error):
            kept.done.set_exception(outcome)
        else:
            kept.done.set_result(outcome[number])
