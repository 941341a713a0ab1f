"""Brokers without a server: none at all, and the sidecar's memory."""

from harness.brokers.place import BrokerPlace
from harness.protocols import Component


class NoBroker:
    """The run has no messages."""

    name = "none"
    durability = "none"

    def __init__(self, place: BrokerPlace) -> None:
        self._place = place

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def kill(self) -> str:
        """There is no process to kill."""
        return ""

    async def end(self) -> str:
        """There is no process to end."""
        return ""

    def forget(self) -> None:
        """Nothing is written."""

    def component(self) -> Component | None:
        """No component."""
        return None


class InMemory(NoBroker):
    """The memory of each sidecar: a message reaches subscribers of that sidecar alone."""

    name = "in-memory"

    def component(self) -> Component | None:
        """See Broker."""
        return Component(file="pubsub-in-memory.yaml", metadata={})
