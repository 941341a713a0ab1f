"""Redis with its append-only file: the embedded default for several pods, or a user's own."""

import asyncio
from collections.abc import Mapping

from harness.cluster.disk import refuse_full_disk
from harness.cluster.health import until_it_answers
from harness.cluster.means import LOOPBACK
from harness.cluster.processes import Process
from harness.errors import MachineError
from harness.protocols import Component
from harness.stores.counting import figures_at
from harness.stores.place import StorePlace

FIGURES_S = 15.0


class Redis:
    """Class D1: appendfsync everysec survives SIGKILL of the server, not power loss."""

    name = "redis"
    component_file = "state-redis.yaml"
    durability = "D1"
    sources: Mapping[str, str] = {
        "bytes": "MEMORY USAGE of every key",
        "operations": "INFO commandstats, less commands of onceproof's own",
        "writes": "INFO commandstats, commands that COMMAND calls write",
        "written_bytes": "INFO persistence, aof_current_size",
    }
    trouble = ""

    def __init__(self, place: StorePlace) -> None:
        self._place = place
        self._process: Process | None = None
        self.address = place.redis_address

    async def start(self) -> None:
        """See Store."""
        if self.address:
            await self._until_pong()
            return
        if not self._place.redis:
            raise MachineError("no Redis server found; see `onceproof doctor`")
        self._place.folder.mkdir(parents=True, exist_ok=True)
        refuse_full_disk(self._place.folder, "redis")
        port = self._place.ports.take()
        host = self._place.host
        self.address = f"{host}:{port}"
        command = (
            *self._place.redis,
            *("--port", str(port), "--bind", host, "--dir", str(self._place.folder)),
            # Elsewhere than on loopback it takes nobody in without a password or this.
            *(() if host == LOOPBACK else ("--protected-mode", "no")),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        )
        self._process = self._place.processes.start("redis", command)
        try:
            await self._until_pong()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """See Store; a Redis of the user's is left alone."""
        if self._process is not None:
            await self._place.processes.stop([self._process])

    def component(self) -> Component | None:
        """See Store."""
        return Component(file=self.component_file, metadata={"redisHost": self.address})

    async def figures(self) -> dict[str, float]:
        """See CountingStore; what we ask here is not counted. Above 200,000 keys: no size."""
        host, _, port = self.address.rpartition(":")
        try:
            async with asyncio.timeout(FIGURES_S):
                return await figures_at(host, int(port))
        except (OSError, ValueError, TimeoutError) as error:
            raise MachineError(f"redis at {self.address} gave no figures: {error!r}") from error

    def url(self) -> str:
        """See Store."""
        return f"redis://{self.address}"

    async def _until_pong(self) -> None:
        host, _, port = self.address.rpartition(":")
        await until_it_answers(
            lambda: _answers(host, int(port)),
            name="redis",
            address=self.address,
            process=self._process,
            deadline_s=self._place.ready_s,
        )


async def _answers(host: str, port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()
