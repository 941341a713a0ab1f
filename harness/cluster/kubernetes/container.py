"""Runs first in a worker's container: asks who it is, then becomes the worker.

`python3 -m harness.cluster.kubernetes.container COMMAND...`, with the standard library alone.
A pod does not know its slot, and a restarted container not that it is the second one; the harness
gives out both, as its ledger must tell one life from the next.
"""

import json
import os
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

SELF = Path("/onceproof/self")
PID_FILE = "worker.pid"
ASKS_MAX, PAUSE_S = 600, 0.1
"""A minute, and longer where nobody answers."""


def main() -> None:
    """Count this start, ask, leave the process id for faults, become the worker."""
    command = [sys.executable if word == "python3" else word for word in sys.argv[1:]]
    starts = started(SELF)
    environ = {**os.environ, **asked(os.environ, starts)}
    (SELF / PID_FILE).write_text(str(os.getpid()))
    os.execvpe(command[0], command, environ)


def started(folder: Path) -> int:
    """How many containers of this pod have started, this one included."""
    counter = folder / "starts"
    count = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(count))
    return count


def asked(environ: os._Environ[str] | dict[str, str], starts: int) -> dict[str, str]:
    """The part of the environment that depends on slot and incarnation.

    A harness that has no free slot yet says so with 503, and is asked again.
    """
    body = {"pod": environ["POD_NAME"], "uid": environ["POD_UID"], "starts": starts}
    request = urllib.request.Request(
        environ["ONCEPROOF_IDENTITY_URL"], json.dumps(body).encode(), method="POST"
    )
    problem = ""
    for _ in range(ASKS_MAX):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                found: dict[str, str] = json.load(answer)
                return found
        except (OSError, urllib.error.URLError) as error:
            problem = str(error)
        threading.Event().wait(PAUSE_S)
    sys.exit(
        f"asked {ASKS_MAX} times, and no identity from {request.full_url}: {problem}; the harness "
        "must be reachable from the pod network"
    )


if __name__ == "__main__":
    main()
