"""What brokers with a server of their own share: start, wait for an answer, stop.

A broker module says how its server is launched and how one asks whether it takes messages.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from harness.brokers.place import BrokerPlace
from harness.cluster.disk import refuse_full_disk
from harness.cluster.health import stranger_at
from harness.cluster.listening import ports_of_group
from harness.cluster.means import LOOPBACK
from harness.cluster.processes import Process
from harness.errors import MachineError
from harness.protocols import Component, TopicCount
from harness.provide.server import Server, shown

POLL_S, ASK_S = 0.05, 5.0
OWN_NAMES = (LOOPBACK, "localhost", "::1")
T = TypeVar("T")


class LoginRefused(Exception):  # noqa: N818 - what the server says; it would say so again.
    """The server answers and does not let us in; the message is its own."""


class Unfit(Exception):  # noqa: N818 - it works, and not for us.
    """The server lacks something for good; the message says what, and how to get it."""


class NotYet(Exception):  # noqa: N818 - no failure of the server, which is starting.
    """The server answers and is not ready; the message says what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where a server is, and who we are to it."""

    host: str
    port: int
    user: str
    password: str


class ServedBroker:
    """A broker that is started for the run on loopback, or one of the user's.

    Class D1: what it acknowledged survives SIGKILL of its process, not power loss.
    """

    name = ""
    durability = "D1"

    def __init__(self, place: BrokerPlace) -> None:
        self._place = place
        self._running: list[Process] = []
        self._ports: dict[str, int] = {}
        self._stranger = ""
        """What to say of another process that answered at our port; empty for none."""
        server = place.servers.get(self.name)
        self.url = server.url if server else ""

    async def start(self) -> None:
        """See Broker."""
        server = self._place.servers.get(self.name)
        if server is None:
            raise MachineError(f"no {self.name} found; see `onceproof doctor`")
        if server.url and self._place.host != LOOPBACK and self._login().host in OWN_NAMES:
            raise MachineError(
                f"{self.name} at {shown(self.url)} is not reached by pods of a cluster; give no "
                "address, so that the run starts one that is"
            )
        try:
            async with asyncio.timeout(self._place.ready_s):
                if not server.url:
                    self._place.folder.mkdir(parents=True, exist_ok=True)
                    refuse_full_disk(self._place.folder, self.name)
                    await self._launch(server)
                await self._until_it_answers()
        except TimeoutError:
            told = self._log()
            await self.stop()
            raise MachineError(
                f"{self.name} at {shown(self.url)} was not ready in {self._place.ready_s:g} s"
                f"{self._stranger}{told}"
            ) from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """See Broker; a server of the user's is left alone."""
        await self.end()

    async def end(self) -> str:
        """See Broker."""
        running, self._running = self._running, []
        for process in reversed(running):
            await self._place.processes.stop([process])
        return _reaped(running)

    async def kill(self) -> str:
        """See Broker."""
        running, self._running = self._running, []
        await self._place.processes.kill(running)
        return _reaped(running)

    def forget(self) -> None:
        """See Broker; whoever runs a server of their own keeps their data."""
        assert not self._running
        shutil.rmtree(self._place.folder, ignore_errors=True)

    def component(self) -> Component | None:
        """See Broker."""
        raise NotImplementedError

    async def counts(self, topics: Sequence[str], app_id: str) -> dict[str, TopicCount]:
        """See CountingBroker."""
        return await self._told("its counters", self._count(self._login(), topics, app_id))

    async def _told(self, what: str, asking: Awaitable[T]) -> T:
        """What the server answers in time.

        Raises:
            MachineError: it does not.
        """
        try:
            async with asyncio.timeout(ASK_S):
                return await asking
        except (OSError, EOFError, ValueError, NotYet, LoginRefused) as error:
            raise MachineError(
                f"{self.name} at {shown(self.url)} does not tell {what}: {error!r}{self._log()}"
            ) from error

    def _port(self, what: str) -> int:
        """A port of ours; the same after a kill."""
        if what not in self._ports:
            self._ports[what] = self._place.ports.take()
        return self._ports[what]

    async def _launch(self, server: Server) -> None:
        """Start its processes into `_running`, and set `url`."""
        raise NotImplementedError

    async def _ask(self, login: Login) -> None:
        """Ask the server whether it takes messages.

        Raises:
            OSError, EOFError: nobody listens, or it hung up; it may be starting.
            NotYet: it says that it is not ready.
            LoginRefused: it does not let this user in.
            Unfit: it lacks what messages need.
        """
        raise NotImplementedError

    async def _count(
        self, login: Login, topics: Sequence[str], app_id: str
    ) -> dict[str, TopicCount]:
        """See CountingBroker; raises as `_ask`, or ValueError for an answer that is none."""
        raise NotImplementedError

    def _login(self) -> Login:
        parts = urlsplit(self.url)
        return Login(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 0,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    async def _until_it_answers(self) -> None:
        login = self._login()
        while True:
            if ended := [process for process in self._running if process.exit is not None]:
                raise MachineError(
                    f"{ended[0].name} ended at its start ({ended[0].exit and ended[0].exit.status})"
                    f"{self._stranger}; its log ends with:\n{ended[0].last_lines()}"
                )
            try:
                async with asyncio.timeout(ASK_S):
                    await self._ask(login)
                if not self._running or login.port in self._own_ports():
                    return
                self._stranger = stranger_at(login.port)
                await asyncio.sleep(POLL_S)
            except LoginRefused as refusal:
                who = login.user or "nobody without a name"
                raise MachineError(
                    f"{self.name} at {shown(self.url)} lets {who} in not: {refusal}; "
                    "give user and password in its address"
                ) from refusal
            except Unfit as lack:
                raise MachineError(f"{self.name} at {shown(self.url)} {lack}") from lack
            except (OSError, EOFError, NotYet):
                await asyncio.sleep(POLL_S)

    def _own_ports(self) -> set[int]:
        """Where our processes listen."""
        return {port for process in self._running for port in ports_of_group(process.group)}

    def _log(self) -> str:
        if not self._running:
            return "; it is not of ours: is it running?"
        return f"; its log ends with:\n{self._running[-1].last_lines()}"


def _reaped(processes: Sequence[Process]) -> str:
    """How each of them ended."""
    return ", ".join(
        f"{process.name} (pid {process.pid}) reaped: {process.exit.status}"
        for process in processes
        if process.exit is not None
    )
