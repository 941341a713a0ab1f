"""Ports: on loopback, below the ephemeral range, never handed out twice."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cluster.ports import FIRST, LAST, Ports, is_free
from harness.errors import MachineError


def test_no_port_is_handed_out_twice() -> None:
    """A port is kept for the run, also when its server is gone."""
    ports = Ports(1)
    taken = [ports.take() for _ in range(50)]

    assert len(set(taken)) == 50
    assert ports.taken == set(taken)
    assert all(FIRST <= port <= LAST for port in taken)


def test_the_range_lies_below_the_ephemeral_one() -> None:
    """An outgoing connection must not take a port between two incarnations."""
    range_of_machine = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    if range_of_machine != ["32768", "60999"]:
        pytest.skip(f"this machine's ephemeral range is {'-'.join(range_of_machine)}, not Linux's")

    assert int(range_of_machine[0]) > LAST


def test_a_taken_port_is_passed_over() -> None:
    """What another program listens on is not ours."""
    expected = Ports(7).take()
    with socket.create_server(("127.0.0.1", expected)):
        assert not is_free(expected)
        assert Ports(7).take() != expected


def test_harnesses_start_at_different_ports() -> None:
    """Two harnesses on one machine rarely race for the same port."""
    assert len({Ports(pid).take() for pid in range(100, 120)}) == 20


def test_two_harnesses_never_get_the_same_port() -> None:
    """From the same start, before any server listens; the port is free again with its harness."""
    first = Ports(7)
    port = first.take()
    other = Ports(7).take()
    del first

    assert other != port
    assert Ports(7).take() == port


def test_a_dead_harness_holds_no_port() -> None:
    """The kernel takes the reservation back; a child of the harness does not keep it."""
    code = (
        "import os, subprocess; from harness.cluster.ports import Ports; ports = Ports(9);"
        "print(ports.take(), flush=True); child = subprocess.Popen(['sleep', '30']);"
        "print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    port, child = map(int, said.stdout.split())
    try:
        assert Ports(9).take() == port
    finally:
        os.kill(child, signal.SIGKILL)


def test_without_any_port_the_machine_is_to_blame() -> None:
    """The message says what was looked for and the next move."""
    ports = Ports(0, last=FIRST + 1)
    with contextlib.suppress(MachineError):
        ports.take()
        ports.take()

    with pytest.raises(MachineError, match="no free port"):
        ports.take()
