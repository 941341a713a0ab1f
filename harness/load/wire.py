"""HTTP on loopback with kept connections, saying exactly what is known when a request fails.

`Refused` means that no byte of the request left; `Lost` means that it may have been executed. No
request is ever repeated here: that is a decision of `starts`. Plain blocking sockets; gevent makes
them cooperative where the driver runs.

An idle connection is used again only for two seconds, since a server that closes it in the same
instant (uvicorn does so after five) would turn a start into a doubtful one.
"""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httptools

from harness.clock import NS_PER_S, Clock

CONNECT_S_MAX = 2.0
IDLE_NS_MAX = 2 * NS_PER_S
IDLE_COUNT_MAX = 128
BODY_BYTES_MAX = 16 * 1024 * 1024
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """A whole response came."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """There was no connection: the request certainly did not happen."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The request left, wholly or in part, and no whole response came."""

    reason: str


Answer = Replied | Refused | Lost


class _Response:
    """Collects one response; its parser calls the methods."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.chunks: list[bytes] = []
        self.size = 0
        self.is_complete = False
        self.is_kept = False

    def on_body(self, data: bytes) -> None:
        self.size += len(data)
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True
        # Only here: once the message is over the parser says no for every connection.
        self.is_kept = self.parser.should_keep_alive()


class Wire:
    """Connections to all pods and to the witness."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle: dict[str, list[tuple[socket.socket, int]]] = {}
        self._addresses: dict[str, tuple[str, int]] = {}

    def call(
        self, method: str, base: str, path: str, *, body: bytes = b"", timeout_s: float
    ) -> Answer:
        """Send one request and wait for its response, at most ``timeout_s`` after it was sent."""
        connection = self._kept(base)
        if connection is None:
            try:
                connection = _connect(self._address(base), min(CONNECT_S_MAX, timeout_s))
            except OSError as error:
                return Refused(reason=_text_of(error, "connect"))
        is_kept = False
        try:
            answer, is_kept = self._exchange(
                connection,
                self._address(base),
                method=method,
                path=path,
                body=body,
                limit_s=timeout_s,
            )
            return answer
        except (OSError, httptools.HttpParserError) as error:
            return Lost(reason=_text_of(error, method))
        finally:
            self._give_back(base, connection, is_kept=is_kept)

    def prune(self) -> None:
        """Close what has been idle too long to be used again."""
        limit_ns = self._clock.monotonic_ns() - IDLE_NS_MAX
        for base, idle in list(self._idle.items()):
            for connection, used_ns in idle:
                if used_ns < limit_ns:
                    connection.close()
            kept = [entry for entry in idle if entry[1] >= limit_ns]
            if kept:
                self._idle[base] = kept
            else:
                del self._idle[base]

    def _exchange(
        self,
        connection: socket.socket,
        address: tuple[str, int],
        *,
        method: str,
        path: str,
        body: bytes,
        limit_s: float,
    ) -> tuple[Answer, bool]:
        until_ns = self._clock.monotonic_ns() + int(limit_s * NS_PER_S)
        connection.settimeout(limit_s)
        host, port = address
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        if method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(head.encode("ascii") + b"\r\n" + body)
        response = _Response()
        while not response.is_complete:
            left_ns = until_ns - self._clock.monotonic_ns()
            if left_ns <= 0:
                return Lost(reason=f"{method}: no response in {limit_s:g} s"), False
            connection.settimeout(left_ns / NS_PER_S)
            data = connection.recv(_READ_BYTES)
            if not data:
                return Lost(reason=f"{method}: connection closed before the response"), False
            response.parser.feed_data(data)
            if response.size > BODY_BYTES_MAX:
                return Lost(reason=f"{method}: response over {BODY_BYTES_MAX} bytes"), False
        found = Replied(status=response.parser.get_status_code(), body=b"".join(response.chunks))
        return found, response.is_kept

    def _kept(self, base: str) -> socket.socket | None:
        idle = self._idle.get(base)
        limit_ns = self._clock.monotonic_ns() - IDLE_NS_MAX
        while idle:
            connection, used_ns = idle.pop()
            if used_ns >= limit_ns and _is_quiet(connection):
                return connection
            connection.close()
        return None

    def _give_back(self, base: str, connection: socket.socket, *, is_kept: bool) -> None:
        idle = self._idle.setdefault(base, [])
        if is_kept and len(idle) < IDLE_COUNT_MAX:
            idle.append((connection, self._clock.monotonic_ns()))
        else:
            connection.close()

    def _address(self, base: str) -> tuple[str, int]:
        if base not in self._addresses:
            parts = urlsplit(base)
            self._addresses[base] = (parts.hostname or "127.0.0.1", parts.port or 80)
        return self._addresses[base]


def _connect(address: tuple[str, int], timeout_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_quiet(connection: socket.socket) -> bool:
    """Say whether a kept connection is open with nothing to read: neither an end nor an error."""
    connection.settimeout(0.0)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _text_of(error: Exception, doing: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{doing}: timed out"
    return f"{doing}: {type(error).__name__}: {error}"
