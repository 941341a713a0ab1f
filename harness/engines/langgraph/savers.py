"""LangGraph's checkpointers, as its documentation sets them up, one for each variant.

Class D1: what was committed survives SIGKILL, not power loss; for SQLite that is WAL (which the
saver sets) with synchronous NORMAL.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from harness.engines.contract import Surroundings

FILE = "checkpoints.sqlite"


@asynccontextmanager
async def saver_of(kind: str, surroundings: Surroundings) -> AsyncIterator[Any]:
    """Open the checkpointer of a kind; None for none.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    if kind == "memory":
        yield InMemorySaver()
    elif kind == "sqlite":
        async with aiosqlite.connect(surroundings.state_dir / FILE) as connection:
            await connection.execute("pragma synchronous = normal")
            saver = AsyncSqliteSaver(connection)
            await saver.setup()
            yield saver
    else:
        yield None
