"""Run in a worker's container by a fault: SIGKILL to one container's process, seen by the kubelet.

`python3 -m harness.cluster.kubernetes.strike worker|daprd`; the pod's containers share their
process ids. Says whom it killed; ends with 1 when there was nobody.
"""

import os
import signal
import sys
from pathlib import Path

from harness.cluster.kubernetes.container import PID_FILE, SELF


def main() -> None:
    """Find and kill."""
    name = sys.argv[1]
    found = [_own()] if name == "worker" else pids_of(name, Path("/proc"))
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    print(f"SIGKILL to {name}, process {', '.join(map(str, found)) or 'none'}")  # noqa: T201
    sys.exit(0 if found else 1)


def _own() -> int:
    return int((SELF / PID_FILE).read_text())


def pids_of(name: str, processes: Path) -> list[int]:
    """Those whose program is called ``name``."""
    found = []
    for entry in processes.iterdir():
        try:
            if entry.name.isdecimal() and (entry / "comm").read_text().strip() == name:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
