"""The keeper of a one-node cluster: `python -m harness.cluster.onenode.keeper FOLDER`.

It holds the cluster's namespaces and ends them when it is told to (SIGTERM), when the cluster ends
by itself, or when its starter dies before it has let go. Its heir, a fork of it, waits for its end,
by whatever cause, and then removes what no namespace takes along: the control groups of the pods
and the folder of their state. So no single SIGKILL leaves anything behind.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from harness.cluster.keeper import PR_SET_CHILD_SUBREAPER, end_descendants
from harness.cluster.onenode import cgroups
from harness.cluster.onenode.place import Place
from harness.cluster.processes import identity_of

RELEASE = b"r"
"""What the starter writes when the cluster is to outlive it."""


def main(folder: str) -> int:
    """Keep one cluster to its end; 0."""
    place = Place(Path(folder))
    leave_heir(place)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    told, tell = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.write(tell, b"t"))
    cgroups.make(place.cgroup)
    outer = start_namespaces(place)
    place.write_record(init=init_of(outer.pid))
    wait_for_end(outer, told)
    end_descendants(os.getpid())
    return 0


def start_namespaces(place: Place) -> "subprocess.Popen[bytes]":
    """Process 1 of the cluster, in namespaces that die with it, as it dies with this process."""
    return subprocess.Popen(
        (
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL"),
            *("--mount-proc", sys.executable, "-m", "harness.cluster.onenode.init"),
            str(place.root),
        ),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def init_of(outer: int) -> int:
    """The child of `unshare`, which is process 1 inside; 0 when it is not there yet."""
    children = Path(f"/proc/{outer}/task/{outer}/children")
    for _ in range(200):
        found = children.read_text(encoding="utf-8").split()
        if found:
            return int(found[0])
        select.select([], [], [], 0.01)
    return 0


def wait_for_end(outer: "subprocess.Popen[bytes]", told: int) -> None:
    """Until the cluster ended, a signal came, or the starter died without a release."""
    ended = os.pidfd_open(outer.pid)
    watched = [ended, told, sys.stdin.fileno()]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if sys.stdin.fileno() in ready and os.read(sys.stdin.fileno(), 1) == RELEASE:
            watched.remove(sys.stdin.fileno())
            continue
        return


def leave_heir(place: Place) -> None:
    """Fork the process that clears up when this one has ended; it is no descendant of this one."""
    kept, held = os.pipe()
    keeper = identity_of(os.getpid())
    if child := os.fork():
        os.close(kept)
        os.waitpid(child, 0)
        return
    os.close(held)
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.read(kept, 1)
    _clear_and_exit(place, keeper)


def _clear_and_exit(place: Place, keeper: str) -> NoReturn:
    record = place.read_record()
    if record is None or record.keeper == keeper:
        clear(place)
    os._exit(0)


def clear(place: Place) -> list[Path]:
    """Remove what a cluster leaves that is down: its control groups, its state, its record.

    The logs and the progress stay. Returns the control groups that could not be removed.
    """
    stayed = cgroups.remove(place.cgroup)
    if not stayed:
        for file in (place.kubeconfig, place.tools_file, place.record_file):
            file.unlink(missing_ok=True)
    # The state last: whoever waits for the end waits for it.
    for folder in (place.keys, place.configs, place.state):
        shutil.rmtree(folder, ignore_errors=True)
    return stayed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
