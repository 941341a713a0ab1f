"""Room on the disks of a run: enough before a server is started, and what ran out of it later.

Servers behave in many ways on a full disk: Redis refuses writes, RabbitMQ takes no message and says
nothing to the publisher, NATS turns its streams off. All of them write a line about it.
"""

import re
import shutil
from pathlib import Path

from harness.errors import MachineError

ROOM_MB = 100
"""What a server must find free: RabbitMQ stops taking messages below 50 MB, a new PostgreSQL takes
40 MB and begins its log with 16 MB.
"""
FULL = re.compile(
    rb"no space left on device|\benospc\b|database or disk is full|disk resource limit alarm set|"
    rb"short write while writing to the aof file",
    re.IGNORECASE,
)


def refuse_full_disk(folder: Path, name: str) -> None:
    """Before a server is started there.

    Raises:
        MachineError: less than `ROOM_MB` is free.
    """
    free = shutil.disk_usage(folder).free >> 20
    if free < ROOM_MB:
        raise MachineError(
            f"{folder} has {free} MB free, {name} needs {ROOM_MB} MB; free the disk, or name "
            "another place: --out"
        )


def ran_out_of_disk(logs: Path) -> list[str]:
    """A sentence for each process whose log says that its disk was full."""
    found = []
    for path in sorted(logs.glob("*.log")):
        with path.open("rb") as lines:
            told = [line for line in lines if FULL.search(line)]
        if told:
            first = told[0].decode(errors="replace").strip()[:200]
            found.append(f"the disk of {path.stem} was full ({len(told)} lines): {first}")
    return found
