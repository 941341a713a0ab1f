"""The witness as a process: `python -m mock_llm.server --port P --ledger DIR --run ID --seed N`.

The process that is started is the server: no supervisor, no children, so that a kill ends it. It
listens on 127.0.0.1, or on the one address that it is told, and writes nothing but its ledger, and
what goes wrong to its standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn

from mock_llm import config as configs
from mock_llm.app import App
from mock_llm.clock import SystemClock
from mock_llm.ledger import LedgerError, next_segment
from mock_llm.witness import Witness

HOST = "127.0.0.1"
"""Where it listens when nothing else is said."""
KEEP_ALIVE_S = 3600
"""Longer than a run's idle times: a connection closed under a client would look like a fault."""

GRACE_S = 1
"""What is in flight after SIGTERM has so long; then it is ledgered as dropped."""

EXIT_USAGE = 254
EXIT_BROKEN = 255


class _Server(uvicorn.Server):
    """A server that returns after a signal, so that the ledger is closed and the exit code is
    ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; 0 after one, 254 for wrong arguments, 255 when the ledger broke."""
    asked = _parse(arguments)
    clock = SystemClock()
    try:
        config = configs.parse(asked.config.read_bytes()) if asked.config else configs.Config()
        listener = _listener(asked.host, asked.port)
        ledger = next_segment(
            asked.ledger, run=asked.run, seed=asked.seed, clock=clock, is_synced=config.fsync
        )
    except (configs.ConfigError, LedgerError, OSError) as error:
        sys.stderr.write(f"witness: {error}\n")
        return EXIT_USAGE
    # What lives now lives on, and requests leave few cycles: the collector need not look often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    troubles: list[str] = []
    with contextlib.closing(ledger):
        witness = Witness(ledger, config=config, seed=asked.seed, clock=clock)
        _server(witness, troubles).run(sockets=[listener])
    for trouble in troubles[:1]:
        sys.stderr.write(f"witness: {trouble}\n")
    return EXIT_BROKEN if troubles else 0


def _listener(host: str, port: int) -> socket.socket:
    """A socket bound to the address: bound first, so that a busy port leaves no segment behind."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"port {port} of {host} cannot be had: {error}") from error
    return listener


def _server(witness: Witness, troubles: list[str]) -> uvicorn.Server:
    def stop(trouble: str) -> None:
        troubles.append(trouble)
        server.should_exit = True

    server = _Server(
        uvicorn.Config(
            App(witness, stop=stop),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=4096,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    return server


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mock_llm.server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=HOST, help="an address of this machine")
    parser.add_argument("--ledger", type=Path, required=True, help="directory of its segments")
    parser.add_argument("--run", required=True, help="id of the run")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--config", type=Path, help="JSON file of settings; see mock_llm.config")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
