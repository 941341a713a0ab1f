"""PostgreSQL, started for the run, or a user's own."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.cluster.disk import refuse_full_disk
from harness.cluster.health import until_it_answers
from harness.cluster.processes import Process
from harness.errors import MachineError
from harness.protocols import Component
from harness.provide.postgres import host_and_port, init_command
from harness.provide.unprivileged import person
from harness.stores.place import StorePlace
from harness.stores.postgres_wire import PasswordWanted, first_value

INIT_S = 120.0
USER, DATABASE = "onceproof", "postgres"
FIGURES = {
    "bytes": "pg_database_size(current_database())",
    "writes": "pg_snapshot_xmax(pg_current_snapshot())",
    "written_bytes": "pg_current_wal_insert_lsn() - '0/0'::pg_lsn",
}
"""Transaction ids are given to transactions that write, and to no others."""


class Postgres:
    """Class D1: fsync on, synchronous_commit off: survives SIGKILL of a client, not power loss.

    A kill of the server itself loses the commits of its last 30 ms at most (three times
    wal_writer_delay); no fault of ours kills it.
    """

    name = "postgres"
    component_file = "state-postgresql.yaml"
    durability = "D1"
    sources: Mapping[str, str] = {
        "bytes": "pg_database_size(current_database()), in whole pages",
        "writes": "transactions that wrote: pg_snapshot_xmax(pg_current_snapshot())",
        "written_bytes": "its write-ahead log: pg_current_wal_insert_lsn()",
    }
    trouble = ""

    def __init__(self, place: StorePlace) -> None:
        self._place = place
        self._process: Process | None = None
        self._own_folder: Path | None = None
        self._url = place.postgres.url if place.postgres else ""

    async def start(self) -> None:
        """See Store."""
        if self._place.postgres is None:
            raise MachineError("no PostgreSQL found; see `onceproof doctor`")
        if self._place.postgres.folder is not None:
            await self._start(self._place.postgres.folder)
        try:
            await until_it_answers(
                lambda: _answers(self._url),
                name="PostgreSQL",
                address="{}:{}".format(*host_and_port(self._url)),
                process=self._process,
                deadline_s=self._place.ready_s,
            )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """See Store; a PostgreSQL of the user's is left alone."""
        if self._process is not None:
            await self._place.processes.stop([self._process])
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def component(self) -> Component | None:
        """See Store."""
        return Component(file=self.component_file, metadata={"connectionString": self._url})

    def url(self) -> str:
        """See Store."""
        return self._url

    async def figures(self) -> dict[str, float]:
        """See CountingStore: the database in whole pages; of a server with a password nothing.

        All three are exact at the moment. pg_stat_database is not: a connection may keep what it
        did for ten seconds before it shows there.
        """
        try:
            return {
                name: float(await first_value(self._url, f"select {expression}"))
                for name, expression in FIGURES.items()
            }
        except PasswordWanted:
            return {}
        except OSError as error:
            raise MachineError(f"PostgreSQL gave no figures: {error}") from error

    async def _start(self, binaries: Path) -> None:
        """Make the database unless it is there, and start the server; root lets another run it."""
        one = person()
        folder = self._place.folder
        folder.mkdir(parents=True, exist_ok=True)
        if not one.may_enter(folder.parent):
            self._own_folder = folder = Path(tempfile.mkdtemp(prefix="onceproof-postgres-"))
        refuse_full_disk(folder, "PostgreSQL")
        if one.prefix:
            os.chown(folder, one.uid, one.gid)
        data = folder / "data"
        processes = self._place.processes
        if not (data / "PG_VERSION").exists():
            made = processes.start("postgres-initdb", init_command(binaries, data, one))
            async with asyncio.timeout(INIT_S):
                await made.exited.wait()
            if made.exit is None or made.exit.status != "exit 0":
                raise MachineError(f"initdb failed; its log ends with:\n{made.last_lines()}")
        port = self._place.ports.take()
        self._url = f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}"
        settings = (
            *("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="),
            *("fsync=on", "synchronous_commit=off", "wal_writer_delay=10ms"),
            *("max_connections=300", "shared_buffers=64MB"),
        )
        command = (*one.prefix, str(binaries / "postgres"), "-D", str(data))
        options = tuple(word for setting in settings for word in ("-c", setting))
        self._process = processes.start("postgres", (*command, *options))


async def _answers(url: str) -> bool:
    """Whether the server lets one in, or asks for a password; while it starts it refuses."""
    try:
        await first_value(url, "select 1")
    except PasswordWanted:
        return True
    except OSError:
        return False
    return True
