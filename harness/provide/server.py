"""What the providers of brokers share: the record of a server, loopback addresses, proofs kept.

Used by nats, kafka and rabbitmq; it starts nothing itself.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.provide.build import Version, dotted, parse_version
from harness.provide.chain import Refused
from harness.provide.command import capture


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Either an argv prefix to start a server with, or the address of one that runs."""

    argv: tuple[str, ...] = ()
    """The argv prefix; empty when an address was given."""
    url: str = ""
    """scheme://[user:password@]host:port of a running one; empty when one is to be started."""
    version: str
    """Its version, such as 2.15.1; empty for one that runs already."""
    origin: str
    """Where it comes from, in words."""

    @property
    def where(self) -> str:
        """Its address without a password, or its command."""
        return shown(self.url) if self.url else " ".join(self.argv)


def server_at(url: str, *, name: str, example: str) -> Server:
    """The record of a server that the caller runs; whether it answers is seen at its start.

    Raises:
        UsageError: another scheme than the example's, no port, or not on loopback.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise UsageError(f"{name} at {shown(url)!r}: {error}; expected {example}") from error
    if parts.scheme != urlsplit(example).scheme or not port or not host:
        raise UsageError(f"{name} at {shown(url)!r}: expected an address such as {example}")
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"{name} at {host!r}: expected an address on loopback (127.0.0.1, ::1, localhost), "
            "as a run loads it heavily and writes to it; forward a port to use another machine's"
        )
    return Server(url=url, version="", origin="the address given")


def shown(url: str) -> str:
    """An address as messages and files may have it: no password."""
    scheme, mark, rest = url.partition("://")
    secret, at, place = rest.rpartition("@")
    return f"{scheme}{mark}{secret.partition(':')[0]}{at}{place}"


def version_said(binary: Path, oldest: Version) -> str:
    """The version that a binary says of itself.

    Raises:
        Refused: it says none, or an older one than ``oldest``.
    """
    said = capture([str(binary), "--version"])
    version = parse_version(said.text)
    if said.code != 0 or not version:
        raise Refused(f"{binary} does not say its version: {said.last_line}")
    if version < oldest:
        raise Refused(f"{binary} is {dotted(version)}, and {dotted(oldest)} or newer is needed")
    return dotted(version)


def remembered(memory: Path, files: tuple[Path, ...], prove: Callable[[], str]) -> str:
    """The version that `prove` found, asked anew only when one of `files` has changed.

    Raises:
        Refused: a file is not there, or what `prove` raises; nothing is remembered then.
    """
    try:
        facts = [(file.absolute(), file.stat()) for file in files]
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from error
    mark = " ".join(f"{file} {fact.st_size} {fact.st_mtime_ns}" for file, fact in facts)
    known = _recall(memory)
    if mark not in known:
        known[mark] = prove()
        memory.parent.mkdir(parents=True, exist_ok=True)
        fresh = memory.with_suffix(".fresh")
        fresh.write_text(json.dumps(known, indent=1), encoding="utf-8")
        fresh.replace(memory)
    return known[mark]


def _recall(memory: Path) -> dict[str, str]:
    """What was proven before; a memory that is absent or broken is empty."""
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in known.items()} if isinstance(known, dict) else {}
