"""Our folder outside the checkout: builds and binaries that outlive a run, written atomically.

`$ONCEPROOF_CACHE`, else `$XDG_CACHE_HOME/onceproof`, else `~/.cache/onceproof`. An entry is made in
a temporary folder of the same file system and renamed, so that it is whole or absent.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from harness.clock import NS_PER_S, Clock
from harness.errors import MachineError
from harness.provide.chain import Report
from harness.provide.command import SYSTEM_CLOCK

GIB = 1 << 30


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The cache, made when it is absent.

    Raises:
        MachineError: it cannot be made or written.
    """
    if named := environ.get("ONCEPROOF_CACHE"):
        folder = Path(named).expanduser().absolute()
    elif xdg := environ.get("XDG_CACHE_HOME"):
        folder = Path(xdg).expanduser().absolute() / "onceproof"
    else:
        folder = Path("~/.cache/onceproof").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(
            f"the cache {folder} cannot be made ({error.strerror}); "
            "set ONCEPROOF_CACHE to a folder that you can write"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise MachineError(
            f"the cache {folder} cannot be written by user {os.geteuid()}; "
            "set ONCEPROOF_CACHE to a folder that you can write"
        )
    return folder


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written beside `folder`, which need not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def need_free(
    folder: Path, need: int, what: str, *, free: Callable[[Path], int] = free_bytes
) -> None:
    """Refuse before a byte is written.

    Raises:
        MachineError: fewer than `need` bytes are free; the message has both numbers.
    """
    have = free(folder)
    if have < need:
        raise MachineError(
            f"{what} needs {need / GIB:.1f} GiB free in {folder}, found {have / GIB:.1f} GiB; "
            "free some, or set ONCEPROOF_CACHE to a folder on a larger disk"
        )


@contextmanager
def locked(
    path: Path, report: Report, *, deadline_s: float = 3600.0, clock: Clock = SYSTEM_CLOCK
) -> Iterator[None]:
    """Hold an exclusive lock file, waiting for another holder with a line every 10 s.

    The kernel lets go of it when the holder dies, so a stale lock cannot exist.

    Raises:
        MachineError: still held by another after `deadline_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    began_ns = clock.monotonic_ns()
    with path.open("a+") as lock:
        polls = 0
        while not _take(lock.fileno()):
            waited_s = (clock.monotonic_ns() - began_ns) / NS_PER_S
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            if waited_s > deadline_s:
                raise MachineError(
                    f"process {holder} has held {path} for over {deadline_s:.0f} s; "
                    "end it or wait, then try again"
                )
            if polls % 20 == 0:
                report(f"process {holder} is at the same work; waiting ({waited_s:.0f} s)")
            polls += 1
            Event().wait(0.5)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours, also its read-only parts; one that is absent is fine."""
    if not folder.exists():
        return
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(parent) / name
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | stat.S_IRWXU)
    shutil.rmtree(folder)
