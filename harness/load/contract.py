"""The worker contract and the witness's admin interface, as calls.

Source: docs/design.md, "The worker contract, version 1".
"""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import msgspec

from harness.load.schedule import Arrival
from harness.load.wire import Answer, Wire

ENDS_WAIT_S = 5


class _Line(msgspec.Struct):
    program: msgspec.Raw


class Programs:
    """Reads the program of one agent out of programs.jsonl, when it is sent."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._decoder = msgspec.json.Decoder(_Line)

    def start_of(self, arrival: Arrival) -> bytes:
        """Build the body of the start request; the program's bytes are copied unread."""
        line = os.pread(self._file, arrival.length, arrival.offset)
        program = bytes(self._decoder.decode(line).program)
        return b'{"agent":%b,"program":%b}' % (msgspec.json.encode(arrival.agent), program)


class Worker:
    """The four calls that the driver makes to a pod."""

    def __init__(self, wire: Wire, *, timeout_s: float, status_wait_s: int = 0) -> None:
        """``status_wait_s``: how long the worker is asked to hold a status until it is an end."""
        self._wire = wire
        self._timeout_s = timeout_s
        self._status_wait_s = status_wait_s

    def start(self, url: str, body: bytes) -> Answer:
        """POST /agents."""
        return self._wire.call("POST", url, "/agents", body=body, timeout_s=self._timeout_s)

    def status(self, url: str, agent: str) -> Answer:
        """GET /agents/{id}, with ``?wait_s=`` only for workers that are known to hold it."""
        path = f"/agents/{quote(agent, safe='')}"
        if self._status_wait_s:
            path += f"?wait_s={self._status_wait_s}"
        timeout_s = self._status_wait_s + self._timeout_s
        return self._wire.call("GET", url, path, timeout_s=timeout_s)

    def statuses(self, url: str, agents: Iterable[str]) -> Answer:
        """POST /agents/status, which a worker may not offer."""
        body = msgspec.json.encode({"ids": list(agents)})
        return self._wire.call("POST", url, "/agents/status", body=body, timeout_s=self._timeout_s)


class Witness:
    """The two calls that the driver makes to the witness."""

    def __init__(self, wire: Wire, url: str, *, timeout_s: float) -> None:
        self._wire = wire
        self._url = url
        self._timeout_s = timeout_s

    def ends(self, after: int) -> Answer:
        """GET /admin/ends: wait for `last` answers with a sequence number above ``after``."""
        path = f"/admin/ends?after={after}&wait_s={ENDS_WAIT_S}"
        return self._wire.call("GET", self._url, path, timeout_s=ENDS_WAIT_S + self._timeout_s)

    def outcome(self, agent: str, status: str, text: str) -> Answer:
        """POST /admin/outcomes: the outcome mark."""
        body = msgspec.json.encode({"agent": agent, "status": status, "text": text})
        return self._wire.call(
            "POST", self._url, "/admin/outcomes", body=body, timeout_s=self._timeout_s
        )
