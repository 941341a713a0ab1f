"""LangGraph's checkpointers, as its documentation sets them up, one for each variant.

Class D1: what was committed survives SIGKILL, not power loss; for SQLite that is WAL (which the
saver sets) with synchronous NORMAL. PostgreSQL is the run's store, shared by all pods.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
import psycopg
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from harness.engines.contract import Surroundings
from harness.errors import UsageError

# durable: sqlite-*, naive
FILE = "checkpoints.sqlite"
# durable: postgres-*
CONNECTIONS_MAX = 20
"""As in the documentation's example of a pool."""
# durable: postgres-*
SETUP_LOCK, SETUP_S = 741_001, 30.0
"""Number of the advisory lock under which one pod at a time makes the tables; bound on the wait."""


@asynccontextmanager
async def saver_of(kind: str, surroundings: Surroundings) -> AsyncIterator[Any]:
    """Open the checkpointer of a kind; None for none.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    # durable: memory
    if kind == "memory":
        yield InMemorySaver()
    # durable: sqlite-*, naive
    elif kind == "sqlite":
        async with aiosqlite.connect(surroundings.state_dir / FILE) as connection:
            await connection.execute("pragma synchronous = normal")
            saver = AsyncSqliteSaver(connection)
            await saver.setup()
            yield saver
    # durable: postgres-*
    elif kind == "postgres":
        if not surroundings.state_url:
            raise UsageError("ONCEPROOF_STATE_URL is not set; expected postgresql://...")
        options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        async with AsyncConnectionPool(
            surroundings.state_url, max_size=CONNECTIONS_MAX, kwargs=options, open=False
        ) as pool:
            saver = AsyncPostgresSaver(pool)
            await _set_up(saver, surroundings.state_url)
            yield saver
    else:
        yield None


# durable: postgres-*
async def _set_up(saver: AsyncPostgresSaver, url: str) -> None:
    """Make the tables; pods that start side by side would trip over each other's migrations.

    The lock is tried, not awaited: a waiting statement would keep the migrations' CREATE INDEX
    CONCURRENTLY waiting in turn, for ever.
    """
    taken = "select pg_try_advisory_lock(%s)"
    async with (
        asyncio.timeout(SETUP_S),
        await psycopg.AsyncConnection.connect(url, autocommit=True) as connection,
    ):
        while True:
            cursor = await connection.execute(taken, (SETUP_LOCK,))
            if await cursor.fetchone() == (True,):
                break
            await asyncio.sleep(0.05)
        await saver.setup()
