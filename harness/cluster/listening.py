"""Where a group of processes listens, from /proc: for a server that is not where it should be."""

import os
from pathlib import Path

_LISTEN = "0A"


def ports_of_group(group: int) -> list[int]:
    """TCP ports on which any living process of the group listens, sorted; what is hidden is left
    out.
    """
    inodes: set[str] = set()
    tables: dict[str, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if os.getpgid(int(entry.name)) != group:
                continue
            links = [link.readlink().name for link in (entry / "fd").iterdir()]
            texts = [(entry / "net" / name).read_text() for name in ("tcp", "tcp6")]
        except OSError:
            continue
        inodes.update(link[8:-1] for link in links if link.startswith("socket:["))
        tables.update(_listeners("\n".join(texts)))
    return sorted({int(port, 16) for inode, port in tables.items() if inode in inodes})


def _listeners(table: str) -> dict[str, str]:
    """Inode -> port in hexadecimal, of a table as in /proc/net/tcp."""
    rows = [line.split() for line in table.splitlines()]
    return {row[9]: row[1].rpartition(":")[2] for row in rows if len(row) > 9 and row[3] == _LISTEN}
