"""Bring a one-node cluster up, take it down, look at it, and run a command in its network.

Called by the command line and by tests. A cluster is known by its folder alone.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from harness.clock import NS_PER_S, SystemClock
from harness.cluster.onenode import cgroups
from harness.cluster.onenode.keeper import RELEASE, clear
from harness.cluster.onenode.place import Place, Tools, is_alive
from harness.errors import MachineError, UsageError

COMMANDS = ("unshare", "nsenter", "setpriv", "mount", "ip")
UP_S, DOWN_S = 120.0, 30.0
POLL_S = 0.05
Report = Callable[[str], None]
CLOCK = SystemClock()


def why_not() -> str:
    """Why this machine cannot hold such a cluster, with the remedy; empty when it can."""
    if sys.platform != "linux":
        return "needs Linux; use a cluster of your own, by its kubeconfig"
    if os.geteuid() != 0:
        return "needs root for its namespaces; run it as root, or use a cluster of your own"
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}; install util-linux and iproute2"
    if not cgroups.hierarchies():
        return "no control groups are mounted; mount them, as systemd and containers do"
    return ""


@contextmanager
def brought_up(place: Place, tools: Tools, report: Report) -> Iterator[Callable[[], None]]:
    """A cluster with its node ready; it goes with this block, unless what is yielded is called.

    Should this process die in the block, the keeper takes the cluster down.

    Raises:
        UsageError: one is up in this folder already.
        MachineError: the machine cannot hold one, or a part of it did not start.
    """
    if reason := why_not():
        raise MachineError(f"no cluster here: {reason}")
    if place.is_kept():
        raise UsageError(
            f"a cluster is up in {place.root}; take it down (onceproof cluster down), or give "
            "another --name"
        )
    take_down(place)
    shutil.rmtree(place.root, ignore_errors=True)
    place.logs.mkdir(parents=True)
    place.progress.touch()
    place.write_tools(tools)
    keeper = _start_keeper(place)
    let_go = False

    def release() -> None:
        nonlocal let_go
        let_go = True

    try:
        _await_up(place, keeper, report)
        yield release
        if let_go and keeper.stdin is not None:
            keeper.stdin.write(RELEASE)
            keeper.stdin.flush()
    finally:
        if keeper.stdin is not None:
            keeper.stdin.close()
        if not let_go:
            keeper.wait(timeout=DOWN_S)
            _await_clear(place)


def take_down(place: Place) -> bool:
    """End the cluster of this folder and remove all of it but its logs; whether there was one.

    Also clears up after a keeper and an heir that were both killed.

    Raises:
        MachineError: something of it stays.
    """
    record = place.read_record()
    if record is not None and is_alive(record.keeper):
        os.kill(int(record.keeper.partition(".")[0]), signal.SIGTERM)
        _await(lambda: not is_alive(record.keeper), f"the end of keeper {record.keeper}")
        with suppress(MachineError):
            _await_clear(place)
    if record is None and not cgroups.left(place.cgroup) and not place.state.exists():
        return False
    if stayed := clear(place):
        raise MachineError(
            f"control groups with processes stay: {', '.join(map(str, stayed))}; "
            "end the processes named in their cgroup.procs, then take the cluster down again"
        )
    return True


def in_network(place: Place, argv: Sequence[str]) -> tuple[str, ...]:
    """The command that runs `argv` in the cluster's network, with files of this machine.

    Raises:
        UsageError: no cluster is up in this folder.
    """
    record = place.read_record()
    if record is None or not is_alive(record.keeper) or not record.init:
        raise UsageError(f"no cluster is up in {place.root}; see `onceproof cluster up --help`")
    return ("nsenter", f"--net=/proc/{record.init}/ns/net", "--", *argv)


def environ_of(place: Place) -> dict[str, str]:
    """The environment for `in_network`: KUBECONFIG, the worker's image, and no proxy."""
    kept = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
    record = place.read_record()
    worker = str(record.tools["worker"]) if record is not None else ""
    named = {"ONCEPROOF_WORKER_IMAGE": worker} if worker else {}
    return {**named, **kept, "KUBECONFIG": str(place.kubeconfig)}


def kubectl(place: Place, *arguments: str) -> tuple[str, ...]:
    """The command that asks the cluster with our own kubectl."""
    record = place.read_record()
    binary = str(record.tools["kube"]) if record is not None else "kubectl"
    return in_network(place, (binary, "kubectl", *arguments))


def _start_keeper(place: Place) -> "subprocess.Popen[bytes]":
    with (place.logs / "keeper.log").open("ab") as log:
        return subprocess.Popen(
            (sys.executable, "-m", "harness.cluster.onenode.keeper", str(place.root)),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_up(place: Place, keeper: "subprocess.Popen[bytes]", report: Report) -> None:
    """Report each event of process 1 until the cluster is up."""
    began_ns = CLOCK.monotonic_ns()
    seen = 0
    while (CLOCK.monotonic_ns() - began_ns) / NS_PER_S < UP_S:
        is_over = keeper.poll() is not None
        lines = place.progress.read_text(encoding="utf-8").splitlines()
        for line in lines[seen:]:
            said = json.loads(line)
            if said["what"].startswith("failed"):
                raise MachineError(f"the cluster did not start: {said['what']}")
            if said["what"] == "up":
                return
            report(f"{said['s']:6.1f} s  {said['what']}")
        seen = len(lines)
        if is_over:
            log = place.logs / "keeper.log"
            raise MachineError(
                f"the cluster did not start; the end of {log}:\n{log.read_text()[-2000:]}"
            )
        Event().wait(POLL_S)
    raise MachineError(f"the cluster was not up within {UP_S:g} s; logs: {place.logs}")


def _await_clear(place: Place) -> None:
    """Until the heir has removed what was left."""
    _await(
        lambda: not cgroups.left(place.cgroup) and not place.state.exists(),
        f"the removal of {place.state} and of the control groups {place.cgroup}",
    )


def _await(is_done: Callable[[], bool], what: str) -> None:
    began_ns = CLOCK.monotonic_ns()
    while not is_done():
        if (CLOCK.monotonic_ns() - began_ns) / NS_PER_S > DOWN_S:
            raise MachineError(f"waited {DOWN_S:g} s for {what}")
        Event().wait(POLL_S)


def folder_of(cache: Path, name: str) -> Place:
    """The place of the cluster of this name.

    Raises:
        UsageError: the name is no file name of letters, digits, dots and dashes.
    """
    if not name or not all(sign.isalnum() or sign in "-." for sign in name) or name[0] == ".":
        raise UsageError(f"--name {name!r}: expected letters, digits, dots and dashes")
    return Place(cache / "clusters" / name)
