"""pods.json: which incarnation is where, and whether it takes requests; the driver follows it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from harness.protocols import Pod


class _Counted(Pod, Protocol):
    incarnation: int


def write_book(path: Path, pods: Iterable[_Counted]) -> None:
    """Replace the file atomically; a slot in which nothing ever ran is not in it."""
    entries = [
        {
            "slot": pod.slot,
            "caller": pod.caller,
            "url": pod.url,
            "state": "ready" if pod.is_ready else "down",
        }
        for pod in pods
        if pod.incarnation
    ]
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode({"pods": entries}))
    draft.replace(path)
