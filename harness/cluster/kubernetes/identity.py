"""Tells each worker's container which slot and incarnation it is; a small server of the harness.

It listens on the address that pods reach, for the time of one run. A container asks once, before it
becomes the worker; what the platform knows of slots decides.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from harness.errors import MachineError


class Asked(msgspec.Struct, frozen=True):
    """What a container says of itself."""

    pod: str
    uid: str
    starts: int
    """Of its pod's worker container, this one included."""


Answer = Callable[[Asked], Awaitable[dict[str, str] | None]]
"""The environment for this container; None when no slot is free yet."""


@dataclass(slots=True, kw_only=True)
class IdentityServer:
    """See the module."""

    host: str
    port: int
    answer: Answer
    asked_count: int = 0
    _runner: web.AppRunner | None = field(default=None)

    @property
    def url(self) -> str:
        """Where containers ask."""
        return f"http://{self.host}:{self.port}/identity"

    async def start(self) -> None:
        """Listen.

        Raises:
            MachineError: the address is not this machine's, or the port is taken.
        """
        application = web.Application()
        application.add_routes([web.post("/identity", self._handle)])
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError as error:
            await self.stop()
            raise MachineError(
                f"cannot listen on {self.host}:{self.port} for the pods: {error.strerror}; name an "
                "address of this machine that pods reach: --reach ADDRESS"
            ) from error

    async def stop(self) -> None:
        """Listen no more; safe when it never started."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=Asked)
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=str(error))
        self.asked_count += 1
        found = await self.answer(asked)
        if found is None:
            return web.Response(status=503, text="no slot is free yet")
        return web.json_response(found)
